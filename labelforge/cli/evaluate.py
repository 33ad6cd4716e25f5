"""``labelforge evaluate``: score a trained network on shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelforge.cli._adjustments import print_adjusted
from labelforge.cli._purity import evaluate_boxes
from labelforge.console import (
    LOGIT_ADJUSTMENT_HELP,
    SHORT_SIDE_HELP,
    json_option,
    narrow_console,
    output_file,
    over_option,
    precision_option,
    print_json,
    print_or_write,
    progress_bar,
)
from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from labelforge.trainer.config import Precision
    from labelforge.trainer.evaluation.observation import Observe
    from labelforge.trainer.evaluation.protocols import ProtocolName
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.readout import By, Over


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
@precision_option
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write report.html to DIR.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="RUN",
    multiple=True,
    help="Another run to set beside RUN in the report; may be repeated.",
)
@click.option("--summary", is_flag=True, help="Print each dataset's means, without the classes.")
@click.option(
    "--truth",
    metavar="SHARDS",
    multiple=True,
    help="Instead of scores: what the pixels inside the boxes of SHARDS show, by these finer labels of the same images "
    "(paired by key), and which of them pass the run's gate; may be repeated.",
)
@click.option(
    "--protocol",
    type=click.Choice(["official", "authors"]),
    default="official",
    show_default=True,
    help="Score as each dataset's benchmark does, or as the method's authors did.",
)
@click.option(
    "--by",
    type=click.Choice(["sum", "winner"]),
    help="How labels are found: the one whose classes are together the most probable, or the one that contains the "
    "decision. Default: as predict does.",
)
@over_option
@click.option(
    "--logit-adjustment",
    type=float,
    metavar="T",
    multiple=True,
    help=f"{LOGIT_ADJUSTMENT_HELP} May be repeated, to compare.",
)
def command(
    run: Path,
    shards: tuple[str, ...],
    csv_file: str | None,
    json_file: str | None,
    short_side: int | None,
    device: str,
    precision: Precision | None,
    out: Path | None,
    against: tuple[Path, ...],
    summary: bool,
    truth: tuple[str, ...],
    protocol: ProtocolName,
    by: By | None,
    over: Over | None,
    logit_adjustment: tuple[float, ...],
) -> None:
    """Score a run on shards, each dataset as its own benchmark does.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint), its best (RUN/best), one checkpoint's
    folder, or a file of 'labelforge export'; averaged weights are used. SHARDS may come from any dataset that is mapped
    to the run's taxonomy, even one it was not trained on. Images are scored whole, at their stored size.

    The first figure of a dataset is its benchmark's, by name. 'Strict': a decision is the one native label that
    'labelforge predict' writes. 'Consistent': a decision that lies inside the true label's meaning is right. 'Merged':
    labels that the network cannot tell apart are one class.

    With several --logit-adjustment, a table says of each dataset what its figures are with each.

    With --truth, nothing is scored: a table says of each label of the boxes in SHARDS how many of the pixels in its
    boxes show it, how many pass the gate that the run was trained with, and how many of those are right.
    """
    if truth:
        unused = (csv_file, out, against, by, over, logit_adjustment, precision, summary, protocol != "official")
        if any(unused):
            cure = "With it, give only --json, --device and --short-side."
            raise ConfigError("--truth makes a table of its own", cure=cure)
        evaluate_boxes(run, shards, truth, json_file, device, short_side)
        return
    from labelforge.trainer.evaluation.report import REPORT_NAME, evaluate_and_report
    from labelforge.trainer.evaluation.scoring import evaluate_readings, scores_frame
    from labelforge.trainer.reading import Reading

    if csv_file == json_file == "-":
        raise ConfigError("--csv - and --json - print to the same place", cure="Give one of them a file.")
    if against and out is None:
        raise ConfigError("--against compares runs in a report", cure="Say where with --out DIR.")
    compared = len(set(logit_adjustment)) > 1
    if compared and out is not None:
        raise ConfigError("--out makes a report of one logit adjustment", cure="Give one, or leave --out out.")
    with progress_bar(transient=True) as bar:
        tasks = {}

        def advance(url: str, done: int, total: int) -> None:
            if url not in tasks:
                tasks[url] = bar.add_task(url, total=total)
            bar.update(tasks[url], completed=done)

        strengths = sorted(set(logit_adjustment)) if logit_adjustment else [None]
        score_ways = partial(
            evaluate_readings,
            shards=shards,
            readings=[Reading(by, over, strength) for strength in strengths],
            protocol=protocol,
            device=device,
            short_side=short_side,
            precision=precision,
            progress=advance,
        )

        def score(run: Path, observe: Observe | None = None) -> list[Evaluation]:
            return [evaluation for of_one in score_ways(run, observe=observe) for evaluation in of_one]

        found = score(run) if out is None else evaluate_and_report(out, (run, *against), score)
    if "-" not in (csv_file, json_file):
        show = print_adjusted if compared else partial(_print_scores, summary=summary)
        show(found)
    if csv_file is not None:
        print_or_write(csv_file, scores_frame(found).to_csv(index=False))
    if json_file is not None:
        print_json(json_file, [evaluation.to_dict() for evaluation in found])
    page = None if out is None else out / REPORT_NAME
    written = [file for file in (csv_file, json_file, page) if file not in (None, "-")]
    if written:
        click.echo(f"Wrote {' and '.join(map(str, written))}.", err=True)


def _print_scores(evaluations: list[Evaluation], summary: bool) -> None:
    from rich.text import Text

    from labelforge.trainer.evaluation.summary import over_all, reading_notes

    console = narrow_console()
    for evaluation in evaluations:
        console.print(Text(f"{evaluation.dataset} {evaluation.split}", style="bold"))
        if not summary:
            console.print(_class_table(evaluation))
        console.print(_figures(evaluation))
        for line in reading_notes(evaluation):
            console.print(Text(line))
        console.print()
    if len(evaluations) > 1:
        console.print(Text(over_all(evaluations)))


def _class_table(evaluation: Evaluation) -> Table:
    from rich.table import Table
    from rich.text import Text  # a name like [void] is no markup

    table = Table(box=None, pad_edge=False)
    table.add_column("class", overflow="fold")
    for name in ("pixels", "IoU", "accuracy", "consistent IoU"):
        table.add_column(name, justify="right", no_wrap=True)
    consistent = evaluation.consistent
    scores = evaluation.scores
    pairs = [*zip(scores.classes, consistent.classes, strict=True)]
    pairs += zip(scores.categories, consistent.categories, strict=True)
    for number, (entry, other) in enumerate(pairs):
        if entry.pixels or entry.predicted:
            name = entry.name if number < len(scores.classes) else f"category {entry.name}"
            cells = (f"{entry.pixels:,}", _percent(entry.iou), _percent(entry.accuracy), _percent(other.iou))
            table.add_row(Text(name), *cells)
    return table


def _figures(evaluation: Evaluation) -> Table:
    """The protocol's figure first, then the others, in all readings."""
    from rich.table import Table
    from rich.text import Text

    from labelforge.trainer.evaluation.summary import figure_lines, readings

    shown = readings(evaluation)
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for number, (title, field) in enumerate(figure_lines(evaluation)):
        cells = [_percent(getattr(reading, field)) for reading in shown.values()]
        table.add_row(Text(title), *cells, style=None if number else "bold")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
