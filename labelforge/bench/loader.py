"""Suite ``loader``: random access to shards, beside the same images and label maps as loose files.

Both hold the same bytes and are read in the same shuffled order, through PyTorch's data loader. The rival opens two
files per image with PIL, as a dataset class of a tutorial does; of it less is asked: no checks, no facts about the
sample. All files are in the page cache after the warm-up, so what is measured is the work, not the disk: first of
getting at the bytes, then of decoding them too, in this process and in workers.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from labelforge.bench.config import Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.timing import Contestant
from labelforge.bench.workload import TREE, draw_image, draw_rows
from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.shards import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIX,
    VERSION,
    EncodedSample,
    LabelRecord,
    Manifest,
    ShardReader,
    ShardRecord,
    TaxonomyRecord,
    Totals,
    encode_image,
    encode_label,
    open_folder,
    write_shard,
)
from labelforge.taxonomy import Taxonomy

__all__ = ["bench_loader"]

_READ_SHARDS, _READ_FILES = "reading shards", "reading files"
_SHARDS, _FILES = "shards", "files"
_WORKERS = (0, 1, 2)
_DATASET = "cityscapes"


def bench_loader(scale: Scale, meter: Meter, shards: str | None) -> SuiteReport:
    """Run the suite.

    Args:
        scale: Number and size of the images; with ``shards``, at most so many, at their own size.
        meter: What measures.
        shards: Shards to read; None: synthetic ones in a temporary folder.

    Raises:
        ShardError: The shards are missing, broken or empty.
    """
    with tempfile.TemporaryDirectory(prefix="labelforge-bench-") as folder:
        if shards is None:
            meter.say("writing synthetic shards")
            _write_synthetic(Path(folder, "shards"), scale)
        reader = ShardReader(Path(folder, "shards") if shards is None else shards)
        if not len(reader):
            raise ShardError("holds no sample", where=reader.url, cure="Give shards of a split that has images.")
        meter.say("copying shards to loose files")
        order = np.random.default_rng(0).permutation(len(reader))[: scale.batch].tolist()
        files = [_extract(reader, number, Path(folder, f"{number:06d}")) for number in order]
        size = sum(path.stat().st_size for pair in files for path in pair) / 2**20
        access = _race_access(reader, order, files, meter)
        decoding = _race_decoding(reader, order, files, meter)
    what = f"{scale.text} synthetic images" if shards is None else f"{len(order)} images of {reader.url}"
    return SuiteReport(
        suite="loader",
        work=f"{what}, {files[0].image.suffix[1:]} and label png, {size:.1f} MiB, in the page cache",
        shrunk=scale.shrunk if shards is None else None,
        races=(access, decoding),
        finding=_finding(access, decoding),
    )


def _finding(access: Race, decoding: Race) -> str:
    crews = [_crew(workers) for workers in _affordable_workers()]
    pairs = [
        f"{decoding.times(f'{_SHARDS}, {crew}', f'{_FILES}, {crew}')} as long as loose files with {crew}"
        for crew in crews
    ]
    gains = [
        f"with {crew} reading shards takes {decoding.times(f'{_SHARDS}, {crew}', f'{_SHARDS}, {crews[0]}')}"
        for crew in crews[1:]
    ]
    text = f"{access.sentence(_READ_SHARDS, _READ_FILES)} Decoded too, shards take {', '.join(pairs)}."
    return f"{text} Beside no worker, {', '.join(gains)} as long." if gains else text


class _Files(NamedTuple):
    """One sample as loose files."""

    image: Path
    label: Path


class _ShardImages(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, reader: ShardReader, order: Sequence[int]) -> None:
        self._reader, self._order = reader, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self._reader[self._order[position]]
        return torch.tensor(sample.image), torch.tensor(sample.label)


class _LooseImages(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, files: Sequence[_Files]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        files = self._files[position]
        if files.image.suffix == ".npy":
            image = np.load(files.image)
        else:
            with Image.open(files.image) as picture:
                image = np.asarray(picture.convert("RGB"))
        with Image.open(files.label) as picture:
            return torch.tensor(image), torch.tensor(np.asarray(picture))


def _race_access(reader: ShardReader, order: Sequence[int], files: Sequence[_Files], meter: Meter) -> Race:
    def from_shards() -> None:
        for number, (image, _) in zip(order, files, strict=True):
            members = reader.members(number)
            for suffix in (image.suffix[1:], LABEL_SUFFIX):
                bytes(members[suffix])  # a member is a view of the mapped file: only a copy reads it

    def from_files() -> None:
        for image, label in files:
            image.read_bytes()
            label.read_bytes()

    contestants = [Contestant(_READ_SHARDS, from_shards), Contestant(_READ_FILES, from_files)]
    return meter.race("bytes only", contestants, rival=_READ_FILES, unit="images", amount=len(order), memory=False)


def _race_decoding(reader: ShardReader, order: Sequence[int], files: Sequence[_Files], meter: Meter) -> Race:
    contestants = []
    for workers in _affordable_workers():
        shards, loose = _loader(_ShardImages(reader, order), workers), _loader(_LooseImages(files), workers)
        contestants.append(Contestant(f"{_SHARDS}, {_crew(workers)}", partial(_exhaust, shards)))
        contestants.append(Contestant(f"{_FILES}, {_crew(workers)}", partial(_exhaust, loose)))
    rival = f"{_FILES}, {_crew(0)}"
    return meter.race("decoded too", contestants, rival=rival, unit="images", amount=len(order), memory=False)


def _loader(dataset: Dataset[Any], workers: int) -> DataLoader[Any]:
    # Workers live on between epochs: starting them is no part of what is measured.
    return DataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=workers > 0)


def _exhaust(loader: DataLoader[Any]) -> None:
    for _ in loader:
        pass


def _affordable_workers() -> list[int]:
    """Numbers of workers to measure: none more than there are processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [workers for workers in _WORKERS if workers <= processors]


def _crew(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _extract(reader: ShardReader, number: int, stem: Path) -> _Files:
    """Copy the image and the label map of a sample into files of their own."""
    members = reader.members(number)
    suffix = next((suffix for suffix in IMAGE_SUFFIXES if suffix in members), None)
    if suffix is None or LABEL_SUFFIX not in members:
        cure = "Convert the dataset again."
        raise ShardError(f"sample {reader.keys[number]} has no image or no label map", where=reader.url, cure=cure)
    files = _Files(stem.with_suffix(f".{suffix}"), stem.with_suffix(f".{LABEL_SUFFIX}"))
    files.image.write_bytes(members[suffix])
    files.label.write_bytes(members[LABEL_SUFFIX])
    return files


def _write_synthetic(folder: Path, scale: Scale) -> None:
    """Shards as a conversion of Cityscapes to jpeg would write them, of made-up images."""
    tree = Taxonomy.load(TREE)
    mapping = LabelMapping.load(tree, _DATASET)
    pixels = np.zeros(len(mapping.rows), np.int64)
    samples = []
    for number in range(scale.batch):
        rng = np.random.default_rng(number)
        rows = draw_rows(rng, len(mapping.rows), scale.size)
        counts = np.bincount(rows.ravel(), minlength=len(pixels))
        pixels += counts
        members = (
            ("jpg", encode_image(draw_image(rng, rows), "jpg")),
            (LABEL_SUFFIX, encode_label(rows, [(i, i, i) for i in range(len(pixels))])),
            ("json", json.dumps({"source": f"synthetic {number}"}).encode()),
        )
        present = {row: int(count) for row, count in enumerate(counts) if count}
        samples.append(EncodedSample(f"synthetic_{number:06d}", members, *scale.size, present))
    target = open_folder(folder)
    index = write_shard(target, 0, samples, options={}, inputs="")
    ignored = sum(int(pixels[row.row]) for row in mapping.rows[1:] if row.target.ignored)
    Manifest(
        version=VERSION,
        dataset=mapping.dataset,
        split="train",
        taxonomy=TaxonomyRecord(name=tree.name, digest=tree.digest, definition=tree.to_dict()),
        mapping_digest=mapping.digest,
        labels=tuple(LabelRecord(**record, pixels=int(pixels[record["row"]])) for record in mapping.to_records()),
        options={},
        shards=(ShardRecord(name=index.name, sha256=index.sha256, size=index.size, samples=len(samples)),),
        totals=Totals(
            samples=len(samples),
            pixels=int(pixels.sum()),
            used=int(pixels[1:].sum()) - ignored,
            ignored=ignored,
            unannotated=int(pixels[0]),
        ),
    ).write(target)
