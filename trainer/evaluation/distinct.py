"""Which of a dataset's labels a network cannot tell apart, however good it is.

A decision is written as the most specific native label that contains it; by sum, a class that none contains may count
for one (:mod:`labelforge.trainer.readout`). A label that no class of the layout is written as can never be right:
another label has the same meaning, others have taken all that it means between them, or the classes that it needs are
none of the network's. Such a label and those that stand in for it form a group. Labels that are merely inside one
another (*parking* inside *road*) are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from labelforge.label_rows import IntArray
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping


def confusable_rows(
    layout: LogitLayout, mapping: LabelMapping, class_of: IntArray, written: IntArray
) -> tuple[frozenset[int], ...]:
    """Groups of labels that the layout's decisions cannot tell apart, where that costs scores.

    Args:
        layout: The classes that decisions end in.
        mapping: Label table of a dataset in the layout's tree.
        class_of: (R,) the class that each row is scored as, -1 where it is not; labels of one class may be confused.
        written: (K,) the row that each class is written as, 0 where no label fits.

    Returns:
        Rows of each group, groups by their first row. A group of one is a label that no decision can be, and that no
        other label stands in for.
    """
    meanings = {
        row.row: row.target.leaves for row in mapping.rows if row.native_id is not None and not row.target.ignored
    }
    links: list[frozenset[int]] = []
    for row, meaning in meanings.items():
        if class_of[row] < 0 or row in written:
            continue
        inside = [k for k, leaves in enumerate(layout.classes) if leaves <= meaning]
        # Where no class is inside the label, the best decision is one that reaches beyond it.
        fitting = inside or [k for k, leaves in enumerate(layout.classes) if leaves & meaning]
        if fitting and all(written[k] and class_of[written[k]] == class_of[row] for k in fitting):
            continue
        links.append(frozenset({row}))
        for k in fitting:
            straddled = {other for other, leaves in meanings.items() if leaves & layout.classes[k]}
            links.append(frozenset({row, *([int(written[k])] if written[k] else straddled)}))
    return join_overlapping(links)


def group_of_classes(layout: LogitLayout, mapping: LabelMapping, groups: Iterable[frozenset[int]]) -> IntArray:
    """The group that a class without a native label belongs to: the only one whose labels it overlaps.

    Returns:
        (K,) int64: number of the group, -1 where there is none or labels outside the group overlap too.
    """
    group_of = {row: number for number, rows in enumerate(groups) for row in rows}
    found = np.full(len(layout.classes), -1, np.int64)
    for k, leaves in enumerate(layout.classes):
        overlapped = {
            group_of.get(row.row, -1)
            for row in mapping.rows
            if row.native_id is not None and row.target.leaves & leaves
        }
        if len(overlapped) == 1:
            found[k] = overlapped.pop()
    return found


def join_overlapping(sets: Iterable[frozenset[int]]) -> tuple[frozenset[int], ...]:
    """Unite sets until no two share a member; by their first members."""
    joined: list[frozenset[int]] = []
    for members in sets:
        apart = [other for other in joined if not other & members]
        joined = [*apart, members.union(*(other for other in joined if other & members))]
    return tuple(sorted(joined, key=min))
