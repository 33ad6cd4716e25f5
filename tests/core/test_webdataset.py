"""Shards are WebDataset tar files: the library of that name reads them, and finds what `ShardReader` finds."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.shards import IMAGE_SUFFIXES, ShardReader
from labelforge.shards.codec import ImageSuffix
from tests.core import shard_folders

webdataset = pytest.importorskip("webdataset")
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*shard-:ResourceWarning")  # it leaves the last one open


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """What the library leaves open is closed while that warning is expected."""
    yield
    gc.collect()


def shards(path: Path, suffix: ImageSuffix) -> ShardReader:
    """Two shards of a table with 300 labels (16 bit) or 5; keys with dots, slashes and other signs."""
    labels = 300 if suffix == "npy" else 5
    rng = np.random.default_rng(7)
    samples = []
    for i, key in enumerate(["a.b", "c/d", "é ü", "x" * 120, "plain"]):
        size = (6 + i, 20 - i)
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        label = rng.integers(0, labels + 1, size)
        colors = [(k % 256, k // 256, 3) for k in range(labels + 1)]
        samples.append(shard_folders.encoded(key, image, label, colors, suffix))
    shard_folders.write(path, [samples[:2], samples[2:]], shard_folders.mapping(labels))
    return ShardReader(path)


def opened(path: Path) -> Any:
    files = sorted(str(file) for file in path.glob("*.tar"))
    return webdataset.WebDataset(files, shardshuffle=False)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_stored_members(tmp_path: Path, suffix: ImageSuffix) -> None:
    reader = shards(tmp_path, suffix)
    seen = list(opened(tmp_path))
    assert [sample["__key__"] for sample in seen] == list(reader.keys)
    for number, sample in enumerate(seen):
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        assert members == {name: bytes(data) for name, data in reader.members(number).items()}


def rows(data: bytes) -> Any:
    """A label map as it is stored; the library's own decoders would turn its rows into colours."""
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_decoded_samples(tmp_path: Path, suffix: ImageSuffix) -> None:
    reader = shards(tmp_path, suffix)
    decoders = (webdataset.handle_extension("label.png", rows), "pil")
    seen = list(opened(tmp_path).decode(*decoders))
    for sample, own in zip(seen, reader, strict=True):
        assert np.array_equal(np.asarray(sample[suffix]), own.image)
        assert np.array_equal(sample["label.png"], own.local_rows)
        assert sample["json"] == own.meta
