"""A label of a list while it is decided what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from labelforge.draft.match import Match, Sureness
from labelforge.draft.names import NativeName
from labelforge.draft.voting import Verdict


@dataclass
class Entry:
    """A label of the list while it is decided.

    Attributes:
        name: Its name.
        match: What is known of the name.
        leaves: What it holds, so far.
        verdicts: The votes that led there.
        joined: What else it holds and why, in words.
        at_most: How sure it can be, with what else it holds.
    """

    name: NativeName
    match: Match | None
    leaves: frozenset[int] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    joined: tuple[str, ...] = ()
    at_most: Sureness = Sureness.SURE

    def decide(self, leaves: frozenset[int], verdicts: tuple[Verdict, ...]) -> None:
        """Let the label hold what its name says, and nothing else."""
        self.leaves, self.verdicts, self.joined, self.at_most = leaves, verdicts, (), Sureness.SURE

    def join(self, leaves: frozenset[int], why: str, at_most: Sureness = Sureness.LIKELY) -> None:
        """Let the label hold more than its name says, and be less sure."""
        self.leaves, self.joined = self.leaves | leaves, (*self.joined, why)
        self.at_most = min(self.at_most, at_most)
