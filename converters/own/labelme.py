"""labelme's JSON, a file per image: polygons, rectangles, circles and masks, painted in the order of the file.

Coordinates are pixel edges. Points, lines and what else has no area are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelforge.converters.annotations.json_files import corners, read_json, reading
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import Bitmap, Collected, Ellipse, Layer, Layers, mask_of
from labelforge.converters.own.marks import Classes, PaintMarks, check_count, check_length


def read_labelme(path: Path, classes: Classes) -> PaintMarks:
    """The shapes of a labelme file.

    Raises:
        DatasetError: The file is missing or broken, or a shape is malformed or of an unknown class.
    """
    check_length(path)
    data = read_json(path)
    found = Collected()
    with reading(path, "the file"):
        shapes, size = list(data["shapes"]), image_size(data.get("imageHeight"), data.get("imageWidth"))
    check_count(len(shapes), path)
    for i, shape in enumerate(shapes):
        with reading(path, f"shape {i}"):
            kind = shape.get("shape_type") or "polygon"
            drawn = kind in ("polygon", "rectangle", "circle", "mask")
            found.add(str(kind), _layer(kind, shape, classes.named(shape["label"], path)) if drawn else None)
    return PaintMarks(Layers(size, found.layers), found.left_out)


def _layer(kind: str, shape: Mapping[str, Any], value: int) -> Layer | None:
    points = corners(shape["points"])
    if kind == "polygon":
        return Region(value, [points]) if len(points) > 2 else None
    (x0, y0), (x1, y1) = points
    if kind == "rectangle":
        return Region(value, [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]])
    if kind == "circle":  # its middle, and a point on it
        radius = math.dist((x0, y0), (x1, y1))
        return Ellipse(Box(value, x0 - radius, y0 - radius, x0 + radius, y0 + radius)) if radius else None
    return Bitmap(value, round(min(x0, x1)), round(min(y0, y1)), mask_of(shape["mask"]))


def image_size(height: Any, width: Any) -> Size | None:
    """The size of the image that a file gives, if it gives one."""
    return (height, width) if type(height) is int and type(width) is int and height > 0 and width > 0 else None
