"""How often what labels mean occurs, estimated from the pixels of all datasets together.

The share of a class is the product of the shares on the way down to it, each estimated from the pixels that train that
classifier. So what is known of movers among everything (from fine and coarse labels) meets what is known of cars among
movers (from fine labels and boxes). A dataset names some things and not others: at a classifier its labels, and its
boxes, only say how those compare that it names. Boxes of lights and signs do not make poles rare, and pixels of a
dataset without benches do not make benches rare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import leaf_sets
from labelforge.targets import SILENT, TargetTable

_ROUNDS = 1000
_CLOSE = 1e-9
_LEAST = 1 - 1e-6
"""Pixels below which nothing shows a child; shares are rounded."""


def with_flips(table: TargetTable, pixels: NDArray[np.int64], *, flip: bool) -> NDArray[np.float64]:
    """Pixels of all rows of a table as a training sees them.

    Args:
        table: The target table.
        pixels: Labelled pixels of its first rows; the others, which mirrored images have, may be left out.
        flip: Whether half of the images are mirrored, which turns labels into others.

    Returns:
        (L,) pixels.
    """
    counts = np.zeros(len(table.target))
    counts[: len(pixels)] = pixels
    if not flip:
        return counts
    return (counts + np.bincount(table.mirror, weights=counts, minlength=len(counts))) / 2


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
        meant = _meant(table, j).astype(np.float64)
        for child in range(j + 1, layout.num_classifiers):
            if layout.parent[child] == j:
                meant[:, layout.branch[child]] *= found[:, child]
        columns = layout.slices[j]
        found[:, j] = meant @ choice_shares(table.allowed[:, columns], counts, _named(table, j))
    return found


def choice_shares(
    allowed: NDArray[np.bool_], counts: NDArray[np.float64], among: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """How pixels are shared by the children of a classifier: of all shares those that make the labels most likely.

    The pixels of a label that allows several children are divided by the shares that these have, which gives new
    shares, and so on; first by those of the labels that allow one. So coarse labels count, too: without them, what only
    fine labels tell apart would seem rare. That is expectation maximisation (Dempster, Laird and Rubin 1977); where
    labels are chosen among some of the children only, with the step of Hunter 2004 (MM algorithms for generalized
    Bradley-Terry models).

    Args:
        allowed: (L, Cj) which children each label allows; all False where it says nothing.
        counts: (L,) labelled pixels.
        among: (L, Cj) which children the label was chosen among; default: all. Where no labels compare some of the
            children with the others, too.

    Returns:
        (Cj,) shares; 0 for a child that less than a pixel shows, the same for all where no pixel says anything.
    """
    children = allowed.shape[1]
    if among is not None and not _connected(among[allowed.any(1)]):
        among = None  # nothing compares what one label can mean with what another can: all that there is are numbers
    says = allowed.any(1) & (counts > 0)
    if not says.any():
        return np.full(children, 1 / children)
    choices = np.concatenate([allowed, np.ones_like(allowed) if among is None else among], axis=1)[says]
    distinct, of_row = np.unique(choices, axis=0, return_inverse=True)
    sets, fields = distinct[:, :children], distinct[:, children:]
    pixels = np.bincount(of_row.ravel(), weights=counts[says])
    single = sets.sum(1) == 1
    # A child that no label shows alone begins with next to nothing.
    shares: NDArray[np.float64] = pixels[single] @ sets[single] + 1e-6
    shares /= shares.sum()
    for _ in range(_ROUNDS):
        divided = sets * shares
        chosen = pixels @ (divided / divided.sum(1, keepdims=True))
        offered = (pixels / (fields * shares).sum(1)) @ fields
        before, shares = shares, np.divide(chosen, offered, out=np.zeros(children), where=offered > 0)
        shares /= shares.sum()
        if np.abs(shares - before).max() < _CLOSE:
            break
    shares[shares * pixels.sum() < _LEAST] = 0
    return shares


def _named(table: TargetTable, classifier: int) -> NDArray[np.bool_]:
    """(L, Cj) the children that a row was chosen among: those that any row of its dataset and kind names."""
    allowed = table.allowed[:, table.layout.slices[classifier]]
    among = np.zeros_like(allowed)
    for dataset in np.unique(table.dataset):
        for kind in (table.from_box, ~table.from_box):
            rows = kind & (table.dataset == dataset)
            among[rows] = allowed[rows].any(axis=0)
    return among


def _connected(fields: NDArray[np.bool_]) -> bool:
    """Whether every two of the columns that occur in (n, columns) fields are linked by fields that overlap."""
    if not len(fields):
        return True
    wanted, reached = fields.any(0), fields[0].copy()
    for _ in range(fields.shape[1]):
        more = fields[(fields & reached).any(1)].any(0)
        if (more == reached).all():
            break
        reached = more
    return bool((reached == wanted).all())


def _meant(table: TargetTable, classifier: int) -> NDArray[np.bool_]:
    """(L, Cj) the columns that a row allows, or of a classifier that it does not train, those that it can mean."""
    columns = table.layout.slices[classifier]
    covers = leaf_sets(table.layout.covers[columns], table.layout.taxonomy)
    overlap = table.meanings.astype(np.float32) @ covers.T.astype(np.float32) > 0
    silent = table.target[:, classifier] == SILENT
    meant: NDArray[np.bool_] = np.where(silent[:, None], overlap, table.allowed[:, columns])
    return meant
