"""What the labels of a training teach of how often things occur: the answers of a network that sees nothing.

The loss compares the choices of a classifier by all pixels that train it. A network whose images were blank would
answer each with the probability that makes the loss least, and one that sees its images begins there: where it is
unsure, it says what is frequent *to its loss*. That depends on which images are drawn how often, on the weights of
classes and on what is averaged, and boxes taken as pixels make what is in them look frequent. So it is no estimate of
how often things occur in the world; for that see :mod:`labelforge.trainer.frequencies`.

Means are taken over the whole training here, and over each batch there. The two agree where every batch has pixels of
every kind (pixel labels, boxes; with ``loss.balance=datasets`` of every dataset) for a classifier that they train; what
is often missing weighs less in the loss than here. Images of a dataset are taken to be of one size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from labelforge.targets import SILENT, TargetTable
from labelforge.trainer.config.loss import LossConfig
from labelforge.trainer.frequencies import choice_shares, with_flips
from labelforge.trainer.means import KINDS, mean_factors
from labelforge.trainer.weighting import SharedCounts, Weighting

_SCALE = 1e12
"""Pixels that those of all labels are scaled to, since the loss counts whole ones."""


def taught_priors(
    table: TargetTable,
    pixels: NDArray[np.int64],
    drawn: Sequence[float],
    loss: LossConfig,
    class_weights: NDArray[np.float32] | None,
    *,
    flip: bool,
) -> NDArray[np.float64]:
    """The probability of every choice to a network that sees nothing of its images.

    Args:
        table: The target table.
        pixels: Labelled pixels of its first rows; the others, which mirrored images have, may be left out.
        drawn: How much of each dataset is drawn in a step, up to a factor: crops by pixels of all its images.
        loss: What the loss averages.
        class_weights: (L, J) weights of labels, if there are any.
        flip: Whether half of the images are mirrored.

    Returns:
        (C,) 0 to 1, those of a classifier sum to 1; 0 for a choice that no pixel shows, and all alike in a classifier
        that no pixel trains. Pixels in boxes count as if all passed the gate.
    """
    layout, trains = table.layout, table.target != SILENT
    shown = with_flips(table, pixels, flip=flip)
    counts = shown * np.asarray(drawn)[table.dataset]
    factors = _factors(table, counts * (_SCALE / max(counts.sum(), 1.0)), loss)
    found = []
    for j, columns in enumerate(layout.slices):
        weighed = counts * trains[:, j] * factors[:, j]
        if class_weights is not None:
            weighed *= class_weights[:, j]
        if weighed.any():  # as many as there are pixels, so that less than one of them is nothing
            weighed *= (shown * trains[:, j]).sum() / weighed.sum()
        found.append(choice_shares(table.allowed[:, columns], weighed))
    return np.concatenate(found)


def _factors(table: TargetTable, counts: NDArray[np.float64], loss: LossConfig) -> NDArray[np.float64]:
    """(L, J) what a pixel of each label is multiplied with in each classifier's part of the total."""
    trains = table.target != SILENT
    groups = table.from_box.astype(np.int64)
    number = KINDS
    if loss.balance == "datasets":
        groups += KINDS * table.dataset
        number *= len(table.mappings)
    sizes = np.stack([np.bincount(groups, counts * each, number) for each in trains.T], axis=1)
    pixels = np.bincount(groups, counts * trains.any(axis=1), number)
    whole = SharedCounts(*(torch.from_numpy(each.round()).long() for each in (sizes, pixels, sizes.sum(axis=0))))
    weighting = Weighting(torch.ones(trains.shape[1]), loss.mean, loss.box_weight)
    found: NDArray[np.float64] = weighting.factors(whole, mean_factors(whole.sizes)).numpy()[groups]
    return found
