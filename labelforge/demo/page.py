"""What the demo has to show: the table in the terminal, what the scores say, and the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table as TerminalTable
from rich.text import Text as Styled

from labelforge.demo.settings import HEADS, TAXONOMY, Demo
from labelforge.report import (
    Column,
    Facts,
    Figure,
    Fold,
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
    from labelforge.trainer.evaluation.scoring import Evaluation

_HEAD_COLUMNS = tuple(Column(head, True, ".1%") for head in HEADS)
_STORY = (
    "The scenes were rendered and written as three datasets would have them: one names its pixels as Cityscapes does, "
    "one as Mapillary Vistas does, and one has nothing but GTSDB's boxes around traffic signs. They disagree: what "
    "one calls road, the other divides into road, lane markings and manholes; what both call a traffic sign, the "
    "third divides into 43 classes, of which it shows boxes and no outlines.",
    "Three networks were trained on the same batches, with the same backbone and seed. The hierarchical one has a "
    "classifier for every inner node of the tree, and loss weights of its own. flat-union has one softmax over all "
    "that any dataset names: 'traffic sign' and 'speed limit 30' compete for the same pixels. flat-marginal has one "
    "softmax over the leaves of the tree, and reads a coarse label as the sum of its leaves.",
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
    for row in _rows(demo):
        styles = ["bold" if _accuracy(e) == max(map(_accuracy, row)) else "none" for e in row]
        cells = [f"{_accuracy(e):.1%} ({e.scores.mean_iou or 0:.1%})" for e in row]
        table.add_row(row[0].dataset, *(Styled(*pair) for pair in zip(cells, styles, strict=True)))
    return table


def verdict(demo: Demo) -> str:
    """How far the hierarchical network is ahead of flat-union or behind it, in a sentence."""
    gaps = []
    for hierarchical, union, *_ in _rows(demo):
        gap = 100 * (_accuracy(hierarchical) - _accuracy(union))
        gaps.append(f"{abs(gap):.1f} points {'ahead' if gap >= 0 else 'behind'} on {hierarchical.dataset}")
    text = f"In mean pixel accuracy the hierarchical network is, compared with flat-union, {', '.join(gaps[:-1])}"
    return f"{text} and {gaps[-1]}."


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
    page = page.add("Scores", *_score_tables(demo), Text(verdict(demo), _READING))
    page = page.add("Where they differ", *_differences(demo)).add("Pictures", _gallery(demo))
    page.add("Training", *_curves(demo)).add("The tree", tree).write(path)


def _rows(demo: Demo) -> list[tuple[Evaluation, ...]]:
    """One row per dataset, one evaluation per head in the order of HEADS."""
    return list(zip(*(demo.scores[head] for head in HEADS), strict=True))


def _accuracy(evaluation: Evaluation) -> float:
    return evaluation.scores.mean_accuracy or 0.0


def _score_tables(demo: Demo) -> list[Table]:
    measures: dict[str, Callable[[Any], float | None]] = {
        "Mean pixel accuracy": lambda scores: scores.mean_accuracy,
        "Mean IoU": lambda scores: scores.mean_iou,
        "Pixels decided to be none of the evaluated classes": lambda s: s.uncovered / max(1, s.evaluated),
    }
    columns, rows = (Column("dataset"), *_HEAD_COLUMNS), _rows(demo)
    return [
        Table(columns, tuple((row[0].dataset, *(measure(e.scores) for e in row)) for row in rows), title)
        for title, measure in measures.items()
    ]


def _differences(demo: Demo) -> list[Table]:
    """Per dataset, the labels whose accuracy differs most between hierarchical and flat-union."""
    tables = []
    for row in _rows(demo):
        lines = [e for e in zip(*(e.scores.classes for e in row), strict=True) if e[0].accuracy != e[1].accuracy]
        lines.sort(key=lambda line: -abs((line[0].accuracy or 0.0) - (line[1].accuracy or 0.0)))
        cells = tuple((line[0].name, line[0].pixels, *(entry.accuracy for entry in line)) for line in lines[:8])
        title = f"{row[0].dataset}: accuracy of the labels that differ most"
        tables.append(Table((Column("label"), Column("pixels", True), *_HEAD_COLUMNS), cells, title))
    return tables


def _curves(demo: Demo) -> list[LineChart | Fold]:
    from labelforge.trainer.report import classifier_charts

    totals = tuple(Series(head, [x.step for x in r.log], [x.loss for x in r.log]) for head, r in demo.runs.items())
    return [
        LineChart(totals, "step", "loss", "Total loss of each network (the losses are not comparable to each other)"),
        *classifier_charts(demo.runs["hierarchical"].log, "Hierarchical network: loss of each classifier"),
    ]


def _gallery(demo: Demo) -> Gallery:
    """Validation images of every dataset: image, ground truth, and what each network decides."""
    from labelforge.shards import ShardReader
    from labelforge.trainer.id_maps import IdLegend
    from labelforge.trainer.segmenter import Segmenter

    segmenters = {head: Segmenter.load(demo.runs[head].out, "cpu") for head in HEADS}
    legends = {head: IdLegend.of_tree(segmenters[head].layout) for head in HEADS}
    rows = []
    for reader in map(ShardReader, demo.shards("val")):
        colors = np.asarray(reader.mapping.colors(reader.taxonomy), np.uint8)
        for sample in (reader[index] for index in range(min(2, len(reader)))):
            pictures = {"image": np.asarray(sample.image), "ground truth": colors[sample.local_rows]}
            for head in HEADS:
                pictures[head] = legends[head].color_of[segmenters[head].decide(sample.image).numpy()]
            encoded = tuple(Picture.encode(p, f"{sample.key}: {name}") for name, p in pictures.items())
            rows.append(GalleryRow(f"{reader.dataset}, {sample.key}", encoded))
    return Gallery(("image", "ground truth", *HEADS), tuple(rows), "Validation images, in the tree's colours")
