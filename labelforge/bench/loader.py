"""Suite ``loader``: random access to shards and whole training samples, against what others would read them from.

Three races on the same images and label maps, all in the page cache after the warm-up, so that the work is measured and
not the disk.

- *Training samples*, in this process: shards of each image codec against a folder of png files read through Pillow, and
  against webdataset and litdata where they are installed (`labelforge.bench.loader_rivals`).
- *Bytes only* and *decoded too*: shards against loose files that hold the same bytes, read in the same shuffled order
  through PyTorch's data loader, in this process and in workers. The rival opens two files per image with PIL, as the
  dataset class in a tutorial does; it does less: no checks, no facts about the sample.
- *Tiny images*: samples by number against their decoding alone. The difference is what random access costs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from labelforge.bench.config import Scale
from labelforge.bench.loader_rivals import LooseFiles, copy_as, copy_to_files, crops_of_files, installed_rivals
from labelforge.bench.machine import usable_cores
from labelforge.bench.meter import Meter
from labelforge.bench.results import Race, SuiteReport, quartiles
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
from labelforge.shards.codec import decode_image, decode_label
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.crops import CropDataset

_READ_SHARDS, _READ_FILES = "reading shards", "reading files"
_SHARDS, _FILES = "shards", "files"
_PNG_FOLDER = "png folder, Pillow"
_BY_NUMBER, _DECODING = "samples by number", "decoding alone"
_MOST_WORKERS = 2
_TINY: Final = (8, 8)
_TINY_IMAGES: Final = 200


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
        samples = _race_samples(reader, order, Path(folder), meter)
        access = _race_access(reader, order, files, meter)
        decoding = _race_decoding(reader, order, files, meter)
        tiny = _race_tiny(Path(folder, "tiny"), meter)
    what = f"{len(order)} images of {reader.url}" if scale.shards else f"{scale.text} synthetic images"
    return SuiteReport(
        suite="loader",
        work=f"{what}, {files[0].image.suffix[1:]} and label png, {size:.1f} MiB, in the page cache",
        shrunk=None if scale.shards else scale.shrunk,
        races=(samples, access, decoding, tiny),
        finding=_finding(samples, access, decoding, tiny),
    )


def _race_samples(reader: ShardReader, order: Sequence[int], folder: Path, meter: Meter) -> Race:
    meter.say("copying images to each codec")
    config = DataConfig(crop=crop_of((int(reader.sizes[order, 0].min()), int(reader.sizes[order, 1].min()))))
    shards = {suffix: copy_as(reader, order, folder / f"as-{suffix}", suffix) for suffix in IMAGE_SUFFIXES}
    table = TargetTable.compile(reader.taxonomy, [reader.mapping])
    contestants: dict[str, Callable[[], object]] = {
        _shards_of(suffix): partial(_read_crops, CropDataset(copied, table, config))
        for suffix, copied in shards.items()
    }
    png = shards["png"]
    (folder / "png").mkdir()
    files = [copy_to_files(png, number, folder / "png" / f"{number:06d}") for number in range(len(png))]
    contestants[_PNG_FOLDER] = partial(crops_of_files, files, config)
    contestants |= installed_rivals(shards["jpg"], folder, config)
    title = f"training samples, crops of {config.crop[0]}x{config.crop[1]}"
    return meter.race(title, contestants, rival=_PNG_FOLDER, unit="images", amount=len(order), memory=False)


def crop_of(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the crops of images of a size: the paper's for Cityscapes', and that part of any other."""
    return max(1, round(size[0] * 512 / 1024)), max(1, round(size[1] * 706 / 2048))


def _read_crops(crops: CropDataset) -> None:
    for _ in crops:
        pass


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


def _race_tiny(folder: Path, meter: Meter) -> Race:
    write_synthetic_shards(folder, _TINY_IMAGES, _TINY)
    reader = ShardReader(folder)
    order = np.random.default_rng(0).permutation(len(reader)).tolist()
    stored = [(members["jpg"], members[LABEL_SUFFIX]) for members in map(reader.members, order)]

    def by_number() -> None:
        for number in order:
            reader[number]

    def decoding() -> None:
        for image, label in stored:
            decode_image(image, "jpg")
            decode_label(label)

    contestants = {_BY_NUMBER: by_number, _DECODING: decoding}
    return meter.race("tiny images", contestants, rival=_DECODING, unit="images", amount=len(order), memory=False)


def _finding(samples: Race, access: Race, decoding: Race, tiny: Race) -> str:
    def time(workers: int, rival: str) -> str:
        return f"{decoding.times(_name(_SHARDS, workers), rival)} with {_crew(workers)}"

    counts = _worker_counts()
    files = ", ".join(time(workers, _name(_FILES, workers)) for workers in counts)
    none = ", ".join(time(workers, _name(_SHARDS, 0)) for workers in counts[1:])
    bytes_only = access.sentence(_READ_SHARDS, _READ_FILES)
    whole = ", ".join(f"{suffix} {_speed(samples, _shards_of(suffix))}" for suffix in IMAGE_SUFFIXES)
    turns = zip(tiny.entry(_BY_NUMBER).seconds, tiny.entry(_DECODING).seconds, strict=True)
    beyond = quartiles([whole - part for whole, part in turns]).median
    return (
        f"Training samples per second, beside the {_PNG_FOLDER}: shards of {whole}. "
        f"Random access to a sample costs {beyond / tiny.amount * 1e6:.0f} microseconds beyond its decoding. "
        f"{bytes_only} Decoded too, shards beside files: {files}; shards beside shards with {_crew(0)}: {none}."
    )


def _speed(samples: Race, name: str) -> str:
    """How many times as fast as the folder of png files."""
    return f"{1 / samples.entry(name).ratio.turns.median:.1f} times"


def _shards_of(suffix: str) -> str:
    return f"{_SHARDS}, {suffix}"


def _worker_counts() -> range:
    """Numbers of workers to measure, none larger than the number of processors."""
    return range(min(_MOST_WORKERS, usable_cores()) + 1)


def _name(what: str, workers: int) -> str:
    return f"{what}, {_crew(workers)}"


def _crew(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


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
