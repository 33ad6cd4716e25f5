"""Synthetic scenes convert like real frames: what was written comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.demo import write_cityscapes, write_gtsdb, write_mapillary_vistas
from tests.converters.layouts import NOTHING, Array, read_shards


def stored(path: Path) -> Array:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("dataset", ["cityscapes", "1.2", "2.0"])
def test_label_maps_come_back(tmp_path: Path, dataset: str) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    if dataset == "cityscapes":
        write_cityscapes(root, train=1, val=2, size=(96, 64))
        convert("cityscapes", root, out, split="val")
    else:
        write_mapillary_vistas(root, training=1, validation=2, size=(96, 64), release=dataset)
        conversion = convert("mapillary-vistas", root, out, split="validation")
        assert conversion.manifest.dataset == f"mapillary-vistas-{dataset}"
    found = read_shards(out)
    assert len(found) == 2
    for image, ids, meta in found.values():
        assert np.array_equal(ids, stored(root / meta["labels"]))
        assert np.array_equal(image, stored(root / meta["image"]))


def test_signs_lie_in_their_boxes(tmp_path: Path) -> None:
    root = write_gtsdb(tmp_path / "root", train=8, test=1, size=(192, 112))
    convert("gtsdb", root, tmp_path / "out", split="train")
    boxes: dict[str, list[list[int]]] = {}
    for line in (root / "gt.txt").read_text().splitlines():
        name, *numbers = line.split(";")
        boxes.setdefault(name, []).append([int(number) for number in numbers])
    found = read_shards(tmp_path / "out")
    assert len(found) == 8 and len(boxes) < 9  # one image has no box
    for image, ids, meta in found.values():
        assert np.array_equal(image, stored(root / meta["image"]))
        expected = set()
        outside = np.ones(ids.shape, dtype=bool)
        for left, top, right, bottom, class_id in boxes.get(meta["image"], []):
            outside[max(top - 1, 0) : bottom + 3, max(left - 1, 0) : right + 3] = False
            assert class_id in ids[top : bottom + 1, left : right + 1]
            expected.add(class_id)
        assert set(np.unique(ids[~outside]).tolist()) - {NOTHING} == expected
        assert (ids[outside] == NOTHING).all()
