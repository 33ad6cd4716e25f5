"""The real files: every native id comes back, read with tarfile, PIL and json alone."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge import deflate
from labelforge.converters import convert
from labelforge.label_space import LabelSpace
from labelforge.shards import ShardReader
from tests.converters.layouts import Array, contents, read_shards


def stored(path: Path) -> Array:
    """A picture's values as Pillow gives them: palette indices, grey values, or RGB."""
    with Image.open(path) as picture:
        return np.asarray(picture)


CASES = [
    ("cityscapes", "cityscapes", "train", None, 5),
    ("mapillary-vistas", "mapillary_vistas_v1", "validation", None, 1),
    ("mapillary-vistas", "mapillary_vistas_v2", "training", None, 1),
    ("mapillary-vistas", "mapillary_vistas_v2", "training", "1.2", 1),
]


@pytest.mark.parametrize(("name", "folder", "split", "release", "count"), CASES)
def test_labels_and_images_come_back(
    shared_data: Path, tmp_path: Path, name: str, folder: str, split: str, release: str | None, count: int
) -> None:
    root = shared_data / folder
    options = {"release": release} if release else None
    convert(name, root, tmp_path, split=split, options=options)
    found = read_shards(tmp_path)
    assert len(found) == count
    for image, ids, meta in found.values():
        assert np.array_equal(ids, stored(root / meta["labels"]))
        assert np.array_equal(image, stored(root / meta["image"]))
        assert release is None or meta["native"] == {"release": release}
    total: dict[int, int] = {}
    for _, _, meta in found.values():
        for value, number in zip(*np.unique(stored(root / meta["labels"]), return_counts=True), strict=True):
            total[int(value)] = total.get(int(value), 0) + int(number)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert {r["native_id"]: r["pixels"] for r in manifest["labels"] if r["pixels"]} == total


@pytest.mark.parametrize(("name", "folder", "split", "release", "count"), CASES[:2])
def test_label_maps_are_smaller_than_pillows(
    shared_data: Path, tmp_path: Path, name: str, folder: str, split: str, release: None, count: int
) -> None:
    """At the same level, for zlib-ng compresses them better than zlib; zlib itself as well as it does there."""
    convert(name, shared_data / folder, tmp_path, split=split)
    reader = ShardReader(tmp_path)
    palette = [channel for color in reader.mapping.colors(reader.taxonomy) for channel in color]
    ours, pillows = 0, 0
    for number in range(count):
        picture, buffer = Image.fromarray(reader[number].local_rows), io.BytesIO()
        picture.putpalette(palette)
        picture.save(buffer, "PNG", compress_level=6)
        pillows += len(buffer.getvalue())
        ours += len(reader.members(number)["label.png"])
    assert ours < pillows * (1.01 if deflate.library is zlib else 0.95)


def test_the_same_crop_in_both_releases_has_the_same_names(shared_data: Path, tmp_path: Path) -> None:
    names = {}
    for release in ("1.2", "2.0"):
        out = tmp_path / release
        convert(
            "mapillary-vistas", shared_data / "mapillary_vistas_v2", out, split="training", options={"release": release}
        )
        ((_, ids, _),) = read_shards(out).values()
        name_of = {label.id: label.name for label in LabelSpace.load(f"mapillary-vistas-{release}").labels}
        names[release] = [name_of[i] for i in ids.ravel().tolist()]
    assert names["1.2"] == names["2.0"]


def test_scaled_frames(shared_data: Path, tmp_path: Path) -> None:
    convert("cityscapes", shared_data / "cityscapes", tmp_path, split="train", short_side=512, image_codec="npy")
    for image, ids, meta in read_shards(tmp_path).values():
        source = stored(shared_data / "cityscapes" / meta["image"]).reshape(512, 2, 1024, 2, 3).astype(float)
        assert np.abs(image - source.mean(axis=(1, 3))).mean() < 1.5
        # Under the centre of a pixel of the half size four pixels touch; the lower right one is taken.
        assert np.array_equal(ids, stored(shared_data / "cityscapes" / meta["labels"])[1::2, 1::2])


def test_workers_agree_on_real_frames(shared_data: Path, tmp_path: Path) -> None:
    def run(out: str, workers: int) -> dict[str, Any]:
        options: dict[str, Any] = {"split": "train", "short_side": 128, "samples_per_shard": 2, "image_codec": "jpeg"}
        convert("cityscapes", shared_data / "cityscapes", tmp_path / out, workers=workers, **options)
        return contents(tmp_path / out)

    assert run("serial", 0) == run("pool", 2)
