"""labelme's JSON, a file per image: polygons, rectangles, circles and masks, painted in the order of the file.

Or its rectangles alone, as boxes. Coordinates are pixel edges. X-AnyLabeling writes the same, with four corners for a
rectangle, also for one that is turned (``rotation``). Points, lines and what else has no area are left out, and so are
kinds that are not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, read_json, reading
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import Bitmap, Collected, Ellipse, Layer, Layers, image_size, mask_of
from labelforge.converters.own.marks import (
    AGAIN,
    BoxMarks,
    Classes,
    LeftOut,
    PaintMarks,
    check_count,
    check_length,
    checked_boxes,
)

_RECTANGLES: Final = ("rectangle", "rotation")
_CLOSE: Final = 2.0  # pixels by which corners may be rounded
_DRAWN: Final = ("polygon", *_RECTANGLES, "circle", "mask")


def read_labelme(path: Path, classes: Classes) -> PaintMarks:
    """The shapes of a labelme file.

    Raises:
        DatasetError: The file is missing or broken, or a shape is malformed or of an unknown class.
    """
    found, (size, shapes) = Collected(), _image(path)
    for i, shape in enumerate(shapes):
        with reading(path, f"shape {i}", AGAIN):
            kind = shape.get("shape_type") or "polygon"
            if kind in _DRAWN:
                found.add(kind, _layer(kind, shape, classes.named(shape["label"], path)))
            else:
                found.skip(str(kind), shape["label"])
    return PaintMarks(Layers(size, found.layers), found.left_out)


def read_labelme_boxes(path: Path, classes: Classes) -> BoxMarks:
    """The rectangles of a labelme file, upright or turned; other shapes are no boxes.

    Raises:
        DatasetError: The file is missing or broken, or a rectangle is malformed or of an unknown class.
    """
    boxes, others = [], LeftOut()
    size, shapes = _image(path)
    for i, shape in enumerate(shapes):
        with reading(path, f"shape {i}", AGAIN):
            kind = shape.get("shape_type") or "polygon"
            if kind in _RECTANGLES:
                boxes.append(_box(corners(shape["points"]), classes.named(shape["label"], path)))
            else:
                others.no_box(kind, shape["label"])
    return BoxMarks(checked_boxes(boxes, path), size, others=others)


def _image(path: Path) -> tuple[Size | None, list[Any]]:
    """The size of the image, if the file says it, and its shapes."""
    check_length(path)
    data = read_json(path, AGAIN)
    with reading(path, "the file", AGAIN):
        shapes, size = list(data["shapes"]), image_size(data.get("imageHeight"), data.get("imageWidth"))
    check_count(len(shapes), path)
    return size, shapes


def _box(points: Sequence[tuple[float, float]], value: int) -> Box:
    """The box of a rectangle: by two corners that lie opposite each other, or by all four, one after the other."""
    if len(points) == 2:
        (left, right), (top, bottom) = (sorted(numbers) for numbers in zip(*points, strict=True))
        return Box(value, left, top, right, bottom)
    if len(points) != 4:
        raise ValueError(f"a rectangle of {len(points)} points")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    across, down = (x1 - x0, y1 - y0), (x2 - x1, y2 - y1)
    apart = math.dist((x0 + x2, y0 + y2), (x1 + x3, y1 + y3))  # the middles of the diagonals, times two
    lean = abs(across[0] * down[0] + across[1] * down[1])
    if apart > _CLOSE or lean > _CLOSE * max(math.hypot(*across), math.hypot(*down)):
        raise ValueError("a rectangle of four corners that are not those of one, one after the other")
    x, y = (x0 + x2) / 2, (y0 + y2) / 2
    width, height = math.hypot(*across) / 2, math.hypot(*down) / 2
    return Box(value, x - width, y - height, x + width, y + height, math.degrees(math.atan2(across[1], across[0])))


def _layer(kind: str, shape: Mapping[str, Any], value: int) -> Layer | None:
    points = corners(shape["points"])
    if kind == "polygon" or (kind in _RECTANGLES and len(points) == 4):
        return Region(value, [points]) if len(points) > 2 else None
    if len(points) != 2:
        raise ValueError(f"a {kind} of {len(points)} points")
    (x0, y0), (x1, y1) = points
    if kind == "rectangle":
        return Region(value, [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]])
    if kind == "circle":  # its middle, and a point on it
        radius = math.dist((x0, y0), (x1, y1))
        return Ellipse(Box(value, x0 - radius, y0 - radius, x0 + radius, y0 + radius)) if radius else None
    return Bitmap(value, round(min(x0, x1)), round(min(y0, y1)), mask_of(shape["mask"]))
