"""COCO's panoptic annotations: 118,000 and 5,000 photographs, 80 things and 53 kinds of stuff.

    ROOT/train2017/000000000009.jpg                        or images/train2017/...
    ROOT/annotations/panoptic_train2017.json
    ROOT/annotations/panoptic_train2017/000000000009.png   or panoptic_train2017/...

Pixels that no segment holds are not annotated. The format is that of `labelforge.converters.annotations.panoptic_json`.
(Kirillov et al., CVPR 2019.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from labelforge.converters.annotations.coco_json import missing_images, same_categories
from labelforge.converters.annotations.panoptic_json import panoptic_labels, panoptic_sources, read_panoptic
from labelforge.converters.base import Converter, Source
from labelforge.converters.files import first_folder
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.labels.pixels import Unannotated
from labelforge.label_space import LabelSpace


class CocoPanoptic(Converter):
    """COCO with its panoptic annotations.

    Args:
        root: Folder that holds ``annotations`` and the images.

    Raises:
        DatasetError: The folder does not hold them.
    """

    name = "coco-panoptic"
    title = "COCO panoptic"
    splits: tuple[str, ...] = ("train2017", "val2017")
    label_space = "coco-panoptic-133"
    markers = ("annotations/panoptic_*20??.json",)
    home = "https://cocodataset.org"
    layout = """\
annotations/panoptic_<split>.json
annotations/panoptic_<split>/<image>.png (or panoptic_<split>/...)
<split>/<image>.jpg (or images/<split>/...)"""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self.splits = splits_of(self.root, "panoptic", type(self).splits)

    def sources(self, split: str) -> list[Source]:
        """The images of a split that are on disk."""
        self.check_split(split)
        entries = read_panoptic(self._json(split), self._native_ids)
        pictures = first_folder(
            self.root, (f"annotations/panoptic_{split}", f"panoptic_{split}"), what=f"the segments of {split}"
        )
        return panoptic_sources(self.root, entries, images_folder(self.root, split), pictures)

    def missing(self, split: str) -> list[str]:
        """Names of the images that are annotated but not on disk."""
        return missing_images(self._json(split), self.root / images_folder(self.root, split))

    def labels(self, source: Source) -> NativeLabels:
        """The segments of an image."""
        return Unannotated() if source.labels is None else panoptic_labels(source, self.label_path(source))

    def _json(self, split: str) -> Path:
        return self.root / "annotations" / f"panoptic_{split}.json"

    def _native_ids(self, categories: Iterable[Any], place: Path) -> dict[int, int]:
        return same_categories(categories, LabelSpace.load(self.label_space), place)


def splits_of(root: Path, kind: str, usual: Sequence[str]) -> tuple[str, ...]:
    """The splits of a copy: the usual ones, and those of other years whose annotations are there.

    Args:
        root: The dataset's folder.
        kind: What the names of the annotation files begin with.
        usual: Names that are splits whether they are there or not.
    """
    there = (path.stem.removeprefix(f"{kind}_") for path in (root / "annotations").glob(f"{kind}_*20[0-9][0-9].json"))
    return tuple(dict.fromkeys([*usual, *sorted(there)]))


def images_folder(root: Path, split: str) -> str:
    """Where COCO's images of a split are, relative to the root.

    Raises:
        DatasetError: Nowhere.
    """
    return first_folder(root, (split, f"images/{split}"), what=f"images of the split {split}")
