"""Weights of pixels by how often what they show occurs: rare classes count more, and the mean over all pixels stays 1.

The frequency f of a label is the share of pixels that show one of the classes that it can mean. Its pixels weigh
a / sqrt(f) (``inverse-sqrt``) or a / f (``inverse``) at every classifier that the label trains: a rare class has to be
found by the classifiers above its own first. At each, *a* makes the mean over all labelled pixels 1, so that the loss
weights of classifiers mean the same as without.

The share of a class is the product of the shares on the way down to it, each estimated from the pixels that train that
classifier. So what is known of movers among everything (from fine and coarse labels) meets what is known of cars among
movers (from fine labels and boxes), and a tree of classifiers finds the same labels rare as a flat softmax does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import leaf_sets
from labelforge.targets import SILENT, TargetTable
from labelforge.trainer.config import ClassWeighting

_ROUNDS = 200
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
        1 where a classifier is silent, and where no pixel shows what the row can mean.
    """
    if weighting == "none":
        return None
    counts = np.zeros(len(table.target))
    counts[: len(pixels)] = pixels
    frequency = label_frequencies(table, counts)
    weights = np.ones(table.target.shape, np.float32)
    for j in range(table.target.shape[1]):
        seen = (table.target[:, j] != SILENT) & (frequency > 0)
        if counts[seen].any():
            rarity = frequency[seen] ** _POWERS[weighting]
            weights[seen, j] = rarity * counts[seen].sum() / (rarity * counts[seen]).sum()
    return weights


def label_frequencies(table: TargetTable, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often what each label can mean occurs, as a share of all pixels.

    Args:
        table: The target table.
        counts: (L,) labelled pixels of each of its rows.

    Returns:
        (L,) 0 to 1; 0 for a label of which no pixel shows a class that it can mean.
    """
    layout = table.layout
    below = np.ones((len(table.target), layout.num_classifiers))  # of what a classifier decides, the share meant
    for j in reversed(range(layout.num_classifiers)):  # children before their parents
        columns = layout.slices[j]
        meant = _meant(table, j).astype(np.float64)
        for child in range(j + 1, layout.num_classifiers):
            if layout.parent[child] == j:
                meant[:, layout.branch[child]] *= below[:, child]
        below[:, j] = meant @ choice_shares(table.allowed[:, columns], counts)
    return below[:, 0]


def choice_shares(allowed: NDArray[np.bool_], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How pixels are shared by the children of a classifier: of all shares those that make the labels most likely.

    Found by expectation maximisation (Dempster, Laird and Rubin 1977): the pixels of a label that allows several
    children are divided by the shares that these have, which gives new shares, and so on. So coarse labels count, too:
    without them, what only fine labels tell apart would seem rare.

    Args:
        allowed: (L, Cj) which children each label allows; all False where it says nothing.
        counts: (L,) labelled pixels.

    Returns:
        (Cj,) shares; the same for all where no pixel says anything.
    """
    says = allowed.any(1) & (counts > 0)
    allowed, counts = allowed[says], counts[says]
    shares = np.full(allowed.shape[1], 1 / allowed.shape[1])
    for _ in range(_ROUNDS if len(allowed) else 0):
        divided = allowed * shares
        shares = counts / counts.sum() @ (divided / divided.sum(1, keepdims=True))
    return shares


def _meant(table: TargetTable, classifier: int) -> NDArray[np.bool_]:
    """(L, Cj) the columns that a row allows, or of a classifier that it does not train, those that it can mean."""
    columns = table.layout.slices[classifier]
    covers = leaf_sets(table.layout.covers[columns], table.layout.taxonomy)
    overlap = (table.meanings[:, None] & covers[None]).any(2)
    silent = table.target[:, classifier] == SILENT
    meant: NDArray[np.bool_] = np.where(silent[:, None], overlap, table.allowed[:, columns])
    return meant
