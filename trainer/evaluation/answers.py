"""What a network can answer: the classes where its decisions end, and the nodes where they can stop before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelforge.label_rows import BoolArray, IntArray, leaf_sets
from labelforge.logits import LogitLayout


@dataclass(frozen=True, eq=False)
class Answers:
    """All that a descent can answer: the K classes where it ends, then the J nodes where it can stop before.

    Attributes:
        leaves: (K + J, leaves of the tree) bool: leaves that each answer means.
        choices: (K,) int64: choices that lead to each class.
        after: (K, D + 1) int64: the answer after n choices on the way to each class; the class itself from
            ``choices`` on.
    """

    leaves: BoolArray
    choices: IntArray
    after: IntArray

    @classmethod
    def compile(cls, layout: LogitLayout) -> Answers:
        """The answers of a layout."""
        classes = len(layout.classes)
        leaves = leaf_sets(layout.answers, layout.taxonomy)
        depth = max(len(layout.ancestors(j)) for j in range(layout.num_classifiers)) + 1
        choices = np.zeros(classes, np.int64)
        after = np.tile(np.arange(classes)[:, None], depth + 1)
        for j in range(layout.num_classifiers):
            way = [j, *(above for above, _ in layout.ancestors(j))][::-1]
            ends = layout.class_of[layout.slices[j]]
            for k in ends[ends >= 0]:
                choices[k] = len(way)
                after[k, : len(way)] = [classes + above for above in way]
        return cls(leaves, choices, after)
