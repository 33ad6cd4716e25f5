"""The table of how good drafts are, as Markdown, for the terminal and for the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelforge.draft.measure import Measured, Outcome

_HEAD = ("dataset", "labels", "exact", "or coarser", "unknown", "wrong")


def markdown_table(measured: Sequence[Measured], with_twins: Sequence[Measured]) -> str:
    """A line per dataset and one for all of them: the share of its labels by outcome, without and with twins.

    Args:
        measured: Each dataset drafted without its twins.
        with_twins: The same datasets drafted with them.
    """
    head = (*_HEAD, *(f"{title} (twins)" for title in _HEAD[2:]))
    lines = [_line(head), _line(("---", *("---:" for _ in head[1:])))]
    for without, beside in zip(measured, with_twins, strict=True):
        lines.append(_line((without.dataset, str(len(without.labels)), *shares([without]), *shares([beside]))))
    labels = sum(len(found.labels) for found in measured)
    lines.append(_line(("all", str(labels), *shares(measured), *shares(with_twins))))
    return "\n".join(lines) + "\n"


def total(measured: Sequence[Measured]) -> dict[Outcome, int]:
    """The number of labels by outcome in several lists together."""
    found: dict[Outcome, int] = {}
    for one in measured:
        for outcome, number in one.counts.items():
            found[outcome] = found.get(outcome, 0) + number
    return found


def shares(measured: Sequence[Measured]) -> tuple[str, ...]:
    """The shares of several lists together: exact, exact or coarser, unknown, wrong; in per cent, as text."""
    counts = total(measured)
    right = {"exact": counts["exact"], "right": counts["exact"] + counts["coarser"]}
    numbers: Mapping[str, int] = {**right, "unknown": counts["unknown"], "wrong": counts["wrong"]}
    labels = sum(counts.values())
    return tuple(f"{number / labels:.1%}" for number in numbers.values())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
