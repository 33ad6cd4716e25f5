"""What the JSON files of COCO's formats say: images, categories and segmentations, checked before anything uses them.

    {"images": [{"id": 139, "file_name": "000000000139.jpg", "height": 426, "width": 640}, ...],
     "categories": [{"id": 1, "name": "person"}, ...],
     "annotations": [{"id": 1768, "image_id": 139, "category_id": 18, "iscrowd": 0, "area": 702.1,
                      "segmentation": [[510.7, 423.0, ...], ...] or {"size": [426, 640], "counts": ...}}, ...]}

The lists come in any order. Annotations of images that the file does not list are left out, as COCO's own tool does.
Entries are taken apart inside `labelforge.converters.annotations.json_files.reading`, which says what is wrong with
one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from labelforge.converters.annotations.json_files import CURE, corners, reading, records
from labelforge.converters.labels.coco_masks import check_runs
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.objects import Segmentation
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace

_LONGEST: Final = 2e6
"""Pixels of an outline."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image that a file lists.

    Attributes:
        id: What annotations call it, a number or text.
        name: Its file's name, below the folder of the images.
        size: (height, width), if the file says it.
    """

    id: int | str
    name: str
    size: Size | None

    @property
    def key(self) -> str:
        """The name without its suffix."""
        return str(PurePosixPath(self.name).with_suffix(""))


def image_entry(entry: Any, place: Path, number: int) -> ImageEntry:
    """Check an entry of the list of images, the ``number``-th.

    Raises:
        DatasetError: It has no id or file name, or the name leads out of the folder.
    """
    with reading(place, f"image {number}"):
        image_id = entry["id"]
        if not isinstance(image_id, int | str):
            raise TypeError("its id is neither a number nor text")
        size = None
        if "height" in entry:
            size = index(entry["height"]), index(entry["width"])
            if min(size) < 1:
                raise ValueError(f"a size of {size[1]} x {size[0]}")
        return ImageEntry(image_id, file_below(entry["file_name"]), size)


def file_below(name: Any) -> str:
    """The name of a file below some folder, which it must not lead out of.

    Raises:
        ValueError: It does.
    """
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is no file name")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"the file name {name!r} leads out of the folder")
    return str(path)


class Images:
    """The images that a file lists, by id.

    Args:
        place: The file, for messages.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.by_id: dict[int | str, ImageEntry] = {}

    def add(self, entry: Any) -> None:
        """Add an entry of the list.

        Raises:
            DatasetError: It is broken, or there is an image of its id.
        """
        image = image_entry(entry, self.place, len(self.by_id))
        if self.by_id.setdefault(image.id, image) is not image:
            cure = "Every image needs an id of its own: make or unpack the annotations again."
            raise DatasetError(f"two images have the id {image.id!r}", where=self.place, cure=cure)

    def check_annotations(self, ids: Collection[int | str]) -> None:
        """Check that some annotation is of an image of the list, if there is any.

        Args:
            ids: What annotations call their images.

        Raises:
            DatasetError: None is, say because they are numbers in one list and text in the other.
        """
        if ids and not any(image_id in self.by_id for image_id in ids):
            what = f"no annotation is of an image that it lists; the first is of image {next(iter(ids))!r}"
            raise DatasetError(what, where=self.place, cure=CURE)


def missing_images(place: Path, folder: Path) -> list[str]:
    """Keys of the images that a file lists and a folder lacks."""
    return sorted(image.key for image in _listed_images(place) if not (folder / image.name).is_file())


def _listed_images(place: Path) -> Iterator[ImageEntry]:
    """The images of a file; no annotation is read if these come after them, as in COCO's own files."""
    number = 0
    for name, entry, _ in records(place, {"images": True, "annotations": False}):
        if name == "images":
            yield image_entry(entry, place, number)
            number += 1
        elif number:
            return


def same_categories(
    categories: Iterable[Any], space: LabelSpace, place: Path, spelled: Callable[[str], str] = str
) -> dict[int, int]:
    """Check that a file's categories have the ids and names of a label space.

    Args:
        categories: The file's list of categories, which may be some of the label space's.
        space: The label space.
        place: The file, for messages.
        spelled: Makes names comparable.

    Returns:
        Category id -> native id, which is the same.

    Raises:
        DatasetError: One of them is another.
    """
    by_id = {label.id: label for label in space.labels}
    cure = f"Give the annotations as published; labels that {space.name} has not need a label space of their own."
    found: dict[int, int] = {}
    for category, name in category_names(categories, place):
        label = by_id.get(category)
        if label is None:
            raise DatasetError(f"category {category}, {name!r}, is none of {space.name}", where=place, cure=cure)
        if spelled(label.name) != spelled(name):
            what = f"category {category} is {name!r}; in {space.name} it is {label.name!r}"
            raise DatasetError(what, where=place, cure=cure)
        found[category] = category
    return found


def category_names(categories: Iterable[Any], place: Path) -> Iterator[tuple[int, str]]:
    """Id and name of each category.

    Raises:
        DatasetError: One has none.
    """
    for number, entry in enumerate(categories):
        with reading(place, f"category {number}"):
            found = index(entry["id"]), str(entry["name"])
        yield found


def unknown_category(category: int, what: str, place: Path) -> DatasetError:
    """The error about something whose category the file itself does not list."""
    return DatasetError(f"{what} has the category {category}, which the file does not list", where=place, cure=CURE)


def checked_segmentation(value: Any, size: Size) -> Segmentation | None:
    """The segmentation of an annotation, if it can be drawn.

    Args:
        value: Polygons or run lengths.
        size: (height, width) of the image.

    Returns:
        The same, without polygons of fewer than three corners; None if nothing is left.

    Raises:
        ValueError: It is of another form, or does not fit into the image.
    """
    if isinstance(value, Mapping):
        check_runs(value, size)
        return value
    if not isinstance(value, list | tuple):
        raise TypeError("its segmentation is neither polygons nor run lengths")
    found = []
    for polygon in value:
        outline = corners(polygon)
        if len(outline) > 2:
            _check_length(outline, size)
            found.append([number for corner in outline for number in corner])
    return found or None


def _check_length(outline: Sequence[tuple[float, float]], size: Size) -> None:
    """Check that an outline is no longer than any of an object: it is followed pixel by pixel, in memory."""
    points = np.array(outline)
    length = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()
    height, width = size
    most = min(4 * (height * width + height + width), _LONGEST)
    if length > most:
        raise ValueError(f"an outline of {length:.0f} pixels is none of an image of {width} x {height}")
