"""Which logits are added up for a label: as few as there can be.

The classes below a logit are together as probable as the logit. Where a label holds all of them the logit is added up
in their place, and what no label tells apart need not be computed at all: of the 43 traffic signs of a tree, nothing
where a dataset has one label for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.logits import LogitLayout


@dataclass(frozen=True, eq=False)
class LabelSums:
    """What is added up for L labels, in *spans*: neighbouring logits of one classifier.

    Attributes:
        classifiers: (A, 4) int32: the classifiers that are needed, in rising order. For each its first logit, the one
            after its last, the logit that leads to it, and which of the A that one belongs to; -1 for the root.
        spans: (S, 3) int32: which of the A classifiers, the first logit, the one after the last.
        starts: (L + 2,) int32: the first span of each label, then of all classes that count for no label, then S.
    """

    classifiers: NDArray[np.int32]
    spans: NDArray[np.int32]
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, layout: LogitLayout, shares: NDArray[np.bool_]) -> LabelSums:
        """Find the spans.

        Args:
            layout: What C logits mean.
            shares: (L, K): which classes count for which label.
        """
        label, column = np.nonzero(_added(layout, shares))
        owner = np.repeat(np.arange(layout.num_classifiers), layout.sizes)
        needed, place = _needed(layout, owner[column])
        opens = np.ones(len(column), np.bool_)
        opens[1:] = (np.diff(label) != 0) | (np.diff(column) != 1) | (np.diff(owner[column]) != 0)
        first = np.flatnonzero(opens)
        last = np.append(first[1:], len(column)) - 1
        spans = np.stack([place[owner[column[first]]], column[first], column[last] + 1], axis=1)
        rows = [
            (columns.start, columns.stop, layout.owning_column(j), place[layout.parent[j]] if j else -1)
            for j, columns in ((j, layout.slices[j]) for j in needed)
        ]
        classifiers = np.array(rows, np.int32).reshape(-1, 4)
        starts = np.searchsorted(label[first], np.arange(len(shares) + 2))
        return cls(classifiers, spans.astype(np.int32), starts.astype(np.int32))


def _added(layout: LogitLayout, shares: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(L + 1, C): the logits of each label, then of the classes that count for none."""
    added = np.zeros((len(shares) + 1, layout.num_logits), np.bool_)
    ends = np.flatnonzero(layout.class_of >= 0)
    added[:-1, ends] = shares[:, layout.class_of[ends]]
    added[-1, ends] = ~added[:-1, ends].any(axis=0)
    for j in reversed(range(1, layout.num_classifiers)):
        whole = added[:, layout.slices[j]].all(axis=1)
        added[whole, layout.slices[j]] = False
        added[:, layout.owning_column(j)] = whole
    return added


def _needed(layout: LogitLayout, asked: NDArray[np.int64]) -> tuple[list[int], NDArray[np.int64]]:
    """The classifiers that are asked for, with those above them, and (J,) where each of them is in that list."""
    needed = {int(j) for j in asked}
    needed |= {above for j in needed for above, _ in layout.ancestors(j)}
    place = np.full(layout.num_classifiers, -1, np.int64)
    place[sorted(needed)] = np.arange(len(needed))
    return sorted(needed), place
