"""CVAT's "CVAT for images" XML: polygons, boxes, ellipses and masks of many images; or its boxes alone.

The images of a project are in the folders of their subsets, where they may have the same names. Shapes are painted by
their z_order, those of the same in the order of the file. Boxes may be turned. Points and polylines are left out, since
they cover nothing, and so are cuboids and skeletons, which are not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.annotations.json_files import corners, parse, reading
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import MOST_PIXELS, Bitmap, Collected, Ellipse, Layer, Layers, image_size
from labelforge.converters.own.marks import (
    AGAIN,
    LARGEST_SHARED,
    BoxMarks,
    Classes,
    LeftOut,
    PaintMarks,
    check_count,
    checked_boxes,
)
from labelforge.converters.own.splits import PlacedName
from labelforge.converters.own.xml_files import Element, read_xml
from labelforge.errors import DatasetError

DRAWN: Final = ("polygon", "box", "ellipse", "mask")
_NO_SHAPES: Final = ("tag", "attribute")  # labels of a whole image


def read_cvat(path: Path, _: Classes) -> Iterator[tuple[str, str]]:
    """The images of a CVAT file: name, and its shapes as `cvat_marks` and `cvat_boxes` read them.

    Raises:
        DatasetError: The file is missing or broken, or an image has no name.
    """
    found: list[tuple[str, str, str]] = []  # name, subset, and shapes
    for element in read_xml(path, "annotations", LARGEST_SHARED):
        if element.tag == "track":
            what, cure = "holds tracks of a video", "Export it from CVAT as 'CVAT for images 1.1'."
            raise DatasetError(what, where=path, line=element.line, cure=cure)
        if element.tag != "image":
            continue
        if "name" not in element.facts:
            raise DatasetError("an image has no name", where=path, line=element.line, cure="Export it again.")
        found.append((element.facts["name"], element.facts.get("subset", ""), _packed(element)))
    if not found:
        raise DatasetError("holds no image", where=path, cure="Export it from CVAT as 'CVAT for images 1.1'.")
    subsets = frozenset(subset for _, subset, _ in found)
    yield from ((PlacedName(name, subset, subsets), shapes) for name, subset, shapes in found)


def _packed(image: Element) -> str:
    """An image with its shapes in the order in which they are painted."""
    shapes = [(shape.tag, shape.line, shape.facts) for shape in image.below if shape.tag not in _NO_SHAPES]
    return json.dumps({"size": [image.facts.get("height"), image.facts.get("width")], "shapes": shapes})


def cvat_marks(text: str, place: Path, classes: Classes) -> PaintMarks:
    """The shapes of one image, from what `read_cvat` gave.

    Raises:
        DatasetError: A shape is malformed or of an unknown class.
    """
    found, (size, shapes) = Collected(), _image(text, place)
    for kind, line, facts in shapes:
        with reading(place, f"the <{kind[:20]}> of line {line}", AGAIN):
            if kind in DRAWN:
                found.add(kind, _layer(kind, facts, classes.named(facts["label"], place, line)))
            else:
                found.skip(kind, facts.get("label"))
    return PaintMarks(Layers(size, found.layers), found.left_out)


def cvat_boxes(text: str, place: Path, classes: Classes) -> BoxMarks:
    """The boxes of one image, from what `read_cvat` gave; other shapes are no boxes.

    Raises:
        DatasetError: A box is malformed or of an unknown class.
    """
    boxes, lines, others = [], [], LeftOut()
    size, shapes = _image(text, place)
    for kind, line, facts in shapes:
        with reading(place, f"the <{kind[:20]}> of line {line}", AGAIN):
            if kind == "box":
                boxes.append(_box(facts, classes.named(facts["label"], place, line)))
                lines.append(line)
            else:
                others.no_box(kind, facts.get("label"))
    return BoxMarks(checked_boxes(boxes, place, lines), size, others=others)


def _image(text: str, place: Path) -> tuple[Size | None, list[Any]]:
    """The size of an image, if it is said, and its shapes in the order in which they are painted."""
    data = parse(text, place)
    check_count(len(data["shapes"]), place)
    with reading(place, "the image", AGAIN):
        size = image_size(*(None if value is None else int(value) for value in data["size"]))
    return size, sorted(data["shapes"], key=_order)


def _order(shape: Any) -> int:
    """The height at which a shape is painted; those that say none are at 0."""
    try:
        return int(shape[2].get("z_order") or 0)
    except ValueError:
        return 0


def _layer(kind: str, facts: Mapping[str, Any], value: int) -> Layer | None:
    if kind == "polygon":
        points = corners([point.split(",") for point in facts["points"].split(";")])
        return Region(value, [points]) if len(points) > 2 else None
    if kind == "mask":
        counts = [int(count) for count in facts["rle"].split(",")]
        size = (int(facts["height"]), int(facts["width"]))
        return Bitmap(value, int(facts["left"]), int(facts["top"]), _mask(counts, size))
    if kind == "box":
        box = _box(facts, value)
    else:
        x, y, rx, ry = (float(facts[name]) for name in ("cx", "cy", "rx", "ry"))
        box = Box(value, x - rx, y - ry, x + rx, y + ry, _angle(facts))
    if box.fault is not None:
        raise ValueError(box.fault)
    if not box.area:
        return None
    return Ellipse(box) if kind == "ellipse" else Region(value, [_turned(box)])


def _box(facts: Mapping[str, Any], value: int) -> Box:
    left, top, right, bottom = (float(facts[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return Box(value, left, top, right, bottom, _angle(facts))


def _angle(facts: Mapping[str, Any]) -> float:
    return float(facts.get("rotation") or 0)


def _mask(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) bool, the mask that run lengths make row by row: how many pixels are outside, then inside, ..."""
    runs = np.asarray(counts, dtype=np.int64)
    rows, columns = size
    if rows < 1 or columns < 1 or rows * columns > MOST_PIXELS:
        raise ValueError(f"a mask of {columns} x {rows} pixels")
    if runs.min() < 0 or runs.max() > MOST_PIXELS or int(runs.sum()) != rows * columns:
        raise ValueError(f"run lengths that do not add up to {columns} x {rows} pixels")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(rows, columns)


def _turned(box: Box) -> list[tuple[float, float]]:
    """The corners of a box that is turned about its middle, clockwise as seen."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    cos, sin = math.cos(math.radians(box.angle)), math.sin(math.radians(box.angle))
    edges = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    if not box.angle:
        return edges
    return [(x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in edges]
