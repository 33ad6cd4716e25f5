"""What labels hold besides what their names say: the things that no label of the list is for.

Makers who label a whole scene put everything *somewhere*. No name and no mapping tells where, so what follows is
proposed to be on the safe side (a meaning that is too wide teaches less, one that is too narrow teaches what is wrong),
said in the comment, and never sure; what goes by the tree alone (the last of these) is to be checked:

- *Named after the label.* A leaf whose name holds the label's whole name, near it in the tree, and that no label of the
  list is for alone: a ``trailer`` may be that of a truck, a ``curb`` may be cut. In any list.
- *Of the same kind.* In a list of a whole scene, a node of which it has no part at all goes to the labels beside it of
  which a synonym ends with the node's last word: a guard rail is also called a crash barrier, so it may hold road
  barriers.
- *Nothing else near.* In a list of a whole scene that has no label for the rest ("other", "static"), a leaf that no
  label holds goes to the one label in the lowest node around it, if that holds much of the node: where the list has no
  label for stairs, they are sidewalk. In a short list it goes to whatever labels there are around it: with eleven
  classes, trucks are cars.

A list of a whole scene has labels in most main branches of the tree: lists of boxes, or of signs, need not hold
everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelforge.answers import cover_names, name_of
from labelforge.draft.entry import Entry
from labelforge.draft.match import Sureness
from labelforge.draft.names import Words, key_of, words_of
from labelforge.draft.thesaurus import FOR_THE_REST
from labelforge.draft.vocabulary import Vocabulary
from labelforge.errors import listed
from labelforge.taxonomy import Taxonomy

_BRANCHES = 0.5  # share of the tree's main branches that a list of a whole scene has labels in
_MUCH = 0.5  # share of a node that its only label holds, if it may hold the others too
_SHORT = 2  # labels for each of them, on average, that a short list has at most


def widen(vocabulary: Vocabulary, entries: Sequence[Entry]) -> None:
    """Let labels hold what the list has no label for.

    Args:
        vocabulary: What is known.
        entries: All labels of a list, decided; what they hold is changed.
    """
    tree = vocabulary.tree
    known = [entry for entry in entries if entry.leaves and _is_itself(entry)]
    alone = frozenset().union(*(entry.leaves for entry in entries if len(entry.leaves) == 1))
    held = frozenset().union(*(entry.leaves for entry in entries))
    found = [_named_after(tree, entry) - alone for entry in known]
    nearest = [frozenset[int]() for _ in known]
    branches = [tree.nodes[top].leaves for top in tree.root.children]
    mine = sum(any(not entry.leaves.isdisjoint(branch) for entry in known) for branch in branches)
    if mine >= _BRANCHES * len(branches):
        found = [more | _of_the_same_kind(vocabulary, entry, held) for more, entry in zip(found, known, strict=True)]
        if not any(map(_is_for_the_rest, entries)):
            short = sum(bool(entry.leaves) for entry in entries) <= _SHORT * mine
            nearest = _nothing_else_near(tree, known, held, short=short)
    unless = " (unless a label that is TODO is for it)" if any(entry.match is None for entry in entries) else ""
    for entry, more, rest in zip(known, found, nearest, strict=True):
        named = name_of(tree, entry.leaves)
        _join(tree, entry, more, "", Sureness.LIKELY)
        _join(tree, entry, rest, f", and this one is near{unless}; by its name alone: {named}", Sureness.CHECK)


def _join(tree: Taxonomy, entry: Entry, leaves: frozenset[int], why: str, at_most: Sureness) -> None:
    more = leaves - entry.leaves
    if more:
        entry.join(more, f"no label is for {listed(cover_names(tree, more), 2)}{why}", at_most)


def _is_itself(entry: Entry) -> bool:
    """Whether a label is what its name says, not something that holds it or what is left of it."""
    match = entry.match
    return match is not None and match.own and not match.rest_of


def _named_after(tree: Taxonomy, entry: Entry) -> frozenset[int]:
    """The leaves whose names hold a label's whole name and that lie with it in one node below a main branch."""
    named = (node for node in tree.nodes if node.is_leaf and _holds(words_of(node.name), entry.name.last))
    near = (node.leaves for node in named if tree.covering(entry.leaves.union(node.leaves)).depth > 1)
    return frozenset().union(*near)


def _holds(words: Words, name: Words) -> bool:
    return any(words[start : start + len(name)] == name for start in range(len(words)))


def _of_the_same_kind(vocabulary: Vocabulary, entry: Entry, held: frozenset[int]) -> frozenset[int]:
    """The nodes that no label has a part of, in the label's main branch, named by the last word of a synonym of it."""
    tree, same = vocabulary.tree, vocabulary.thesaurus.same
    assert entry.match is not None
    phrases = [other for part in entry.match.parts for other in (part.words, *same.get(key_of(part.words), ()))]
    last = {words[-1] for words in phrases}
    found: set[int] = set()
    for node in tree.nodes:
        inside = not node.is_leaf and node.depth > 1 and held.isdisjoint(node.leaves)
        if inside and words_of(node.name)[-1] in last and tree.covering(entry.leaves.union(node.leaves)).depth > 0:
            found.update(node.leaves)
    return frozenset(found)


def _nothing_else_near(
    tree: Taxonomy, known: Sequence[Entry], held: frozenset[int], *, short: bool
) -> list[frozenset[int]]:
    """For each known label the leaves without a label of which it is nearest.

    Labels that lie wholly in the lowest node around a leaf that has any come before those that reach out of it.
    """
    found: list[set[int]] = [set() for _ in known]
    for node in tree.nodes:
        if not node.is_leaf or not held.isdisjoint(node.leaves):
            continue
        above = (frozenset(up.leaves) for up in tree.ancestors(node) if up.depth > (0 if short else 1))
        around = next((leaves for leaves in above if leaves & held), frozenset())
        near = [i for i, entry in enumerate(known) if entry.leaves & around]
        inside = [i for i in near if known[i].leaves <= around]
        only = len({known[i].leaves for i in near}) == 1 and len(known[near[0]].leaves & around) >= _MUCH * len(around)
        for i in (inside or near) if short or only else ():
            found[i].update(node.leaves)
    return [frozenset(leaves) for leaves in found]


def _is_for_the_rest(entry: Entry) -> bool:
    """Whether a label is for all that has no label ("other", "static"), so that the list leaves nothing over."""
    reasons = [verdict.reason for verdict in entry.verdicts]
    if entry.match is not None:
        reasons.append(entry.match.ignored)
    return not entry.leaves and any(FOR_THE_REST in (reason or "") for reason in reasons)
