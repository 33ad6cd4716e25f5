"""Exports as YOLO: a reader of a few lines gets the pixels and boxes back, as well as the report says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import points_in_poly

from labelforge.converters import convert
from labelforge.exports import export_shards
from labelforge.exports.outlines import filled, outlines
from tests.converters.layouts import read_shards
from tests.exports.sets import read_ids, street_shards, table, write_set

Array = Any


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return street_shards(tmp_path_factory.mktemp("streets"))


def in_polygon(points: Array, ring: Array) -> Array:
    """Which of (N, 2) points are inside a ring."""
    return points_in_poly(points, ring)  # type: ignore[no-untyped-call]


def read_yolo(label: Path, size: tuple[int, int]) -> list[tuple[int, Array]]:
    """Class and (H, W) mask of every line: pixels whose centres are in its polygon, or in its box.

    A corner that is cut off may run through centres; a little to the right of them it is clear who has them.
    """
    height, width = size
    centres = np.stack(np.meshgrid(np.arange(width) + 0.501, np.arange(height) + 0.5), axis=-1).reshape(-1, 2)
    found = []
    for line in label.read_text().splitlines():
        index, *numbers = line.split()
        points = np.array(numbers, float).reshape(-1, 2)
        if len(points) == 2:  # a box: centre and size
            (x, y), (w, h) = points
            points = np.array(
                [(x - w / 2, y - h / 2), (x + w / 2, y - h / 2), (x + w / 2, y + h / 2), (x - w / 2, y + h / 2)]
            )
        assert points.min() >= -1e-6 and points.max() <= 1 + 1e-6
        inside = in_polygon(centres, points * (width, height)).reshape(height, width)
        found.append((int(index), inside))
    return found


@given(arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3)))
def test_exact_outlines_enclose_exactly_the_pixels(values: Array) -> None:
    height, width = values.shape
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1).reshape(-1, 2)
    seen = np.zeros((4, height, width), int)
    for value, ring in outlines(values, tolerance=0):
        inside = in_polygon(centres, ring).reshape(height, width)
        assert np.array_equal(inside, filled([ring], (height, width)))
        assert inside.any() and (values[inside] == value).all()
        seen[value] += inside
    for value in range(4):
        assert np.array_equal(seen[value], values == value)


def test_a_ring_goes_around_holes_in_holes() -> None:
    values = np.zeros((11, 11), np.uint8)
    for number in range(1, 5):
        values[number : 11 - number, number : 11 - number] = number % 2
    values[2, 8] = 1
    found = outlines(values, tolerance=0)
    for value in (0, 1):
        rings = [o.ring for o in found if o.value == value]
        assert np.array_equal(filled(rings, (11, 11)), values == value)
    assert len(found) == 5


@given(st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 12)), min_size=3, max_size=8), st.randoms())
def test_filling_is_the_even_odd_rule(corners: list[tuple[float, float]], _: Any) -> None:
    """Any ring, also one that crosses itself or leaves the picture."""
    ring = np.array(corners)
    want = np.zeros((9, 8), bool)
    for y in range(9):
        for x in range(8):
            crossings = 0
            for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if (y0 <= y + 0.5) != (y1 <= y + 0.5):
                    where = x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                    assume(abs(where - x - 0.5) > 1e-9)  # else rounding decides, which differs there and back
                    crossings += where <= x + 0.5
            want[y, x] = crossings % 2
    assert np.array_equal(filled([ring], (9, 8)), want)


def test_polygons_give_the_pixels_back_as_well_as_the_report_says(streets: list[Path], tmp_path: Path) -> None:
    done = export_shards(streets, tmp_path / "yolo", to="yolo", classes="cityscapes:evaluated")
    export_shards(streets, tmp_path / "masks", to="masks", classes="cityscapes:evaluated")
    both, either = 0, 0
    labels = sorted((tmp_path / "masks" / "labels").rglob("*.png"))
    for file in labels:
        ids = read_ids(file)
        place = file.relative_to(tmp_path / "masks").with_suffix(".txt")
        drawn = np.zeros((19, *ids.shape), bool)
        for index, inside in read_yolo(tmp_path / "yolo" / place, ids.shape):
            drawn[index] ^= inside
        for index in range(19):
            both += int(np.count_nonzero(drawn[index] & (ids == index)))
            either += int(np.count_nonzero(drawn[index] | (ids == index)))
    told = re.search(r"IoU ([\d.]+), by class ([\d.]+)", " ".join(done.notes))
    assert told is not None and len(labels) == 10
    assert float(told[1]) == pytest.approx(both / either, abs=2e-4)
    assert float(told[1]) > 0.95
    assert f"{done.ignored:,} pixels" in " ".join(done.notes)


def test_what_ultralytics_needs_is_there(streets: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "images" / "out"  # also where a folder above is called images
    export_shards(streets, out, to="yolo", classes="flat, front")
    data = yaml.safe_load((out / "data.yaml").read_text())
    assert data == {"train": "images/train", "val": "images/val", "names": {0: "flat", 1: "front"}}
    images = [path for split in ("train", "val") for path in (out / data[split]).rglob("*.*") if path.is_file()]
    assert len(images) == 10
    for path in images:  # how Ultralytics finds a label file
        before, after = str(path).rsplit("/images/", 1)
        assert Path(f"{before}/labels/{after.rsplit('.', 1)[0]}.txt").exists()


def test_a_folder_called_images_in_a_key_is_no_trap(tmp_path: Path) -> None:
    write_set(tmp_path / "in", {"run/images/a": (np.ones((4, 4), np.uint8), "png")}, table())
    export_shards([tmp_path / "in"], tmp_path / "out", to="yolo", classes="leaves")
    (path,) = (tmp_path / "out" / "images").rglob("*.png")
    before, after = str(path).rsplit("/images/", 1)
    (line,) = Path(f"{before}/labels/{after.rsplit('.', 1)[0]}.txt").read_text().splitlines()
    index, *numbers = line.split()
    assert index == "0" and {tuple(numbers[i : i + 2]) for i in (0, 2, 4, 6)} == {
        ("0", "0"),
        ("0", "1"),
        ("1", "0"),
        ("1", "1"),
    }


def test_boxes_alone_become_boxes(streets: list[Path], tmp_path: Path) -> None:
    done = export_shards(streets[2:], tmp_path / "out", to="yolo", classes="gtsdb")
    names = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["names"]
    for name, (_, ids, meta) in read_shards(streets[2]).items():
        found = read_yolo(tmp_path / "out" / "labels" / "train" / "gtsdb" / f"{name}.txt", ids.shape)
        assert len(found) == len(meta["native"]["boxes"])
        for (index, inside), box in zip(found, meta["native"]["boxes"], strict=True):
            assert names[index] == box["name"]
            want = np.zeros(ids.shape, bool)
            want[box["top"] : box["bottom"] + 1, box["left"] : box["right"] + 1] = True
            assert np.array_equal(inside, want)
    told = " ".join(done.notes)
    assert "this export has no val. Name shards of both in one export; --split-names OLD=val renames" in told


def test_real_polygons(shared_data: Path, tmp_path: Path) -> None:
    convert(
        "cityscapes", shared_data / "cityscapes", tmp_path / "in", split="train", taxonomy="streets", short_side=256
    )
    done = export_shards([tmp_path / "in"], tmp_path / "out", to="yolo", classes="cityscapes:evaluated")
    told = re.search(r"IoU ([\d.]+), by class ([\d.]+)", " ".join(done.notes))
    assert told is not None and float(told[1]) > 0.99 and float(told[2]) > 0.95
