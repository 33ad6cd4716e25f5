"""labelme's JSON, a file per image: polygons, rectangles, circles and masks, painted in the order of the file.

Coordinates are pixel edges. X-AnyLabeling writes the same, with four corners for a rectangle, also for one that is
turned (``rotation``). Points, lines and what else has no area are left out, and so are kinds that are not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, read_json, reading
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import Bitmap, Collected, Ellipse, Layer, Layers, image_size, mask_of
from labelforge.converters.own.marks import AGAIN, Classes, PaintMarks, check_count, check_length

_DRAWN: Final = ("polygon", "rectangle", "rotation", "circle", "mask")


def read_labelme(path: Path, classes: Classes) -> PaintMarks:
    """The shapes of a labelme file.

    Raises:
        DatasetError: The file is missing or broken, or a shape is malformed or of an unknown class.
    """
    check_length(path)
    data = read_json(path, AGAIN)
    found = Collected()
    with reading(path, "the file", AGAIN):
        shapes, size = list(data["shapes"]), image_size(data.get("imageHeight"), data.get("imageWidth"))
    check_count(len(shapes), path)
    for i, shape in enumerate(shapes):
        with reading(path, f"shape {i}", AGAIN):
            kind = shape.get("shape_type") or "polygon"
            if kind in _DRAWN:
                found.add(kind, _layer(kind, shape, classes.named(shape["label"], path)))
            else:
                found.skip(str(kind), shape["label"])
    return PaintMarks(Layers(size, found.layers), found.left_out)


def _layer(kind: str, shape: Mapping[str, Any], value: int) -> Layer | None:
    points = corners(shape["points"])
    if kind == "polygon" or (kind in ("rectangle", "rotation") and len(points) == 4):
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
