"""Suite ``loader``: random access to shards, against the same images and label maps as loose files.

Both hold the same bytes and are read in the same shuffled order, through PyTorch's data loader. The rival opens two
files per image with PIL, as the dataset class in a tutorial does; it does less: no checks, no facts about the sample.
All files are in the page cache after the warm-up, so the work is measured, not the disk: first getting the bytes, then
also decoding them, in this process and in workers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from labelforge.bench.config import Scale
from labelforge.bench.machine import usable_cores
from labelforge.bench.meter import Meter
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.workload import TREE, draw_image, draw_rows
from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.shards import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIX,
    EncodedSample,
    Manifest,
    Sample,
    ShardReader,
    encode_image,
    encode_label,
    open_folder,
    write_shard,
)
from labelforge.taxonomy import Taxonomy

_READ_SHARDS, _READ_FILES = "reading shards", "reading files"
_SHARDS, _FILES = "shards", "files"
_MOST_WORKERS = 2


class LooseFiles(NamedTuple):
    """One sample as loose files."""

    image: Path
    label: Path


def bench_loader(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; with the scale's shards, on at most ``batch`` of their images.

    Raises:
        ShardError: The shards are missing, broken or empty.
    """
    with tempfile.TemporaryDirectory(prefix="labelforge-bench-") as folder:
        if scale.shards is None:
            meter.say("writing synthetic shards")
            write_synthetic_shards(Path(folder, "shards"), scale.batch, scale.size)
        reader = ShardReader(scale.shards or Path(folder, "shards"))
        if not len(reader):
            raise ShardError("holds no sample", where=reader.url, cure="Give shards of a split that has images.")
        meter.say("copying shards to loose files")
        order = np.random.default_rng(0).permutation(len(reader))[: scale.batch].tolist()
        files = [copy_to_files(reader, number, Path(folder, f"{number:06d}")) for number in order]
        size = sum(path.stat().st_size for pair in files for path in pair) / 2**20
        access = _race_access(reader, order, files, meter)
        decoding = _race_decoding(reader, order, files, meter)
    what = f"{len(order)} images of {reader.url}" if scale.shards else f"{scale.text} synthetic images"
    return SuiteReport(
        suite="loader",
        work=f"{what}, {files[0].image.suffix[1:]} and label png, {size:.1f} MiB, in the page cache",
        shrunk=None if scale.shards else scale.shrunk,
        races=(access, decoding),
        finding=_finding(access, decoding),
    )


def _race_access(reader: ShardReader, order: Sequence[int], files: Sequence[LooseFiles], meter: Meter) -> Race:
    def from_shards() -> None:
        for number, (image, _) in zip(order, files, strict=True):
            members = reader.members(number)
            for suffix in (image.suffix[1:], LABEL_SUFFIX):
                bytes(members[suffix])  # a member is a view of the mapped file: only a copy reads it

    def from_files() -> None:
        for path in chain.from_iterable(files):
            path.read_bytes()

    contestants = {_READ_SHARDS: from_shards, _READ_FILES: from_files}
    return meter.race("bytes only", contestants, rival=_READ_FILES, unit="images", amount=len(order), memory=False)


def _race_decoding(reader: ShardReader, order: Sequence[int], files: Sequence[LooseFiles], meter: Meter) -> Race:
    contestants: dict[str, Callable[[], object]] = {}
    for workers in _worker_counts():
        # Workers stay alive between epochs: starting them is not measured.
        loader: Callable[..., DataLoader[Any]] = partial(
            DataLoader, batch_size=None, num_workers=workers, persistent_workers=workers > 0
        )
        shards = loader(reader, sampler=order, collate_fn=read_sample)
        loose = loader(files, collate_fn=read_loose)
        contestants[_name(_SHARDS, workers)] = partial(_exhaust, shards)
        contestants[_name(_FILES, workers)] = partial(_exhaust, loose)
    rival = _name(_FILES, 0)
    return meter.race("decoded too", contestants, rival=rival, unit="images", amount=len(order), memory=False)


def _exhaust(loader: DataLoader[Any]) -> None:
    for _ in loader:
        pass


def read_sample(sample: Sample) -> tuple[Tensor, Tensor]:
    """A sample of shards as a (H, W, 3) uint8 image and (H, W) rows."""
    return torch.tensor(sample.image), torch.tensor(sample.local_rows)


def read_loose(files: LooseFiles) -> tuple[Tensor, Tensor]:
    """The same of loose files."""
    if files.image.suffix == ".npy":
        image = np.load(files.image)
    else:
        with Image.open(files.image) as picture:
            image = np.asarray(picture.convert("RGB"))
    with Image.open(files.label) as picture:
        return torch.tensor(image), torch.tensor(np.asarray(picture))


def _finding(access: Race, decoding: Race) -> str:
    def time(workers: int, rival: str) -> str:
        return f"{decoding.times(_name(_SHARDS, workers), rival)} with {_crew(workers)}"

    counts = _worker_counts()
    files = ", ".join(time(workers, _name(_FILES, workers)) for workers in counts)
    none = ", ".join(time(workers, _name(_SHARDS, 0)) for workers in counts[1:])
    bytes_only = access.sentence(_READ_SHARDS, _READ_FILES)
    return f"{bytes_only} Decoded too, shards beside files: {files}; shards beside shards with {_crew(0)}: {none}."


def _worker_counts() -> range:
    """Numbers of workers to measure, none larger than the number of processors."""
    return range(min(_MOST_WORKERS, usable_cores()) + 1)


def _name(what: str, workers: int) -> str:
    return f"{what}, {_crew(workers)}"


def _crew(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def copy_to_files(reader: ShardReader, number: int, stem: Path) -> LooseFiles:
    """Copy the image and the label map of a sample into separate files.

    Raises:
        ShardError: The sample is broken.
    """
    reader[number]  # both are there and can be read, or it raises
    members = reader.members(number)
    suffix = next(suffix for suffix in IMAGE_SUFFIXES if suffix in members)
    files = LooseFiles(stem.with_suffix(f".{suffix}"), stem.with_suffix(f".{LABEL_SUFFIX}"))
    files.image.write_bytes(members[suffix])
    files.label.write_bytes(members[LABEL_SUFFIX])
    return files


def write_synthetic_shards(folder: Path, images: int, size: tuple[int, int]) -> None:
    """Write a shard as a conversion of Cityscapes to jpeg would, with made-up images of a given size."""
    tree = Taxonomy.load(TREE)
    mapping = LabelMapping.load(tree, "cityscapes")
    palette = [(i, i, i) for i in range(len(mapping.rows))]
    samples = []
    for number in range(images):
        rng = np.random.default_rng(number)
        rows = draw_rows(rng, len(mapping.rows), size)
        image = encode_image(draw_image(rng, rows), "jpg")
        members = (("jpg", image), (LABEL_SUFFIX, encode_label(rows, palette)), ("json", b"{}"))
        present, counts = np.unique(rows, return_counts=True)
        pixels = dict(zip(present.tolist(), counts.tolist(), strict=True))
        samples.append(EncodedSample(f"synthetic_{number:06d}", members, *size, pixels))
    target = open_folder(folder)
    index = write_shard(target, 0, samples, options={}, inputs="")
    Manifest.build(tree, mapping, "train", [index], options={}).write(target)
