"""``labelforge evaluate --truth``: what the pixels inside boxes show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelforge.console import narrow_console, print_json, progress_bar

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.purity import BoxPurity


def evaluate_boxes(
    run: Path,
    shards: Sequence[str],
    truth: Sequence[str],
    json_file: str | None,
    device: str,
    short_side: int | None,
) -> None:
    """Compare the pixels inside boxes with fine labels, and print the table.

    Args:
        run: The run.
        shards: Shards with boxes.
        truth: Shards with fine labels of the same images.
        json_file: Where the same goes as JSON; ``-``: only this is printed.
        device: Where the network computes.
        short_side: Size at which it sees the images.
    """
    from labelforge.trainer.evaluation.purity import box_purity

    with progress_bar(transient=True) as bar:
        task = bar.add_task("boxes", total=None)
        found = box_purity(
            run,
            shards,
            truth,
            device=device,
            short_side=short_side,
            progress=lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
        )
    if json_file != "-":
        _print_table(found)
    if json_file is not None:
        print_json(json_file, [entry.to_dict() for entry in found])
        if json_file != "-":
            click.echo(f"Wrote {json_file}.", err=True)


def _print_table(found: Sequence[BoxPurity]) -> None:
    from rich.table import Table
    from rich.text import Text

    from labelforge.trainer.evaluation.purity import altogether

    table = Table(box=None, pad_edge=False)
    table.add_column("boxes of", overflow="fold")
    for name in ("pixels", "right", "pass the gate", "of these right", "of the right pass"):
        table.add_column(name, justify="right")
    lines = [(entry.label, entry) for entry in found]
    if len(found) > 1:
        lines.append(("all", altogether(found)))
    for name, entry in lines:
        shares = (entry.purity, entry.openness, entry.gated_purity, entry.kept)
        cells = ("-" if share is None else f"{share:.1%}" for share in shares)
        table.add_row(Text(name), f"{entry.pixels:,}", *cells)
    console = narrow_console()
    console.print(table)
    undecided = sum(entry.undecided for entry in found)
    if undecided:
        console.print(Text(f"Left out: {undecided:,} pixels whose fine label does not decide it."))
