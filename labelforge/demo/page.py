"""What the demo has to show: the table in the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.table import Table as TerminalTable

from labelforge.demo.stages import HEADS, TAXONOMY, Demo, tree_picture
from labelforge.report import (
    Cell,
    Column,
    Facts,
    Figure,
    Gallery,
    GalleryRow,
    LineChart,
    Page,
    Picture,
    Series,
    Table,
    Text,
)

if TYPE_CHECKING:
    from labelforge.shards import ShardReader
    from labelforge.trainer.evaluation.scoring import Evaluation

__all__ = ["score_table", "verdict", "write_report"]

PICTURES_PER_DATASET = 2


def score_table(demo: Demo) -> TerminalTable:
    """Mean pixel accuracy and mean IoU of every head on every dataset, for the terminal."""
    table = TerminalTable(title="Mean pixel accuracy (mean IoU) in each dataset's own labels", title_justify="left")
    table.add_column("dataset")
    for head in HEADS:
        table.add_column(head, justify="right")
    for row in _rows(demo):
        best = max(e.scores.mean_accuracy or 0.0 for e in row)
        cells = []
        for e in row:
            accuracy, iou = e.scores.mean_accuracy or 0.0, e.scores.mean_iou or 0.0
            text = f"{accuracy:.1%} ({iou:.1%})"
            cells.append(f"[bold]{text}[/bold]" if accuracy == best else text)
        table.add_row(row[0].scores.dataset, *cells)
    return table


def verdict(demo: Demo) -> tuple[str, ...]:
    """Where the hierarchical network is ahead of flat-union and where not, and what that has to do with conflicts."""
    ahead: list[str] = []
    behind: list[str] = []
    reasons: list[str] = []
    for hierarchical, union, *_ in _rows(demo):
        name, lost = hierarchical.scores.dataset, _uncovered(union)
        gap = 100 * ((hierarchical.scores.mean_accuracy or 0.0) - (union.scores.mean_accuracy or 0.0))
        (ahead if gap > 0 else behind).append(f"{name} ({gap:+.1f} points)")
        if gap <= 0:
            reasons.append(f"{lost:.0%} of its decisions on {name}")
    first = (
        f"In mean pixel accuracy the hierarchical network is ahead of flat-union on {_list(ahead)}." if ahead else ""
    )
    if not behind:
        return (first,)
    second = (
        f"It is not ahead on {_list(behind)}. Rivals cost flat-union only those decisions that are no label of the "
        f"dataset at all: {_list(reasons)}. A decision that is finer than a label counts as right here, so a dataset "
        "whose labels are coarse hardly feels the conflict. And rivals share out what they have in common: with its "
        "road divided among several, flat-union answers rare classes beside it sooner, which mean accuracy rewards "
        "after so few steps."
    )
    return (first, second) if first else (second,)


def _uncovered(evaluation: Evaluation) -> float:
    """Share of the scored pixels that were decided for something that no label of the dataset contains."""
    return evaluation.scores.uncovered / max(1, evaluation.scores.pixels)


def write_report(demo: Demo, path: Path) -> None:
    """Write the page."""
    settings = demo.settings
    facts = (
        ("Datasets", "3, rendered"),
        ("Training images", sum(_samples(p) for p in demo.shards("train"))),
        ("Steps per network", settings.steps),
        ("Seed", settings.seed),
        ("Training, side by side", f"{max(run.log[-1].seconds for run in demo.runs.values()):.0f} s"),
        ("All together", f"{sum(demo.seconds.values()):.0f} s"),
    )
    page = (
        Page("labelforge demo", "One network, three datasets that disagree")
        .add("What was done", Text(*_STORY), Facts(facts))
        .add("Scores", *_scores(demo), Text(*verdict(demo), *_READING))
        .add("Where they differ", *_differences(demo))
        .add("Pictures", _gallery(demo))
        .add("Training", *_curves(demo))
        .add("The tree", Figure(tree_picture(demo), f"The taxonomy {TAXONOMY}, with the pixels of the training shards"))
    )
    page.write(path)


_STORY = (
    "The scenes were rendered and written as three datasets would have them: one names its pixels as Cityscapes does, "
    "one as Mapillary Vistas does, and one has nothing but GTSDB's boxes around traffic signs. They disagree: what "
    "one calls road, the other divides into road, lane markings, manholes; what both call a traffic sign, the third "
    "divides into 43 classes, of which it shows boxes and no outlines.",
    "Three networks were trained on the same batches, from the same initial backbone. The hierarchical one has a "
    "classifier for every inner node of the tree. flat-union has one softmax over everything that any dataset names, "
    "so 'traffic sign' and 'speed limit 30' compete for the same pixels. flat-marginal has one softmax over the leaves "
    "of the tree, and reads a coarse label as the sum of its leaves.",
)
_READING = (
    "Each network is scored on images it has not seen, in each dataset's own labels. A decision that is finer than a "
    "dataset's label counts as that label; one that is coarser counts as wrong. Mean pixel accuracy is the mean over "
    "the labels that occur. In GTSDB only pixels inside boxes are scored, since nothing is known of the others.",
)


def _rows(demo: Demo) -> list[tuple[Evaluation, ...]]:
    """One row per dataset, one evaluation per head in the order of HEADS."""
    return list(zip(*(demo.scores[head] for head in HEADS), strict=True))


def _samples(shards: Path) -> int:
    from labelforge.shards import ShardReader

    return len(ShardReader(shards))


def _scores(demo: Demo) -> tuple[Table, ...]:
    columns = (Column("dataset"), *(Column(head, True, ".1%") for head in HEADS))
    rows = [(row[0].scores.dataset, [e.scores for e in row]) for row in _rows(demo)]
    accuracy = tuple((name, *(s.mean_accuracy for s in scores)) for name, scores in rows)
    iou = tuple((name, *(s.mean_iou for s in scores)) for name, scores in rows)
    lost: tuple[tuple[Cell, ...], ...] = tuple(
        (row[0].scores.dataset, *(_uncovered(e) for e in row)) for row in _rows(demo)
    )
    return (
        Table(columns, accuracy, "Mean pixel accuracy"),
        Table(columns, iou, "Mean IoU"),
        Table(columns, lost, "Pixels decided for something that no label of the dataset contains"),
    )


def _differences(demo: Demo) -> list[Table]:
    """Per dataset, the labels whose accuracy differs most between hierarchical and flat-union."""
    tables = []
    columns = (Column("label"), Column("pixels", True), *(Column(head, True, ".1%") for head in HEADS))
    for row in _rows(demo):
        classes = zip(*(e.scores.classes for e in row), strict=True)
        lines = [line for line in classes if line[0].accuracy is not None]
        lines.sort(key=lambda line: -abs((line[0].accuracy or 0.0) - (line[1].accuracy or 0.0)))
        cells = tuple((line[0].name, line[0].pixels, *(entry.accuracy for entry in line)) for line in lines[:8])
        tables.append(Table(columns, cells, f"{row[0].scores.dataset}: accuracy of the labels that differ most"))
    return tables


def _curves(demo: Demo) -> list[LineChart]:
    totals = tuple(
        Series(head, [x.step for x in run.log], [x.loss for x in run.log]) for head, run in demo.runs.items()
    )
    log = demo.runs["hierarchical"].log
    steps = [line.step for line in log]
    parts = tuple(Series(name, steps, [line.losses[name] for line in log]) for name in log[0].losses)
    boxed = sorted({name for line in log for name in line.gate})
    gates = tuple(Series(name, steps, [line.gate.get(name, float("nan")) for line in log]) for name in boxed)
    charts = [
        LineChart(totals, "step", "loss", "Total loss of each network (the losses are not comparable to each other)"),
        LineChart(parts, "step", "loss", "Hierarchical network: loss of each classifier"),
    ]
    if gates:
        caption = "Share of box pixels that pass the gate: where the network already sees the front of a traffic sign"
        charts.append(LineChart(gates, "step", "share", caption))
    return charts


def _gallery(demo: Demo) -> Gallery:
    """Validation images of every dataset: image, ground truth, and what each network decides."""
    from labelforge.shards import ShardReader
    from labelforge.trainer.id_maps import IdLegend
    from labelforge.trainer.segmenter import Segmenter

    segmenters = {head: Segmenter.load(demo.runs[head].out, "cpu") for head in HEADS}
    legends = {head: IdLegend.of_tree(segmenters[head].layout) for head in HEADS}
    rows = []
    for shards in demo.shards("val"):
        reader = ShardReader(shards)
        colors = _row_colors(reader)
        for index in range(min(PICTURES_PER_DATASET, len(reader))):
            sample = reader[index]
            pictures = [
                Picture.encode(np.asarray(sample.image), f"{sample.key}: image"),
                Picture.encode(colors[sample.label], f"{sample.key}: ground truth"),
            ]
            for head in HEADS:
                outcome = segmenters[head].decide(sample.image).numpy()
                pictures.append(Picture.encode(legends[head].color_of[outcome], f"{sample.key}: {head}"))
            rows.append(GalleryRow(f"{reader.dataset}, {sample.key}", tuple(pictures)))
    return Gallery(("image", "ground truth", *HEADS), tuple(rows), "Validation images, in the tree's colours")


def _row_colors(reader: ShardReader) -> NDArray[np.uint8]:
    """(R, 3) uint8: colour of every label row, as in the shards' label maps."""
    return np.asarray(reader.mapping.colors(reader.taxonomy), np.uint8)


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
