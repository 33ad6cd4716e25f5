"""COCO's annotation format: one annotation per class and image, or one per box where the dataset has boxes.

    images/<split>/<dataset>/<key>.jpg
    annotations/<split>.json                file_name is relative to images/<split>
    README.txt

Shards hold no instances, so an annotation is all pixels of a class in an image (as in COCO-Stuff), as run lengths made
by pycocotools. Of a dataset of boxes, every box is an annotation with the dataset's own bbox, and the pixels of its
class in it; pixels of the class that no box holds are one more annotation. So the masks of a class and image together
always are the pixels of the class, and pixels without an annotation are those that no class has.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from labelforge.errors import counted
from labelforge.exports.cut import Cut, CutClass
from labelforge.exports.samples import REBUILT, Box, ExportSample
from labelforge.exports.writer import Plan, Writer

_README: Final = """\
{name}: images and annotations in COCO's format, made by labelforge from the tree {tree}.

    from pycocotools.coco import COCO
    coco = COCO("annotations/{split}.json")     # file_name is relative to images/{split}

{notes}
Pixels without an annotation are in no class, or nobody knows in which. Category ids are the class ids of
classes.json{lift}; it also says what became of every label of the datasets.
"""
_MARGIN: Final = 1.0  # pixels of the image; shapes are drawn up to half a pixel beyond their boxes
Mask = NDArray[np.bool_]


class CocoWriter(Writer):
    """Writes images, and per split a JSON file whose parts are collected on disk."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder, plan)
        self._parts: dict[tuple[str, str], IO[str]] = {}
        self._images = self._rebuilt = 0
        self._annotations = 0
        self._categories = category_ids(plan.cut)

    def add(self, sample: ExportSample) -> None:
        """Write an image, and its entries."""
        self.put(f"images/{sample.split}/{sample.place}.{sample.suffix}", sample.image)
        self._images += 1
        self._rebuilt += sample.boxes is None and any(
            shard_set.has_boxes and shard_set.reader.dataset == sample.dataset for shard_set in self.plan.sets
        )
        height, width = sample.values.shape
        entry = {
            "id": self._images,
            "file_name": f"{sample.place}.{sample.suffix}",
            "width": width,
            "height": height,
            "dataset": sample.dataset,
        }
        self._write(sample.split, "images", entry)
        for index, mask, box in regions(sample, self.plan.cut):
            self._annotations += 1
            self._write(sample.split, "annotations", self._annotation(index, mask, box))

    def finish(self) -> tuple[str, ...]:
        """Put the parts of every split together."""
        categories = [_category(self.plan.cut, c, number) for c, number in self._numbered()]
        for split in self.plan.splits:
            with self.text(f"annotations/{split}.json") as out:
                info = {"description": f"{self.plan.name}, {split}: made by labelforge", "version": "1.0"}
                out.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)},\n')
                for number, part in enumerate(("images", "annotations")):
                    out.write(f'"{part}": [')
                    self._append(split, part, out)
                    out.write("]" + ("}\n" if number else ",\n"))
        note = "No instances: an annotation is all pixels of a class in an image"
        if any(shard_set.has_boxes for shard_set in self.plan.sets):
            note += "; for datasets of boxes it is a box"
        rebuilt = (REBUILT.format(counted(self._rebuilt, "image")),) if self._rebuilt else ()
        notes = (f"{note}.", *rebuilt)
        self._readme(notes)
        return notes

    def _readme(self, notes: tuple[str, ...]) -> None:
        cut = self.plan.cut
        lift = self._categories[0] - cut.classes[0].id
        readme = _README.format(
            name=self.plan.name,
            tree=cut.tree.name,
            split=self.plan.splits[0],
            notes="\n".join(notes),
            lift=" plus 1, as many tools keep 0 for nothing" if lift else "",
        )
        self.describe("README.txt", readme)

    def _numbered(self) -> Iterator[tuple[CutClass, int]]:
        return zip(self.plan.cut.classes, self._categories, strict=True)

    def _annotation(self, index: int, mask: Mask, box: Box | None) -> dict[str, Any]:
        runs = run_lengths.encode(np.asfortranarray(mask, dtype=np.uint8))
        pixels = int(run_lengths.area(runs))
        if box is None:
            bbox = [float(number) for number in run_lengths.toBbox(runs)]
        else:
            bbox = [box.left, box.top, box.right - box.left, box.bottom - box.top]
        return {
            "id": self._annotations,
            "image_id": self._images,
            "category_id": self._categories[index],
            "iscrowd": 0,
            "area": pixels,
            "bbox": bbox,
            "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
        }

    def _write(self, split: str, part: str, entry: dict[str, Any]) -> None:
        file = self._parts.get((split, part))
        if file is None:
            file = self._parts[split, part] = self.text(self._part(split, part))
            file.write("\n")
        else:
            file.write(",\n")
        file.write(json.dumps(entry, separators=(",", ":")))

    @staticmethod
    def _part(split: str, part: str) -> str:
        return f"annotations/.{split}.{part}"

    def _append(self, split: str, part: str, out: IO[str]) -> None:
        """Copy the entries of a part to the JSON file."""
        file = self._parts.pop((split, part), None)
        if file is None:
            return
        file.close()
        path = self.folder / self._part(split, part)
        with path.open(encoding="utf-8") as entries:
            shutil.copyfileobj(entries, out)
        path.unlink()


def category_ids(cut: Cut) -> list[int]:
    """The category id of every class: its id, plus 1 where a class has the id 0, which many tools keep for nothing."""
    lift = int(min(c.id for c in cut.classes) == 0)
    return [c.id + lift for c in cut.classes]


def _category(cut: Cut, c: CutClass, number: int) -> dict[str, Any]:
    node = cut.tree.covering(c.leaves) if c.leaves else cut.tree.root
    above = cut.tree.root if node.parent is None else cut.tree.nodes[node.parent]
    return {"id": number, "name": c.name, "supercategory": above.name, "color": list(c.color), "nodes": list(c.nodes)}


def regions(sample: ExportSample, cut: Cut) -> Iterator[tuple[int, Mask, Box | None]]:
    """What is annotated in a sample: the index of a class, (H, W) its pixels, and the box, if it is one.

    Args:
        sample: The sample.
        cut: The classes.
    """
    values = np.asfortranarray(sample.values)  # as run lengths run: down the columns
    boxes = sample.boxes or ()
    shown = {cut.index_of[value] for value in np.unique(values).tolist() if value != cut.ignore}
    for index in sorted(shown | {box.index for box in boxes}):
        left = values == cut.classes[index].id
        mask = left.copy(order="F")
        for box in boxes:
            if box.index == index:
                inside = np.zeros_like(mask)
                rows = slice(max(0, math.floor(box.top - _MARGIN)), math.ceil(box.bottom + _MARGIN))
                columns = slice(max(0, math.floor(box.left - _MARGIN)), math.ceil(box.right + _MARGIN))
                inside[rows, columns] = mask[rows, columns]
                left &= ~inside
                yield index, inside, box
        if left.any():
            yield index, left, None
