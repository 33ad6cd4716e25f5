"""Which labels a class of a network counts for, where a label is read by the sum of its classes' probabilities.

A class counts for the labels that contain it, of nested ones for the inner one alone. One that no label contains counts
for the label that means most of it, if that is at least half of its leaves and more than any other label's part.
"""

from __future__ import annotations

from collections.abc import Sequence


def counts_for(meanings: Sequence[frozenset[int]], leaves: frozenset[int]) -> list[int]:
    """The labels that a class counts for.

    Args:
        meanings: Leaves of each label.
        leaves: Leaves of the class.

    Returns:
        Positions of the labels: one, or several that overlap or mean the same, or none.
    """
    shared = [len(leaves & meaning) for meaning in meanings]
    most = max(shared, default=0)
    if 2 * most < len(leaves):
        return []
    found = [number for number, count in enumerate(shared) if count == most]
    inner = [number for number in found if not any(meanings[other] < meanings[number] for other in found)]
    alike = len({meanings[number] for number in inner}) == 1
    return inner if alike or most == len(leaves) else []
