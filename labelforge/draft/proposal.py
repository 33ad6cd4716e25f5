"""Drafts a mapping: what each label of a new list means in a tree, how sure that is, and why.

Every name is matched by itself (:mod:`labelforge.draft.matching`); what the list's labels hold is then decided together
(:mod:`labelforge.draft.voting`), in a few rounds, since what one label means depends on which leaves the others take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labelforge.answers import cover, node_of
from labelforge.draft.matching import Match, Matcher, Part, Sureness
from labelforge.draft.names import NativeName, parse_name
from labelforge.draft.thesaurus import Thesaurus
from labelforge.draft.vocabulary import Reading, Vocabulary
from labelforge.draft.voting import Verdict, vote
from labelforge.errors import listed
from labelforge.expression import Expression
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Node, Taxonomy

TODO = "TODO: "
"""How the reason of a label begins that is left to decide; ``labelforge lint`` counts these."""

_ROUNDS = 3  # what labels take from each other settles after two; more would only repeat the last
_DOMAIN = 0.8  # share of the known labels that make a list one about a single part of the tree
_FEWEST = 5  # labels that such a list has at least


@dataclass(frozen=True)
class Proposal:
    """What a label is taken to mean.

    Attributes:
        name: The native name.
        leaves: The leaves that it means; none where it is ignored.
        expression: The same as a label expression, for a mapping's YAML.
        sureness: How sure it is; TODO where nothing is known.
        why: The evidence, on one line.
    """

    name: str
    leaves: frozenset[int]
    expression: Expression
    sureness: Sureness
    why: str


@dataclass
class _Entry:
    """A label of the list while it is decided."""

    name: NativeName
    match: Match | None
    leaves: frozenset[int] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    joined: str = ""


def draft(tree: Taxonomy, mappings: Sequence[LabelMapping], names: Sequence[str]) -> tuple[Proposal, ...]:
    """Propose what native labels mean.

    Args:
        tree: The tree.
        mappings: Mappings in it to learn from.
        names: The native names of the new list, all different.

    Returns:
        A proposal for each name, in order.
    """
    vocabulary = Vocabulary(tree, mappings, Thesaurus.shipped())
    matcher = Matcher(vocabulary)
    entries = [_Entry(name, matcher.match(name)) for name in map(parse_name, names)]
    _decide(vocabulary, entries)
    if _look_inside(matcher, entries):
        _decide(vocabulary, entries)
    return tuple(_proposal(vocabulary, entry) for entry in entries)


def _decide(vocabulary: Vocabulary, entries: Sequence[_Entry]) -> None:
    """Decide what all labels hold, given what the others take."""
    for _ in range(_ROUNDS):
        taken = _Taken(vocabulary.tree, entries)
        found = [_held(vocabulary, entry, entries, taken) for entry in entries]
        for entry, (leaves, verdicts) in zip(entries, found, strict=True):
            entry.leaves, entry.verdicts = leaves, verdicts
    _join(vocabulary, entries)


def _join(vocabulary: Vocabulary, entries: Sequence[_Entry]) -> None:
    """Give the label of who rides also what is ridden, where no label of the list can mean that; and the reverse.

    Riders may also be counted as persons; but not as pedestrians.
    """
    words = {word for entry in entries for word in entry.name.whole}
    on_foot = bool(words & vocabulary.thesaurus.on_foot)
    for pair in vocabulary.thesaurus.together:
        sets = [frozenset().union(*(r.leaves for r in vocabulary.readings(w) if r.source is None)) for w in pair]
        for (one, other), missing in zip((sets, sets[::-1]), pair[::-1], strict=True):
            if not one or not other or any(entry.leaves & other for entry in entries):
                continue
            for entry in entries:
                if entry.leaves & one and (one == sets[0] or on_foot) and _is_about(entry):
                    entry.leaves, entry.joined = entry.leaves | other, f"no label means {' '.join(missing)}"


def _is_about(entry: _Entry) -> bool:
    """Whether a label is what its name says, not something that holds it or what is left of it."""
    return entry.match is not None and not entry.match.rest_of and not entry.match.siblings and len(entry.leaves) < 5


class _Taken:
    """Which leaves the labels of a list take from another one: those of any that does not hold all of it.

    Only labels of which enough is known count: what is guessed takes nothing away.
    """

    def __init__(self, tree: Taxonomy, entries: Sequence[_Entry]) -> None:
        sure = [e for e in entries if e.match is not None and e.match.own and e.match.sureness > Sureness.CHECK]
        sets = {entry.leaves for entry in sure if entry.leaves}
        self._sets = sets
        self._found: dict[frozenset[int], frozenset[int]] = {}

    def of(self, leaves: frozenset[int]) -> frozenset[int]:
        """What is taken from a label that would hold these."""
        if leaves not in self._found:
            self._found[leaves] = frozenset().union(*(other for other in self._sets if not other >= leaves))
        return self._found[leaves]


def _held(
    vocabulary: Vocabulary, entry: _Entry, entries: Sequence[_Entry], taken: _Taken
) -> tuple[frozenset[int], tuple[Verdict, ...]]:
    if entry.match is None or entry.match.ignored is not None:
        return frozenset(), ()
    verdicts = [_verdict(vocabulary, part, entry, taken) for part in entry.match.parts]
    leaves = frozenset().union(*(verdict.leaves for verdict in verdicts))
    if entry.match.siblings:
        beside = [e for e in entries if e is not entry and e.name.path[:-1] == entry.match.siblings]
        leaves = leaves.union(*(e.leaves for e in beside))
    for part in entry.match.rest_of:
        whole = vote(vocabulary, part.readings, None)
        verdicts.append(whole)
        others = [held for e in entries if e is not entry and not (held := _surely(e)) >= whole.leaves]
        leaves |= whole.leaves.difference(*others) or whole.leaves
    return leaves, tuple(verdicts)


def _surely(entry: _Entry) -> frozenset[int]:
    """What a label holds whatever is asked: the leaves about which all readings of its own name agree."""
    if entry.match is None or not entry.match.own or entry.match.sureness <= Sureness.CHECK:
        return frozenset()
    sets = [reading.leaves for verdict in entry.verdicts for reading in verdict.used]
    return sets[0].intersection(*sets) if sets else frozenset()


def _verdict(vocabulary: Vocabulary, part: Part, entry: _Entry, taken: _Taken) -> Verdict:
    asked = entry.match is not None and entry.match.own and entry.verdicts
    return vote(vocabulary, part.readings, taken.of(entry.leaves) if asked else None)


def _look_inside(matcher: Matcher, entries: Sequence[_Entry]) -> bool:
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


def _share(known: Sequence[_Entry], node: Node) -> float:
    leaves = set(node.leaves)
    return sum(entry.leaves <= leaves for entry in known) / len(known)


def _proposal(vocabulary: Vocabulary, entry: _Entry) -> Proposal:
    match, name = entry.match, entry.name.text
    if match is None:
        todo: Expression = {"ignore": f"{TODO}nothing is known of this name"}
        return Proposal(name, frozenset(), todo, Sureness.TODO, "")
    if match.ignored is not None:
        return Proposal(name, frozenset(), {"ignore": match.ignored}, match.sureness, match.how or "by its name")
    if not entry.leaves:
        reason = next((v.reason for v in entry.verdicts if v.reason), "ignored by other datasets")
        return Proposal(name, frozenset(), {"ignore": reason}, match.sureness, _why(vocabulary, entry))
    expression = _expression(vocabulary.tree, entry)
    return Proposal(name, entry.leaves, expression, _sureness(entry, match), _why(vocabulary, entry))


def _sureness(entry: _Entry, match: Match) -> Sureness:
    if match.sureness == Sureness.SURE and (entry.joined or any(v.rivals or v.agreed <= 0.5 for v in entry.verdicts)):
        return Sureness.LIKELY
    return match.sureness


def _why(vocabulary: Vocabulary, entry: _Entry) -> str:
    match = entry.match
    assert match is not None
    said = [match.how] if match.how else []
    sources = list(dict.fromkeys(r.source for v in entry.verdicts for r in v.used if r.source is not None))
    if sources:
        said.append(("as in " if match.how else "same name in ") + listed(sources, 2))
    elif not match.how:
        said.append("the node of this name")
    without = frozenset().union(*(verdict.without for verdict in entry.verdicts)) - entry.leaves
    if without and entry.leaves:
        said.append(f"some hold {listed(_names(vocabulary.tree, without), 2)} too")
    rivals = [rival for verdict in entry.verdicts for rival in verdict.rivals]
    if rivals:
        said.append(f"elsewhere {listed(dict.fromkeys(map(_meaning, rivals)), 2)}")
    return "; ".join([*said, *filter(None, [entry.joined])])


def _meaning(reading: Reading) -> str:
    return reading.name if reading.target is None else f"{reading.target.text} ({reading.source})"


def _expression(tree: Taxonomy, entry: _Entry) -> Expression:
    """The expression that most mappings write for these leaves, or the shortest."""
    written = [
        reading.target.expression
        for verdict in entry.verdicts
        for reading in verdict.used
        if reading.target is not None and reading.leaves == entry.leaves
    ]
    node = node_of(tree, entry.leaves)
    if node is not None:
        return tree.references.shortest(node.index)
    if written:
        return _most_common(written)
    return shortest_expression(tree, entry.leaves)


def _most_common(expressions: Sequence[Any]) -> Expression:
    texts = Counter(map(repr, expressions))
    common = texts.most_common(1)[0][0]
    found: Expression = next(expression for expression in expressions if repr(expression) == common)
    return found


def shortest_expression(tree: Taxonomy, leaves: frozenset[int]) -> Expression:
    """A label expression for some leaves: a union of the fewest nodes, or one node without a few.

    Args:
        tree: The tree.
        leaves: Leaf numbers, at least one.
    """
    node = node_of(tree, leaves)
    if node is not None:
        return tree.references.shortest(node.index)
    members = _names(tree, leaves)
    around = tree.covering(leaves)
    missing = _names(tree, frozenset(around.leaves) - leaves)
    if around.parent is not None and len(missing) < len(members) - 1:
        return {"any": [tree.references.shortest(around.index)], "except": missing}
    return {"any": members}


def _names(tree: Taxonomy, leaves: frozenset[int]) -> list[str]:
    return [tree.references.shortest(node.index) for node in cover(tree, leaves)]
