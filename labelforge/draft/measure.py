"""How good drafts are, measured on label lists of which the meaning is known.

Each mapping of a tree is left out in turn, drafted from the others, and compared with itself, label by label:

    exact     the same leaves; or both ignore it
    coarser   all leaves that it means and more, but not the whole tree
    unknown   left as TODO
    wrong     anything else: leaves are missing, it means something and is ignored, or it is ignored and would mean
              something

Other releases of a dataset would give away the answer: near twins are left out together with it, unless told
otherwise. Twins are mappings whose names begin with the same word, or that share nine labels in ten.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labelforge.draft.match import Sureness
from labelforge.draft.proposal import Proposal, draft
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

Outcome = Literal["exact", "coarser", "unknown", "wrong"]
OUTCOMES: tuple[Outcome, ...] = ("exact", "coarser", "unknown", "wrong")
"""What can become of a label, the best first."""

_TWIN = 0.9  # share of the labels of both lists together that both have


@dataclass(frozen=True)
class Judged:
    """A proposal and how it compares with what the label means.

    Attributes:
        proposal: What was proposed.
        expected: The leaves that the label means, none if it is ignored; several sets if there are several readings.
        outcome: How they compare.
    """

    proposal: Proposal
    expected: tuple[frozenset[int], ...]
    outcome: Outcome


@dataclass(frozen=True)
class Measured:
    """How the draft of one label list turned out.

    Attributes:
        dataset: Its name.
        labels: Its labels, each judged.
        without: The mappings that were left out.
    """

    dataset: str
    labels: tuple[Judged, ...]
    without: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Outcome, int]:
        """The number of labels by outcome."""
        found = Counter(label.outcome for label in self.labels)
        return {outcome: found[outcome] for outcome in OUTCOMES}


def compare(tree: Taxonomy, proposal: Proposal, expected: Sequence[frozenset[int]]) -> Outcome:
    """How a proposal compares with what a label means.

    Args:
        tree: The tree.
        proposal: What was proposed.
        expected: The leaves that it means, none if it is ignored; several sets where there are several readings.
    """
    if proposal.sureness == Sureness.TODO:
        return "unknown"
    if proposal.leaves in expected:
        return "exact"
    whole = len(proposal.leaves) == len(tree.leaves)
    if not whole and any(leaves and leaves < proposal.leaves for leaves in expected):
        return "coarser"
    return "wrong"


def judge(
    tree: Taxonomy,
    mappings: Sequence[LabelMapping],
    dataset: str,
    expected: Mapping[str, Sequence[frozenset[int]]],
) -> Measured:
    """Draft a label list and compare it with what its labels mean.

    Args:
        tree: The tree.
        mappings: The mappings to learn from.
        dataset: The list's name.
        expected: By native name, the leaves that the label means (see :func:`compare`).
    """
    proposals = draft(tree, mappings, list(expected))
    labels = [
        Judged(proposal, tuple(expected[proposal.name]), compare(tree, proposal, expected[proposal.name]))
        for proposal in proposals
    ]
    return Measured(dataset, tuple(labels))


def leave_one_out(tree: Taxonomy, *, twins: bool = False) -> tuple[Measured, ...]:
    """Draft each mapping of a tree from the others.

    Args:
        tree: The tree, from its folder.
        twins: Whether to learn from other releases of the same dataset too.

    Raises:
        TaxonomyError: A mapping is wrong (with its line).
    """
    mappings = [LabelMapping.load(tree, name) for name in LabelMapping.available(tree)]
    found = []
    for left_out in mappings:
        without = [m for m in mappings if m is left_out or (not twins and are_twins(m, left_out))]
        known = [m for m in mappings if m not in without]
        expected = {row.native_name: (row.target.leaves,) for row in left_out.rows[1:]}
        measured = judge(tree, known, left_out.dataset, expected)
        found.append(Measured(measured.dataset, measured.labels, tuple(m.dataset for m in without)))
    return tuple(found)


def are_twins(one: LabelMapping, other: LabelMapping) -> bool:
    """Whether two mappings are of releases of one dataset, or of nearly the same labels."""
    first, second = ({row.native_name for row in mapping.rows[1:]} for mapping in (one, other))
    same = len(first & second) / len(first | second)
    return same >= _TWIN or _family(one.dataset) == _family(other.dataset)


def _family(dataset: str) -> str:
    return re.split(r"[-_ .]", dataset)[0]
