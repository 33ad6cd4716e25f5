"""Boxes as tools for annotations and KITTI write them: turned ones, what is no box, what nobody labelled, bad lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.errors import DatasetError
from tests.converters.layouts import Array, picture, save
from tests.converters.own_checks import drawn
from tests.converters.own_layouts import cvat, cvat_polygon, describe, inside, labelme, put

TURNED: list[tuple[float, float]] = [(10.6, 3.05), (17.35, 7.55), (13.35, 13.55), (6.6, 9.05)]
"""A rectangle, turned clockwise by the angle of (6.75, 4.5)."""


def one(root: Path, fmt: str, labels: str, text: str) -> None:
    """An image, and its labels."""
    head = f"kind: boxes\nformat: {fmt}\nimages: images/{{key}}.png\nlabels: {labels}\n"
    describe(root, f"{head}classes: [road, sky, car, {{id: 30, name: person}}]\n", "box")
    save(root / "images" / "a.png", picture(0))
    put(root / labels.replace("{key}", "a"), text)


def filled(value: int, where: Array) -> Array:
    return np.where(where, value, NO_ANNOTATION)


def test_a_turned_rectangle_of_labelme(tmp_path: Path) -> None:
    shape = {"label": "car", "points": TURNED, "shape_type": "rotation"}
    one(tmp_path, "labelme", "images/{key}.json", labelme([shape]))
    assert np.array_equal(drawn(tmp_path), filled(2, inside(TURNED)))


def test_a_turned_box_of_cvat(tmp_path: Path) -> None:
    middle_x, middle_y = np.mean(TURNED, axis=0)
    across, down = np.hypot(6.75, 4.5) / 2, np.hypot(4, 6) / 2
    numbers = f'xtl="{middle_x - across}" ytl="{middle_y - down}" xbr="{middle_x + across}" ybr="{middle_y + down}"'
    angle = np.degrees(np.arctan2(4.5, 6.75))
    one(tmp_path, "cvat", "a.xml", cvat({"a": f'<box label="car" {numbers} rotation="{angle}"></box>'}))
    assert np.array_equal(drawn(tmp_path), filled(2, inside(TURNED)))


@pytest.mark.parametrize("fmt", ["labelme", "supervisely", "cvat"])
def test_what_is_no_box_is_counted(fmt: str, tmp_path: Path) -> None:
    square = [(1, 1), (6, 1), (6, 6), (1, 6)]
    if fmt == "labelme":
        one(tmp_path, fmt, "images/{key}.json", labelme([{"label": "no class", "points": square}]))
    elif fmt == "cvat":
        one(tmp_path, fmt, "a.xml", cvat({"a": cvat_polygon("no class", [(float(x), float(y)) for x, y in square])}))
    else:
        thing = {"classTitle": "no class", "geometryType": "polygon", "points": {"exterior": square, "interior": []}}
        text = json.dumps({"size": {"height": 20, "width": 30}, "objects": [thing]})
        one(tmp_path, fmt, "ann/{key}.png.json", text)
    conversion = convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    assert (
        "Left out, since shapes of this kind are not read: 1 x polygon of 'no class', which is no box."
        in conversion.notes
    )
    assert conversion.manifest.totals.unannotated == 600


def test_pixels_of_kitti_are_those_whose_numbers_lie_in_the_box(tmp_path: Path) -> None:
    """Pixels by their numbers, one by one."""
    boxes = [("car", 2.4, 3.0, 8.73, 9.99), ("person", 20.0, -3.5, 29.0, 4.0)]
    one(tmp_path, "kitti", "l/{key}.txt", "\n".join(kitti(name, *box) for name, *box in boxes) + " 0.93\n")
    expected = np.full((20, 30), NO_ANNOTATION)
    for value, (_, left, top, right, bottom) in zip((2, 30), boxes, strict=True):
        for row, column in np.ndindex(20, 30):
            if left <= column <= right and top <= row <= bottom:
                expected[row, column] = value
    assert (expected[0, 20:] == 30).all() and np.array_equal(drawn(tmp_path), expected)


def kitti(name: str, left: float, top: float, right: float, bottom: float) -> str:
    """A line of a KITTI file."""
    return f"{name} 0.00 0 -1.57 {left} {top} {right} {bottom} 1.5 1.6 3.7 1.0 2.0 8.0 -1.6"


def test_where_kitti_does_not_care_nothing_is_labelled(tmp_path: Path) -> None:
    text = "\n".join([kitti("car", 0, 0, 19, 9), "", kitti("DontCare", 5, 5, 9, 9)])
    one(tmp_path, "kitti", "l/{key}.txt", text)
    expected = filled(2, np.pad(np.ones((10, 20), bool), ((0, 10), (0, 10))))
    expected[5:10, 5:10] = NO_ANNOTATION
    assert np.array_equal(drawn(tmp_path), expected)
    conversion = convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    (note,) = [note for note in conversion.notes if note.startswith("Not labelled")]
    assert note == "Not labelled, since marked as a crowd, as difficult or to be ignored: 1 x DontCare."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("car 0 0 0 1 2 3", "'car 0 0 0 1 2 3' is no object. A line has 15 words: class, truncated"),
        (kitti("car", 1, 2, 3, 4).replace(" 2 ", " two "), "is no object"),
        (kitti("kar", 1, 2, 3, 4), "'kar' is no class of the dataset. Did you mean 'car'"),
        (kitti("car", 1, 2, float("inf"), 4), "is no place in an image"),
        (kitti("car", 1, float("nan"), 3, 4), "is no place in an image"),
        (kitti("car", 1, 2, 3, 1e12), "is no place in an image"),
    ],
)
def test_bad_lines_of_kitti(line: str, message: str, tmp_path: Path) -> None:
    one(tmp_path, "kitti", "l/{key}.txt", f"{kitti('car', 1, 2, 3, 4)}\n{line}\n")
    with pytest.raises(DatasetError, match=rf"a\.txt:2: .*{message}"):
        drawn(tmp_path)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (TURNED[:3], "a rectangle of 3 points"),
        ([(10, 10), (40, 12), (30, 30), (5, 25)], "a rectangle of four corners that are not those of one"),
        (
            [(10, 10), (30, 20), (10, 20), (30, 10)],
            "a rectangle of four corners that are not those of one",
        ),  # crosswise
    ],
)
def test_a_rectangle_that_is_none(points: list[tuple[float, float]], message: str, tmp_path: Path) -> None:
    shape = {"label": "car", "points": points, "shape_type": "rectangle"}
    one(tmp_path, "labelme", "images/{key}.json", labelme([shape]))
    with pytest.raises(DatasetError, match=rf"a\.json: shape 0 .*{message}"):
        drawn(tmp_path)
