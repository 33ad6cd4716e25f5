"""What is known already: the names of a tree's nodes, and the native labels that its mappings give a meaning.

A *reading* is one place where a phrase has a meaning. A native label with a path (``object--support--pole``) is also
known by its last phrase, but only where a node or a plain label of the same name confirms it: ``pedestrians`` of
``object--traffic-light--pedestrians`` is no person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from labelforge.draft.names import Words, key_of, parse_name, suffixes, words_of
from labelforge.draft.thesaurus import Thesaurus
from labelforge.expression import LabelTarget
from labelforge.mapping import LabelMapping, LabelRow
from labelforge.taxonomy import Node, Taxonomy

TODO = "TODO: "
"""How the reason of a label begins that is left to decide; ``labelforge lint`` counts these."""


@dataclass(frozen=True)
class Reading:
    """One meaning of a phrase.

    Attributes:
        leaves: What it means; empty where a mapping ignores it.
        source: The mapping's dataset, or None for a node of the tree.
        name: The node's reference or the native label's name.
        target: The label's target in that mapping; None for a node.
    """

    leaves: frozenset[int]
    source: str | None
    name: str
    target: LabelTarget | None = field(default=None, compare=False)


class Vocabulary:
    """All readings of one tree and some mappings in it.

    Args:
        tree: The tree.
        mappings: Mappings of other label lists in it.
        thesaurus: Synonyms; of these only the words that add nothing to a name are used here.

    Attributes:
        special: Leaves of parts of the tree about which there are mappings of their own (traffic signs); what nodes are
            called there may mean something else in other lists.
    """

    def __init__(self, tree: Taxonomy, mappings: Sequence[LabelMapping], thesaurus: Thesaurus) -> None:
        self.tree = tree
        self.thesaurus = thesaurus
        self.mappings = {mapping.dataset: mapping for mapping in mappings}
        self._readings: dict[str, list[Reading]] = {}
        self._words: dict[str, Words] = {}
        self._sorted: dict[Words, Words] = {}
        self._taken: dict[tuple[str, frozenset[int]], frozenset[int]] = {}
        for node in tree.nodes[1:]:
            self._add(words_of(node.name), _of_node(tree, node))
            if node.depth > 1:  # "traffic sign/front" is also known as "traffic sign front"
                parent = tree.nodes[node.parent or 0]
                self._add(words_of(f"{parent.name} {node.name}"), _of_node(tree, node), in_order=True)
        late: list[tuple[Words, Reading]] = []
        self.special: frozenset[int] = frozenset()
        for mapping in mappings:
            around = _special_part(tree, mapping)
            self.special |= around
            for row in () if around else mapping.rows[1:]:
                if (row.target.reason or "").startswith(TODO):
                    continue  # somebody else's open question is no answer
                late += self._add_label(mapping.dataset, row)
        confirmed = [(words, reading) for words, reading in late if self._confirms(words, reading)]
        for words, reading in confirmed:
            self._add(words, reading)

    def readings(self, words: Iterable[str]) -> tuple[Reading, ...]:
        """The meanings of a phrase."""
        return tuple(self._readings.get(key_of(words), ()))

    def node_leaves(self, words: Words) -> frozenset[int]:
        """The leaves of the nodes of a name; none if there is none."""
        return frozenset().union(*(reading.leaves for reading in self.readings(words) if reading.source is None))

    def around(self, leaves: frozenset[int]) -> frozenset[int]:
        """The leaves of the lowest node that holds some leaves; none for none."""
        return frozenset(self.tree.covering(leaves).leaves) if leaves else frozenset()

    def turned(self, words: Words) -> Words | None:
        """The known phrase, or synonym, of the same words in another order ("rail-raised"); None if there is none."""
        key = tuple(sorted(words))
        return (self._sorted.get(key) or self.thesaurus.by_words.get(key)) if len(words) > 1 else None

    @property
    def phrases(self) -> Mapping[str, Words]:
        """Every known phrase, by its key."""
        return self._words

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of a known phrase."""
        return frozenset(word for words in self._words.values() for word in words)

    @cached_property
    def node_words(self) -> tuple[tuple[Node, frozenset[str]], ...]:
        """The nodes below the root with the words of their names."""
        return tuple((node, frozenset(words_of(node.name))) for node in self.tree.nodes[1:])

    def taken(self, reading: Reading) -> frozenset[int]:
        """The leaves that other labels of a reading's dataset take from it: those that do not hold all of it."""
        if reading.source is None:
            return frozenset()
        key = (reading.source, reading.leaves)
        if key not in self._taken:
            others = [row.target.leaves for row in self.mappings[reading.source].rows]
            self._taken[key] = frozenset().union(*(s for s in others if not s >= reading.leaves))
        return self._taken[key]

    def _add(self, words: Words, reading: Reading, *, in_order: bool = False) -> None:
        key = key_of(words)
        self._words.setdefault(key, words)
        if not in_order:
            self._sorted.setdefault(tuple(sorted(words)), words)
        known = self._readings.setdefault(key, [])
        if all((other.source, other.name) != (reading.source, reading.name) for other in known):
            known.append(reading)

    def _add_label(self, dataset: str, row: LabelRow) -> list[tuple[Words, Reading]]:
        """Add a label by all of its name; returns it with the ends of its path, which need to be confirmed."""
        name = parse_name(row.native_name)
        reading = Reading(row.target.leaves, dataset, row.native_name, row.target)
        self._add(name.whole, reading)
        ends = suffixes(name.path)
        bare = [tuple(word for word in words if word not in self.thesaurus.ambiguous) for words in ends]
        return [(words, reading) for words in dict.fromkeys([*ends[1:], *bare]) if words]

    def _confirms(self, words: Words, reading: Reading) -> bool:
        known = self._readings.get(key_of(words), ())
        if not reading.leaves:
            return any(not other.leaves for other in known)
        return any(other.leaves & reading.leaves for other in known)


def _special_part(tree: Taxonomy, mapping: LabelMapping) -> frozenset[int]:
    """The leaves of the part of the tree that a mapping is about, if that lies deep down.

    Its names say little elsewhere: in a list of traffic signs "construction" is a sign that warns of it.
    """
    used = [row.target.leaves for row in mapping.rows if row.target.leaves]
    around = tree.covering(frozenset().union(*used)) if used else tree.root
    return frozenset(around.leaves) if around.depth > 1 else frozenset()


def _of_node(tree: Taxonomy, node: Node) -> Reading:
    return Reading(frozenset(node.leaves), None, tree.references.shortest(node.index))
