"""Adding the rows of a dataset's sets (overlapping boxes, `labelforge.label_sets`) to its label table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from labelforge.label_sets import joined_row
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

__all__ = ["add_sets"]


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
            joined_row([mapping.rows[mapping.row_of[native_id]] for native_id in sorted(members)], len(rows), tree)
        )
    return replace(mapping, rows=tuple(rows)), row_of
