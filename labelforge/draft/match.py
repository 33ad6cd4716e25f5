"""What is known of a native name, and how sure that is: what :mod:`labelforge.draft.matching` finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from labelforge.draft.names import Words
from labelforge.draft.vocabulary import Reading
from labelforge.draft.voting import most_common


class Sureness(IntEnum):
    """How sure a proposal is."""

    TODO = 0
    CHECK = 1
    LIKELY = 2
    SURE = 3


@dataclass(frozen=True)
class Part:
    """A phrase that is known.

    Attributes:
        words: The phrase.
        readings: Its meanings in tree and mappings.
    """

    words: Words
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Match:
    """What is known of a native name; what it means is everything that its parts mean.

    Attributes:
        parts: The known phrases.
        sureness: How sure it is that they are meant.
        how: How they were found, for people; empty for the same name.
        ignored: The reason to ignore the name; None if it means something.
        rest_of: Phrases of which it means what has no label of its own ("other vehicle").
        siblings: The general phrases of its path, if it can mean what any other label below them means.
        far: Whether only a part of the tree knows the name that most lists are not about; it counts where other labels
            of the list lie there.
        own: Whether the parts are names of the label itself, not of something that holds it; only then does it take
            leaves from other labels, and only then do these take leaves from it.
    """

    parts: tuple[Part, ...]
    sureness: Sureness
    how: str = ""
    ignored: str | None = None
    rest_of: tuple[Part, ...] = ()
    siblings: tuple[Words, ...] = ()
    far: bool = False
    own: bool = True

    def less(self, sureness: Sureness, how: str) -> Match:
        """The same, at most so sure, and found in one more step."""
        return replace(self, sureness=min(self.sureness, sureness), how="; ".join(filter(None, (how, self.how))))

    def within(self, how: str) -> Match:
        """The same as something that holds the label."""
        return replace(self.less(Sureness.CHECK, how), own=False)


def commonly(match: Match) -> frozenset[int]:
    """What the parts of a match mean to most."""
    return frozenset().union(*(most_common(part.readings) for part in match.parts))


def all_leaves(match: Match) -> frozenset[int]:
    """Everything that a match may mean, or that it is a rest of."""
    readings = (reading for part in (*match.parts, *match.rest_of) for reading in part.readings)
    return frozenset().union(*(reading.leaves for reading in readings))


def shown(words: Words) -> str:
    """A phrase in quotes, for people."""
    return f"'{' '.join(words)}'"
