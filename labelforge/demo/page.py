"""What the demo has to show: the table in the terminal, what the scores say, and the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table as TerminalTable
from rich.text import Text as Styled

from labelforge.demo.pictures import gallery
from labelforge.demo.results import OURS, accuracy, leads, rows, verdict
from labelforge.demo.settings import HEADS, TAXONOMY, Demo
from labelforge.demo.spread import COVERED
from labelforge.report import (
    Column,
    Facts,
    Figure,
    Fold,
    LineChart,
    Page,
    Series,
    Table,
    Text,
)

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.metrics import ClassScore

_HEAD_COLUMNS = tuple(Column(head, True, ".1%") for head in HEADS)
_STORY = (
    "The scenes were rendered and written as three datasets would have them: one names its pixels as Cityscapes does, "
    "one as Mapillary Vistas does, and one has nothing but GTSDB's boxes around traffic signs. They disagree: what "
    "one calls road, the other divides into road, lane markings and manholes; what both call a traffic sign, the "
    "third divides into 43 classes, of which it shows boxes and no outlines.",
    "Three networks were trained for the same number of steps, on as many of the same crops, on the same features of "
    "a backbone that knows ImageNet and stays as it is. The hierarchical one has a classifier for every inner node of "
    "the tree. flat-union has one softmax over all that any dataset names: 'traffic sign' and 'speed limit 30' compete "
    "for the same pixels. flat-marginal has one softmax over the leaves of the tree, and reads a coarse label as the "
    "sum of its leaves.",
    "Each has the learning rate, the mix of datasets in a batch and the weights of losses that did best for it on "
    "other scenes, by one rule: the mean over the three datasets of mean pixel accuracy. results.json holds them all.",
)
_READING = (
    "Each network is scored on images it has not seen, over the classes that each dataset's benchmark evaluates. "
    "In Cityscapes and Vistas it answers the label whose classes are together the most probable; in GTSDB the sign "
    "that it decides for, which may be none. Mean pixel accuracy is the mean over the classes that occur. In GTSDB "
    "only pixels inside boxes are scored, since nothing is known of the others."
)


def score_table(demo: Demo) -> TerminalTable:
    """Mean pixel accuracy and mean IoU of every head on every dataset, for the terminal."""
    table = TerminalTable(title="Mean pixel accuracy (mean IoU) over each dataset's classes", title_justify="left")
    for title in ("dataset", *HEADS):
        table.add_column(title, justify="left" if title == "dataset" else "right")
    for row in rows(demo):
        styles = ["bold" if accuracy(e) == max(map(accuracy, row)) else "none" for e in row]
        cells = [f"{accuracy(e):.1%} ({e.scores.mean_iou or 0:.1%})" for e in row]
        table.add_row(row[0].dataset, *(Styled(*pair) for pair in zip(cells, styles, strict=True)))
    return table


def tree_picture(demo: Demo) -> str:
    """The tree as SVG, with the pixels of the training shards."""
    from labelforge.drawing import Survey, counted_mappings, draw_svg
    from labelforge.taxonomy import Taxonomy

    tree = Taxonomy.load(TAXONOMY)
    return draw_svg(Survey.of(tree, *counted_mappings(tree, demo.shards("train"))))


def write_report(demo: Demo, path: Path) -> None:
    """Write the page."""
    from labelforge.shards import ShardReader

    facts = (
        ("Datasets", "3, rendered"),
        ("Training images", sum(len(ShardReader(shards)) for shards in demo.shards("train"))),
        ("Steps per network", demo.settings.steps),
        ("Seed", demo.settings.seed),
        ("Training, side by side", f"{max(run.log[-1].seconds for run in demo.runs.values()):.0f} s"),
        ("All together", f"{sum(demo.seconds.values()):.0f} s"),
    )
    tree = Figure(tree_picture(demo), f"The taxonomy {TAXONOMY}, with the pixels of the training shards")
    page = Page("labelforge demo", "One network, three datasets that disagree")
    page = page.add("What was done", Text(*_STORY), Facts(facts))
    page = page.add("Scores", *_score_tables(demo), _lead_table(demo), Text(verdict(demo), _READING))
    page = page.add("Where they differ", *_differences(demo)).add("Pictures", gallery(demo))
    page.add("Training", *_curves(demo)).add("The tree", tree).write(path)


def _score_tables(demo: Demo) -> list[Table]:
    measures: dict[str, Callable[[Any], float | None]] = {
        "Mean pixel accuracy": lambda scores: scores.mean_accuracy,
        "Mean IoU": lambda scores: scores.mean_iou,
        "Pixels decided to be none of the evaluated classes": lambda s: s.uncovered / max(1, s.evaluated),
    }
    columns, lines = (Column("dataset"), *_HEAD_COLUMNS), rows(demo)
    return [
        Table(columns, tuple((row[0].dataset, *(measure(e.scores) for e in row)) for row in lines), title)
        for title, measure in measures.items()
    ]


def _lead_table(demo: Demo) -> Table:
    columns = (Column("dataset"), Column("better rival"), *(Column(n, True, "+.1f") for n in ("points", "from", "to")))
    cells = tuple((lead.dataset, lead.rival, lead.points, lead.low, lead.high) for lead in leads(demo))
    title = f"Mean pixel accuracy of {OURS} minus that of the better rival; from, to: {COVERED:.0%} of the draws"
    return Table(columns, cells, title)


def _differences(demo: Demo) -> list[Table]:
    """Per dataset, the labels whose accuracy differs most between the hierarchical network and the better rival."""
    tables = []
    for row, lead in zip(rows(demo), leads(demo), strict=True):
        other = HEADS.index(lead.rival)
        lines = [line for line in zip(*(e.scores.classes for e in row), strict=True) if _gap(line[0], line[other])]
        lines.sort(key=lambda line: -_gap(line[0], line[other]))
        cells = tuple((line[0].name, line[0].pixels, *(entry.accuracy for entry in line)) for line in lines[:8])
        title = f"{lead.dataset}: accuracy of the labels in which {OURS} and {lead.rival} differ most"
        tables.append(Table((Column("label"), Column("pixels", True), *_HEAD_COLUMNS), cells, title))
    return tables


def _gap(one: ClassScore, other: ClassScore) -> float:
    return abs((one.accuracy or 0.0) - (other.accuracy or 0.0))


def _curves(demo: Demo) -> list[LineChart | Fold]:
    from labelforge.trainer.report import classifier_charts

    totals = tuple(Series(head, [x.step for x in r.log], [x.loss for x in r.log]) for head, r in demo.runs.items())
    return [
        LineChart(totals, "step", "loss", "Total loss of each network (the losses are not comparable to each other)"),
        *classifier_charts(demo.runs[OURS].log, "Hierarchical network: loss of each classifier"),
    ]
