"""The experiment's three datasets as files, and their converters: what you would write for a dataset of your own.

    ROOT/images/<key>.png    ROOT/fine/<key>.png    ROOT/coarse/<key>.png     id maps
    ROOT/boxes.csv           key,name,left,top,right,bottom                   pixel edges, right and bottom exclusive
    ROOT/lists/<split>.txt   a key a line

The datasets share their images; a split is whatever a list names. Each converter is a few lines, since the pipeline
does the resizing, encoding, sharding and checking.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from camvid_experiment.labels import BOXED, Box, boxes_of, coarse_ids
from labelforge.converters import Converter, NativeLabels, PixelLabels, Source, list_files, read_label_map
from labelforge.converters.datasets.camvid import CamVid
from labelforge.converters.labels import labeled_boxes
from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.converters.labels.labeled_boxes import LabeledBoxes
from labelforge.converters.labels.pixels import nearest
from labelforge.errors import DatasetError
from labelforge.files import write_atomically

IMAGES = (".png", ".jpg", ".jpeg")


def write_native(frames: CamVid, out: Path) -> list[str]:
    """Write the training frames of CamVid with all three kinds of labels; boxes.csv is written last.

    Args:
        frames: CamVid with its 11 classes.
        out: Folder to write into.

    Returns:
        The frames' keys, sorted.
    """
    sources = frames.sources("train")
    keys = [source.key for source in sources]
    if (out / "boxes.csv").is_file():
        return _written(out, keys, frames.labels(sources[0]).ids)
    lines = ["key,name,left,top,right,bottom\n"]
    for source in sources:
        fine = frames.labels(source).ids.astype(np.uint8)
        suffix = Path(source.image).suffix.lower()
        _copy(frames.read_image(source), out / "images" / f"{source.key}{suffix}")
        for kind, ids in (("fine", fine), ("coarse", coarse_ids(fine))):
            file = out / kind / f"{source.key}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(ids).save(file)
        lines += [f"{source.key},{','.join(map(str, box))}\n" for box in boxes_of(fine)]
    write_atomically(out / "boxes.csv", "".join(lines))
    return keys


def write_list(out: Path, split: str, keys: Sequence[str]) -> None:
    """Name the frames of a split."""
    (out / "lists").mkdir(parents=True, exist_ok=True)
    write_atomically(out / "lists" / f"{split}.txt", "".join(f"{key}\n" for key in sorted(keys)))


def _written(out: Path, keys: list[str], first: Ids) -> list[str]:
    """The keys, if an earlier run wrote just these frames, of the same copy of CamVid."""
    there = sorted(path.stem for path in (out / "fine").glob("*.png"))
    if there != keys:
        what = f"holds {len(there)} frames of an earlier run, not these {len(keys)}"
        raise DatasetError(what, where=out, cure="Give another --out, or remove this folder.")
    if not np.array_equal(read_label_map(out / "fine" / f"{keys[0]}.png"), first):
        what = f"holds the frames of another copy of CamVid: {keys[0]} has other labels there"
        raise DatasetError(what, where=out, cure="Give another --out, or remove this folder.")
    return keys


def _copy(data: bytes, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


class Listed(Converter):
    """A dataset of the experiment; its splits are the lists that there are."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        # An instance has splits of its own here: a class cannot know them.
        self.splits = tuple(path.stem for path in list_files(self.root / "lists", [".txt"], what="lists"))
        self._images = {path.stem: path.name for path in list_files(self.root / "images", IMAGES, what="images")}

    def sources(self, split: str) -> list[Source]:
        """The frames of a list."""
        self.check_split(split)
        keys = (self.root / "lists" / f"{split}.txt").read_text(encoding="utf-8").split()
        return [Source(key, f"images/{self._images[key]}", self.label_file(key)) for key in sorted(keys)]

    def label_file(self, key: str) -> str:
        """The file with a frame's labels, relative to the root."""
        return f"{self.name}/{key}.png"

    def labels(self, source: Source) -> NativeLabels:
        """The label ids of a frame."""
        return PixelLabels(read_label_map(self.label_path(source)))


class Fine(Listed):
    """CamVid's own 11 classes."""

    name = "fine"
    title = "CamVid, fine labels"
    label_space = "camvid-11"


class Coarse(Listed):
    """Six groups of them."""

    name = "coarse"
    title = "CamVid, coarse labels"
    label_space = "camvid-coarse"


class MoverBoxes(Listed):
    """Boxes around cars, pedestrians and bicyclists."""

    name = "boxes"
    title = "CamVid, boxes"
    label_space = "camvid-boxes"
    boxed: tuple[str, ...] = ("car", "pedestrian", "bicyclist")

    def label_file(self, key: str) -> str:
        """All boxes are in one file."""
        return "boxes.csv"

    def labels(self, source: Source) -> NativeLabels:
        """The boxes of a frame; an annotated frame may have none."""
        return self.boxes(source)

    def boxes(self, source: Source) -> LabeledBoxes:
        """The boxes of a frame, each with the id of its name."""
        ids = {name: number for number, name in enumerate(self.boxed)}
        there = [box for box in self._boxes.get(source.key, ()) if box.name in ids]
        return LabeledBoxes([labeled_boxes.Box(ids[box.name], *box[1:]) for box in there], self.shapes)

    @cached_property
    def _boxes(self) -> dict[str, list[Box]]:
        found: dict[str, list[Box]] = {}
        with (self.root / "boxes.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                sides: list[Any] = [int(line[side]) for side in Box._fields[1:]]
                found.setdefault(line["key"], []).append(Box(line["name"], *sides))
        return found


class SignBoxes(MoverBoxes):
    """The same, and boxes around signs."""

    name = "sign-boxes"
    title = "CamVid, boxes with signs"
    label_space = "camvid-sign-boxes"
    boxed = (*MoverBoxes.boxed, "sign")


@dataclass(frozen=True)
class Masks:
    """What the boxes of one frame would be if they were perfect: the pixels of each that show its class.

    Attributes:
        boxes: The boxes.
        fine: (H, W) ids of camvid-11.
        class_of: Id of a box's name -> id of its class in camvid-11.
    """

    boxes: LabeledBoxes
    fine: Ids
    class_of: Mapping[int, int]
    size: None = None

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The boxes, without pixels that show another class."""
        drawn = self.boxes.draw(image_size, output_size, lambda ids: ids)
        truth = nearest(self.fine, output_size)
        wrong = np.logical_and.reduce([(drawn != box) | (truth != number) for box, number in self.class_of.items()])
        return rows_of(np.where(wrong, NO_ANNOTATION, drawn))


class BoxMasks(MoverBoxes):
    """The same boxes with perfect outlines: what better boxes could bring at most."""

    name = "box-masks"
    title = "CamVid, boxes with perfect outlines"

    def labels(self, source: Source) -> NativeLabels:
        """The boxes of a frame, each cut to its class."""
        numbers = {name: number for number, name in BOXED.items()}
        class_of = {box: numbers[name] for box, name in enumerate(self.boxed)}
        return Masks(self.boxes(source), read_label_map(self.root / "fine" / f"{source.key}.png"), class_of)


class Pairs(Converter):
    """Frames in ``images/`` and their fine labels in ``labels/``, under the same names."""

    name = "pairs"
    title = "frames"
    splits = ("all",)
    label_space = "camvid-11"

    def sources(self, split: str) -> list[Source]:
        """All frames."""
        self.check_split(split)
        files = list_files(self.root / "images", IMAGES, what="images")
        return sorted(
            (Source(file.stem, f"images/{file.name}", f"labels/{file.stem}.png") for file in files),
            key=lambda source: source.key,
        )

    def labels(self, source: Source) -> PixelLabels:
        """The ids of a frame."""
        return PixelLabels(read_label_map(self.label_path(source)))


REFINED = "refined-boxes"
"""The boxes of the movers, cut to what the image shows: their conversion refines them."""

DATASETS: dict[str, type[Listed]] = {
    **{kind.name: kind for kind in (Fine, Coarse, MoverBoxes, SignBoxes, BoxMasks)},
    REFINED: MoverBoxes,
}
"""The datasets that a run may name."""


def frames_of(dataset: str) -> str:
    """The labels of the frames that a dataset is about: all kinds of boxes are about the same ones."""
    return MoverBoxes.name if issubclass(DATASETS[dataset], MoverBoxes) else dataset
