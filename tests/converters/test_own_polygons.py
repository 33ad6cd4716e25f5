"""Polygons of one's own: every kind of shape, holes, orders, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import NO_ANNOTATION, Source, convert
from labelforge.errors import DatasetError
from tests.converters.layouts import Array
from tests.converters.own_checks import MASK, placed, read
from tests.converters.own_layouts import (
    OUTLINES,
    cvat,
    cvat_polygon,
    inside,
    labelme,
    own,
    put,
    write_cvat,
    write_labelme,
    write_supervisely,
    write_yolo_polygons,
)


def only(where: Array, value: int) -> Array:
    return np.where(where, value, NO_ANNOTATION)


def png(mask: Array, mode: str = "1") -> bytes:
    found = io.BytesIO()
    if mode == "RGBA":
        array = np.zeros((*mask.shape, 4), np.uint8)
        array[..., 3] = 255 * mask
        array[..., 0] = 9  # a colour where nothing is
        Image.fromarray(array).save(found, "png")
    else:
        Image.fromarray(mask).convert(mode).save(found, "png")
    return found.getvalue()


RECTANGLE = inside([(2.2, 3.6), (9.5, 3.6), (9.5, 8.5), (2.2, 8.5)])
TURNED_BOX = inside(OUTLINES["one"][1][1][:4])
CONCAVE = inside(OUTLINES["one"][1][1])
TRIANGLE: list[tuple[float, float]] = [(3.25, 4), (14.75, 3.5), (12.5, 15.75)]
B64 = base64.b64encode(png(MASK)).decode()
DEFLATED = {mode: base64.b64encode(zlib.compress(png(MASK, mode))).decode() for mode in ("L", "RGBA")}

ALPHA = base64.b64encode(png(MASK, "L")).decode()  # its tool does not deflate these once more


def disc(x: float, y: float, rx: float, ry: float) -> Array:
    """(20, 30) the pixels whose centre is in an ellipse, one by one."""
    return np.array(
        [[((c + 0.5 - x) / rx) ** 2 + ((r + 0.5 - y) / ry) ** 2 <= 1 for c in range(30)] for r in range(20)]
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"points": OUTLINES["one"][1][1]}, CONCAVE),  # early files name no type
        ({"points": [[2.2, 3.6], [9.5, 8.5]], "shape_type": "rectangle"}, RECTANGLE),
        ({"points": [[9.5, 8.5], [2.2, 3.6]], "shape_type": "rectangle"}, RECTANGLE),
        ({"points": [[11.3, 9.9], [14.3, 13.9]], "shape_type": "circle"}, disc(11.3, 9.9, 5, 5)),
        ({"points": [[28, 18], [28, 13]], "shape_type": "circle"}, disc(28, 18, 5, 5)),
        ({"points": OUTLINES["one"][1][1][:4], "shape_type": "rotation", "direction": 0.3}, TURNED_BOX),
        ({"points": [[2.2, 3.6], [9.5, 3.6], [9.5, 8.5], [2.2, 8.5]], "shape_type": "rectangle"}, RECTANGLE),
        ({"points": [[4, 6], [8, 8]], "shape_type": "mask", "mask": B64}, placed(MASK, 4, 6)),
        ({"points": [[27, 18], [31, 20]], "shape_type": "mask", "mask": B64}, placed(MASK, 27, 18)),
    ],
)
def test_shapes_of_labelme(shape: dict[str, Any], expected: Array, tmp_path: Path) -> None:
    ids = read(tmp_path, "labelme", "images/{key}.json", labelme([{"label": "car", **shape}]))
    assert expected.any() and np.array_equal(ids, only(expected, 2))


def test_shapes_without_an_area_are_left_out_and_counted(tmp_path: Path) -> None:
    shapes = [
        {"label": "car", "points": [[1, 1]], "shape_type": "point"},
        {"label": "whatever", "points": [[1, 1], [2, 2]], "shape_type": "linestrip"},
        {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "line"},
        {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "polygon"},
        {"label": "sky", "points": [[0, 0], [9, 0], [9, 9]], "shape_type": "polygon"},
    ]
    ids = read(tmp_path, "labelme", "images/{key}.json", labelme(shapes))
    assert np.array_equal(ids, only(inside([(0, 0), (9, 0), (9, 9)]), 1))
    assert convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all").notes == (
        "Left out, since it covers no pixels: 1 x line, 1 x linestrip, 1 x point, 1 x polygon.",
    )


HOLE = [(6.5, 5.5), (10.5, 5.5), (10.5, 9.5)]


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (
            {
                "geometryType": "polygon",
                "points": {"exterior": [[2, 2], [20, 2], [20, 15]], "interior": [HOLE, [[1, 1]]]},
            },
            inside([(2, 2), (20, 2), (20, 15)]) & ~inside(HOLE),
        ),
        (
            {"geometryType": "rectangle", "points": {"exterior": [[9, 7], [4, 3]], "interior": []}},
            placed(np.ones((5, 6)), 4, 3),
        ),
        (
            {"geometryType": "bitmap", "bitmap": {"origin": [3, 5], "data": DEFLATED["RGBA"]}},
            placed(MASK, 3, 5),
        ),
        (
            {"geometryType": "bitmap", "bitmap": {"origin": [28, -1], "data": DEFLATED["L"]}},
            placed(MASK, 28, -1),
        ),
        (
            {"geometryType": "alpha_mask", "bitmap": {"origin": [3, 5], "data": ALPHA}},
            placed(MASK, 3, 5),
        ),
        (
            {"geometryType": "alpha_mask", "bitmap": {"origin": [3, 5], "data": DEFLATED["L"]}},
            placed(MASK, 3, 5),
        ),
    ],
)
def test_objects_of_supervisely(thing: dict[str, Any], expected: Array, tmp_path: Path) -> None:
    text = json.dumps({"size": {"height": 20, "width": 30}, "objects": [{"classTitle": "sky", **thing}]})
    ids = read(tmp_path, "supervisely", "ann/{key}.json", text)
    assert expected.any() and np.array_equal(ids, only(expected, 1))


def rle_of(mask: Array) -> list[int]:
    """CVAT's run lengths, pixel by pixel: outside first, by rows."""
    counts, last = [0], False
    for value in mask.ravel().tolist():
        if value != last:
            counts.append(0)
            last = value
        counts[-1] += 1
    return counts


RLE = ", ".join(map(str, rle_of(MASK)))
TURNED = [(15 + a * 0.6 - b * 0.8, 10 + a * 0.8 + b * 0.6) for a, b in ((-6, -3), (6, -3), (6, 3), (-6, 3))]
DEGREES = np.degrees(np.arctan2(0.8, 0.6))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (cvat_polygon("car", TRIANGLE), inside(TRIANGLE)),
        ('<box label="car" xtl="2.20" ytl="3.60" xbr="9.50" ybr="8.50" z_order="0"/>', RECTANGLE),
        (f'<box label="car" xtl="9" ytl="7" xbr="21" ybr="13" rotation="{DEGREES}"/>', inside(TURNED)),
        ('<ellipse label="car" cx="11.3" cy="9.9" rx="7" ry="4.5" z_order="0"/>', disc(11.3, 9.9, 7, 4.5)),
        ('<ellipse label="car" cx="11" cy="10" rx="7" ry="4" rotation="90"/>', disc(11, 10, 4, 7)),
        (f'<mask label="car" rle="{RLE}" left="4" top="6" width="5" height="3" z_order="0"/>', placed(MASK, 4, 6)),
    ],
)
def test_shapes_of_cvat(shape: str, expected: Array, tmp_path: Path) -> None:
    shape += '<points label="car" points="1,1"/><polyline label="x" points="1,1;2,2"/><tag label="rain"/>'
    ids = read(tmp_path, "cvat", "annotations.xml", cvat({"a": shape}))
    assert expected.any() and np.array_equal(ids, only(expected, 2))
    assert own(tmp_path).notes("all") == [
        "Left out, since it covers no pixels: 1 x points, 1 x polyline.",
    ]


def test_outlines_drawn_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long outlines are drawn some edges at a time, so that they take little memory; the pixels are the same."""
    rng = np.random.default_rng(0)
    zigzag = [(float(x), -1.0 if i % 2 else 21.0) for i, x in enumerate(rng.uniform(0, 30, 501))]
    text = labelme([{"label": "car", "points": zigzag}])
    whole = read(tmp_path, "labelme", "images/{key}.json", text)
    monkeypatch.setattr("labelforge.converters.labels.polygons._CROSSINGS", 100)
    assert np.array_equal(read(tmp_path, "labelme", "images/{key}.json", text), whole)
    assert 0 < (whole == 2).sum() < 600


def test_too_many_corners(tmp_path: Path) -> None:
    zigzag = [(1000 + i % 7, i % 20) for i in range(100_001)]
    ids = read(tmp_path, "labelme", "images/{key}.json", labelme([{"label": "car", "points": zigzag}]))
    assert (ids == NO_ANNOTATION).all()  # all outside
    with pytest.raises(DatasetError, match="200,002 corners and 0 pixels of masks are too many for an image"):
        read(tmp_path, "labelme", "images/{key}.json", labelme([{"label": "car", "points": zigzag}] * 2))


def test_masks_of_an_image_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelforge.converters.own.layers.MOST_PIXELS", 40)
    shape = {"label": "car", "points": [[4, 6], [8, 8]], "shape_type": "mask", "mask": B64}
    read(tmp_path, "labelme", "images/{key}.json", labelme([shape] * 2))
    with pytest.raises(DatasetError, match="45 pixels of masks are too many for an image"):
        read(tmp_path, "labelme", "images/{key}.json", labelme([shape] * 3))


def bad_png() -> str:
    """A mask whose header says that it has 2**60 pixels."""
    data = bytearray(png(MASK))
    data[16:24] = b"\x3f\xff\xff\xff" * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([3], "shape 0 is not of the form expected"),
        ([{"points": [[0, 0], [9, 0], [9, 9]]}], "shape 0 has no 'label'"),
        ([{"label": "kar", "points": [[0, 0], [9, 0], [9, 9]]}], "'kar' is no class of the dataset. Did you mean"),
        ([{"label": ["car"], "points": [[0, 0], [9, 0], [9, 9]]}], "is no class of the dataset"),
        ([{"label": "car", "points": [[0, 0], [9, 0], [1e9, 9]]}], "the coordinate 1e.09 is no place in an image"),
        ([{"label": "car", "points": [[0, 0], [9]]}], "an outline has 3 numbers"),
        (
            [{"label": "car", "points": None}],
            r"\(an outline is None, no list of corners\)\. Correct the file, or export it",
        ),
        ([{"label": "car", "points": [[0, 0], ["x", 0]]}], "shape 0 is not of the form expected"),
        ([{"label": "car", "points": [[0, 0]], "shape_type": "circle"}], r"form expected \(a circle of 1 points\)"),
        ([{"label": "car", "points": [[0, 0], [4, 2]], "shape_type": "mask"}], "shape 0 has no 'mask'"),
        ([{"label": "car", "points": [[0, 0], [4, 2]], "shape_type": "mask", "mask": "!"}], "a mask cannot be read"),
        ([{"label": "car", "points": [[0, 0], [4, 2]], "shape_type": "mask", "mask": "AAAA"}], "is no whole PNG"),
        ([{"label": "car", "points": [[0, 0], [4, 2]], "shape_type": "mask", "mask": bad_png()}], "is no whole PNG"),
        ([{"label": "car", "points": [[0, 0], [9, 0], [9, 9]]}] * 20_001, "20,001 objects in one image"),
    ],
)
def test_files_that_labelme_does_not_write(shapes: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read(tmp_path, "labelme", "images/{key}.json", labelme(shapes))
    assert "\n" not in str(caught.value) and caught.value.where == str(tmp_path / "images/a.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it breaks off at byte 1"),
        ("[]", "the file is not of the form expected"),
        ("{}", "the file has no 'shapes'"),
        ('{"shapes": ' + "[" * 10_000, "is nested too deeply"),
        ('{"shapes": [NaN]}', "holds the number NaN"),
    ],
)
def test_json_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, "labelme", "images/{key}.json", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track/></annotations>", "1: holds tracks of a video. Export it"),
        ("<annotations></annotations>", "holds no image"),
        ("<annotations><image/></annotations>", "an image has no name"),
        (
            cvat({"a": '<polygon label="car" points="1,1;x,2;3,3"/>'}),
            "the <polygon> of line 5 is not of the form expected",
        ),
        (cvat({"a": '<box label="car" xtl="1"/>'}), "the <box> of line 5 has no 'ytl'"),
        (cvat({"a": '<box label="car" xtl="1" ytl="1" xbr="inf" ybr="2"/>'}), "is no place in an image"),
        (
            cvat({"a": '<mask label="car" rle="3,4" left="0" top="0" width="2" height="2"/>'}),
            "run lengths that do not add up",
        ),
        (cvat({"a": '<mask label="car" rle="4" left="0" top="0" width="99999999" height="99999999"/>'}), "a mask of"),
        (cvat({"a": '<box label="kar" xtl="1" ytl="1" xbr="2" ybr="2"/>'}), "annotations.xml:5: 'kar' is no class"),
        (cvat({"b": ""}), r"names none of 1 image, such as images/a\.png; it names 'b\.png'"),
    ],
)
def test_xml_that_cvat_does_not_write(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, "cvat", "annotations.xml", text)


@pytest.mark.parametrize("write", [write_labelme, write_cvat, write_supervisely])
def test_a_small_label_map_is_as_exact_as_a_large_one(write: Any, tmp_path: Path) -> None:
    """Polygons are scaled, then drawn: at three times the size, every pixel is tested by itself."""
    write(tmp_path)
    converter = own(tmp_path)
    (source,) = [source for source in converter.sources("all") if source.key == "one"]
    ids = np.asarray(converter.labels(source).draw((20, 30), (60, 90), np.asarray))
    expected = np.full((60, 90), NO_ANNOTATION)
    for name, points in OUTLINES["one"]:
        expected[inside([(3 * round(x, 2), 3 * round(y, 2)) for x, y in points], 60, 90)] = (
            "road",
            "sky",
            "car",
        ).index(name)
    assert np.array_equal(ids, expected)


def test_boxes_among_the_polygons_of_yolo_and_lines_that_are_neither(tmp_path: Path) -> None:
    write_yolo_polygons(tmp_path)
    put(
        tmp_path / "labels/three.txt", "2 0.5 0.5 0.2 0.2\n3 0.5 0.5 0.1 0.4 0.4 0.1 0.4\n\n2 0.1 0.1 0.2 0.2 0.3 0.3\n"
    )
    with pytest.raises(DatasetError, match="7 numbers are no pairs of x and y") as caught:
        own(tmp_path).labels(Source("three", "images/three.png", "labels/three.txt"))
    assert caught.value.line == 2
    put(tmp_path / "labels/three.txt", "2 0.5 0.5 0.2 0.2\n3 0.5 0.5\n")
    labels = own(tmp_path).labels(Source("three", "images/three.png", "labels/three.txt"))
    ids = np.asarray(labels.draw((20, 30), (20, 30), np.asarray))
    assert (ids[8:12, 12:18] == 2).all() and (ids == 2).sum() == 24
