"""A label of a list while it is decided what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from labelforge.draft.match import Match
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
    """

    name: NativeName
    match: Match | None
    leaves: frozenset[int] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    joined: tuple[str, ...] = ()

    def join(self, leaves: frozenset[int], why: str) -> None:
        """Let the label hold more than its name says."""
        self.leaves, self.joined = self.leaves | leaves, (*self.joined, why)
