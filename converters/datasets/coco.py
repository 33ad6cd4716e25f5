"""COCO with the objects of its detection task over the stuff of COCO-Stuff: 118,000 and 5,000 photographs.

    ROOT/train2017/000000000009.jpg                      or images/train2017/...
    ROOT/annotations/instances_train2017.json            80 things: polygons, and run lengths of crowds
    ROOT/annotations/stuff_train2017.json                91 kinds of stuff, as run lengths
    ROOT/annotations/stuff_train2017_pixelmaps/*.png     the same as pictures, or in stuff_train2017_pixelmaps

Things lie over stuff, the smaller over the larger; a region that is marked as a crowd lies under the other things. The
stuff is taken from the pictures, or where these are not unpacked, from the JSON file: both are one annotation. There,
``other`` is where things are; it stays where no thing is drawn. What nobody annotated is 0 in the pictures.

The JSON files hold gigabytes. So a sample only carries where in a file its annotations are, and these are read when it
is converted. (Lin et al., ECCV 2014; Caesar et al., CVPR 2018.)
"""

from __future__ import annotations

import json
import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import index
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np

from labelforge.converters.annotations.coco_json import (
    ImageEntry,
    Images,
    checked_segmentation,
    missing_images,
    same_categories,
    unknown_category,
)
from labelforge.converters.annotations.json_files import CURE, entries_at, flag, located, reading
from labelforge.converters.annotations.json_stream import EntryPlace
from labelforge.converters.base import Converter, Source, check_choice
from labelforge.converters.datasets.coco_panoptic import images_folder, splits_of
from labelforge.converters.labels.contract import MOST_OBJECTS, NO_ANNOTATION, Ids, Size
from labelforge.converters.labels.objects import AnnotatedObject, ObjectMasks
from labelforge.converters.pictures.label_maps import read_label_map
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace

Stuff = Literal["auto", "no"]

_PIXELMAPS: Final = ("annotations/stuff_{}_pixelmaps", "stuff_{}_pixelmaps")
_STUFF, _CROWD, _THING = range(3)  # layers, from below
_FILES: Final[Mapping[str, tuple[int, int]]] = {"stuff": (_STUFF, _STUFF), "instances": (_THING, _CROWD)}
"""Kind of annotations -> layer of its objects, and of those marked as a crowd."""

Places = dict[int | str, "array[int]"]
"""Image id -> start, length and checksum of each of its annotations, one after the other: little room for a million."""


class Coco(Converter):
    """COCO's objects and stuff.

    Args:
        root: Folder that holds ``annotations`` and the images.
        stuff: ``auto``: where it is there; ``no``: things alone, so that nothing else is annotated.

    Raises:
        ConfigError: ``stuff`` is neither.
        DatasetError: The folder does not hold them.
    """

    name = "coco"
    title = "COCO"
    splits: tuple[str, ...] = ("train2017", "val2017")
    label_space = "coco-stuff-171"
    markers = ("annotations/instances_*20??.json",)
    home = "https://cocodataset.org"
    layout = """\
annotations/instances_<split>.json
annotations/stuff_<split>_pixelmaps/<image>.png (or annotations/stuff_<split>.json)
<split>/<image>.jpg (or images/<split>/...)"""
    option_help: ClassVar[Mapping[str, str]] = {"stuff": "auto (the default: where it is there) or no"}

    def __init__(self, root: str | os.PathLike[str], *, stuff: Stuff = "auto") -> None:
        super().__init__(root)
        check_choice("stuff", stuff, get_args(Stuff))
        self.stuff = stuff
        self.splits = splits_of(self.root, "instances", type(self).splits)

    @property
    def options(self) -> dict[str, Any]:
        """Whether stuff is left out."""
        return {"stuff": self.stuff}

    def sources(self, split: str) -> list[Source]:
        """The images of a split that are on disk, also those without annotation."""
        self.check_split(split)
        folder, maps = images_folder(self.root, split), self._pixelmaps(split)
        images, stuff = Images(self._json("instances", split)), self._json("stuff", split)
        places = {"instances": self._read(images.place, images)}
        if self.stuff == "auto" and maps is None and stuff.is_file():
            places["stuff"] = self._read(stuff, Images(stuff))
        found = []
        for image in images.by_id.values():
            if not (self.root / folder / image.name).is_file():
                continue
            labels = f"{maps}/{image.key}.png" if maps else f"annotations/instances_{split}.json"
            with reading(images.place, f"image {image.id!r}"):
                text = _annotations(image, {kind: at.get(image.id) for kind, at in places.items()}, split)
            found.append(Source(image.key, f"{folder}/{image.name}", labels, annotations=text))
        if not found:
            what = f"holds none of the {len(images.by_id)} images of {images.place.name}"
            raise DatasetError(what, where=self.root / folder, cure="Unpack the images too.")
        return sorted(found, key=lambda source: source.key)

    def missing(self, split: str) -> list[str]:
        """Names of the images that are listed but not on disk."""
        return missing_images(self._json("instances", split), self.root / images_folder(self.root, split))

    def notes(self, split: str) -> list[str]:
        """Says so if there is no stuff."""
        if self.stuff == "no" or self._pixelmaps(split) or self._json("stuff", split).is_file():
            return []
        where = f"annotations/stuff_{split}_pixelmaps or annotations/stuff_{split}.json"
        return [f"Only things are annotated: there is no stuff ({where})."]

    def labels(self, source: Source) -> ObjectMasks:
        """The objects of an image, over its stuff.

        Raises:
            DatasetError: An annotation is broken, or does not fit the image or its picture of stuff.
        """
        found = json.loads(source.annotations or "{}")
        size = found["size"][0], found["size"][1]
        objects = [
            thing
            for kind, layers in _FILES.items()
            if found.get(kind)
            for thing in self._objects(self._json(kind, found["split"]), found[kind], size, layers)
        ]
        path = self.label_path(source)
        return ObjectMasks(size, objects, under=_pixelmap(path, size) if path.suffix == ".png" else None)

    def _objects(
        self, path: Path, numbers: list[int], size: Size, layers: tuple[int, int]
    ) -> Iterator[AnnotatedObject]:
        """The objects of one file in one image; those that cover nothing are left out."""
        places = [EntryPlace(*place) for place in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)]
        for entry in entries_at(path, places):
            with reading(path, f"annotation {entry.get('id', '?')} of image {entry['image_id']}"):
                segmentation = checked_segmentation(entry["segmentation"], size)
                layer = layers[flag(entry.get("iscrowd"))]
                area = float(entry["area"])
            if segmentation is not None:
                yield AnnotatedObject(entry["category_id"], segmentation, area, layer)

    def _read(self, path: Path, images: Images) -> Places:
        """Where the annotations of each image are in a file; adds the file's images to ``images``."""
        found: Places = defaultdict(lambda: array("q"))
        used: dict[int, str] = {}
        categories = []
        for number, record in enumerate(located(path, {"images": True, "annotations": True, "categories": True})):
            if record.name == "images":
                images.add(record.entry)
            elif record.name == "categories":
                categories.append(record.entry)
            else:
                with reading(path, f"annotation {number - len(images.by_id) - len(categories)}"):
                    places = found[record.entry["image_id"]]
                    used.setdefault(index(record.entry["category_id"]), f"annotation {record.entry.get('id', '?')}")
                places.extend(record.place)
                if len(places) > 3 * MOST_OBJECTS:
                    what = f"image {record.entry['image_id']} has more than {MOST_OBJECTS:,} objects"
                    raise DatasetError(what, where=path, cure=f"No image has so many. {CURE}")
        known = same_categories(categories, LabelSpace.load(self.label_space), path)
        for category, what in used.items():
            if category not in known:
                raise unknown_category(category, what, path)
        images.check_annotations(found)
        return found

    def _json(self, kind: str, split: str) -> Path:
        return self.root / "annotations" / f"{kind}_{split}.json"

    def _pixelmaps(self, split: str) -> str | None:
        """Folder of the pictures of stuff, relative to the root; None if there is none or none is wanted."""
        names = [name.format(split) for name in _PIXELMAPS if self.stuff == "auto"]
        return next((name for name in names if (self.root / name).is_dir()), None)


def _annotations(image: ImageEntry, places: Mapping[str, array[int] | None], split: str) -> str:
    """Where the annotations of an image are, as JSON."""
    if image.size is None:
        raise KeyError("height")
    numbers = {kind: at.tolist() for kind, at in places.items() if at}
    return json.dumps({"split": split, "size": image.size, **numbers}, separators=(",", ":"))


def _pixelmap(path: Path, size: Size) -> Ids:
    """The picture of an image's stuff; where nobody annotated anything, it is 0."""
    ids = read_label_map(path)
    if ids.shape != size:
        what = f"is {ids.shape[1]} x {ids.shape[0]} pixels, but the annotations say {size[1]} x {size[0]}"
        raise DatasetError(what, where=path, cure="Unpack the pictures of stuff again.")
    return np.where(ids == 0, np.int32(NO_ANNOTATION), ids.astype(np.int32))
