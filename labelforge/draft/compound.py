"""Names made of others: several in a row ("cart luggage pram"), and ones that say what something is not."""

from __future__ import annotations

from collections.abc import Callable, Collection

from labelforge.draft.match import Match, Sureness, shown
from labelforge.draft.names import Words

_LISTED = 3  # names in a row that are a list of things, not one thing of several words
_LONGEST = 12  # words of such a name; what is longer is a sentence


def listed(words: Words, named: Callable[[Words], Match | None]) -> Match | None:
    """All that a phrase means that is made of nothing but three known names or more; None for others.

    Args:
        words: The phrase.
        named: What a name means, None if it is not known.
    """
    if not _LISTED <= len(words) <= _LONGEST:
        return None
    fewest: list[tuple[Match, ...] | None] = [()]  # the fewest names that the first words are made of, by their number
    for end in range(1, len(words) + 1):
        splits = [
            (*before, last)
            for start, before in enumerate(fewest)
            if before is not None and (last := named(words[start:end])) is not None
        ]
        fewest.append(min(splits, key=len, default=None))
    found = fewest[-1]
    if found is None or len(found) < _LISTED:
        return None
    parts = tuple(part for match in found for part in match.parts)
    return Match(parts, Sureness.CHECK, "several names in a row", own=False)


def without_negation(words: Words, negations: Collection[str], named: Callable[[Words], Match | None]) -> Match | None:
    """What "lane marking non drivable" means, some lane marking; and what "non drivable street" begins with.

    Args:
        words: The phrase.
        negations: Words that say what something is not.
        named: What a name means, None if it is not known.
    """
    start = next((i for i, word in enumerate(words) if word in negations), None)
    if start is None:
        return None
    phrase = words[:start] or words[:2]
    found = named(phrase)
    return None if found is None else found.within(f"begins with {shown(phrase)}")
