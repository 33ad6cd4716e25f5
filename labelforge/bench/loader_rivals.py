"""The same images and label maps in the formats that others would use, and how a training sample is read from them.

A sample here is what `one_crop` makes: decode, take a random view as ours does, resize, cut, mirror. It is written with
Pillow as the dataset class of a tutorial does, but Pillow is told the box to resize, so that it too works on the window
alone. Rivals leave out what labelforge checks, and do not jitter colours: ours are jittered on the training device.

webdataset and litdata take part where they are installed. Both get the jpg shards' own bytes: webdataset reads the very
tar files, one after the other; litdata reads chunks of its own, by number.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelforge.shards import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIX,
    EncodedSample,
    Manifest,
    ShardReader,
    encode_image,
    open_folder,
    write_shard,
)
from labelforge.shards.codec import ImageSuffix
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import draw_view


class LooseFiles(NamedTuple):
    """One sample as loose files."""

    image: Path
    label: Path


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


def copy_as(reader: ShardReader, numbers: Sequence[int], folder: Path, suffix: ImageSuffix) -> ShardReader:
    """Copy some samples into a shard whose images are stored as jpg, png or npy; files of that kind as they are.

    Raises:
        ShardError: A sample is broken.
    """
    samples = []
    for number in numbers:
        members = reader.members(number)
        image = bytes(members[suffix]) if suffix in members else encode_image(reader[number].image, suffix)
        files = ((suffix, image), *((name, bytes(members[name])) for name in (LABEL_SUFFIX, "json")))
        height, width = reader.sizes[number].tolist()
        samples.append(EncodedSample(reader.keys[number], files, height, width, reader.pixels(number)))
    target = open_folder(folder)
    index = write_shard(target, 0, samples, options={}, inputs="")
    Manifest.build(reader.taxonomy, reader.mapping, reader.split, [index], options={}).write(target)
    return ShardReader(folder)


def one_crop(image: Image.Image, label: Image.Image, config: DataConfig, rng: np.random.Generator) -> list[Tensor]:
    """A training crop with Pillow: (3, h, w) uint8 and (h, w) rows.

    Args:
        image: Image, of any mode.
        label: Its label map, of the same size.
        config: What crops are like; none needs padding.
        rng: Source of randomness.
    """
    view = draw_view(rng, (image.height, image.width), config)
    down, along = image.height / view.scaled[0], image.width / view.scaled[1]
    top, left, bottom, right = view.visible
    box = (left * along, top * down, min(right * along, image.width), min(bottom * down, image.height))
    size = (right - left, bottom - top)
    pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR, box=box))
    rows = np.asarray(label.resize(size, Image.Resampling.NEAREST, box=box))
    if view.flip:
        pixels, rows = pixels[:, ::-1], rows[:, ::-1]
    return [torch.tensor(pixels.copy()).permute(2, 0, 1), torch.tensor(rows.copy())]


def crops_of_files(files: Sequence[LooseFiles], config: DataConfig) -> None:
    """A crop of every image of a folder."""
    for number, (image, label) in enumerate(files):
        with Image.open(image) as picture, Image.open(label) as rows:
            one_crop(picture, rows, config, np.random.default_rng(number))


def installed_rivals(reader: ShardReader, folder: Path, config: DataConfig) -> dict[str, Callable[[], None]]:
    """The packages webdataset and litdata as contestants, if they are installed.

    Args:
        reader: Shards of jpg images, on the local disk.
        folder: Where a rival may write its own format; it is made.
        config: What crops are like.
    """
    found: dict[str, Callable[[], None]] = {}
    for name, prepare in {"webdataset": _webdataset, "litdata": _litdata}.items():
        try:
            with warnings.catch_warnings(action="ignore"):
                package = importlib.import_module(name)
        except ImportError:
            continue
        found[f"{name}, jpg"] = _crops_of_bytes(prepare(package, reader, folder / name), config)
    return found


def _crops_of_bytes(open_samples: Callable[[], Iterator[tuple[Any, Any]]], config: DataConfig) -> Callable[[], None]:
    def run() -> None:
        with warnings.catch_warnings(action="ignore"):
            for number, (image, label) in enumerate(open_samples()):
                with Image.open(io.BytesIO(image)) as picture, Image.open(io.BytesIO(label)) as rows:
                    one_crop(picture, rows, config, np.random.default_rng(number))

    return run


def _webdataset(package: Any, reader: ShardReader, folder: Path) -> Callable[[], Iterator[tuple[Any, Any]]]:
    urls = [f"{reader.url}/{shard.name}" for shard in reader.manifest.shards]
    samples = package.WebDataset(urls, shardshuffle=False).to_tuple("jpg", LABEL_SUFFIX)
    return lambda: iter(samples)


def _litdata(package: Any, reader: ShardReader, folder: Path) -> Callable[[], Iterator[tuple[Any, Any]]]:
    folder.mkdir(parents=True)
    writer = importlib.import_module("litdata.streaming.writer").BinaryWriter(str(folder), chunk_bytes=1 << 26)
    for number in range(len(reader)):
        members = reader.members(number)
        writer[number] = {"image": bytes(members["jpg"]), "label": bytes(members[LABEL_SUFFIX])}
    writer.done()
    writer.merge(1)
    samples = package.StreamingDataset(str(folder))
    order = np.random.default_rng(0).permutation(len(reader)).tolist()
    return lambda: ((sample["image"], sample["label"]) for sample in (samples[number] for number in order))
