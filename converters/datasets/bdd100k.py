"""BDD100K: street scenes of the United States, by the crowd (Yu et al., CVPR 2020).

    ROOT/images/10k/<split>/<name>.jpg
    ROOT/labels/sem_seg/masks/<split>/<name>.png          19 labels: train ids of 8 bits, 255 where nobody labelled
    ROOT/labels/pan_seg/bitmasks/<split>/<name>.png       40 labels: the first channel of an RGBA picture
    ROOT/images/100k/<split>/<name>.jpg
    ROOT/labels/det_20/det_<split>.json                   boxes of 10 classes, and three that the benchmark ignores

Of a box, the corners are the first and the last pixel (as Scalabel, whose format it is, computes its width). Boxes that
are marked as a crowd stand for pixels that nobody labelled. The test split is published without labels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

from labelforge.converters.annotations.json_files import flag, reading, records
from labelforge.converters.base import Source, check_choice
from labelforge.converters.datasets.paired import PairedConverter, Pairs
from labelforge.converters.labels.boxes import Overlaps
from labelforge.converters.labels.contract import NO_ANNOTATION, NativeLabels
from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes, set_values
from labelforge.converters.pictures.label_maps import read_channel, read_label_map
from labelforge.errors import DatasetError, did_you_mean
from labelforge.label_space import LabelSpace

Labels = Literal["sem_seg", "pan_seg", "det_20"]
_SPACES: Final[Mapping[str, str]] = {
    "sem_seg": "bdd100k",
    "pan_seg": "bdd100k-panoptic",
    "det_20": "bdd100k-boxes",
}
_FOLDERS: Final[Mapping[str, str]] = {"sem_seg": "labels/sem_seg/masks", "pan_seg": "labels/pan_seg/bitmasks"}
_DETECTION: Final = "labels/det_20"


class Bdd100k(PairedConverter):
    """BDD100K's label maps, or its boxes.

    Args:
        root: Folder that holds ``images`` and ``labels``.
        labels: ``sem_seg``, ``pan_seg`` or ``det_20``; default: the first of them that is there.
        overlaps: What a pixel in boxes of several classes becomes.

    Raises:
        ConfigError: An option has no such value.
        DatasetError: The folder does not hold them.
    """

    name = "bdd100k"
    title = "BDD100K"
    splits = ("train", "val", "test")
    markers = ("images/10k or images/100k", "labels/sem_seg or labels/pan_seg or labels/det_20")
    home = "https://bdd-data.berkeley.edu"
    layout = """\
images/10k/<split>/<name>.jpg
labels/sem_seg/masks/<split>/<name>.png (or labels/pan_seg/bitmasks/<split>/<name>.png)
images/100k/<split>/<name>.jpg
labels/det_20/det_<split>.json"""
    option_help: ClassVar[Mapping[str, str]] = {
        "labels": "sem_seg, pan_seg or det_20 (default: the first that is there)",
        "overlaps": "of boxes: smallest (the default), ignore or set",
    }
    image_ends = (".jpg",)

    def __init__(
        self, root: str | os.PathLike[str], *, labels: Labels | None = None, overlaps: Overlaps = "smallest"
    ) -> None:
        super().__init__(root)
        if labels is not None:
            check_choice("labels", labels, get_args(Labels))
        check_choice("overlaps", overlaps, get_args(Overlaps))
        here = [kind for kind in _SPACES if (self.root / "labels" / kind).is_dir()]
        self.kind = labels or here[0]
        self.label_space = _SPACES[self.kind]
        self.overlaps = overlaps
        self._classes = {label.name: label.id for label in LabelSpace.load(self.label_space).labels}
        self._set_values: dict[frozenset[int], int] = {}
        self._named: dict[str, frozenset[str]] = {}
        self._crowds: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes need no lists of images."""
        return {**self.__dict__, "_named": {}}

    @property
    def options(self) -> dict[str, Any]:
        """Which labels; of boxes, what decides how they are drawn."""
        if self.kind != "det_20":
            return {"labels": self.kind}
        shapes = {str(native_id): self.shapes[native_id] for native_id in sorted(self.shapes)}
        return {"labels": self.kind, "overlaps": self.overlaps, "shapes": shapes}

    def pairs(self, split: str) -> Pairs:
        """The folders of a split; of boxes, only that of the images."""
        if self.kind == "det_20":
            return Pairs(f"images/100k/{split}", None)
        return Pairs(f"images/10k/{split}", None if split == "test" else f"{_FOLDERS[self.kind]}/{split}")

    def ids(self, path: Path) -> Any:
        """The ids of a label map; of a bitmask, its first channel."""
        return read_label_map(path) if self.kind == "sem_seg" else read_channel(path, 0)

    def sources(self, split: str) -> list[Source]:
        """The images of a split; of boxes, each with those that the split's file has of it."""
        found = super().sources(split)
        if self.kind != "det_20" or split == "test":
            return found
        boxes = self._boxes(split)
        self._named[split] = frozenset(boxes)  # the file is a gigabyte: it is read once
        if self.overlaps == "set":
            self._set_values = set_values(map(_read, boxes.values()))
        texts = [boxes.get(source.key, "[]") for source in found]
        self._crowds[split] = sum(box.value == NO_ANNOTATION for text in texts for box in _read(text))
        return [
            replace(source, labels=self._file(split), annotations=text)
            for source, text in zip(found, texts, strict=True)
        ]

    def labels(self, source: Source) -> NativeLabels:
        """The labels of an image."""
        if source.annotations is None:
            return super().labels(source)
        return LabeledBoxes(_read(source.annotations), self.shapes, self.overlaps, self._set_values)

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """With ``overlaps="set"``, the sets of classes that overlapping boxes of the split make, by their values."""
        if self.overlaps == "set" and self.kind == "det_20" and not self._set_values:
            self.sources(split)
        return {value: members for members, value in self._set_values.items()}

    def missing(self, split: str) -> list[str]:
        """Names of the images that have labels but are not on disk."""
        if self.kind != "det_20":
            return super().missing(split)
        if split == "test":
            return []
        if split not in self._named:
            self.sources(split)
        return sorted(self._named[split] - {source.key for source in super().sources(split)})

    def notes(self, split: str) -> list[str]:
        """How many boxes are marked as a crowd."""
        if self.kind == "det_20" and split != "test" and split not in self._crowds:
            self.sources(split)
        number = self._crowds.get(split, 0)
        return [f"Not labelled, since marked as a crowd: {number:,} x box."] if number else []

    @staticmethod
    def _file(split: str) -> str:
        return f"{_DETECTION}/det_{split}.json"

    def _boxes(self, split: str) -> dict[str, str]:
        """The boxes of every image that the split's file names, as JSON."""
        path = self.root / self._file(split)
        found = {}
        for _, frame, _ in records(path, {"frames": False}):
            with reading(path, "a frame"):
                name = str(frame["name"])
            with reading(path, f"the frame {name}"):
                labels = [label for label in frame.get("labels") or () if label.get("box2d")]
                boxes = [self._box(label, path, name) for label in labels]
            found[name.rpartition("/")[2].removesuffix(".jpg")] = json.dumps(boxes, separators=(",", ":"))
        return found

    def _box(self, label: Any, path: Path, name: str) -> list[float]:
        """Native id and edges of a box."""
        category, box = str(label["category"]), label["box2d"]
        if category not in self._classes:
            cure = f"{did_you_mean(category, self._classes)} Give the file of the 2020 labels (det_20)."
            raise DatasetError(f"{name} has a box of the class {category!r}, which is none", where=path, cure=cure)
        crowd = flag((label.get("attributes") or {}).get("crowd"))
        value = NO_ANNOTATION if crowd else self._classes[category]
        edges = Box(value, float(box["x1"]), float(box["y1"]), float(box["x2"]) + 1, float(box["y2"]) + 1)
        if edges.fault:
            raise ValueError(edges.fault)
        return [value, edges.left, edges.top, edges.right, edges.bottom]


def _read(annotations: str) -> list[Box]:
    """The boxes of a sample's annotations."""
    return [Box(int(value), *edges) for value, *edges in json.loads(annotations)]
