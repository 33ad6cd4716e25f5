"""Labels in COCO's JSON: boxes, or the polygons and run lengths of objects.

A box is left, top, width and height in pixels; ``rotation`` or ``angle``, in the annotation or in its ``attributes``,
turns it about its middle, in degrees, clockwise as seen. Objects are drawn by COCO's own code, the largest first. What
is marked as a crowd, or to be ignored, is drawn as "not labelled", unless the dataset.yaml says ``crowds: label``.

Categories are taken by their names, whatever their ids. The files may hold hundreds of megabytes: an image only carries
where in the file its annotations are, and these are read when it is converted.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from labelforge.converters.annotations.coco_json import checked_segmentation
from labelforge.converters.annotations.json_files import entries_at, flag, located, parse, reading
from labelforge.converters.annotations.json_stream import EntryPlace
from labelforge.converters.labels.coco_masks import run_pixels
from labelforge.converters.labels.contract import MOST_OBJECTS, NO_ANNOTATION
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.objects import AnnotatedObject, ObjectMasks, Segmentation
from labelforge.converters.own.layers import MOST_PIXELS, image_size
from labelforge.converters.own.marks import (
    AGAIN,
    LARGEST_SHARED,
    RUN_LENGTHS,
    BoxMarks,
    Classes,
    LeftOut,
    PaintMarks,
    check_count,
    check_length,
    checked_boxes,
)
from labelforge.errors import DatasetError

_LISTS: Final = {"images": True, "annotations": True, "categories": True}
_ONE: Final = {"images": "image", "annotations": "annotation", "categories": "category"}
_MARKS: Final = ("iscrowd", "ignore")


@dataclass
class _Content:
    """What a file lists, in any order.

    Attributes:
        images: Id -> name and size.
        places: Id of an image -> start, length, checksum and category's place in ``used`` of each of its annotations.
        used: Category of some annotation -> its place, and the annotation.
        values: Category -> native id.
    """

    images: dict[Hashable, tuple[str, Any]] = field(default_factory=dict)
    places: dict[Hashable, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    used: dict[Hashable, tuple[int, str]] = field(default_factory=dict)
    values: dict[Hashable, int] = field(default_factory=dict)

    def native_ids(self, path: Path) -> list[int]:
        """The native id of each category used; raises what `read_coco` raises."""
        for category, (_, what) in self.used.items():
            if category not in self.values:
                fault = f"{what} has the category {category}, which the file does not list"
                raise DatasetError(fault, where=path, cure=AGAIN)
        return [self.values[category] for category in self.used]


def read_coco(path: Path, classes: Classes) -> Iterator[tuple[str, str]]:
    """The images of a COCO file: name, and its size and annotations as `coco_boxes` and `coco_objects` read them.

    Raises:
        DatasetError: The file is missing or broken, or a category is no class.
    """
    check_length(path, LARGEST_SHARED)
    found = _content(path, classes)
    ids = found.native_ids(path)
    lost = [number for number in found.places if number not in found.images]
    if lost:
        what = f"there are annotations of image {lost[0]!r}, which the file does not list"
        raise DatasetError(what, where=path, cure=AGAIN)
    for number, (name, size) in found.images.items():
        places = found.places.get(number, array("q")).tolist()
        places[3::4] = [ids[category] for category in places[3::4]]
        yield name, json.dumps({"size": size, "entries": places}, separators=(",", ":"))


def _content(path: Path, classes: Classes) -> _Content:
    found = _Content()
    seen = dict.fromkeys(_LISTS, 0)
    for record in located(path, _LISTS, AGAIN):
        kind, entry = record.name, record.entry
        what = f"{_ONE[kind]} {_called(entry, seen[kind])}"
        seen[kind] += 1
        with reading(path, what, AGAIN):
            if not isinstance(entry, Mapping):
                raise TypeError(f"it is {str(entry)[:40]!r}, no object")
            if kind == "images":
                found.images[entry["id"]] = (str(entry["file_name"]), [entry.get("height"), entry.get("width")])
            elif kind == "categories":
                found.values[entry["id"]] = classes.named(entry["name"], path)
            else:
                category, _ = found.used.setdefault(entry["category_id"], (len(found.used), what))
                places = found.places[entry["image_id"]]
                places.extend((*record.place, category))
                if len(places) > 4 * MOST_OBJECTS:
                    check_count(len(places) // 4, path)
    return found


def coco_boxes(text: str, place: Path, classes: Classes) -> BoxMarks:
    """The boxes of one image, from what `read_coco` gave.

    Raises:
        DatasetError: An annotation is malformed.
    """
    size, entries = _entries(text, place)
    boxes = []
    for entry, value in entries:
        with reading(place, f"annotation {entry.get('id', 'without id')}", AGAIN):
            left, top, width, height = _edges(entry["bbox"])
            native = classes.unless(_marked(entry), value)
            boxes.append(Box(native, left, top, left + width, top + height, _angle(entry)))
    checked_boxes(boxes, place)
    return BoxMarks(boxes, image_size(*size))


def coco_objects(text: str, place: Path, classes: Classes) -> PaintMarks:
    """The polygons and run lengths of one image, from what `read_coco` gave.

    Raises:
        DatasetError: An annotation is malformed, or run lengths do not fit the image.
    """
    given, entries = _entries(text, place)
    left_out = LeftOut()
    found: list[AnnotatedObject] = []
    with reading(place, "an image", AGAIN):
        size = image_size(*given)
        if size is None or size[0] * size[1] > MOST_PIXELS:
            raise ValueError(f"its height {given[0]!r} and width {given[1]!r} are no size of a picture")
    for entry, value in entries:
        with reading(place, f"annotation {entry.get('id', 'without id')}", AGAIN):
            native = classes.unless(_marked(entry), value)
            outline = entry.get("segmentation")
            drawn = checked_segmentation(outline, size) if outline else None
            if drawn is None:
                left_out.empty["object without a polygon"] += 1
                continue
            counts = left_out.marked if native == NO_ANNOTATION else left_out.plain
            counts[RUN_LENGTHS if isinstance(drawn, Mapping) else "object"] += 1
            found.append(AnnotatedObject(native, drawn, _area(drawn)))
    return PaintMarks(ObjectMasks(size, found), left_out)


def _entries(text: str, place: Path) -> tuple[tuple[Any, Any], Iterator[tuple[Any, int]]]:
    """The size of an image as the file gives it, and each of its annotations with its native id."""
    data = parse(text, place)  # as `read_coco` wrote it
    numbers = data["entries"]
    places = [EntryPlace(*three) for three in zip(numbers[::4], numbers[1::4], numbers[2::4], strict=True)]
    entries = entries_at(place, places) if places else iter(())
    return tuple(data["size"]), zip(entries, numbers[3::4], strict=True)


def _edges(bbox: Any) -> Sequence[float]:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"its bbox {repr(bbox)[:60]} is not left, top, width and height")
    return [float(number) for number in bbox]


def _area(segmentation: Segmentation) -> float:
    """Of an object as drawn: annotated areas are missing in the files of many tools."""
    if isinstance(segmentation, Mapping):
        return float(run_pixels(segmentation))
    area = 0.0
    for points in segmentation:
        x, y = np.reshape(points, (-1, 2)).T
        area += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return area


def _marked(entry: Mapping[str, Any]) -> bool:
    return any(flag(entry.get(name)) for name in _MARKS)


def _angle(entry: Mapping[str, Any]) -> float:
    attributes = entry.get("attributes")
    for facts in (entry, attributes if isinstance(attributes, Mapping) else {}):
        for name in ("rotation", "angle"):
            if facts.get(name) is not None:
                return float(facts[name])
    return 0.0


def _called(entry: Any, number: int) -> str:
    """What to call an entry: by its id, or by its place in its list."""
    return str(entry["id"])[:40] if isinstance(entry, Mapping) and "id" in entry else f"number {number + 1} of the list"
