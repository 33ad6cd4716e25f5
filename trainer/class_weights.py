"""Weights of pixels by how often what they show occurs: rare classes count more, and the mean over all pixels stays 1.

Per classifier, the frequency f of a label is the share of the choices that it allows, among the labelled pixels that
show one choice alone; so a label that leaves several open is as frequent as these together. Its pixels weigh a /
sqrt(f) (``inverse-sqrt``) or a / f (``inverse``), where *a* makes the mean over all labelled pixels of the classifier
1, so that the loss weights of classifiers mean the same as without.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.targets import TargetTable
from labelforge.trainer.config import ClassWeighting

_POWERS = {"inverse-sqrt": -0.5, "inverse": -1.0}


def class_weights(
    table: TargetTable, pixels: NDArray[np.int64], weighting: ClassWeighting
) -> NDArray[np.float32] | None:
    """The weights of all labels.

    Args:
        table: The target table.
        pixels: (L,) labelled pixels of each of its rows; or fewer, if the last rows have none.
        weighting: How weights follow from numbers.

    Returns:
        (L, J) weight of each row's pixels in each classifier, or None if all are 1 because they are not wanted. It is
        1 where a classifier is silent, and where no pixel shows a choice that the row allows.
    """
    if weighting == "none":
        return None
    counts = np.zeros(len(table.target))
    counts[: len(pixels)] = pixels
    weights = np.ones(table.target.shape, np.float32)
    for j, columns in enumerate(table.layout.slices):
        target = table.target[:, j]
        single = target >= 0
        shown = np.bincount(target[single], weights=counts[single], minlength=columns.stop - columns.start)
        frequency = table.allowed[:, columns] @ shown
        seen = frequency > 0
        if seen.any():
            rarity = frequency[seen] ** _POWERS[weighting]
            weights[seen, j] = rarity * counts[seen].sum() / (rarity * counts[seen]).sum()
    return weights
