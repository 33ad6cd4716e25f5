"""Drafts a mapping: what each label of a new list means in a tree, how sure that is, and why.

Every name is matched by itself (:mod:`labelforge.draft.matching`); what the list's labels hold is then decided together
(:mod:`labelforge.draft.deciding`). Here that becomes label expressions, with the evidence in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labelforge.answers import cover_names, node_of
from labelforge.draft.deciding import decide
from labelforge.draft.entry import Entry
from labelforge.draft.match import Match, Sureness
from labelforge.draft.matching import Matcher
from labelforge.draft.names import parse_name
from labelforge.draft.thesaurus import Thesaurus
from labelforge.draft.vocabulary import TODO, Reading, Vocabulary
from labelforge.errors import listed
from labelforge.expression import Expression
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy


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
    entries = decide(Matcher(vocabulary), [parse_name(name) for name in names])
    return tuple(_proposal(vocabulary, entry) for entry in entries)


def _proposal(vocabulary: Vocabulary, entry: Entry) -> Proposal:
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


def _sureness(entry: Entry, match: Match) -> Sureness:
    doubts = any(v.rivals or v.agreed <= 0.5 or v.without - entry.leaves for v in entry.verdicts)
    return min(match.sureness, entry.at_most, Sureness.LIKELY if doubts else Sureness.SURE)


def _why(vocabulary: Vocabulary, entry: Entry) -> str:
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
        said.append(f"some hold {listed(cover_names(vocabulary.tree, without), 2)} too")
    rivals = [rival for verdict in entry.verdicts for rival in verdict.rivals]
    if rivals:
        said.append(f"elsewhere {listed(dict.fromkeys(map(_meaning, rivals)), 2)}")
    return "; ".join([*said, *entry.joined])


def _meaning(reading: Reading) -> str:
    return reading.name if reading.target is None else f"{reading.target.text} ({reading.source})"


def _expression(tree: Taxonomy, entry: Entry) -> Expression:
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
    members = cover_names(tree, leaves)
    around = tree.covering(leaves)
    missing = cover_names(tree, frozenset(around.leaves) - leaves)
    if around.parent is not None and len(missing) < len(members) - 1:
        return {"any": [tree.references.shortest(around.index)], "except": missing}
    return {"any": members}
