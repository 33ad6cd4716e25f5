"""Label rows for the sets that overlapping boxes make.

Where boxes of several labels overlap, a pixel shows one of them, and nobody said which. A row of its own says just
that: it has no native id, is called "speed limit 20 | danger", and its target is the union of what its members mean. So
it teaches every classifier that can use it, and a label map still holds one value per pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labelforge.mapping import LabelMapping, LabelRow, LabelTarget
from labelforge.taxonomy import Taxonomy

__all__ = ["SEPARATOR", "add_sets"]

SEPARATOR = " | "
"""Stands between the native names of a set's members."""


def add_sets(
    mapping: LabelMapping, tree: Taxonomy, sets: Mapping[int, frozenset[int]]
) -> tuple[LabelMapping, dict[int, int]]:
    """Append a row for every set to a label table.

    Args:
        mapping: The table of native labels.
        tree: The tree that it maps to.
        sets: What a converter draws for each set (`labelforge.converters.base.Converter.sets`), with the native ids of
            its members.

    Returns:
        The longer table, and drawn value -> row for the sets.
    """
    rows = list(mapping.rows)
    row_of = {}
    for drawn, members in sorted(sets.items(), key=lambda item: sorted(item[1])):
        row_of[drawn] = len(rows)
        rows.append(
            _joined([mapping.rows[mapping.row_of[native_id]] for native_id in sorted(members)], len(rows), tree)
        )
    return replace(mapping, rows=tuple(rows)), row_of


def _joined(members: Sequence[LabelRow], row: int, tree: Taxonomy) -> LabelRow:
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
