"""Supervisely's JSON, a file per image: polygons with holes, rectangles and bitmaps, painted in the order of the file.

Or its rectangles alone, as boxes. The corners of polygons are taken as pixel edges; a rectangle includes the pixels of
both of its corners, as in Supervisely. An alpha mask covers what is not wholly transparent, which is its area there,
too. Points, lines and what else has no area are left out, and so are kinds that are not read (cuboids, graphs).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, read_json, reading
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import Bitmap, Collected, Layer, Layers, image_size, mask_of
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
from labelforge.turned_box import Edges

_DRAWN: Final = ("polygon", "rectangle", "bitmap", "alpha_mask")


def read_supervisely(path: Path, classes: Classes) -> PaintMarks:
    """The objects of a Supervisely file.

    Raises:
        DatasetError: The file is missing or broken, or an object is malformed or of an unknown class.
    """
    found, (size, objects) = Collected(), _image(path)
    for i, thing in enumerate(objects):
        with reading(path, f"object {i}", AGAIN):
            kind = thing["geometryType"]
            if kind in _DRAWN:
                found.add(kind, _layer(kind, thing, classes.named(thing["classTitle"], path)))
            else:
                found.skip(str(kind), thing["classTitle"])
    return PaintMarks(Layers(size, found.layers), found.left_out)


def read_supervisely_boxes(path: Path, classes: Classes) -> BoxMarks:
    """The rectangles of a Supervisely file; other objects are no boxes.

    Raises:
        DatasetError: The file is missing or broken, or a rectangle is malformed or of an unknown class.
    """
    boxes, others = [], LeftOut()
    size, objects = _image(path)
    for i, thing in enumerate(objects):
        with reading(path, f"object {i}", AGAIN):
            if thing["geometryType"] == "rectangle":
                boxes.append(Box(classes.named(thing["classTitle"], path), *_edges(thing)))
            else:
                others.no_box(thing["geometryType"], thing["classTitle"])
    return BoxMarks(checked_boxes(boxes, path), size, others=others)


def _image(path: Path) -> tuple[Size | None, list[Any]]:
    """The size of the image, and its objects."""
    check_length(path)
    data = read_json(path, AGAIN)
    with reading(path, "the file", AGAIN):
        objects = list(data["objects"])
        size = image_size(data["size"]["height"], data["size"]["width"])
    check_count(len(objects), path)
    return size, objects


def _edges(thing: Mapping[str, Any]) -> Edges:
    """The edges of a rectangle."""
    (x0, x1), (y0, y1) = (sorted(numbers) for numbers in zip(*corners(thing["points"]["exterior"]), strict=True))
    return x0, y0, x1 + 1, y1 + 1


def _layer(kind: str, thing: Mapping[str, Any], value: int) -> Layer | None:
    if kind in ("bitmap", "alpha_mask"):
        bitmap = thing["bitmap"] if "bitmap" in thing else thing[kind]
        left, top = (int(number) for number in bitmap["origin"])
        return Bitmap(value, left, top, mask_of(bitmap["data"], deflated=True))
    if kind == "rectangle":
        x0, y0, x1, y1 = _edges(thing)
        return Region(value, [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]])
    outline = corners(thing["points"]["exterior"])
    holes = [corners(hole) for hole in thing["points"].get("interior") or ()]
    return Region(value, [outline], [hole for hole in holes if len(hole) > 2]) if len(outline) > 2 else None
