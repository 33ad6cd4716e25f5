"""The label rows of a run: the rows of all its datasets, one dataset after the other, and what flipped images add.

Nothing here depends on classifiers: a row is a set of leaves that a pixel can show, and where it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelRows:
    """L rows: those of the datasets, then those that occur only in horizontally flipped images.

    Attributes:
        originals: How many are the datasets' own.
        meanings: (L, leaves) bool: the leaves that a label can mean; all False where it is ignored.
        from_box: (L,) bool: the row comes from boxes.
        mirror: (L,) int64: the row that a row becomes in a flipped image; of the same dataset.
        dataset: (L,) int64: position of the row's dataset.
    """

    originals: int
    meanings: BoolArray
    from_box: BoolArray
    mirror: IntArray
    dataset: IntArray

    @classmethod
    def of(cls, tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: BoxUse | None = None) -> LabelRows:
        """Number the rows of some label tables.

        Args:
            tree: The tree.
            mappings: Label tables in it.
            boxes: With ``drop``, rows from boxes mean nothing.
        """
        every = [row for mapping in mappings for row in mapping.rows]
        dropped = boxes == "drop"
        sets = [frozenset() if dropped and row.supervision == "box" else row.target.leaves for row in every]
        from_box = [row.supervision == "box" for row in every]
        dataset = [number for number, mapping in enumerate(mappings) for _ in mapping.rows]
        mirror: list[int] = []
        number: dict[tuple[frozenset[int], bool, int], int] = {}
        for i, key in enumerate(zip(sets, from_box, dataset, strict=True)):
            number.setdefault(key, i)
        position = 0
        while position < len(sets):  # grows by the rows that only flipped images have
            flipped = _mirrored(tree, sets[position])
            if flipped == sets[position]:
                mirror.append(position)
            else:
                key = (flipped, from_box[position], dataset[position])
                if number.setdefault(key, len(sets)) == len(sets):
                    sets.append(flipped)
                    from_box.append(from_box[position])
                    dataset.append(dataset[position])
                mirror.append(number[key])
            position += 1
        meanings, numbers = leaf_sets(sets, tree), (np.array(part, np.int64) for part in (mirror, dataset))
        return cls(len(every), meanings, np.array(from_box, np.bool_), *numbers)


def leaf_sets(sets: Sequence[frozenset[int]], tree: Taxonomy) -> BoolArray:
    """(sets, leaves of the tree) bool: sets of leaf numbers as rows."""
    leaves = np.zeros((len(sets), len(tree.leaves)), np.bool_)
    for row, members in enumerate(sets):
        leaves[row, list(members)] = True
    return leaves


def _mirrored(tree: Taxonomy, leaves: frozenset[int]) -> frozenset[int]:
    """What a flipped image of a label shows. A leaf without a mirror image becomes its parent."""
    flipped: set[int] = set()
    for leaf in leaves:
        node = tree.leaves[leaf]
        if node.mirror is None:
            flipped.add(leaf)
        elif node.mirror >= 0:
            flipped.add(tree.nodes[node.mirror].leaves.start)
        elif node.parent is not None:
            flipped.update(tree.nodes[node.parent].leaves)
    return frozenset(flipped)
