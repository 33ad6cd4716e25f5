"""Labels in COCO's JSON: boxes, or the polygons and run lengths of objects.

A box is left, top, width and height in pixels; ``rotation`` or ``angle``, in the annotation or in its ``attributes``,
turns it about its middle, in degrees, clockwise as seen. Objects are drawn by COCO's own code, the largest first. What
is marked as a crowd, or to be ignored, is drawn as "not labelled".

Categories are taken by their names, whatever their ids.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from labelforge.converters.annotations.json_files import corners, parse, reading, records
from labelforge.converters.labels.contract import NO_ANNOTATION, Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.objects import AnnotatedObject, ObjectMasks
from labelforge.converters.own.layers import MOST_PIXELS
from labelforge.converters.own.marks import (
    LARGEST_SHARED,
    BoxMarks,
    Classes,
    PaintMarks,
    check_count,
    check_length,
    checked_boxes,
    without_area,
)
from labelforge.converters.own.run_lengths import coco_counts, mask_of_counts
from labelforge.errors import DatasetError

_LISTS: Final = {"images": True, "annotations": True, "categories": True}
_FAR: Final = 16  # images beside each other
_LONGEST: Final = 2e6  # pixels; drawing takes memory by the length of an outline
_NOT_DRAWN: Final = ("iscrowd", "ignore")


def read_coco(path: Path, classes: Classes) -> Iterator[tuple[str, str]]:
    """The images of a COCO file: name, and its size and annotations as `coco_boxes` and `coco_objects` read them.

    Raises:
        DatasetError: The file is missing or broken, or a category is no class.
    """
    check_length(path, LARGEST_SHARED)
    images: dict[int, tuple[str, Any]] = {}
    entries: dict[int, list[str]] = defaultdict(list)
    values: dict[int, int] = {}
    used: dict[int, int] = {}
    for kind, entry, text in records(path, _LISTS):
        with reading(path, f"{kind.removesuffix('s')} {_id(entry)}"):
            if kind == "images":
                images[entry["id"]] = (str(entry["file_name"]), [entry.get("height"), entry.get("width")])
            elif kind == "categories":
                values[entry["id"]] = classes.named(entry["name"], path)
            else:
                used.setdefault(entry["category_id"], entry["id"])
                entries[entry["image_id"]].append(text)
    for category, annotation in used.items():
        if category not in values:
            what = f"annotation {annotation} has the category {category}, which the file does not list"
            raise DatasetError(what, where=path, cure="Unpack the annotations again.")
    lost = [number for number in entries if number not in images]
    if lost:
        what = f"there are annotations of image {lost[0]!r}, which the file does not list"
        raise DatasetError(what, where=path, cure="Unpack the annotations again.")
    ids = json.dumps({str(category): values[category] for category in used})
    for number, (name, size) in images.items():
        yield name, f'{{"size":{json.dumps(size)},"ids":{ids},"entries":[{",".join(entries[number])}]}}'


def coco_boxes(text: str, place: Path, _: Classes) -> BoxMarks:
    """The boxes of one image, from what `read_coco` gave.

    Raises:
        DatasetError: An annotation is malformed.
    """
    data = parse(text, place)
    check_count(len(data["entries"]), place)
    boxes = []
    for entry in data["entries"]:
        with reading(place, f"annotation {_id(entry)}"):
            left, top, width, height = (float(number) for number in entry["bbox"])
            boxes.append(Box(_value(entry, data["ids"]), left, top, left + width, top + height, _angle(entry)))
    checked_boxes(boxes, place)
    return BoxMarks(boxes, _size(data["size"]), left_out=without_area(boxes))


def coco_objects(text: str, place: Path, _: Classes) -> PaintMarks:
    """The polygons and run lengths of one image, from what `read_coco` gave.

    Raises:
        DatasetError: An annotation is malformed, or run lengths do not fit the image.
    """
    data = parse(text, place)
    check_count(len(data["entries"]), place)
    left_out: Counter[str] = Counter()
    found: list[AnnotatedObject] = []
    with reading(place, "the image"):
        height, width = data["size"]
        if not (type(height) is int and type(width) is int and 0 < height * width <= MOST_PIXELS):
            raise ValueError(f"its height {height!r} and width {width!r} are no size of a picture")
    for entry in data["entries"]:
        with reading(place, f"annotation {_id(entry)}"):
            thing = _object(entry.get("segmentation"), _value(entry, data["ids"]), (height, width))
            if thing is None:
                left_out["object without a polygon"] += 1
            else:
                found.append(thing)
    return PaintMarks(ObjectMasks((height, width), found), left_out)


def _object(segmentation: Any, value: int, size: Size) -> AnnotatedObject | None:
    """An object with its area as drawn: annotated areas are missing in the files of many tools."""
    if isinstance(segmentation, Mapping):
        height, width = segmentation["size"]
        counts = coco_counts(segmentation["counts"])
        area = float(mask_of_counts(counts, (width, height)).sum())
        return AnnotatedObject(value, {"size": [height, width], "counts": counts}, area)
    outlines = [corners(points) for points in segmentation or ()]
    outlines = [points for points in outlines if len(points) > 2]
    if not outlines:
        return None
    area = length = 0.0
    for points in outlines:
        far = max(abs(number) for point in points for number in point)
        if far > _FAR * max(size):
            raise ValueError(f"the coordinate {far:g} is no place in an image of {size[1]} x {size[0]}")
        x, y = np.asarray(points).T
        length += float(np.maximum(abs(x - np.roll(x, -1)), abs(y - np.roll(y, -1))).sum())
        if length > _LONGEST:
            raise ValueError(f"an outline {length:,.0f} pixels long is none of an object")
        area += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return AnnotatedObject(value, [[number for point in points for number in point] for points in outlines], area)


def _value(entry: Mapping[str, Any], ids: Mapping[str, int]) -> int:
    return NO_ANNOTATION if any(entry.get(flag) for flag in _NOT_DRAWN) else ids[str(entry["category_id"])]


def _angle(entry: Mapping[str, Any]) -> float:
    attributes = entry.get("attributes")
    for facts in (entry, attributes if isinstance(attributes, Mapping) else {}):
        for name in ("rotation", "angle"):
            if facts.get(name) is not None:
                return float(facts[name])
    return 0.0


def _size(size: Any) -> Size | None:
    height, width = size
    return (height, width) if type(height) is int and type(width) is int and height > 0 and width > 0 else None


def _id(entry: Any) -> Any:
    return entry.get("id", "without id") if isinstance(entry, Mapping) else "that is no object"
