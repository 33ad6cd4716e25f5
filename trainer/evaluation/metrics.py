"""Scores from a confusion matrix of classes, by the rules of a protocol.

The matrix has a row per evaluated class and a column more than rows: the last one counts evaluated pixels that were
decided to be something else, a label that is not evaluated or none at all. Pure arithmetic on counts;
:mod:`labelforge.trainer.evaluation.confusion` counts the pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, harmonic_mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.protocol import Protocol

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ClassScore:
    """Score of one class of a protocol, or of one of its categories.

    Attributes:
        name: The protocol's name for it.
        labels: The native labels that it is made of; of a category, its classes.
        pixels: Pixels that truly have it.
        predicted: Evaluated pixels decided as it.
        iou: Intersection over union, in [0, 1]; None if it neither occurs nor is decided.
        accuracy: Share of its pixels decided as it, in [0, 1]; None if it does not occur.
    """

    name: str
    labels: tuple[str, ...]
    pixels: int
    predicted: int
    iou: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Scores:
    """Scores on one dataset. Means are None if there is nothing to average.

        >>> from labelforge.trainer import Scores, evaluate
        >>> scores: Scores = evaluate("runs/first", ["shards/gtsdb-train"])[0].scores
        >>> len(scores.classes), 0 <= scores.mean_accuracy <= 1, scores.headline == scores.mean_accuracy
        (43, True, True)

    Attributes:
        headline: The protocol's official figure: the mean IoU, or the mean pixel accuracy.
        mean_iou: Mean IoU over the classes that the protocol averages.
        mean_accuracy: Mean pixel accuracy: mean accuracy over the classes that occur.
        pixel_accuracy: Share of the pixels that count that were decided correctly.
        mean_category_iou: Mean IoU over the categories; None if the protocol has none.
        pixels: Pixels that count.
        evaluated: Pixels whose true label is evaluated; more than ``pixels`` where the protocol leaves some out.
        uncovered: Evaluated pixels decided to be no evaluated class.
        classes: One score per class of the protocol.
        categories: One score per category of the protocol.
    """

    headline: float | None
    mean_iou: float | None
    mean_accuracy: float | None
    pixel_accuracy: float | None
    mean_category_iou: float | None
    pixels: int
    evaluated: int
    uncovered: int
    classes: tuple[ClassScore, ...]
    categories: tuple[ClassScore, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists, for JSON."""
        return asdict(self)


def score_classes(matrix: Counts, protocol: Protocol) -> Scores:
    """Score a confusion matrix.

    Args:
        matrix: (N, N + 1) pixels: true class x decided class, in the order of the protocol's classes; the last column
            is for decisions that are no class.
        protocol: What is averaged over what.
    """
    evaluated, uncovered = int(matrix.sum()), int(matrix[:, -1].sum())
    if protocol.other_decisions == "left-out":
        matrix = np.concatenate([matrix[:, :-1], np.zeros((len(matrix), 1), np.int64)], axis=1)
    singles = [[i] for i in range(len(protocol.classes))]
    classes = [
        _score(matrix, numbers, entry.name, entry.labels)
        for numbers, entry in zip(singles, protocol.classes, strict=True)
    ]
    position = {entry.name: i for i, entry in enumerate(protocol.classes)}
    categories = [
        _score(matrix, [position[member] for member in members], name, members)
        for name, members in protocol.categories.items()
    ]
    mean_iou = _mean_iou(classes, protocol)
    mean_accuracy = _mean(_absent_as_zero((c.accuracy for c in classes), protocol))
    return Scores(
        headline=mean_accuracy if protocol.measure == "accuracy" else mean_iou,
        mean_iou=mean_iou,
        mean_accuracy=mean_accuracy,
        pixel_accuracy=_ratio(int(np.trace(matrix)), int(matrix.sum())),
        mean_category_iou=_mean_iou(categories, protocol),
        pixels=int(matrix.sum()),
        evaluated=evaluated,
        uncovered=uncovered,
        classes=tuple(classes),
        categories=tuple(categories),
    )


def harmonic_mean_iou(scores: Sequence[Scores]) -> float | None:
    """The harmonic mean of several datasets' mean IoU: one dataset at 0 makes it 0.

    Source: Lambert et al., MSeg, CVPR 2020, which sums a network's results over datasets up like this.

    Args:
        scores: One per dataset; those without a mean IoU are left out.
    """
    means = [s.mean_iou for s in scores if s.mean_iou is not None]
    return harmonic_mean(means) if means else None


def _score(matrix: Counts, numbers: Sequence[int], name: str, labels: tuple[str, ...]) -> ClassScore:
    """Score some classes as one."""
    hits = int(matrix[np.ix_(numbers, numbers)].sum())
    pixels, predicted = int(matrix[numbers].sum()), int(matrix[:, numbers].sum())
    return ClassScore(name, labels, pixels, predicted, _ratio(hits, pixels + predicted - hits), _ratio(hits, pixels))


def _mean_iou(entries: Sequence[ClassScore], protocol: Protocol) -> float | None:
    if protocol.mean_over == "labelled":
        entries = [entry for entry in entries if entry.pixels]
    return _mean(_absent_as_zero((entry.iou for entry in entries), protocol))


def _absent_as_zero(values: Iterable[float | None], protocol: Protocol) -> list[float | None]:
    """The values, with 0 for what is absent where the protocol averages over all classes and there is anything."""
    found = list(values)
    if protocol.mean_over == "all" and any(value is not None for value in found):
        return [value or 0.0 for value in found]
    return found


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return fmean(defined) if defined else None
