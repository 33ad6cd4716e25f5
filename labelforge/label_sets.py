"""Label rows for the sets that overlapping boxes make.

Where boxes of several labels overlap, a pixel shows one of them, and nobody said which. A row of its own says just
that: it has no native id, is called "speed limit 20 | danger", and its target is the union of what its members mean. So
it teaches every classifier that can use it, and the label table stays one value per pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelforge.expression import LabelTarget
from labelforge.mapping import LabelRow
from labelforge.taxonomy import Taxonomy

__all__ = ["SEPARATOR", "joined_row"]

SEPARATOR = " | "
"""Stands between the native names of a set's members."""


def joined_row(members: Sequence[LabelRow], row: int, tree: Taxonomy) -> LabelRow:
    """The row of a set: what any of its members means; ignored where one of them is.

    Args:
        members: Rows of native labels.
        row: Number of the new row.
        tree: The tree that they map to.
    """
    name = SEPARATOR.join(member.native_name for member in members)
    ignored = [member.native_name for member in members if member.target.ignored]
    if ignored:
        reason = f"may show {ignored[0]}, which is ignored"
        target = LabelTarget(frozenset(), {"ignore": reason}, reason)
    else:
        nodes = dict.fromkeys(node for member in members for node in _nodes(member.target, tree))
        leaves = frozenset[int]().union(*(member.target.leaves for member in members))
        target = LabelTarget(leaves, {"any": list(nodes)})
    return LabelRow(row, None, name, target, members[0].supervision)


def _nodes(target: LabelTarget, tree: Taxonomy) -> list[str]:
    """What a label means as a list of nodes: the node that it names, or all leaves of a union."""
    if isinstance(target.expression, str):
        return [target.expression]
    return [f"{tree.root.name}/{tree.leaves[leaf].path}" for leaf in sorted(target.leaves)]
