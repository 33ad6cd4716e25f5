"""What a label asks of every classifier of a tree, whether a network carries that classifier or not.

A label is a set of leaves (METHOD: a set of nodes, which is the same). If it reaches outside a classifier's node, or
includes a part of every child, the classifier is *silent* on it. Otherwise the children that it includes are *allowed*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelforge.label_rows import BoolArray, LabelRows
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse


def ask_tree(tree: Taxonomy, rows: LabelRows, boxes: BoxUse, *, lone_boxes: bool = False) -> BoolArray:
    """The children of every classifier that every row allows.

    Args:
        tree: The tree; it has C logits in all.
        rows: L rows.
        boxes: Which classifiers a box label trains: ``own`` or ``path``; never the root's. With ``drop``, none.
        lone_boxes: Whether a box label also trains a classifier where it is all that its dataset says.

    Returns:
        (L, C) bool; all False within the columns of a silent classifier.
    """
    allowed = np.zeros((len(rows.meanings), tree.num_logits), np.bool_)
    for classifier in tree.classifiers:
        below = classifier.node.leaves
        inside = rows.meanings[:, below.start : below.stop]
        starts = [child.leaves.start - below.start for child in classifier.children]
        included = np.logical_or.reduceat(inside, starts, axis=1)
        reaches_out = rows.meanings.sum(1) > inside.sum(1)
        silent = reaches_out | included.all(1)
        allowed[:, classifier.slice] = included & ~silent[:, None]
    _limit_boxes(tree, allowed, rows, boxes, lone_boxes)
    return allowed


def _limit_boxes(tree: Taxonomy, allowed: BoolArray, rows: LabelRows, boxes: BoxUse, lone_boxes: bool) -> None:
    """On rows from boxes, make silent, in place, the root and, with ``own``, all but the deepest classifier.

    Unless ``lone_boxes``, also every classifier that their dataset gives one answer only: these boxes could teach it
    nothing but to say yes. A row that exists only in flipped images teaches no classifier that the rows it comes from
    do not teach.
    """
    slices = [classifier.slice for classifier in tree.classifiers]
    taught = np.logical_or.reduceat(allowed, [columns.start for columns in slices], axis=1)

    def keep(row: int, kept: set[int]) -> None:
        for j in set(np.flatnonzero(taught[row]).tolist()) - kept:
            allowed[row, slices[j]] = taught[row, j] = False

    boxed = np.flatnonzero(rows.from_box).tolist()
    for row in boxed:
        # The active classifiers of one label lie on one path, and depth-first order follows it downwards.
        active = np.flatnonzero(taught[row]).tolist()
        keep(row, set(active[-1:] if boxes == "own" else active) - {0})
    if not lone_boxes:
        alone = [_one_answer(allowed, rows, dataset, slices) for dataset in range(rows.dataset.max(initial=-1) + 1)]
        for row in boxed:
            keep(row, set(range(len(slices))) - alone[rows.dataset[row]])
    for row in boxed:
        if row >= rows.originals:
            sources = np.flatnonzero(rows.mirror[: rows.originals] == row)
            keep(row, set(np.flatnonzero(taught[sources].any(0)).tolist()))


def _one_answer(allowed: BoolArray, rows: LabelRows, dataset: int, slices: Sequence[slice]) -> set[int]:
    """The classifiers for which some child fits all labels that a dataset has for them."""
    own = allowed[: rows.originals][rows.dataset[: rows.originals] == dataset]
    parts = ((j, own[:, columns]) for j, columns in enumerate(slices))
    return {j for j, part in parts if part.any() and part[part.any(1)].all(0).any()}
