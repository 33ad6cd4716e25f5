"""Weights of pixels by how often what they show occurs: rare classes count more, and the mean over all pixels stays 1.

At a classifier, the frequency f of a label is the share of what the label can mean in all that lies below it. Its
pixels weigh a / sqrt(f) (``inverse-sqrt``) or a / f (``inverse``), where *a* makes the mean over all labelled pixels of
the classifier 1, so that the loss weights of classifiers mean the same as without. A rare class is rare at every
classifier on the way down to it: those above must find it first. Where the loss is a mean over pixels
(``loss.mean=pixel``), a label has one weight for all its classifiers, by its frequency among everything; the mean is 1
over the pixels with pixel labels, and over those in boxes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.targets import SILENT, TargetTable
from labelforge.trainer.config import ClassWeighting, Mean
from labelforge.trainer.frequencies import label_frequencies, with_flips

_POWERS = {"inverse-sqrt": -0.5, "inverse": -1.0}


def class_weights(
    table: TargetTable,
    pixels: NDArray[np.int64],
    weighting: ClassWeighting,
    *,
    flip: bool = True,
    mean: Mean = "classifier",
) -> NDArray[np.float32] | None:
    """The weights of all labels.

    Args:
        table: The target table.
        pixels: (L,) labelled pixels of each of its rows; or fewer, if the last rows have none.
        weighting: How weights follow from numbers.
        flip: Whether half of the images are mirrored, which turns labels into others.
        mean: What the loss averages.

    Returns:
        (L, J) weight of each row's pixels in each classifier, or None if all are 1 because they are not wanted. It is
        1 where no pixel shows what the row can mean, and if means are over classifiers, where one is silent.
    """
    if weighting == "none":
        return None
    counts = with_flips(table, pixels, flip=flip)
    frequencies = label_frequencies(table, counts)
    weights = np.ones(table.target.shape, np.float32)
    trains, power = table.target != SILENT, _POWERS[weighting]
    if mean == "pixel":
        of_all = frequencies[:, 0]
        within = frequencies[np.arange(len(trains)), trains.argmax(axis=1)]  # among all below its first classifier
        frequency = np.where(of_all > 0, of_all, within)  # of what is known from boxes alone
        for kind in (table.from_box, ~table.from_box):
            _weigh(weights, trains.any(axis=1) & kind, frequency, counts, power)
        return weights
    for j, frequency in enumerate(frequencies.T):
        _weigh(weights[:, j, None], trains[:, j], frequency, counts, power)
    return weights


def _weigh(
    weights: NDArray[np.float32],
    rows: NDArray[np.bool_],
    frequency: NDArray[np.float64],
    counts: NDArray[np.float64],
    power: float,
) -> None:
    """Set the weights of some rows by their frequency, so that the mean over their pixels is 1."""
    seen = rows & (frequency > 0)
    if counts[seen].any():
        rarity = frequency[seen] ** power
        weights[seen] = (rarity * counts[seen].sum() / (rarity * counts[seen]).sum())[:, None]
