"""What the pixels inside boxes show, where fine labels of the same images say so: how many are right, gated or not.

Every image is looked at whole, with the averaged weights; the training sees crops through the network as it is at that
step, so a step's gate is a little different. A pixel's fine label decides if it lies within the meaning of the box's
label (right) or has nothing in common with it (wrong); all other pixels are left out.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelforge.errors import ConfigError, ShardError
from labelforge.label_rows import BoolArray, leaf_sets
from labelforge.mapping import LabelMapping
from labelforge.shards import Sample, ShardReader
from labelforge.targets import SILENT, TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.config import Gate, LossConfig
from labelforge.trainer.data.datasets import check_rows, group_training_sets, open_shards
from labelforge.trainer.evaluation.scoring import check_same_taxonomy
from labelforge.trainer.gates import pass_gate
from labelforge.trainer.segmenter import Segmenter, take_network
from labelforge.trainer.upsampled import read_upsampled

PurityProgress = Callable[[str, int, int], None]
"""Called with the box shards' dataset, samples done and samples in all."""


@dataclass(frozen=True)
class BoxPurity:
    """What the pixels inside the boxes of one label show.

        >>> from labelforge.trainer import BoxPurity, box_purity
        >>> found: list[BoxPurity] = box_purity("runs/first", ["shards/gtsdb-train"], ["shards/gtsdb-train"])
        >>> found[0].classifier, found[0].right == found[0].pixels  # it is its own truth here
        ('traffic sign/front', True)

    Attributes:
        dataset: Name of the boxes' label space.
        label: Native name of the box label.
        classifier: The classifier that chooses the label's class, whose gate is meant.
        pixels: Pixels inside its boxes whose fine label decides.
        right: Those of them that show what the label means.
        passed: Those that pass the gate.
        right_passed: Those that do both.
        undecided: Pixels inside its boxes whose fine label does not decide.
    """

    dataset: str
    label: str
    classifier: str
    pixels: int
    right: int
    passed: int
    right_passed: int
    undecided: int

    @property
    def purity(self) -> float | None:
        """Share of the pixels that are right."""
        return _share(self.right, self.pixels)

    @property
    def openness(self) -> float | None:
        """Share of the pixels that pass the gate."""
        return _share(self.passed, self.pixels)

    @property
    def gated_purity(self) -> float | None:
        """Share of those that pass the gate that are right."""
        return _share(self.right_passed, self.passed)

    @property
    def kept(self) -> float | None:
        """Share of the right ones that pass the gate."""
        return _share(self.right_passed, self.right)

    def to_dict(self) -> dict[str, Any]:
        """Counts and shares, for JSON."""
        shares = {name: getattr(self, name) for name in ("purity", "openness", "gated_purity", "kept")}
        return {**vars(self), **shares}


def box_purity(
    run: str | os.PathLike[str] | Checkpoint | Segmenter,
    box_shards: Sequence[str | os.PathLike[str] | ShardReader],
    fine_shards: Sequence[str | os.PathLike[str] | ShardReader],
    *,
    gate: Gate | None = None,
    device: str = "auto",
    short_side: int | None = None,
    progress: PurityProgress | None = None,
) -> list[BoxPurity]:
    """Compare the pixels inside boxes, and those that pass a run's gate, with fine labels of the same images.

        >>> from labelforge.trainer import box_purity
        >>> found = box_purity("runs/first", ["shards/gtsdb-train"], ["shards/gtsdb-train"], gate="none")
        >>> all(entry.openness == 1 for entry in found)
        True

    Args:
        run: Folder of a run (its latest checkpoint), of one checkpoint, or a loaded network.
        box_shards: Shard sets with boxes, made for the network's tree.
        fine_shards: Shard sets with finer labels of the same images, which are found by their keys.
        gate: Which box pixels count; default: as in the run's training.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        progress: Called after each image that both have.

    Returns:
        One entry per label with pixels in boxes that trains a classifier of the network, dataset by dataset.

    Raises:
        CheckpointError: The checkpoint is broken, or was trained for another taxonomy than the shards'.
        ConfigError: No image has both, or no box label trains a classifier of this network.
        ShardError: A shard set is missing or broken, or an image is not of one size in both.
    """
    boxes, fine = open_shards(box_shards), open_shards(fine_shards)
    segmenter = take_network(run, device, short_side).read_as(logit_adjustment=0.0)  # the gate is the training's
    for reader in (*boxes, *fine):
        check_same_taxonomy(segmenter.checkpoint, reader)
    truth = {key: (reader, number) for reader in fine for number, key in enumerate(reader.keys)}
    loss = segmenter.checkpoint.config.loss
    found: list[BoxPurity] = []
    for item in group_training_sets(boxes):
        counter = _Counter(segmenter, item.mapping, loss, gate or loss.gate)
        keys = [(reader, number, key) for reader in item.readers for number, key in enumerate(reader.keys)]
        pairs = [(reader, number, *truth[key]) for reader, number, key in keys if key in truth]
        if not pairs:
            cure = "Give shards with fine labels of the same images; they are found by their keys."
            raise ConfigError(f"no image of {item.dataset} is in {', '.join(r.url for r in fine)}", cure=cure)
        for done, (reader, number, fine_reader, fine_number) in enumerate(pairs, start=1):
            counter.add(reader[number], fine_reader[fine_number], fine_reader.mapping)
            if progress is not None:
                progress(item.dataset, done, len(pairs))
        found += counter.entries()
    return found


def altogether(entries: Sequence[BoxPurity]) -> BoxPurity:
    """The sum over some labels, without a name."""

    def total(name: str) -> Any:
        return sum(getattr(entry, name) for entry in entries)

    names = ("pixels", "right", "passed", "right_passed", "undecided")
    return BoxPurity("", "", "", *(total(name) for name in names))


class _Counter:
    """Counts the pixels in the boxes of one dataset.

    Args:
        segmenter: The network.
        mapping: Label table of the boxes.
        loss: How the network was trained.
        gate: Which box pixels count.

    Raises:
        ConfigError: None of the labels trains a classifier of this network.
    """

    def __init__(self, segmenter: Segmenter, mapping: LabelMapping, loss: LossConfig, gate: Gate) -> None:
        layout, boxes = segmenter.layout, None if loss.boxes == "drop" else loss.boxes
        head = segmenter.checkpoint.config.model.head
        table = TargetTable.compile(layout.taxonomy, [mapping], boxes, head, layout, lone_boxes=loss.lone_boxes)
        self._segmenter, self._mapping, self._gate = segmenter, mapping, gate
        # A label's own classifier is the deepest of those that it trains; a parent comes before its children.
        trained = table.target[: len(mapping.rows)] != SILENT
        box = np.array([row.supervision == "box" for row in mapping.rows])
        rows = np.flatnonzero(trained.any(1) & box).tolist()
        self._classifier = {row: int(np.flatnonzero(trained[row])[-1]) for row in rows}
        if not self._classifier:
            what = f"no box label of {mapping.dataset} trains a classifier of this network"
            raise ConfigError(what, cure="See what would: labelforge lint TREE --shards ...")
        self._counts: defaultdict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(5, np.int64))

    def add(self, boxes: Sample, fine: Sample, fine_mapping: LabelMapping) -> None:
        """Count one image.

        Raises:
            ShardError: It has not one size in both, or a label map is damaged.
        """
        check_rows(boxes, self._mapping)
        check_rows(fine, fine_mapping)
        if boxes.local_rows.shape != fine.local_rows.shape:
            sizes = " and ".join(f"{s.local_rows.shape[1]}x{s.local_rows.shape[0]}" for s in (boxes, fine))
            what = f"its boxes and its fine labels differ in size: {sizes}"
            raise ShardError(what, where=f"{self._mapping.dataset}/{boxes.key}", cure="Convert both to one size.")
        present = [row for row in np.unique(boxes.local_rows).tolist() if row in self._classifier]
        if not present:
            return
        (found,) = self._segmenter.look(boxes.image, partial(self._passed, rows=present))
        right, wrong = _verdicts(self._segmenter.layout.taxonomy, self._mapping, fine_mapping)
        for through, row in zip(found.cpu().numpy(), present, strict=True):
            inside = boxes.local_rows == row
            truth = fine.local_rows[inside]
            is_right, is_wrong = right[row, truth], wrong[row, truth]
            passed = through[inside]
            decided = is_right | is_wrong
            counts = (decided.sum(), is_right.sum(), passed[decided].sum(), passed[is_right].sum(), (~decided).sum())
            self._counts[row] += np.array(counts)

    def _passed(self, logits_nchw: Tensor, size: tuple[int, int], rows: Sequence[int]) -> tuple[Tensor, ...]:
        """One tensor, (1, rows, H, W) bool: whether each pixel would pass the gate in a box of each of the labels."""
        values = logits_nchw.shape[1] + len(rows)
        return read_upsampled(logits_nchw, size, lambda fine: (self._passed_here(fine, rows),), values=values)

    def _passed_here(self, logits_nchw: Tensor, rows: Sequence[int]) -> Tensor:
        """The same from logits of the image's size."""
        layout = self._segmenter.layout
        parts = [part.movedim(1, -1) for part in torch.split(logits_nchw, list(layout.sizes), dim=1)]
        everywhere = torch.ones_like(logits_nchw[:, 0], dtype=torch.bool)
        found = [pass_gate(everywhere, parts, layout, self._classifier[row], self._gate) for row in rows]
        return torch.stack(found, dim=1)

    def entries(self) -> Iterator[BoxPurity]:
        """What was counted, by label."""
        for row, counts in sorted(self._counts.items()):
            classifier = self._segmenter.layout.names[self._classifier[row]]
            yield BoxPurity(self._mapping.dataset, self._mapping.rows[row].native_name, classifier, *counts.tolist())


def _verdicts(tree: Taxonomy, boxes: LabelMapping, fine: LabelMapping) -> tuple[BoolArray, BoolArray]:
    """Whether a fine label says that a box label is right, and whether it says that it is wrong; else it is open.

    Returns:
        Twice (rows of the boxes' table, rows of the fine one) bool.
    """
    wanted, shown = (leaf_sets([row.target.leaves for row in table.rows], tree) for table in (boxes, fine))
    says_something = shown.any(axis=1)
    outside, common = (np.array((part[:, None] & shown[None]).any(axis=2)) for part in (~wanted, wanted))
    return ~outside & says_something, ~common & says_something


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
