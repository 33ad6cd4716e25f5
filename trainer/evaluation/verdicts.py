"""Labels and answers as sets of leaves: whether an answer is right, too coarse or wrong for a label.

A label means a set of leaves, and so does an answer (a leaf, a group or an inner node). An answer inside the label's
meaning is *right*: the label says nothing more. One with leaves inside and outside is *too coarse*: not wrong, but it
leaves open what the label decides. One without a leaf of the label is *wrong*.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import leaf_sets
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

WRONG, COARSE, RIGHT, NOT_SCORED = range(4)
"""The verdicts; the last is for pixels whose label says nothing."""

BoolArray = NDArray[np.bool_]


def label_leaves(mapping: LabelMapping, tree: Taxonomy) -> BoolArray:
    """(R, leaves of the tree) bool: what each row of a label table means; nothing for a row that is not scored.

    Not scored are pixels without annotation, labels that the mapping ignores, and sets of labels from boxes that
    overlap.
    """
    return leaf_sets([frozenset() if row.native_id is None else row.target.leaves for row in mapping.rows], tree)


def judge(labels: BoolArray, answers: BoolArray) -> NDArray[np.int8]:
    """Judge every answer for every label.

    Args:
        labels: (R, L) leaves of each label.
        answers: (M, L) leaves of each answer, at least one each.

    Returns:
        (R, M) int8: ``WRONG``, ``COARSE`` or ``RIGHT``.
    """
    meets = overlap(labels, answers) > 0
    leaves_it = overlap(~labels, answers) > 0
    return np.where(~meets, WRONG, np.where(leaves_it, COARSE, RIGHT)).astype(np.int8)


def overlap(some: BoolArray, others: BoolArray) -> NDArray[np.int64]:
    """(R, M) int64: number of leaves that each of R sets shares with each of M others."""
    return some.astype(np.int64) @ others.astype(np.int64).T
