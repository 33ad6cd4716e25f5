"""What a phrase means where mappings disagree about it: a vote on every leaf.

Cityscapes counts vans as cars, WildDash 2 has a label for them. So it depends on the new list's other labels what its
``car`` holds. A mapping is *in the same situation* about a leaf if there, too, another label takes it (or none does);
its vote counts ten times that of the others. Where no mapping was ever in the same situation, a leaf that another label
of the new list takes is out, unless all mappings agree about it.

Readings that have nothing in common are different words: the ones with the most mappings behind them win. A third of
the votes puts a leaf in, a quarter if no other label takes it and several mappings count it in: a meaning that is too
wide teaches less, one that is too narrow teaches what is wrong. What most mappings say has votes of its own about
leaves that no label takes, so that a single coarse list (CamVid's eleven classes) does not decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from labelforge.draft.vocabulary import Reading, Vocabulary

_NODE = 0.5  # what the tree's own name for something counts beside a mapping that was asked in the same situation
_ELSEWHERE = 0.1  # what a mapping in another situation counts
_COMMON = 1.5  # what the most common reading counts besides
_ENOUGH = 1 / 3  # share of the votes that puts a leaf in
_ENOUGH_FREE = 1 / 4  # the same of a leaf that no other label takes, if more than one voice is for it


@dataclass(frozen=True)
class Verdict:
    """What a phrase means.

    Attributes:
        leaves: The leaves that it means; none where the mappings ignore it.
        used: The readings that were counted.
        rivals: Readings that mean something else altogether.
        without: Leaves that some of the counted readings hold, and that are left out.
        common: What most of the counted readings mean.
    """

    leaves: frozenset[int]
    used: tuple[Reading, ...]
    rivals: tuple[Reading, ...]
    without: frozenset[int]
    common: frozenset[int]

    @property
    def agreed(self) -> float:
        """Share of the counted readings that mean exactly this, 0 to 1."""
        return sum(reading.leaves == self.leaves for reading in self.used) / len(self.used)

    @property
    def reason(self) -> str | None:
        """Why it is ignored, as most mappings say that do."""
        reasons = Counter(r.target.reason for r in self.used if r.target is not None and r.target.reason)
        return reasons.most_common(1)[0][0] if reasons and not self.leaves else None


def vote(
    vocabulary: Vocabulary, readings: Sequence[Reading], taken: Collection[int] | None, *, wider: bool = True
) -> Verdict:
    """Decide what a phrase means.

    Args:
        vocabulary: Where the readings come from.
        readings: What it means elsewhere, at least one.
        taken: Leaves that other labels of the new list take; None to go by what is most common.
        wider: Whether it may mean more than what is most common.
    """
    groups = _groups(readings)
    used = max(groups, key=lambda group: sum(1.0 if r.source else 1.5 for r in group))
    rivals = tuple(reading for group in groups if group is not used for reading in group)
    every = frozenset().union(*(reading.leaves for reading in used))
    common = most_common(used)
    agreed = every.intersection(*(reading.leaves for reading in used))
    if taken is None:
        return Verdict(common, tuple(used), rivals, every - common, common)
    asked = every if wider else common
    inside = agreed.union(leaf for leaf in asked if _holds(vocabulary, used, common, leaf, is_taken=leaf in taken))
    inside = inside or common
    return Verdict(inside, tuple(used), rivals, every - inside, common)


def most_common(readings: Sequence[Reading]) -> frozenset[int]:
    """What the most readings mean; of several the widest."""
    counts = Counter(reading.leaves for reading in readings)
    return max(counts, key=lambda leaves: (counts[leaves], len(leaves)))


def _holds(
    vocabulary: Vocabulary, used: Sequence[Reading], common: frozenset[int], leaf: int, *, is_taken: bool
) -> bool:
    votes = {True: 0.0, False: 0.0}
    votes[leaf in common] += 0.0 if is_taken else _COMMON
    alike = False
    voices = Counter(reading.source for reading in used)  # a mapping has one vote, however many of its labels fit
    for reading in used:
        same = reading.source is not None and (leaf in vocabulary.taken(reading)) == is_taken
        alike = alike or same
        weight = 1.0 if same else _NODE if reading.source is None else _ELSEWHERE
        votes[leaf in reading.leaves] += weight / voices[reading.source]
    several = len({reading.source for reading in used if leaf in reading.leaves}) > 1
    enough = _ENOUGH_FREE if several and not is_taken else _ENOUGH
    return (alike or not is_taken) and votes[True] >= enough * (votes[True] + votes[False])


def _groups(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings that overlap, directly or through others; those that mean nothing are one group."""
    groups: list[tuple[set[int], list[Reading]]] = []
    for reading in readings:
        touching = [group for group in groups if group[0] & reading.leaves or not (group[0] or reading.leaves)]
        groups = [group for group in groups if group not in touching]
        leaves = set(reading.leaves).union(*(group[0] for group in touching))
        groups.append((leaves, [*(r for group in touching for r in group[1]), reading]))
    return [members for _, members in groups]
