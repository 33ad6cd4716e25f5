"""Reads panoptic annotations in COCO's format: a JSON file that lists segments, and a picture of segments per image.

    {"images": [{"id": 139, "file_name": "000000000139.jpg"}, ...], "categories": [{"id": 1, "name": "person"}, ...],
     "annotations": [{"image_id": 139, "file_name": "000000000139.png",
                      "segments_info": [{"id": 3226956, "category_id": 1, "iscrowd": 0}, ...]}, ...]}

The colour of a pixel is the number of its segment, red + 256 green + 65536 blue; black is no segment. A crowd is a
segment of its category like any other, unless the caller says otherwise. (Kirillov et al., CVPR 2019; panopticapi,
utils.py: rgb2id.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from labelforge.converters.annotations.coco_json import Images, file_below, unknown_category
from labelforge.converters.annotations.json_files import CURE, flag, located, reading
from labelforge.converters.base import Source
from labelforge.converters.labels.contract import NO_ANNOTATION, Ids
from labelforge.converters.labels.panoptic import PanopticSegments
from labelforge.converters.pictures.label_maps import read_color_map
from labelforge.errors import DatasetError

NativeIds = Callable[[Iterable[Any], Path], Mapping[int, int]]
"""The categories of a file, and the file for messages -> category id -> native id; raises if they are another's."""


@dataclass(frozen=True, slots=True)
class PanopticEntry:
    """An image and its segments.

    Attributes:
        key: The image's file name without its suffix.
        image: The image's file name.
        picture: The file name of the picture of segments; None if the image has no annotation.
        segments: The segments, as text for `Source.annotations`.
    """

    key: str
    image: str
    picture: str | None
    segments: str | None


def read_panoptic(path: Path, native_ids: NativeIds, crowd: int | None = None) -> list[PanopticEntry]:
    """The images that a panoptic JSON file lists, with their segments.

    Args:
        path: The file.
        native_ids: Says which label each of its categories is.
        crowd: Native id of the segments that are marked as a crowd; None: that of their category.

    Raises:
        DatasetError: The file is missing or broken, or its categories are not those of the dataset.
    """
    images, categories = Images(path), []
    pictures: dict[int | str, str] = {}
    segments: dict[int | str, str] = {}
    for record in located(path, {"images": True, "annotations": True, "categories": True}):
        if record.name == "images":
            images.add(record.entry)
        elif record.name == "categories":
            categories.append(record.entry)
        else:
            with reading(path, f"annotation {len(pictures)}"):
                image_id = record.entry["image_id"]
                again = image_id in pictures
                pictures[image_id] = file_below(record.entry["file_name"])
                segments[image_id] = _segments(record.entry["segments_info"], crowd)
            if again:
                raise DatasetError(f"image {image_id!r} has two annotations", where=path, cure=CURE)
    ids = native_ids(categories, path)
    images.check_annotations(pictures)
    found = []
    for image in images.by_id.values():
        text = segments.get(image.id)
        labels = None if text is None else _labels(text, ids, f"a segment of {image.name}", path)
        found.append(PanopticEntry(image.key, image.name, pictures.get(image.id), labels))
    return found


def _segments(entries: Iterable[Any], crowd: int | None) -> str:
    """The number and category of every segment, and of a crowd its id, as JSON: much smaller than what the file has."""
    found = [(index(entry["id"]), index(entry["category_id"]), *_marked(entry, crowd)) for entry in entries]
    if len({number for number, *_ in found}) < len(found):
        raise ValueError("two segments have the same id")
    return json.dumps(found, separators=(",", ":"))


def _marked(entry: Mapping[str, Any], crowd: int | None) -> tuple[int, ...]:
    return () if crowd is None or not flag(entry.get("iscrowd")) else (crowd,)


def _labels(text: str, ids: Mapping[int, int], what: str, path: Path) -> str:
    """The number and native id of every segment, from its number, its category and, of a crowd, its id."""
    entries = json.loads(text)
    unknown = next((category for _, category, *_ in entries if category not in ids), None)
    if unknown is not None:
        raise unknown_category(unknown, what, path)
    found = [(number, crowd[0] if crowd else ids[category]) for number, category, *crowd in entries]
    return json.dumps(found, separators=(",", ":"))


def panoptic_sources(
    root: Path, entries: Iterable[PanopticEntry], images: str, pictures: str, meta: Mapping[str, Any] | None = None
) -> list[Source]:
    """The samples of a panoptic JSON file whose image is on disk, sorted by key.

    Args:
        root: The dataset's root.
        entries: What the file lists.
        images: Folder of the images, relative to the root.
        pictures: Folder of the pictures of segments, relative to the root.
        meta: More facts for every sample's json member.

    Raises:
        DatasetError: No image is there.
    """
    found, absent = [], None
    for entry in entries:
        if not (root / images / entry.image).is_file():
            absent = entry.image
            continue
        labels = None if entry.picture is None else f"{pictures}/{entry.picture}"
        found.append(Source(entry.key, f"{images}/{entry.image}", labels, meta or {}, entry.segments))
    if not found:
        what = f"holds none of the images that are annotated, such as {absent}" if absent else "no image is listed"
        raise DatasetError(what, where=root / images, cure="Unpack the images too.")
    return sorted(found, key=lambda source: source.key)


def panoptic_labels(source: Source, picture: Path, background: int = NO_ANNOTATION) -> PanopticSegments:
    """The labels of a sample.

    Args:
        source: What `panoptic_sources` gave.
        picture: Its picture of segments.
        background: Native id where no segment is.

    Raises:
        DatasetError: The picture is missing or broken.
    """
    segments = dict(json.loads(source.annotations or "[]"))
    return PanopticSegments(segment_numbers(read_color_map(picture)), segments, picture, background)


def segment_numbers(colors: Ids) -> Ids:
    """The numbers of segments.

    Args:
        colors: (H, W) int32, as `labelforge.converters.pictures.label_maps.read_color_map` packs them.

    Returns:
        (H, W) int32, red + 256 green + 65536 blue.
    """
    numbers: Ids = colors >> 16 | colors & 0xFF00 | (colors & 0xFF) << 16
    return numbers
