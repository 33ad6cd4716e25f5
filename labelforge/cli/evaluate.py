"""``labelforge evaluate``: score a trained network on shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from labelforge.trainer.evaluation.scoring import Evaluation

__all__ = ["command"]


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write the per-class table as CSV.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all scores as JSON.")
@click.option(
    "--short-side", type=click.IntRange(min=1), help="Scale images so for the network; default: as in training."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--summary", is_flag=True, help="Print one line per dataset, without the classes.")
def command(
    run: Path,
    shards: tuple[str, ...],
    csv_file: Path | None,
    json_file: Path | None,
    short_side: int | None,
    device: str,
    summary: bool,
) -> None:
    """Score a run on shards, each dataset in its own native labels.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint) or one checkpoint's folder; its averaged
    weights are used. SHARDS may be of any dataset that is mapped to the run's taxonomy, also one that it was not
    trained on. Images are evaluated whole, at their stored size.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from labelforge.errors import ConfigError
    from labelforge.files import write_atomically
    from labelforge.trainer.evaluation.scoring import evaluate, scores_frame

    for file in (csv_file, json_file):
        if file is not None and not file.parent.is_dir():  # said now, not after an hour of evaluation
            raise ConfigError("its folder does not exist", where=file, cure="Make the folder first.")
        if file is not None and file.is_dir():
            raise ConfigError("is a folder", where=file, cure="Name a file in it.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        tasks = {}

        def advance(url: str, done: int, total: int) -> None:
            if url not in tasks:
                tasks[url] = bar.add_task(escape(url), total=total)
            bar.update(tasks[url], completed=done)

        found = evaluate(run, shards, device=device, short_side=short_side, progress=advance)
    console = Console()
    for evaluation in found if not summary else ():
        console.print(_class_table(evaluation))
    console.print(_summary_table(found))
    if csv_file is not None:
        write_atomically(csv_file, scores_frame(found).to_csv(index=False))
    if json_file is not None:
        write_atomically(json_file, json.dumps([evaluation.to_dict() for evaluation in found], indent=1) + "\n")


def _class_table(evaluation: Evaluation) -> Table:
    from rich.markup import escape  # a name like [void] is no markup
    from rich.table import Table

    scores = evaluation.scores
    table = Table(title=f"{scores.dataset} {evaluation.split}", title_justify="left")
    table.add_column("class", overflow="fold")
    for name in ("pixels", "IoU", "accuracy"):
        table.add_column(name, justify="right")
    for entry in scores.classes:
        if entry.pixels or entry.predicted:
            table.add_row(escape(entry.name), f"{entry.pixels:,}", _percent(entry.iou), _percent(entry.accuracy))
    return table


def _summary_table(evaluations: list[Evaluation]) -> Table:
    from rich.table import Table

    table = Table(title="Scores in native labels", title_justify="left")
    table.add_column("dataset", overflow="fold")
    for name in ("mIoU", "mean pixel acc.", "pixel acc.", "labels seen", "pixels"):
        table.add_column(name, justify="right", no_wrap=True)
    for evaluation in evaluations:
        scores = evaluation.scores
        seen = sum(entry.pixels > 0 for entry in scores.classes)
        table.add_row(
            f"{scores.dataset} {evaluation.split}",
            _percent(scores.mean_iou),
            _percent(scores.mean_accuracy),
            _percent(scores.pixel_accuracy),
            f"{seen} of {len(scores.classes)}",
            f"{scores.pixels:,}",
        )
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
