"""Polygons to pixels: the rule of pixel centres by brute force, and the pixels of the datasets' own tool."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from labelforge.converters import convert
from labelforge.converters.datasets.outlines import OutlineReader
from labelforge.converters.labels.polygons import PaintedPolygons, Region, Regions, paint
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace
from tests.converters.layouts import picture, read_shards, save

SIZE = (11, 14)
Outline = list[tuple[float, float]]


def inside(outline: Outline) -> NDArray[np.bool_]:
    """Even and odd: an odd number of edges lies to the left of a pixel's centre in its row."""
    found = np.zeros(SIZE, dtype=int)
    for row, column in np.ndindex(SIZE):
        x, y = column + 0.5, row + 0.5
        for (ax, ay), (bx, by) in pairwise([*outline, outline[0]]):
            if min(ay, by) <= y < max(ay, by):
                found[row, column] += ax + (y - ay) * (bx - ax) / (by - ay) <= x
    return np.asarray(found % 2 == 1)


halves = st.integers(-8, 40).map(lambda n: n / 2)
outlines = st.lists(st.tuples(halves, halves), min_size=3, max_size=7)


@given(outlines, st.lists(outlines, max_size=2))
def test_a_pixel_belongs_to_a_region_if_its_centre_does(outline: Outline, holes: list[Outline]) -> None:
    want = inside(outline)
    for hole in holes:
        want &= ~inside(hole)
    ids = np.zeros(SIZE, np.int32)
    paint(ids, Region(7, [outline], holes))
    if want.any():
        assert np.array_equal(ids == 7, want)
    else:
        assert (ids == 7).sum() <= 1  # the pixel of a region that has no centre


@given(st.floats(0, 13), st.floats(0, 10), st.floats(0.01, 0.4))
def test_a_region_too_small_for_a_centre_gets_the_pixel_that_it_is_in(x: float, y: float, side: float) -> None:
    square = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    ids = np.zeros(SIZE, np.int32)
    paint(ids, Region(7, [square]))
    ((row, column),) = np.argwhere(ids == 7)
    assert x - 1 < column <= x + side and y - 1 < row <= y + side


def test_a_region_outside_of_the_image_or_of_no_area_draws_nothing() -> None:
    ids = np.zeros(SIZE, np.int32)
    beyond, line, flat = [(20, 2), (30, 2), (25, 9)], [(3, 3), (9, 9)], [(3, 3), (9, 3), (6, 3)]
    for outline in ([(-5, -5), (-1, -5), (-1, -1)], beyond, line, flat):
        paint(ids, Region(7, [[(float(x), float(y)) for x, y in outline]]))
    paint(ids, Region(7, []))
    assert not ids.any()


@given(st.floats(1, 13), st.floats(1, 13))
def test_regions_that_share_an_edge_tile(top: float, bottom: float) -> None:
    """Two sides of a slanted line through the image: no pixel in both, none in neither."""
    border = [(top, 0.0), (bottom, float(SIZE[0]))]
    far = 40.0
    ids = np.zeros(SIZE, np.int32)
    paint(ids, Region(1, [[(-far, 0), *border, (-far, SIZE[0])]]))
    both = ids.copy()
    paint(both, Region(2, [[(far, 0), *border, (far, SIZE[0])]]))
    assert ((both == 2) == (ids == 0)).all()


def test_later_regions_lie_over_earlier_ones_and_are_scaled_before_they_are_painted() -> None:
    square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
    corner = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)]
    labels = Regions((4, 4), [Region(1, [square]), Region(2, [corner])])
    want = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 2, 2], [1, 1, 2, 2]])
    assert np.array_equal(labels.draw((4, 4), (4, 4), np.asarray), want)
    assert np.array_equal(labels.draw((4, 4), (2, 2), np.asarray), want[::2, ::2])
    assert np.array_equal(labels.draw((4, 4), (8, 12), np.asarray), want.repeat(2, axis=0).repeat(3, axis=1))


# Cityscapes' own tool paints with Pillow; only so are the pixels its pixels.


def random_objects(seed: int, labels: list[str], count: int = 60) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        middle = rng.uniform((-5, -5), (70, 50))
        corners = (middle + rng.normal(0, 12, (int(rng.integers(3, 9)), 2))).round(int(rng.integers(0, 3)))
        thing: dict[str, Any] = {"label": str(rng.choice(labels)), "polygon": corners.tolist()}
        if rng.random() < 0.1:
            thing["deleted"] = 1
        found.append(thing)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_polygons_of_cityscapes_are_painted_as_its_tool_does(seed: int, tmp_path: Path) -> None:
    official = pytest.importorskip("cityscapesscripts.preparation.json2labelImg")
    annotation = pytest.importorskip("cityscapesscripts.helpers.annotation")
    names = ["road", "car", "cargroup", "persongroup", "license plate", "sky", "vegetation", "ego vehicle", "train"]
    path = tmp_path / "ulm_000001_000019_gtFine_polygons.json"
    path.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": random_objects(seed, names)}))
    theirs = annotation.Annotation()
    theirs.fromJsonFile(str(path))
    want = np.asarray(official.createLabelImage(theirs, "ids"))
    labels = OutlineReader(LabelSpace.load("cityscapes")).read(path)
    assert labels.size == (48, 64)
    assert np.array_equal(labels.draw((48, 64), (48, 64), np.asarray), want)
    assert len(np.unique(want)) > 4


def test_cityscapes_from_polygons_is_cityscapes_from_label_maps(tmp_path: Path) -> None:
    official = pytest.importorskip("cityscapesscripts.preparation.json2labelImg")
    for kind in ("gtFine", "gtCoarse"):
        folder = tmp_path / "root" / kind / "train_extra" / "ulm"
        folder.mkdir(parents=True)
        for i in range(3):
            stem = f"ulm_{i:06d}_000019"
            save(tmp_path / "root/leftImg8bit/train_extra/ulm" / f"{stem}_leftImg8bit.png", picture(i, 48, 64))
            outline = folder / f"{stem}_{kind}_polygons.json"
            things = random_objects(i, ["road", "car", "sky"])
            outline.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": things}))
            if kind == "gtCoarse":
                official.json2labelImg(str(outline), str(folder / f"{stem}_{kind}_labelIds.png"), "ids")
    options = [("fine", {}), ("maps", {"annotations": "gtCoarse"})]
    options.append(("outlines", {"annotations": "gtCoarse", "labels": "polygons"}))
    for out, chosen in options:
        convert("cityscapes", tmp_path / "root", tmp_path / out, split="train_extra", options=chosen)
    fine, maps, outlines_ = (read_shards(tmp_path / out) for out, _ in options)
    assert len(maps) == 3
    for key, (_, ids, meta) in maps.items():
        assert np.array_equal(ids, outlines_[key][1]) and np.array_equal(ids, fine[key][1])
        assert meta["labels"].endswith("_gtCoarse_labelIds.png")
        assert fine[key][2]["labels"].endswith("_gtFine_polygons.json")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[1", "is no whole JSON: it breaks off at byte 2"),
        ("[1 2]", "is not JSON of the form expected"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"imgHeight": 4}', "the file has no 'imgWidth'"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "roed", "polygon": []}]}', "label 'roed'.*'road'"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "road"}]}', "object 0 has no 'polygon'"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "road", "polygon": [[1, 2, 3]]}]}', "3 numbers"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "road", "polygon": [[NaN, 2]]}]}', "the number NaN"),
        (
            '{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "road", "polygon": [[1e99, 2]]}]}',
            "is no place",
        ),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [[]]}', "object 0 is not of the form expected"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "road", "polygon": "abc"}]}', "object 0 is not of the"),
    ],
)
def test_broken_polygon_files_say_where_and_what(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "a_polygons.json"
    path.write_text(content)
    reader = OutlineReader(LabelSpace.load("cityscapes"))
    with pytest.raises(DatasetError, match=what) as caught:
        reader.read(path)
    assert caught.value.where == str(path) and caught.value.cure


def test_a_polygon_file_that_lies_about_its_size_allocates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "root/gtFine/train/ulm"
    folder.mkdir(parents=True)
    save(tmp_path / "root/leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png", picture(1))
    content = {"imgHeight": 10**9, "imgWidth": 10**9, "objects": []}
    (folder / "ulm_000001_000019_gtFine_polygons.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"the image is 30x20 pixels, but its label map .* is 1000000000x1000000000"):
        convert("cityscapes", tmp_path / "root", tmp_path / "out", split="train")


def test_painted_polygons_hold_any_id_of_16_bits() -> None:
    square: Outline = [(1, 1), (2, 1), (2, 2), (1, 2)]
    drawn = PaintedPolygons((4, 4), [(65535, square)], background=-1).draw((4, 4), (4, 4), np.asarray)
    assert drawn[1:3, 1:3].tolist() == [[65535, 65535]] * 2 and (drawn == -1).sum() == 12
