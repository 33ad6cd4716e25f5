"""Counts pixels by label, answer and confidence: all that the tree metrics need, on the device that decides.

Nothing is kept per pixel: one table of (row, answer) per threshold, and a fine histogram of confidences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.descent import Descent
from labelforge.trainer.evaluation.answers import Answers
from labelforge.trainer.evaluation.verdicts import NOT_SCORED, RIGHT, judge, label_leaves

THRESHOLDS = (0.5, 0.8, 0.95)
"""Confidences at which descents are stopped, to see what would be answered instead."""

BINS = 15
"""Bins of the calibration, of equal width, as Guo et al. 2017 use them."""

STEPS = 100
"""Steps of the histogram per bin."""

_BAND_PIXELS = 1 << 18
"""Pixels counted at a time: what is looked up for each takes a few MiB, however large the image."""


@dataclass(frozen=True, eq=False)
class TreeCounts:
    """What was counted. R rows of the label table, M answers (:class:`Answers`).

    Attributes:
        answers: (1 + thresholds, R, M) int64: pixels by row and answer; first without a threshold, then stopped at
            each of ``THRESHOLDS``.
        confident: (2, BINS * STEPS) int64: scored pixels that are not right, and right, by confidence; step i is for
            confidences in (i, i + 1] / (BINS * STEPS).
        confidence: (BINS,) float64: sum of the confidences in each bin.
    """

    answers: NDArray[np.int64]
    confident: NDArray[np.int64]
    confidence: NDArray[np.float64]


class TreeCounter:
    """Counts the pixels of one dataset.

    The confidence of a decision is taken where the descent enters the label that the decision is written as: a dataset
    that says only *driveable* asks how sure the network is of that, not of the road below it.

    Args:
        layout: The classes that the decisions refer to.
        mapping: Label table of the dataset.
        device: The device that counts.
    """

    def __init__(self, layout: LogitLayout, mapping: LabelMapping, device: torch.device | str = "cpu") -> None:
        answers, labels = Answers.compile(layout), label_leaves(mapping, layout.taxonomy)
        verdicts = judge(labels, answers.leaves[: len(layout.classes)])
        scored = labels.any(axis=1, keepdims=True)
        # Slot of a pixel in the histogram, without its confidence: not right, right, or not scored.
        slot = np.where(scored, verdicts == RIGHT, 2) * (BINS * STEPS)
        self._answers = len(answers.leaves)
        self._after = torch.tensor(answers.after, device=device)
        self._slot = torch.tensor(slot, device=device)
        self._verdict = torch.tensor(np.where(scored, verdicts, NOT_SCORED), dtype=torch.uint8, device=device)
        self._step_read = torch.tensor(_step_read(answers, labels, layout.native_rows(mapping)), device=device)
        shape = (1 + len(THRESHOLDS), len(mapping.rows), self._answers)
        self._counts = torch.zeros(shape, dtype=torch.int64, device=device)
        self._confident = torch.zeros(3 * BINS * STEPS, dtype=torch.int64, device=device)
        self._confidence = torch.zeros(3 * BINS, dtype=torch.float64, device=device)

    def update(self, labels: Tensor, descent: Descent) -> None:
        """Count some pixels.

        Args:
            labels: (N, H, W) local rows of the dataset, any integer dtype.
            descent: Their decisions.
        """
        band = max(1, _BAND_PIXELS // max(1, labels.shape[0] * labels.shape[2]))
        for top in range(0, labels.shape[1], band):
            part = slice(top, top + band)
            self._update(labels[:, part].long(), Descent(descent.classes[:, part], descent.confidence[:, :, part]))

    def _update(self, rows: Tensor, descent: Descent) -> None:
        classes = descent.classes
        cells = rows * self._answers
        self._count(self._counts[0], cells + classes)
        for number, threshold in enumerate(THRESHOLDS, start=1):
            choices = (descent.confidence >= threshold).sum(dim=1)
            self._count(self._counts[number], cells + self._after[classes, choices])
        confidence = descent.confidence.gather(1, self._step_read[classes][:, None])[:, 0].double()
        # Exact: a float32 times 1500 fits a double.
        step = ((confidence * (BINS * STEPS)).ceil().long() - 1).clamp(0, BINS * STEPS - 1)
        slot = self._slot[rows, classes] + step
        self._count(self._confident, slot)
        self._confidence += torch.bincount((slot // STEPS).flatten(), confidence.flatten(), len(self._confidence))

    def verdict(self, labels: Tensor, classes: Tensor) -> Tensor:
        """What decisions are for their labels, any shape: uint8 ``WRONG``, ``COARSE``, ``RIGHT`` or ``NOT_SCORED``."""
        return self._verdict[labels.long(), classes]

    @staticmethod
    def _count(counts: Tensor, cells: Tensor) -> None:
        counts += torch.bincount(cells.flatten(), minlength=counts.numel()).view_as(counts)

    def counts(self) -> TreeCounts:
        """All pixels counted so far."""
        confident = self._confident.cpu().numpy().reshape(3, -1)
        confidence = self._confidence.cpu().numpy().reshape(3, -1)
        return TreeCounts(self._counts.cpu().numpy(), confident[:2], confidence[:2].sum(axis=0))


def _step_read(answers: Answers, labels: NDArray[np.bool_], native_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) int64: index of the choice with which each class enters the label that it is written as, or of its last."""
    found = answers.choices - 1
    for k, row in enumerate(native_rows):
        for n in range(1, answers.choices[k] + 1):
            if row and not (answers.leaves[answers.after[k, n]] & ~labels[row]).any():
                found[k] = n - 1
                break
    return found
