"""Weights of pixels by how often what they show occurs: rare classes count more, and the mean over all pixels stays 1.

At a classifier, the frequency f of a label is the share of what the label can mean in all that lies below it. Its
pixels weigh a / sqrt(f) (``inverse-sqrt``) or a / f (``inverse``), where *a* makes the mean over all labelled pixels of
the classifier 1, so that the loss weights of classifiers mean the same as without. A rare class is rare at every
classifier on the way down to it: those above must find it first.

The share of a class is the product of the shares on the way down to it, each estimated from the pixels that train that
classifier. So what is known of movers among everything (from fine and coarse labels) meets what is known of cars among
movers (from fine labels and boxes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import leaf_sets
from labelforge.targets import SILENT, TargetTable
from labelforge.trainer.config import ClassWeighting

_POWERS = {"inverse-sqrt": -0.5, "inverse": -1.0}
_ROUNDS = 1000
_CLOSE = 1e-9


def class_weights(
    table: TargetTable, pixels: NDArray[np.int64], weighting: ClassWeighting, *, flip: bool = True
) -> NDArray[np.float32] | None:
    """The weights of all labels.

    Args:
        table: The target table.
        pixels: (L,) labelled pixels of each of its rows; or fewer, if the last rows have none.
        weighting: How weights follow from numbers.
        flip: Whether half of the images are mirrored, which turns labels into others.

    Returns:
        (L, J) weight of each row's pixels in each classifier, or None if all are 1 because they are not wanted. It is
        1 where a classifier is silent, and where no pixel shows what the row can mean.
    """
    if weighting == "none":
        return None
    counts = np.zeros(len(table.target))
    counts[: len(pixels)] = pixels
    if flip:
        counts = (counts + np.bincount(table.mirror, weights=counts, minlength=len(counts))) / 2
    frequencies = label_frequencies(table, counts)
    weights = np.ones(table.target.shape, np.float32)
    for j, frequency in enumerate(frequencies.T):
        seen = (table.target[:, j] != SILENT) & (frequency > 0)
        if counts[seen].any():
            rarity = frequency[seen] ** _POWERS[weighting]
            weights[seen, j] = rarity * counts[seen].sum() / (rarity * counts[seen]).sum()
    return weights


def label_frequencies(table: TargetTable, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often what each label can mean occurs.

    Args:
        table: The target table.
        counts: (L,) labelled pixels of each of its rows.

    Returns:
        (L, J) 0 to 1: of all that lies below each classifier, the share that the label can mean. 0 also where no pixel
        shows it.
    """
    layout = table.layout
    found = np.ones((len(table.target), layout.num_classifiers))
    for j in reversed(range(layout.num_classifiers)):  # children before their parents
        columns = layout.slices[j]
        meant = _meant(table, j).astype(np.float64)
        for child in range(j + 1, layout.num_classifiers):
            if layout.parent[child] == j:
                meant[:, layout.branch[child]] *= found[:, child]
        found[:, j] = meant @ choice_shares(table.allowed[:, columns], counts)
    return found


def choice_shares(allowed: NDArray[np.bool_], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How pixels are shared by the children of a classifier: of all shares those that make the labels most likely.

    Found by expectation maximisation (Dempster, Laird and Rubin 1977): the pixels of a label that allows several
    children are divided by the shares that these have, which gives new shares, and so on; first by those of the labels
    that allow one. So coarse labels count, too: without them, what only fine labels tell apart would seem rare.

    Args:
        allowed: (L, Cj) which children each label allows; all False where it says nothing.
        counts: (L,) labelled pixels.

    Returns:
        (Cj,) shares; 0 for a child that less than a pixel shows, the same for all where no pixel says anything.
    """
    says = allowed.any(1) & (counts > 0)
    if not says.any():
        return np.full(allowed.shape[1], 1 / allowed.shape[1])
    sets, of_row = np.unique(allowed[says], axis=0, return_inverse=True)
    pixels = np.bincount(of_row.ravel(), weights=counts[says])
    single = sets.sum(1) == 1
    shares: NDArray[np.float64] = (
        pixels[single] @ sets[single] + 1e-6
    )  # a child that no label shows alone begins with next to nothing
    shares /= shares.sum()
    for _ in range(_ROUNDS):
        divided = sets * shares
        before, shares = shares, pixels @ (divided / divided.sum(1, keepdims=True)) / pixels.sum()
        if np.abs(shares - before).max() < _CLOSE:
            break
    shares[shares * pixels.sum() < 1] = 0
    return shares


def _meant(table: TargetTable, classifier: int) -> NDArray[np.bool_]:
    """(L, Cj) the columns that a row allows, or of a classifier that it does not train, those that it can mean."""
    columns = table.layout.slices[classifier]
    covers = leaf_sets(table.layout.covers[columns], table.layout.taxonomy)
    overlap = table.meanings.astype(np.float32) @ covers.T.astype(np.float32) > 0
    silent = table.target[:, classifier] == SILENT
    meant: NDArray[np.bool_] = np.where(silent[:, None], overlap, table.allowed[:, columns])
    return meant
