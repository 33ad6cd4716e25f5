"""Weights of classes by how often they occur: rare ones count more, and the mean over all pixels stays 1.

Per classifier, a choice that n labelled pixels mean has weight a / sqrt(n) (``inverse-sqrt``) or a / n (``inverse``),
where *a* makes the mean over these pixels 1, so that the loss weights of classifiers mean the same as without. Pixels
of labels that leave several choices open have weight 1, as has a choice that no pixel shows.
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
    """The weights of all choices.

    Args:
        table: The target table.
        pixels: (L,) labelled pixels of each of its rows; or fewer, if the last rows have none.
        weighting: How weights follow from numbers.

    Returns:
        (C,) weights, or None if all are 1 because they are not wanted.
    """
    if weighting == "none":
        return None
    weights = np.ones(table.layout.num_logits, np.float32)
    for j, columns in enumerate(table.layout.slices):
        target = table.target[: len(pixels), j]
        single = target >= 0
        size = columns.stop - columns.start
        counts = np.bincount(target[single], weights=pixels[single], minlength=size)
        seen = counts > 0
        if seen.any():
            powers = counts[seen] ** _POWERS[weighting]
            weights[columns][seen] = powers * counts.sum() / (powers * counts[seen]).sum()
    return weights
