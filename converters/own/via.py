"""VGG Image Annotator (VIA 1 and 2): polygons, rectangles, circles and ellipses of many images, as JSON or as CSV.

    {"a.jpg1234": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "rect", "x": 3, ...},
                                                     "region_attributes": {"class": "car"}}, ...]}, ...}

Both are what it exports ("via_region_data.json", "via_export_csv.csv"); a project saved by VIA 2 holds the first under
"_via_img_metadata", and makesense.ai exports it, too. Coordinates are pixel edges, and shapes are painted in the order
of the file. The class is the attribute of the region that the dataset.yaml names, else one of a usual name (class,
label, ...), else the only one that the region has. Points and lines are left out, since they cover nothing. The files
do not say how large an image is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, parse, read_json, reading
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.csv_table import csv_table
from labelforge.converters.own.layers import Collected, Ellipse, Layer, Layers
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
from labelforge.errors import DatasetError, listed

COLUMNS: Final = ("filename", "region_shape_attributes", "region_attributes")
"""The columns of a CSV file that are read."""
_SIZE: Final = "file_size"
"""A column, if there is one: VIA tells images of the same name apart by their length in bytes."""
_PROJECT: Final = "_via_img_metadata"
_DRAWN: Final = ("polygon", "rect", "circle", "ellipse")
_CLASS: Final = ("class", "label", "name", "type", "category", "object", "class_name", "label_name")
"""Attributes that say the class, in lower case, the surest first."""

Marked = tuple[Any, Any]
"""A region: its shape, and its attributes."""


def read_via(path: Path, _: Classes, attribute: str | None = None) -> Iterator[tuple[str, str]]:
    """The images of a VIA file: name, and its regions as `via_marks` and `via_boxes` read them.

    Args:
        path: The file.
        attribute: The attribute that says the class of a region; None to tell it by its name, or by being the only one.

    Raises:
        DatasetError: The file is missing, too long or broken, or an image has no name.
    """
    for name, regions in regions_of(path):
        yield name, json.dumps([(shape, _asked(attributes, attribute)) for shape, attributes in regions])


def regions_of(path: Path) -> Iterator[tuple[str, list[Marked]]]:
    """The images of a VIA file, and the shape and the attributes of their regions; raises what `read_via` raises."""
    check_length(path)
    yield from _of_csv(path) if path.suffix.lower() == ".csv" else _of_json(path)


def _asked(attributes: Any, attribute: str | None) -> Any:
    """Of the attributes of a region the one that says its class, where that is known."""
    if attribute is None or not isinstance(attributes, Mapping):
        return attributes
    return {_CLASS[0]: attributes.get(attribute)}


def via_marks(text: str, place: Path, classes: Classes) -> PaintMarks:
    """The regions of one image, painted, from what `read_via` gave.

    Raises:
        DatasetError: A region is malformed or of an unknown class.
    """
    found = Collected()
    for i, (shape, attributes) in enumerate(_regions(text, place)):
        with reading(place, f"region {i} of an image", AGAIN):
            kind = str(shape["name"])
            if kind in _DRAWN:
                found.add(kind, _layer(kind, shape, _class(attributes, place, classes)))
            else:
                found.skip(kind, attributes)
    return PaintMarks(Layers(None, found.layers), found.left_out)


def via_boxes(text: str, place: Path, classes: Classes) -> BoxMarks:
    """The rectangles of one image, from what `read_via` gave; other regions are no boxes.

    Raises:
        DatasetError: A region is malformed or of an unknown class.
    """
    boxes, others = [], LeftOut()
    for i, (shape, attributes) in enumerate(_regions(text, place)):
        with reading(place, f"region {i} of an image", AGAIN):
            if shape["name"] == "rect":
                left, top, width, height = (float(shape[name]) for name in ("x", "y", "width", "height"))
                boxes.append(Box(_class(attributes, place, classes), left, top, left + width, top + height))
            else:
                others.no_box(shape["name"])
    return BoxMarks(checked_boxes(boxes, place), others=others)


def _of_json(path: Path) -> Iterator[tuple[str, list[Marked]]]:
    data = read_json(path, AGAIN)
    if isinstance(data, Mapping):
        data = data.get(_PROJECT, data)
    if not isinstance(data, Mapping):
        raise DatasetError("is no file of VIA: it holds no images by name", where=path, cure=AGAIN)
    for key, image in data.items():
        with reading(path, f"the image {str(key)[:80]!r}", AGAIN):
            name, regions = str(image["filename"]), image["regions"]
            each = regions.values() if isinstance(regions, Mapping) else list(regions)  # VIA 1 numbers them
            found = [(region["shape_attributes"], region.get("region_attributes")) for region in each]
        yield name, found


def _of_csv(path: Path) -> Iterator[tuple[str, list[Marked]]]:
    table = csv_table(path, ",")
    lost = [column for column in COLUMNS if column not in table.columns]
    if lost:
        raise DatasetError(f"has no column {lost[0]!r}", where=path, line=1, cure="Export it from VIA again.")
    sizes = table[_SIZE] if _SIZE in table.columns else [""] * len(table)
    images: dict[tuple[str, str], list[Marked]] = {}
    for line, (size, name, *cells) in enumerate(zip(sizes, *(table[column] for column in COLUMNS), strict=True), 2):
        regions = images.setdefault((name, size.strip()), [])
        try:
            shape, attributes = (parse(text, path, AGAIN) for text in cells)
        except DatasetError as error:
            raise DatasetError(f"a cell {error.what}", where=path, line=line, cure=AGAIN) from None
        if shape:  # an image without a region has an empty one
            regions.append((shape, attributes))
    yield from ((name, regions) for (name, _), regions in images.items())


def _regions(text: str, place: Path) -> list[Marked]:
    regions = parse(text, place)
    check_count(len(regions), place)
    return [(shape, attributes) for shape, attributes in regions]


def _class(attributes: Any, place: Path, classes: Classes) -> int:
    """The class that the attributes of a region say.

    Raises:
        ValueError: They say none, or it is not clear which of them does.
        DatasetError: It is unknown.
    """
    said = said_by(attributes)
    name = class_attribute(said)
    if name is None:
        if classes.one and not said:
            return classes.only()
        if not said:
            raise ValueError("it does not say its class")
        raise ValueError(f"which of {_quoted(said)} is the class is not clear; write 'attribute: NAME' in dataset.yaml")
    value = said[name]
    if isinstance(value, Mapping):  # ticked boxes
        ticked = [name for name, on in value.items() if on]
        if len(ticked) != 1:
            raise ValueError(f"it is of {len(ticked)} classes ({_quoted(ticked)})")
        value = ticked[0]
    return classes.either(str(value).strip(), place)


def said_by(attributes: Any) -> dict[str, Any]:
    """The attributes of a region that say something.

    Raises:
        AttributeError: They are none.
    """
    return {str(key).strip(): value for key, value in (attributes or {}).items() if value not in ("", None, {})}


def class_attribute(said: Mapping[str, Any]) -> str | None:
    """Which of the attributes of a region says its class, by its name or as the only one; None if that is not clear."""
    by_name = {name.lower(): name for name in said}
    named = next((by_name[name] for name in _CLASS if name in by_name), None)
    return next(iter(said)) if named is None and len(said) == 1 else named


def _quoted(names: Iterable[object]) -> str:
    return listed((repr(str(name)[:40]) for name in names), 4)


def _layer(kind: str, shape: Mapping[str, Any], value: int) -> Layer | None:
    if kind == "polygon":
        outline = corners([*zip(shape["all_points_x"], shape["all_points_y"], strict=True)])
        return Region(value, [outline]) if len(outline) > 2 else None
    if kind == "rect":
        left, top, width, height = (float(shape[name]) for name in ("x", "y", "width", "height"))
        box = Box(value, left, top, left + width, top + height)
    else:
        x, y = float(shape["cx"]), float(shape["cy"])
        rx, ry = (float(shape[name]) for name in (("r", "r") if kind == "circle" else ("rx", "ry")))
        box = Box(value, x - rx, y - ry, x + rx, y + ry, math.degrees(float(shape.get("theta") or 0)))
    if box.fault is not None:
        raise ValueError(box.fault)
    if not box.area:
        return None
    if kind == "rect":
        return Region(
            value, [[(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]]
        )
    return Ellipse(box)
