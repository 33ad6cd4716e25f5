"""Ultralytics' YOLO format: polygons for segmentation; for datasets of boxes alone, boxes for detection.

    images/<split>/<dataset>/<key>.jpg
    labels/<split>/<dataset>/<key>.txt      a line per region: class, then x y x y ... (or for a box cx cy w h)
    data.yaml, README.txt                   coordinates are shares of width and height

A polygon is the outline of connected pixels of a class (`labelforge.exports.outlines`), simplified by less than a
pixel; a hole is reached by a way there and back. How many pixels the polygons give back is measured on every image.
Ultralytics takes polygons and boxes only apart: as soon as one dataset has pixels, all get polygons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import shapely
import yaml
from numpy.typing import NDArray

from labelforge.errors import counted
from labelforge.exports.outlines import Outline, Points, filled, outlines
from labelforge.exports.samples import REBUILT, Box, ExportSample
from labelforge.exports.writer import Plan, Writer

_README: Final = """\
{name}: images and {what} in the format of Ultralytics YOLO, made by labelforge from the tree {tree}.

Train with data.yaml and {task}. A line of a label file is: class, {line}.
Classes are the positions in classes.json, which also says what became of every label.
{notes}
"""


class YoloWriter(Writer):
    """Writes images and label files."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder, plan)
        self.detection = all(shard_set.has_boxes for shard_set in plan.sets)
        self._rebuilt = 0
        self._both = np.zeros(len(plan.cut.classes), dtype=np.int64)
        self._either = np.zeros(len(plan.cut.classes), dtype=np.int64)

    def add(self, sample: ExportSample) -> None:
        """Write an image and its label file."""
        # Ultralytics finds a label file by replacing the last "/images/" of the image's path.
        place = "/".join("_images" if part == "images" else part for part in sample.place.split("/"))
        self.put(f"images/{sample.split}/{place}.{sample.suffix}", sample.image)
        height, width = sample.values.shape
        scale = np.array([width, height], dtype=np.float64)
        if self.detection and sample.boxes is not None:
            lines = [_box_line(box, scale) for box in sample.boxes]
        else:
            found = [o for o in outlines(sample.values) if o.value != self.plan.cut.ignore]
            index_of = self.plan.cut.index_of
            if self.detection:
                self._rebuilt += 1
                lines = [_box_line(_around(o, index_of[o.value]), scale) for o in found]
            else:
                lines = [f"{index_of[o.value]} {_numbers(o.ring / scale)}" for o in found]
                self._measure(sample.values, found)
        self.put(f"labels/{sample.split}/{place}.txt", "".join(f"{line}\n" for line in lines).encode())

    def finish(self) -> tuple[str, ...]:
        """Write data.yaml and the README."""
        cut = self.plan.cut
        data = {split: f"images/{split}" for split in self.plan.splits}
        names = dict(enumerate(c.name for c in cut.classes))
        self.describe("data.yaml", yaml.safe_dump({**data, "names": names}, sort_keys=False, allow_unicode=True))
        notes = self._notes()
        readme = _README.format(
            name=self.plan.name,
            what="boxes" if self.detection else "polygons",
            tree=cut.tree.name,
            task="a detection model (yolo detect train)"
            if self.detection
            else "a segmentation model (yolo segment train)",
            line="centre x, centre y, width, height" if self.detection else "corners x y x y ...",
            notes="\n".join(notes),
        )
        self.describe("README.txt", readme)
        return notes

    def _notes(self) -> tuple[str, ...]:
        cut = self.plan.cut
        notes = []
        if not self.detection:
            shown = np.flatnonzero(self._either)
            iou = self._both[shown] / self._either[shown]
            if len(shown):
                worst = cut.classes[shown[iou.argmin()]].name
                notes.append(
                    f"The polygons give the pixels back with IoU {self._both.sum() / self._either.sum():.4f}, by class "
                    f"{iou.mean():.4f} (lowest: {worst}, {iou.min():.4f})."
                )
        if self._rebuilt:
            notes.append(REBUILT.format(counted(self._rebuilt, "image")))
        total = sum(int(shard_set.pixels.sum()) for shard_set in self.plan.sets)
        ignored = self.ignored_pixels()
        if ignored and not self.detection:  # outside of boxes is background
            notes.append(
                f"YOLO has no ignore: {ignored:,} pixels ({ignored / total:.1%}) that are in no class, or nobody knows "
                "which, count as background."
            )
        missing = [split for split in ("train", "val") if split not in self.plan.splits]
        if missing:
            notes.append(
                f"Ultralytics wants train and val in data.yaml; this export has no {' and no '.join(missing)}. Name "
                f"shards of both in one export; --split-names OLD={missing[0]} renames one that is called OLD."
            )
        return tuple(notes)

    def _measure(self, values: NDArray[np.integer], found: list[Outline]) -> None:
        """Count the pixels that the polygons of every class and the class have in common, and those of either."""
        rings: dict[int, list[Points]] = {}
        for outline in found:
            rings.setdefault(outline.value, []).append(outline.ring)
        for value, parts in rings.items():
            index = self.plan.cut.index_of[value]
            drawn, true = filled(parts, values.shape), values == value
            self._both[index] += np.count_nonzero(drawn & true)
            self._either[index] += np.count_nonzero(drawn | true)


def _around(outline: Outline, index: int) -> Box:
    left, top, right, bottom = shapely.total_bounds(shapely.linearrings(outline.ring))
    return Box(index, left, top, right, bottom)


def _box_line(box: Box, scale: Points) -> str:
    corners = np.array([[box.left, box.top], [box.right, box.bottom]]) / scale
    low, high = np.clip(corners, 0, 1)
    return f"{box.index} {_numbers(np.stack([(low + high) / 2, high - low]))}"


def _numbers(points: Points) -> str:
    return " ".join(f"{number:.6f}".rstrip("0").rstrip(".") for number in points.ravel().tolist())
