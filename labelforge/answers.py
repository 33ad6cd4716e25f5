"""What an answer of a network is called, and which number it has in id maps.

An answer is a set of leaves: one leaf, all leaves of an inner node, or a *group*, which labels name but never tell
apart. Name and number depend on the tree and the set alone, so two networks for one tree use the same.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

from labelforge.taxonomy import Node, Taxonomy

END_OF_IDS = 65_535
"""No answer has this number or a higher one: id maps have at most 16 bits, and the last value is kept for "nothing"."""


def node_of(tree: Taxonomy, leaves: frozenset[int]) -> Node | None:
    """The node with exactly these leaves; of several (only children), one with a class id; None for a group."""
    if not leaves:
        return None
    lowest = tree.covering(leaves)
    if len(lowest.leaves) != len(leaves):
        return None
    chain = [lowest, *(node for node in tree.ancestors(lowest) if node.leaves == lowest.leaves)]
    return max(chain, key=lambda node: (node.class_id is not None, node.depth))


def name_of(tree: Taxonomy, leaves: frozenset[int]) -> str:
    """The path of a node, or for a group a label expression: ``driveable except parking``, ``wall | fence``."""
    node = node_of(tree, leaves)
    if node is not None:
        return node.path
    members = cover_names(tree, leaves)
    around = tree.covering(leaves)
    missing = cover_names(tree, frozenset(around.leaves) - leaves)
    if len(missing) < len(members) - 1:
        return f"{tree.references.shortest(around.index)} except {', '.join(missing)}"
    return " | ".join(members)


def cover(tree: Taxonomy, leaves: frozenset[int]) -> list[Node]:
    """The fewest nodes whose leaves are together exactly these, in the tree's order."""
    found, last = [], -1
    for node in tree.nodes:  # depth first: the highest node that fits comes first
        inside = node.leaves.stop - 1 > last and node.leaves.start > last
        if inside and leaves.issuperset(node.leaves):
            found.append(node)
            last = node.leaves.stop - 1
    return found


def node_ids(tree: Taxonomy) -> tuple[int, ...]:
    """The number of every node in id maps: its class id, or for one without, the next after all class ids."""
    taken = {node.class_id for node in tree.classes}
    highest = max((node.class_id or 0 for node in tree.classes), default=-1)
    free = (i for i in itertools.chain(range(highest + 1, END_OF_IDS), range(highest)) if i not in taken)
    return tuple(next(free) if node.class_id is None else node.class_id for node in tree.nodes)


def answer_ids(tree: Taxonomy, answers: Iterable[frozenset[int]]) -> tuple[int, ...]:
    """The number of every answer in id maps.

    A node has that of :func:`node_ids`. A group has one from the next thousand on, drawn from a digest of its leaves,
    so that it is the same in every network; where two groups of one network draw the same, the later one takes the
    next that is free.

    Args:
        tree: The tree.
        answers: Sets of leaves, all different, none empty.

    Returns:
        Numbers below 65,535, all different.
    """
    of_node = node_ids(tree)
    first = min((max(of_node) // 1000 + 1) * 1000, END_OF_IDS - 1)
    taken = set(of_node)
    found = []
    for leaves in answers:
        node = node_of(tree, leaves)
        if node is not None:
            found.append(of_node[node.index])
            continue
        number = _drawn(tree, leaves, first)
        while number in taken:
            number = (number + 1) % END_OF_IDS
        taken.add(number)
        found.append(number)
    return tuple(found)


def _drawn(tree: Taxonomy, leaves: frozenset[int], first: int) -> int:
    text = "\n".join(tree.leaves[leaf].path for leaf in sorted(leaves))
    return first + int(hashlib.sha256(text.encode()).hexdigest(), 16) % (END_OF_IDS - first)


def cover_names(tree: Taxonomy, leaves: frozenset[int]) -> list[str]:
    """The shortest unique names of what `cover` gives."""
    return [tree.references.shortest(node.index) for node in cover(tree, leaves)]
