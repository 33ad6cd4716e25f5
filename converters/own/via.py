"""VGG Image Annotator (VIA 1 and 2): polygons, rectangles, circles and ellipses of many images, as JSON or as CSV.

    {"a.jpg1234": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "rect", "x": 3, ...},
                                                     "region_attributes": {"class": "car"}}, ...]}, ...}

Both are what it exports ("via_region_data.json", "via_export_csv.csv"); a project saved by VIA 2 holds the first under
"_via_img_metadata", and makesense.ai exports it, too. Coordinates are pixel edges, and shapes are painted in the order
of the file. Points and lines are left out, since they cover nothing. The files do not say how large an image is.

One attribute says the class of all regions of a file: the one that the dataset.yaml names, else the surest of the usual
names (class, label, ...) that any region has, else the only one there is. A region without it is an error, so that no
class is taken from another attribute; only where no region has any attribute, a dataset of one class needs none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, parse, read_json
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
)
from labelforge.errors import DatasetError, counted, listed

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


@dataclass(frozen=True)
class ClassRule:
    """What says the class of the regions of a file.

    Attributes:
        attribute: The attribute that does; None if that is not clear, or no region has one.
        names: The attributes that say something in any region that is drawn.
        lacking: How many of these regions lack the attribute.
        total: How many there are.
    """

    attribute: str | None
    names: Sequence[str]
    lacking: int
    total: int

    def name(self, attributes: Any, classes: Classes) -> Any:
        """What says the class of a region; None if the dataset has but one, and no region of the file says any.

        Raises:
            DatasetError: The region does not say its class, or it is not clear which attribute does.
        """
        said = said_by(attributes)
        if self.attribute is not None and self.attribute in said:
            return said[self.attribute]
        if not self.names and self.attribute is None:
            if classes.one:
                return None
            raise DatasetError("it does not say its class, nor does any region of the file", cure=AGAIN)
        if self.attribute is None:
            what = f"which of {_quoted(self.names)} is the class is not clear"
            raise DatasetError(what, cure="Write 'attribute: NAME' in dataset.yaml.")
        what = f"it does not say its class, since its attribute {self.attribute[:40]!r} is missing or empty"
        what += f", but has {_quoted(said)}" if said else ""
        what += f" (as in {self.lacking:,} of {counted(self.total, 'region')} of the file)"
        raise DatasetError(what, cure="Give it one in VIA, or write 'attribute: NAME' of another in dataset.yaml.")


def class_rule(regions: Iterable[Marked], attribute: str | None = None) -> ClassRule:
    """What says the class of regions, from all those of a file.

    Args:
        regions: The regions.
        attribute: The attribute that does, if the dataset.yaml names it.
    """
    saids = [said_by(attributes) for shape, attributes in regions if is_drawn(shape)]
    names = list(dict.fromkeys(name for said in saids for name in said))
    chosen = _class_attribute(names) if attribute is None else attribute.strip()
    lacking = sum(chosen not in said for said in saids)
    return ClassRule(chosen, names, lacking, len(saids))


def read_via(path: Path, _: Classes, attribute: str | None = None) -> Iterator[tuple[str, str]]:
    """The images of a VIA file: name, and its regions as `via_marks` and `via_boxes` read them.

    Args:
        path: The file.
        attribute: The attribute that says the class of a region; None to tell it as `class_rule` does.

    Raises:
        DatasetError: The file is missing, too long or broken, or an image has no name.
    """
    images = list(regions_of(path))
    rule = astuple(class_rule((region for _, regions in images for region in regions), attribute))
    for name, regions in images:
        yield name, json.dumps([name, rule, regions])


def regions_of(path: Path) -> Iterator[tuple[str, list[Marked]]]:
    """The images of a VIA file, and the shape and the attributes of their regions; raises what `read_via` raises."""
    check_length(path)
    yield from _of_csv(path) if path.suffix.lower() == ".csv" else _of_json(path)


def via_marks(text: str, place: Path, classes: Classes) -> PaintMarks:
    """The regions of one image, painted, from what `read_via` gave.

    Raises:
        DatasetError: A region is malformed or of an unknown class.
    """
    found = Collected()
    for where, shape, said in _regions(text, place, classes):
        with _at(place, where):
            kind = str(shape["name"])
            if kind in _DRAWN:
                found.add(kind, _layer(kind, shape, _class(said, place, classes)))
            else:
                found.skip(kind, said)
    return PaintMarks(Layers(None, found.layers), found.left_out)


def via_boxes(text: str, place: Path, classes: Classes) -> BoxMarks:
    """The rectangles of one image, from what `read_via` gave; other regions are no boxes.

    Raises:
        DatasetError: A region is malformed or of an unknown class.
    """
    boxes, others = [], LeftOut()
    for where, shape, said in _regions(text, place, classes):
        with _at(place, where):
            kind = str(shape["name"])
            if kind == "rect":
                boxes.append(_rectangle(shape, _class(said, place, classes)))
            else:
                others.no_box(kind)
    return BoxMarks(boxes, others=others)


def _of_json(path: Path) -> Iterator[tuple[str, list[Marked]]]:
    data = read_json(path, AGAIN)
    if isinstance(data, Mapping):
        data = data.get(_PROJECT, data)
    if not isinstance(data, Mapping):
        raise DatasetError("is no file of VIA: it holds no images by name", where=path, cure=AGAIN)
    for key, image in data.items():
        with _at(path, f"image {str(key)[:80]!r}"):
            name, regions = (_entry(image, entry) for entry in ("filename", "regions"))
            if isinstance(regions, Mapping):
                regions = [*regions.values()]  # VIA 1 numbers them
            if not isinstance(regions, list):
                raise ValueError(f"its 'regions' are {repr(regions)[:40]}, no list")
        found = []
        for i, region in enumerate(regions):
            with _at(path, f"image {str(name)[:80]!r}, region {i}"):
                found.append((_entry(region, "shape_attributes"), region.get("region_attributes")))
        yield str(name), found


def _entry(value: Any, name: str) -> Any:
    """An entry of a JSON object; raises a `ValueError` if there is none."""
    if not isinstance(value, Mapping):
        raise ValueError(f"it is {repr(value)[:40]}, no object in braces")
    if name not in value:
        raise ValueError(f"it has no {name!r}")
    return value[name]


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


def _regions(text: str, place: Path, classes: Classes) -> list[tuple[str, Any, Any]]:
    """The regions of one image: where each is, its shape, and what says its class (of those not drawn, all they say).

    No class is asked for before all regions say one, so that `labelforge init` takes none from half an image.

    Raises:
        DatasetError: There are too many, or one does not say its class.
    """
    image, facts, regions = parse(text, place)
    rule, found = ClassRule(*facts), []
    with _at(place, f"image {image[:80]!r}"):
        check_count(len(regions), place)
    for i, (shape, attributes) in enumerate(regions):
        with _at(place, where := f"image {image[:80]!r}, region {i}"):
            if not isinstance(shape, Mapping) or "name" not in shape:
                raise ValueError(f"its shape is {repr(shape)[:40]}, which has no 'name'")
            if not isinstance(attributes or {}, Mapping):
                raise ValueError(f"its attributes are {repr(attributes)[:40]}, which have no names")
            found.append((where, shape, rule.name(attributes, classes) if is_drawn(shape) else attributes))
    return found


@contextmanager
def _at(place: Path, where: str) -> Iterator[None]:
    """Turn the errors of taking a region apart into one that names it."""
    try:
        yield
    except ValueError as error:
        raise DatasetError(f"{where}: {error}", where=place, cure=AGAIN) from error
    except DatasetError as error:
        raise DatasetError(f"{where}: {error.what}", where=place, cure=error.cure) from error


def _class(said: Any, place: Path, classes: Classes) -> int:
    """The class of a region, from what says it; None if nothing needs to.

    Raises:
        ValueError: It is several.
        DatasetError: It is unknown.
    """
    if said is None:
        return classes.only()
    if isinstance(said, Mapping):  # ticked boxes
        ticked = [name for name, on in said.items() if on]
        if len(ticked) > 1:
            raise ValueError(f"it is of {len(ticked)} classes ({_quoted(ticked)})")
        said = ticked[0]
    return classes.either(str(said).strip(), place)


def is_drawn(shape: Any) -> bool:
    """Whether a shape covers an area, so that it needs a class."""
    return isinstance(shape, Mapping) and shape.get("name") in _DRAWN


def said_by(attributes: Any) -> dict[str, Any]:
    """The attributes of a region that say something: that are not empty, and have a box ticked if they have boxes."""
    if not isinstance(attributes, Mapping):
        return {}
    return {str(key).strip(): value for key, value in attributes.items() if _says(value)}


def _says(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(value.values())
    return value is not None and bool(str(value).strip())


def _class_attribute(names: Sequence[str]) -> str | None:
    """Which of the attributes of regions says the class, by its name or as the only one; None if that is not clear."""
    by_name = {name.lower(): name for name in reversed(names)}
    named = next((by_name[name] for name in _CLASS if name in by_name), None)
    return names[0] if named is None and len(names) == 1 else named


def _quoted(names: Iterable[object]) -> str:
    return listed((repr(str(name)[:40]) for name in names), 4)


def _layer(kind: str, shape: Mapping[str, Any], value: int) -> Layer | None:
    if kind == "polygon":
        outline = _outline(shape)
        return Region(value, [outline]) if len(outline) > 2 else None
    if kind == "rect":
        box = _rectangle(shape, value)
        left, top, right, bottom = box.left, box.top, box.right, box.bottom
        return Region(value, [[(left, top), (right, top), (right, bottom), (left, bottom)]]) if box.area else None
    x, y = _number(shape, "cx"), _number(shape, "cy")
    rx, ry = (_number(shape, name) for name in (("r", "r") if kind == "circle" else ("rx", "ry")))
    angle = _number(shape, "theta") if shape.get("theta") else 0.0
    box = _checked(Box(value, x - rx, y - ry, x + rx, y + ry, math.degrees(angle)))
    return Ellipse(box) if box.area else None


def _rectangle(shape: Mapping[str, Any], value: int) -> Box:
    left, top, width, height = (_number(shape, name) for name in ("x", "y", "width", "height"))
    return _checked(Box(value, left, top, left + width, top + height))


def _checked(box: Box) -> Box:
    if box.fault is not None:
        raise ValueError(box.fault)
    return box


def _outline(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The corners of a polygon; raises a `ValueError` if it has none."""
    both = []
    for name in ("all_points_x", "all_points_y"):
        if not isinstance(values := shape.get(name), list):
            raise ValueError(f"its shape has no list {name!r}")
        both.append([_float(name, number) for number in values])
    if len(both[0]) != len(both[1]):
        raise ValueError(f"its polygon has {len(both[0]):,} x and {len(both[1]):,} y")
    return corners([*zip(*both, strict=True)])


def _number(shape: Mapping[str, Any], name: str) -> float:
    """A number of a shape; raises a `ValueError` if it has none."""
    if name not in shape:
        raise ValueError(f"its shape has no {name!r}")
    return _float(name, shape[name])


def _float(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"its {name!r} has {repr(value)[:40]}, which is no number") from None
