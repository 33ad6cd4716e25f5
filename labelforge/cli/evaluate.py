"""``labelforge evaluate``: score a trained network on shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelforge.console import SHORT_SIDE_HELP, json_option, output_file, print_json, print_or_write, progress_bar
from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from labelforge.trainer.evaluation.scoring import Evaluation


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    callback=output_file,
    help="Write the per-class table to FILE as CSV; -: print only the CSV.",
)
@json_option
@click.option("--short-side", type=click.IntRange(min=1), help=SHORT_SIDE_HELP)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write report.html to DIR.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="RUN",
    multiple=True,
    help="Another run to set beside RUN in the report; may be repeated.",
)
@click.option("--summary", is_flag=True, help="Print one line per dataset, without the classes.")
def command(
    run: Path,
    shards: tuple[str, ...],
    csv_file: str | None,
    json_file: str | None,
    short_side: int | None,
    device: str,
    out: Path | None,
    against: tuple[Path, ...],
    summary: bool,
) -> None:
    """Score a run on shards, each dataset in its own native labels.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint) or one checkpoint's folder; its averaged
    weights are used. SHARDS may come from any dataset that is mapped to the run's taxonomy, even one it was not trained
    on. Images are scored whole, at their stored size.
    """
    from rich.console import Console

    from labelforge.trainer.evaluation.report import REPORT_NAME, evaluate_and_report
    from labelforge.trainer.evaluation.scoring import evaluate, scores_frame

    if csv_file == json_file == "-":
        raise ConfigError("--csv - and --json - print to the same place", cure="Give one of them a file.")
    if against and out is None:
        raise ConfigError("--against compares runs in a report", cure="Say where with --out DIR.")
    with progress_bar(transient=True) as bar:
        tasks = {}

        def advance(url: str, done: int, total: int) -> None:
            if url not in tasks:
                tasks[url] = bar.add_task(url, total=total)
            bar.update(tasks[url], completed=done)

        score = partial(evaluate, shards=shards, device=device, short_side=short_side, progress=advance)
        found = score(run) if out is None else evaluate_and_report(out, (run, *against), score)
    if "-" not in (csv_file, json_file):
        console = Console()
        for evaluation in found if not summary else ():
            console.print(_class_table(evaluation))
        console.print(_summary_table(found))
    if csv_file is not None:
        print_or_write(csv_file, scores_frame(found).to_csv(index=False))
    if json_file is not None:
        print_json(json_file, [evaluation.to_dict() for evaluation in found])
    if out is not None:
        click.echo(f"Wrote {out / REPORT_NAME}.", err=True)


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
