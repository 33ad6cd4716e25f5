"""What the labels of a list hold, decided together: what one means depends on which leaves the others take.

Every label starts with what is most common; a few rounds of votes (:mod:`labelforge.draft.voting`) settle the rest.
Then who rides gets what is ridden, where that has no label of its own, and labels get what no label of the list is for
(:mod:`labelforge.draft.widening`). A list about one small part of the tree is read once more inside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelforge.draft.entry import Entry
from labelforge.draft.match import Sureness
from labelforge.draft.matching import Matcher
from labelforge.draft.names import NativeName, Words
from labelforge.draft.vocabulary import Vocabulary
from labelforge.draft.voting import Verdict, vote
from labelforge.draft.widening import widen
from labelforge.taxonomy import Node

_ROUNDS = 3  # what labels take from each other settles after two; more would only repeat the last
_DOMAIN = 0.8  # share of the known labels that make a list one about a single part of the tree
_FEWEST = 5  # labels that such a list has at least
_FEW = 4  # leaves of a label that is about who rides or what is ridden, not about vehicles at large


def decide(matcher: Matcher, names: Sequence[NativeName]) -> list[Entry]:
    """Decide what the labels of a list hold.

    Args:
        matcher: What is known.
        names: The labels' names.
    """
    entries = [Entry(name, matcher.match(name)) for name in map(matcher.bare, names)]
    _decide(matcher.vocabulary, entries)
    if _look_inside(matcher, entries) or _leave_far(matcher.vocabulary, entries):
        _decide(matcher.vocabulary, entries)
    return entries


def _decide(vocabulary: Vocabulary, entries: Sequence[Entry]) -> None:
    for _ in range(_ROUNDS):
        others = _Others(entries)
        found = [_held(vocabulary, entry, others) for entry in entries]
        for entry, (leaves, verdicts) in zip(entries, found, strict=True):
            entry.decide(leaves, verdicts)
    _join(vocabulary, entries)
    widen(vocabulary, entries)


def _join(vocabulary: Vocabulary, entries: Sequence[Entry]) -> None:
    """Give the label of who rides also what is ridden, where no label of the list can mean that; and the reverse.

    Riders may also be counted as persons; but not as pedestrians.
    """
    words = {word for entry in entries for word in entry.name.whole}
    on_foot = bool(words & vocabulary.thesaurus.on_foot)
    pairs = [[vocabulary.node_leaves(words) for words in pair] for pair in vocabulary.thesaurus.together]
    riders = vocabulary.around(frozenset().union(*(rider for rider, _ in pairs)))
    about = {id(entry) for entry in entries if _is_about(entry)}  # by what they hold before anything is joined
    for pair, sets in zip(vocabulary.thesaurus.together, pairs, strict=True):
        for (one, other), missing in zip((sets, sets[::-1]), pair[::-1], strict=True):
            if not one or not other or any(entry.leaves & other for entry in entries):
                continue
            rides = one == sets[0]
            for entry in entries:
                if entry.leaves & one and (entry.leaves <= riders if rides else on_foot) and id(entry) in about:
                    entry.join(other, f"no label means {' '.join(missing)}")


def _is_about(entry: Entry) -> bool:
    """Whether a label is what its name says, not something that holds it or what is left of it."""
    match = entry.match
    return match is not None and not match.rest_of and not match.siblings and len(entry.leaves) <= _FEW


class _Others:
    """What the labels of a list hold, as the others see it.

    A label takes leaves from those that it does not hold all of. Only labels of which enough is known do, and only what
    most mappings count as theirs: what is guessed, or held to be on the safe side, takes nothing away.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        sure = [e for e in entries if e.match is not None and e.match.own and e.match.sureness > Sureness.CHECK]
        self._sets = {(entry.leaves, _usual(entry)) for entry in sure}
        self._agreed = {(entry.leaves, _agreed(entry)) for entry in sure}
        self._taken: dict[frozenset[int], frozenset[int]] = {}
        self._below: dict[tuple[Words, ...], set[frozenset[int]]] = {}
        for entry in entries:
            if entry.match is not None and not entry.match.siblings:
                self._below.setdefault(entry.name.path[:-1], set()).add(entry.leaves)

    def taken(self, leaves: frozenset[int]) -> frozenset[int]:
        """What other labels take from one that would hold these."""
        if leaves not in self._taken:
            sets = (usual for other, usual in self._sets if not other >= leaves)
            self._taken[leaves] = frozenset().union(*sets)
        return self._taken[leaves]

    def surely_taken(self, leaves: frozenset[int]) -> frozenset[int]:
        """The same, of each other label only what all readings of its name hold."""
        return frozenset().union(*(agreed for other, agreed in self._agreed if not other >= leaves))

    def below(self, path: tuple[Words, ...]) -> frozenset[int]:
        """What the labels hold whose names begin with a path."""
        return frozenset().union(*self._below.get(path, ()))


def _held(vocabulary: Vocabulary, entry: Entry, others: _Others) -> tuple[frozenset[int], tuple[Verdict, ...]]:
    match = entry.match
    if match is None or match.ignored is not None:
        return frozenset(), ()
    taken = others.taken(entry.leaves) if entry.verdicts else None
    verdicts = [vote(vocabulary, part.readings, taken, wider=match.own) for part in match.parts]
    leaves = frozenset().union(*(verdict.leaves for verdict in verdicts))
    if match.siblings:
        leaves |= others.below(match.siblings)
    for part in match.rest_of:
        whole = vote(vocabulary, part.readings, None)
        verdicts.append(whole)
        leaves |= (whole.leaves - others.surely_taken(whole.leaves)) or whole.leaves
    return leaves, tuple(verdicts)


def _usual(entry: Entry) -> frozenset[int]:
    """What a label holds and most mappings count as its own."""
    return entry.leaves & frozenset().union(*(verdict.common for verdict in entry.verdicts))


def _agreed(entry: Entry) -> frozenset[int]:
    """What a label holds whatever is asked: the leaves about which all readings of its name agree."""
    sets = [reading.leaves for verdict in entry.verdicts for reading in verdict.used]
    return sets[0].intersection(*sets) if sets else frozenset()


def _look_inside(matcher: Matcher, entries: Sequence[Entry]) -> bool:
    """In a list about one part of the tree, read the labels that point elsewhere as names of that part.

    A list of traffic signs has no construction and no animals: these are signs that warn of them.
    """
    tree = matcher.vocabulary.tree
    known = [entry for entry in entries if entry.leaves]
    if len(known) < _FEWEST:
        return False
    inside = [n for n in tree.nodes if n.depth > 1 and not n.is_leaf and _share(known, n) >= _DOMAIN]
    if not inside:
        return False
    domain = inside[-1]
    leaves = frozenset(domain.leaves)
    changed = False
    for entry in entries:
        if entry.name.path and not (entry.leaves and entry.leaves <= leaves):
            found = matcher.inside(entry.name.last, leaves)
            if found is not None:
                entry.match, changed = found, True
            elif entry.match is not None:
                entry.match = entry.match.less(Sureness.CHECK, f"not of {domain.name}, as most labels are")
    return changed


def _leave_far(vocabulary: Vocabulary, entries: Sequence[Entry]) -> bool:
    """Leave names to decide that only a part of the tree knows in which no other label of the list lies.

    A box is a household item in a list of things in rooms; in a list of things in streets it can be anything.
    """
    tree = vocabulary.tree
    changed = False
    for entry in entries:
        if entry.match is None or not entry.match.far or not entry.leaves:
            continue
        branch = frozenset(next(top.leaves for top in tree.nodes if top.depth == 1 and entry.leaves & set(top.leaves)))
        if not any(other.leaves & branch for other in entries if other is not entry):
            entry.match, changed = None, True
    return changed


def _share(known: Sequence[Entry], node: Node) -> float:
    leaves = set(node.leaves)
    return sum(entry.leaves <= leaves for entry in known) / len(known)
