"""What the demo has to show: the table in the terminal, what the scores say, and the page."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table as TerminalTable
from rich.text import Text as Styled

from labelforge.demo.pictures import gallery
from labelforge.demo.results import MEANS, OURS, leads, other_measure, other_score, rows, score, verdict
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
    "Each has the learning rate and the mix of datasets in a batch that did best for it on other scenes, by one rule: "
    "the mean over the three datasets of their official scores. results.json holds them all.",
)
_READING = (
    "Each network is scored on images it has not seen, by the official score of each dataset: mean IoU over the "
    "classes that the benchmarks of Cityscapes and Vistas evaluate, and mean pixel accuracy over the 43 classes of "
    "GTSDB, whose own benchmark scores detections and not pixels. A label's IoU is the share of rightly decided pixels "
    "among those that have the label or were decided as it; its accuracy is their share among those that have it. The "
    "means are over the labels that occur; in Cityscapes and Vistas a label that no image shows enters the mean IoU "
    "too, as 0, where a network decides for it.",
    "In Cityscapes and Vistas a network answers the label whose classes are together the most probable; in GTSDB the "
    "sign that it decides for, which may be none. In GTSDB only pixels inside boxes are scored, since nothing is known "
    "of the others.",
)


def score_table(demo: Demo) -> TerminalTable:
    """The official score of every head on every dataset, with the other measure in brackets, for the terminal."""
    title = "Official score of each dataset (in brackets: the other measure)"
    table = TerminalTable(title=title, title_justify="left")
    table.add_column("dataset")
    for head in HEADS:
        table.add_column(head, justify="right", vertical="bottom")
    for row in rows(demo):
        styles = ["bold" if score(e) == max(map(score, row)) else "none" for e in row]
        cells = [f"{score(e):.1%} ({other_score(e):.1%})" for e in row]
        name = f"{row[0].dataset}\n  {MEANS[row[0].protocol.measure]}"
        table.add_row(name, *(Styled(*pair) for pair in zip(cells, styles, strict=True)))
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
    page = page.add("Scores", *_score_tables(demo), _lead_table(demo), Text(verdict(demo), *_READING))
    page = page.add("Where they differ", *_differences(demo)).add("Pictures", gallery(demo))
    page.add("Training", *_curves(demo)).add("The tree", tree).write(path)


def _score_tables(demo: Demo) -> list[Table]:
    columns, named = (Column("dataset"), *_HEAD_COLUMNS), (Column("dataset"), Column("measure"), *_HEAD_COLUMNS)
    lines = [(row[0].dataset, row[0], row) for row in rows(demo)]
    return [
        Table(
            named,
            tuple((name, MEANS[e.protocol.measure], *map(score, row)) for name, e, row in lines),
            "Official score of each dataset",
        ),
        Table(
            named,
            tuple((name, MEANS[other_measure(e)], *map(other_score, row)) for name, e, row in lines),
            "The other measure",
        ),
        Table(
            columns,
            tuple((name, *(e.scores.uncovered / max(1, e.scores.evaluated) for e in row)) for name, _, row in lines),
            "Pixels decided to be none of the evaluated classes",
        ),
    ]


def _lead_table(demo: Demo) -> Table:
    numbers = (Column(name, True, "+.1f") for name in ("points", "from", "to"))
    columns = (Column("dataset"), Column("measure"), Column("better rival"), *numbers)
    found = leads(demo)
    cells = tuple((lead.dataset, MEANS[lead.measure], lead.rival, lead.points, lead.low, lead.high) for lead in found)
    title = f"Official score of {OURS} minus that of the better rival; from, to: {COVERED:.0%} of the draws"
    return Table(columns, cells, title)


def _differences(demo: Demo) -> list[Table]:
    """Per dataset, the labels that differ most, by its measure, between the hierarchical network and the better rival.

    Each line is of one label, with the figures of all heads.
    """
    tables = []
    for row, lead in zip(rows(demo), leads(demo), strict=True):
        other, measure = HEADS.index(lead.rival), lead.measure
        lines = []
        for entries in zip(*(e.scores.classes for e in row), strict=True):
            shares = [entry.iou if measure == "iou" else entry.accuracy for entry in entries]
            gap = abs((shares[0] or 0.0) - (shares[other] or 0.0))
            if gap:
                lines.append((gap, (entries[0].name, entries[0].pixels, *shares)))
        lines.sort(key=lambda line: -line[0])
        name = "IoU" if measure == "iou" else "accuracy"
        title = f"{lead.dataset}: {name} of the labels in which {OURS} and {lead.rival} differ most"
        columns = (Column("label"), Column("pixels", True), *_HEAD_COLUMNS)
        tables.append(Table(columns, tuple(cells for _, cells in lines[:8]), title))
    return tables


def _curves(demo: Demo) -> list[LineChart | Fold]:
    from labelforge.trainer.report import classifier_charts

    totals = tuple(Series(head, [x.step for x in r.log], [x.loss for x in r.log]) for head, r in demo.runs.items())
    return [
        LineChart(totals, "step", "loss", "Total loss of each network (the losses are not comparable to each other)"),
        *classifier_charts(demo.runs[OURS].log, "Hierarchical network: loss of each classifier"),
    ]
