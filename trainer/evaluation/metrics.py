"""Scores of a network on one dataset, in the dataset's own labels.

They come from one confusion matrix: rows are the true native labels, columns the native labels that the decisions count
as (:meth:`labelforge.logits.LogitLayout.credited_rows`). A decision is right for every native label whose meaning
contains it, and otherwise counts as the most specific native label that contains it. Column 0 is for decisions that no
native label of the dataset contains: they are always wrong.

Pixels without annotation, pixels whose native label the mapping ignores, and pixels where overlapping boxes leave the
label open are not scored. In a dataset of boxes only pixels inside boxes remain, so its scores say how well the class
is recognised there, not how well its outline is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping


@dataclass(frozen=True)
class ClassScore:
    """Score of one native label.

    Attributes:
        row: Row of the dataset's label table.
        native_id: Its value in the dataset's files.
        name: Its native name.
        pixels: Pixels that truly have it.
        predicted: Scored pixels predicted as it.
        iou: Intersection over union, in [0, 1]; None if it neither occurs nor is predicted.
        accuracy: Share of its pixels predicted as it, in [0, 1]; None if it does not occur.
    """

    row: int
    native_id: int
    name: str
    pixels: int
    predicted: int
    iou: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Scores:
    """Scores on one dataset. Means are None if no pixel was scored.

        >>> from labelforge.trainer import Scores, evaluate
        >>> scores: Scores = evaluate("runs/first", ["shards/gtsdb-train"])[0].scores
        >>> scores.dataset, len(scores.classes), 0 <= scores.mean_accuracy <= 1
        ('gtsdb', 43, True)

    Attributes:
        dataset: Name of the label space.
        mean_iou: Mean IoU over the labels that occur or are predicted.
        mean_accuracy: Mean pixel accuracy: mean accuracy over the labels that occur.
        pixel_accuracy: Share of all scored pixels decided correctly.
        pixels: Scored pixels.
        uncovered: Scored pixels whose predicted class no native label contains.
        classes: One score per native label that is not ignored.
    """

    dataset: str
    mean_iou: float | None
    mean_accuracy: float | None
    pixel_accuracy: float | None
    pixels: int
    uncovered: int
    classes: tuple[ClassScore, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists, for JSON."""
        return asdict(self)


class ConfusionMatrix:
    """Counts pixels by true and decided native label.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import ConfusionMatrix
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
        >>> confusion = ConfusionMatrix(layout, mapping)
        >>> sky = layout.class_names.index("sky")
        >>> confusion.update(torch.full((4, 4), mapping.row_of[23]), torch.full((4, 4), sky))
        >>> confusion.scores().pixel_accuracy
        1.0

    Attributes:
        counts: (R, R) int64: true row x decided row; rows that are not scored are counted, but enter no score.

    Args:
        layout: The classes that the decisions refer to.
        mapping: Label table of the dataset.
        device: The device that counts.
    """

    def __init__(self, layout: LogitLayout, mapping: LabelMapping, device: torch.device | str = "cpu") -> None:
        self.dataset = mapping.dataset
        self.rows = mapping.rows
        scored = np.array([row.native_id is not None and not row.target.ignored for row in self.rows])
        # Flat position in the matrix of each (true row, class): one look-up per pixel.
        cell = np.arange(len(self.rows))[:, None] * len(self.rows) + layout.credited_rows(mapping)
        self._scored = scored
        self._cell = torch.tensor(cell, dtype=torch.int64, device=device)
        self.counts = torch.zeros(len(self.rows), len(self.rows), dtype=torch.int64, device=device)

    def update(self, labels: Tensor, classes: Tensor) -> None:
        """Count some pixels.

        Args:
            labels: (...) local rows of the dataset (as its shards hold them), any integer dtype.
            classes: (...) classes, as :func:`labelforge.trainer.decide` returns them, int64.

        Raises:
            ValueError: The two differ in shape.
        """
        if labels.shape != classes.shape:
            raise ValueError(f"labels are {tuple(labels.shape)}, classes {tuple(classes.shape)}")
        cells = self._cell[labels.long(), classes]
        self.counts += torch.bincount(cells.flatten(), minlength=self.counts.numel()).view_as(self.counts)

    def all_reduce(self) -> None:
        """Add up the counts of all processes, where ``torch.distributed`` is initialised; a collective call."""
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(self.counts)

    def scores(self) -> Scores:
        """Scores of all pixels counted so far."""
        matrix = self.counts.cpu().numpy()[self._scored]
        occurs, decided = matrix.sum(axis=1), matrix.sum(axis=0)[self._scored]
        right = np.diagonal(matrix[:, self._scored])
        classes = []
        rows = (row for row, scored in zip(self.rows, self._scored, strict=True) if scored)
        for row, n, p, hits in zip(rows, occurs.tolist(), decided.tolist(), right.tolist(), strict=True):
            assert row.native_id is not None
            iou, accuracy = _ratio(hits, n + p - hits), _ratio(hits, n)
            classes.append(ClassScore(row.row, row.native_id, row.native_name, n, p, iou, accuracy))
        return Scores(
            dataset=self.dataset,
            mean_iou=_mean(c.iou for c in classes),
            mean_accuracy=_mean(c.accuracy for c in classes),
            pixel_accuracy=_ratio(int(right.sum()), int(occurs.sum())),
            pixels=int(occurs.sum()),
            uncovered=int(matrix[:, 0].sum()),
            classes=tuple(classes),
        )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return fmean(defined) if defined else None
