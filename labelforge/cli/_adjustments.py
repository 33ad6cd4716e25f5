"""``labelforge evaluate`` with several logit adjustments: what each figure costs in the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from labelforge.console import narrow_console

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.scoring import Evaluation


def print_adjusted(evaluations: Sequence[Evaluation]) -> None:
    """Print a table for every shard set: its figures by strength, the best of each in bold, and what holds for all."""
    from rich.table import Table
    from rich.text import Text

    from labelforge.trainer.evaluation.summary import figure_lines, reading_notes

    console = narrow_console()
    for _, group in groupby(evaluations, key=lambda evaluation: evaluation.shards):
        several = list(group)
        console.print(Text(f"{several[0].dataset} {several[0].split}", style="bold"))
        table = Table(box=None, pad_edge=False)
        table.add_column("logit adjustment", justify="right")
        columns = [[f"{each.logit_adjustment:g}" for each in several]]
        for title, field in figure_lines(several[0]):
            table.add_column(title, justify="right", overflow="fold")
            values = [getattr(each.scores, field) for each in several]
            best = max((value for value in values if value is not None), default=None)
            columns.append([_cell(value, best) for value in values])
        for cells in zip(*columns, strict=True):
            table.add_row(*cells)
        console.print(table)
        notes = [reading_notes(each) for each in several]
        for line in notes[0]:
            if all(line in others for others in notes):
                console.print(Text(line))
        console.print()


def _cell(value: float | None, best: float | None) -> str:
    if value is None:
        return "-"
    return f"[bold]{value:.1%}[/bold]" if value == best else f"{value:.1%}"
