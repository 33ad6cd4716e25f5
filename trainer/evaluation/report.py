"""``report.html`` of an evaluation: one run on some shard sets, beside other runs if wanted.

The page is built from :class:`ShardView`, which holds what it shows of one run on one shard set;
:func:`evaluate_and_report` fills it from evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labelforge.errors import ConfigError
from labelforge.files import writing_into
from labelforge.report import Bar, Column, Gallery, HeatMap, Page, Swatch, Table, Text
from labelforge.report.blocks import Block, Cell
from labelforge.trainer.checkpoint import BEST
from labelforge.trainer.evaluation.mistakes import Confusion, costliest
from labelforge.trainer.evaluation.observation import Observe
from labelforge.trainer.evaluation.pictures import ERROR_COLORS, Shown, WorstImages, gallery_row
from labelforge.trainer.evaluation.report_tree import confidence_blocks, tree_blocks
from labelforge.trainer.evaluation.summary import figure_lines, over_all, reading_notes, readings
from labelforge.trainer.evaluation.tree_scores import TreeScores

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.scoring import Evaluation


class Score(Protocol):
    """Evaluates one run, and calls ``observe`` with every image."""

    def __call__(self, run: Path, *, observe: Observe) -> list[Evaluation]:
        """One evaluation per shard set, the same ones for every run."""


_DIFFERENCE = Column("difference, points", True, "+.1f")
REPORT_NAME = "report.html"
_WORST, _CLASSES = 6, 30  # images per shard set; classes in a heat map


@dataclass(frozen=True)
class ClassLine:
    """Score of one class; the figures are None where there is nothing to measure them on."""

    name: str
    pixels: int
    iou: float | None
    accuracy: float | None


@dataclass(frozen=True)
class ShardView:
    """What the page shows of one run on one shard set.

    Attributes:
        shards: The shard set's folder or URL.
        title: The dataset and its split.
        figures: Summary figures in [0, 1] by name, the official one first.
        notes: What one must know to read them.
        classes: Scores by class; the same classes in every run.
        confusion: What is called what.
        tree: Scores by the tree.
        pictures: The worst images.
    """

    shards: str
    title: str
    figures: dict[str, float | None]
    notes: tuple[str, ...]
    classes: tuple[ClassLine, ...]
    confusion: Confusion
    tree: TreeScores
    pictures: tuple[Shown, ...]


Views = dict[str, ShardView]
"""The same shard set as seen by every run, by the runs' names; the run that the page is about comes first."""


def evaluate_and_report(out: Path, runs: Sequence[Path], score: Score) -> list[Evaluation]:
    """Evaluate runs on the same shards, and write the page.

    Args:
        out: Folder of the page; made if it does not exist.
        runs: The run that the page is about, then those beside it.
        score: Evaluates one of them.

    Returns:
        The evaluations of the first run.

    Raises:
        ConfigError: The folder holds something else, or a run is named twice.
    """
    check_report_folder(out)
    names = run_names(runs)
    worst = WorstImages(_WORST)
    first = score(runs[0], observe=worst.see)
    found = [{names[0]: view(evaluation, worst)} for evaluation in first]
    summary = [over_all(first)] if len(first) > 1 else []
    for run, name in zip(runs[1:], names[1:], strict=True):
        same = WorstImages(_WORST, only=worst.keys())
        evaluations = score(run, observe=same.see)
        for views, evaluation in zip(found, evaluations, strict=True):
            views[name] = view(evaluation, same)
        summary += [f"{name}: {over_all(evaluations)}"] if len(first) > 1 else []
    with writing_into(out):
        build_page(found, summary).write(out / REPORT_NAME)
    return first


def check_report_folder(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier report of an evaluation.

    Raises:
        ConfigError: It does: a run's or a shard set's own report must not be replaced.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError("not a folder", where=out, cure="Name a folder for the report.")
    others = sorted(path.name for path in out.iterdir() if path.name != REPORT_NAME) if out.exists() else []
    if others:
        cure = "Name a folder that is new, empty or holds only an earlier report."
        raise ConfigError(f"the folder of the report holds other files ({others[0]})", where=out, cure=cure)


def run_names(runs: Sequence[Path]) -> list[str]:
    """Short names of runs: those of their folders where these differ.

    Raises:
        ConfigError: One is given twice.
    """
    places = [run.resolve() for run in runs]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise ConfigError("given twice", where=runs[i], cure="Name every run once.")
    names = [f"{place.parent.name}/{BEST}" if place.name == BEST else place.name for place in places]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def build_page(shard_sets: Sequence[Views], summary: Sequence[str] = ()) -> Page:
    """The page.

    Args:
        shard_sets: At least one; each seen by the same runs.
        summary: What there is to say of all shard sets together.
    """
    names = list(shard_sets[0])
    title = names[0] if len(names) == 1 else f"{names[0]} beside {', '.join(names[1:])}"
    titles = [next(iter(views.values())).title for views in shard_sets]
    page = Page(f"Evaluation of {title}", f"On {', '.join(titles)}")
    scores = [block for views in shard_sets for block in _score_blocks(views)]
    page = page.add("Scores", *scores, *([Text(*summary)] if summary else []))
    for views, place in zip(shard_sets, titles, strict=True):
        start = f"{place}: " if len(shard_sets) > 1 else ""
        for heading, blocks in (
            ("Classes", [_class_table(views)]),
            ("Confusions", _confusion_blocks(views)),
            ("By the tree", tree_blocks({name: view.tree for name, view in views.items()})),
            ("Confidence", confidence_blocks({name: view.tree.confidence for name, view in views.items()})),
            ("Worst images", _gallery_blocks(views)),
        ):
            page = page.add(start + (heading if not start else heading.lower()), *blocks)
    return page


def _columns(names: Sequence[str], spec: str) -> tuple[Column, ...]:
    """Columns of numbers, one per run, and one for the difference where there are two."""
    return (*(Column(name, True, spec) for name in names), *([_DIFFERENCE] if len(names) == 2 else []))


def _with_difference(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Values of all runs; of two also the first less the second, in points of a hundredth."""
    if len(values) != 2:
        return tuple(values)
    first, second = values
    return first, second, None if first is None or second is None else round(100 * (first - second), 1) + 0.0  # no -0.0


def view(evaluation: Evaluation, pictures: WorstImages) -> ShardView:
    """What the page shows of an evaluation.

    Args:
        evaluation: The evaluation.
        pictures: What looked on during it.
    """
    scores = evaluation.scores
    return ShardView(
        shards=evaluation.shards,
        title=f"{evaluation.dataset} {evaluation.split}",
        figures=_figures(evaluation),
        notes=tuple(reading_notes(evaluation)),
        classes=tuple(ClassLine(c.name, c.pixels, c.iou, c.accuracy) for c in scores.classes),
        confusion=Confusion(tuple(c.name for c in scores.classes), evaluation.matrix),
        tree=evaluation.tree,
        pictures=pictures.shown(evaluation.shards),
    )


_READINGS = {"merged": "merged: labels not told apart as one", "consistent": "consistent with the label"}


def _figures(evaluation: Evaluation) -> dict[str, float | None]:
    """Every line of the strict reading, and the headline in the others."""
    lines, found = figure_lines(evaluation), readings(evaluation)
    figures: dict[str, float | None] = {title: getattr(evaluation.scores, field) for title, field in lines}
    others = {lines[0][0] + f", {_READINGS[name]}": found[name].headline for name in found if name in _READINGS}
    return figures | others


def _score_blocks(views: Views) -> list[Block]:
    first = next(iter(views.values()))
    titles = dict.fromkeys(title for view in views.values() for title in view.figures)
    rows = [(title, *_with_difference([view.figures.get(title) for view in views.values()])) for title in titles]
    table = Table((Column("figure"), *_columns(list(views), ".1%")), tuple(rows), first.title)
    notes = [*first.notes]
    for name, view in views.items():
        notes += [f"{name}: {note}" for note in view.notes if note not in first.notes]
    return [table, Text(*notes)]


def _class_table(views: Views) -> Table:
    first = next(iter(views.values()))
    rows: list[tuple[Cell, ...]] = []
    for lines in zip(*(view.classes for view in views.values()), strict=True):
        if lines[0].pixels or any(line.iou is not None for line in lines):
            ious = _with_difference([line.iou for line in lines])
            bars = tuple(Bar(line.iou) for line in lines)
            rows.append((lines[0].name, lines[0].pixels, *bars, *ious[len(lines) :], lines[0].accuracy))
    columns = [Column("class"), Column("pixels", True)]
    columns += [Column("IoU" if len(views) == 1 else f"IoU of {name}", True, ".1%") for name in views]
    columns += [_DIFFERENCE] * (len(views) == 2)
    accuracy = Column("accuracy" if len(views) == 1 else f"accuracy of {next(iter(views))}", True, ".1%")
    missing = len(first.classes) - len(rows)
    caption = "Classes that occur or are decided" + (f"; {missing} others do not" if missing else "")
    return Table((*columns, accuracy), tuple(rows), caption)


def _confusion_blocks(views: Views) -> list[Block]:
    (name, first), *others = views.items()
    rows: list[tuple[Cell, ...]] = []
    for entry in costliest(first.confusion):
        at = first.confusion.names.index(entry.true), _column(first.confusion, entry.called)
        shares = [float(view.confusion.shares[at]) for _, view in others]
        rows.append((entry.words, entry.pixels, 100 * entry.cost, *shares))
    columns = [Column("confusion"), Column("pixels", True), Column("points of mean IoU", True, ".2f")]
    columns += [Column(f"share in {other}", True, ".1%") for other, _ in others]
    whose = f" by {name}" if others else ""
    blocks: list[Block] = []
    if rows:
        caption = f"The costliest confusions{whose}, and how much higher the mean IoU would be without each"
        blocks.append(Table(tuple(columns), tuple(rows), caption))
    else:
        blocks.append(Text("No class that occurs is confused with another."))
    shown = first.confusion.most_confused(_CLASSES)
    if shown.names:
        blocks.append(_heat_map(shown, first.confusion.seen, whose))
    return blocks


def _heat_map(shown: Confusion, classes: int, whose: str) -> HeatMap:
    caption = f"What is called what{whose}, in percent of each true class"
    if len(shown.names) < classes:
        caption += f"; of {classes} classes the {len(shown.names)} with most errors, the others in the last column"
    shares = tuple(tuple(row) for row in shown.shares.tolist())
    return HeatMap(shown.names, (*shown.names, "others or none"), shares, "true", "called", caption)


def _column(confusion: Confusion, name: str) -> int:
    return confusion.names.index(name) if name in confusion.names else len(confusion.names)


def _gallery_blocks(views: Views) -> list[Block]:
    (_, first), *others = views.items()
    if not first.pictures:
        return [Text("No image has a wrong pixel.")]
    rows = []
    for shown in first.pictures:
        same = {name: next(p for p in view.pictures if p.key == shown.key) for name, view in others}
        rows.append(gallery_row(shown, same))
    columns = ("image", "truth", "answer", "errors", *(f"answer of {name}" for name, _ in others))
    colors = tuple(Swatch(meaning, color) for meaning, color in ERROR_COLORS.items())
    caption = "The images with most wrong pixels for their size. Errors: what is right shows the image, in pale grey"
    return [Gallery(columns, tuple(rows), caption, colors)]
