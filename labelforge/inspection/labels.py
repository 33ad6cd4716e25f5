"""The labels of a split, one by one: what came in, what it became, what is not used and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labelforge.mapping import LabelMapping
from labelforge.wording import printable

_NAMED: Final = 5  # labels without a pixel that are named; more are only counted


@dataclass(frozen=True)
class LabelLine:
    """One native label in a summary.

    Attributes:
        row: Its row of the label table.
        name: Native name.
        native_id: Native id; None for "no annotation" and for sets of labels.
        pixels: Number of pixels with it.
        became: The node or nodes that it means; empty if it is ignored.
        why_not: Why its pixels are not used; empty if they are.
    """

    row: int
    name: str
    native_id: int | None
    pixels: int
    became: str
    why_not: str


def label_lines(mapping: LabelMapping, pixels: Sequence[int]) -> list[LabelLine]:
    """One line per row of a label table, the most pixels first, "no annotation" last.

    Args:
        mapping: The table.
        pixels: Number of pixels of each row.
    """
    lines = []
    for row, count in zip(mapping.rows, pixels, strict=True):
        became = "" if row.target.ignored else row.target.text
        why_not = (row.target.reason or "the mapping ignores it") if row.target.ignored else ""
        if row.row == 0:
            why_not = "outside all boxes" if row.supervision == "box" else "not annotated"
        lines.append(LabelLine(row.row, row.native_name, row.native_id, int(count), became, why_not))
    return sorted(lines, key=lambda line: (line.row == 0, -line.pixels, line.row))


def absence(names: Sequence[str], labels: int) -> str:
    """A sentence on the labels that have no pixel; it names them where they are few.

    Args:
        names: Native names of these labels, at least one.
        labels: How many labels there are.
    """
    which = f": {', '.join(map(printable, names))}" if len(names) <= _NAMED else ""
    return f"{len(names)} of {labels} labels {'has' if len(names) == 1 else 'have'} no pixel here{which}."
