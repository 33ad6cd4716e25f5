"""What the report of a run shows of its validations: scores over time, and a few images at the best and the latest."""

from __future__ import annotations

from pathlib import Path

from labelforge.report import Column, Facts, Fold, Gallery, GalleryRow, LineChart, Picture, Series, Table
from labelforge.report.blocks import Block, Cell
from labelforge.report.chart import STYLES
from labelforge.trainer.config import Metric
from labelforge.trainer.evaluation.mistakes import percent
from labelforge.trainer.evaluation.pictures import Shown
from labelforge.trainer.validation.history import History, ValidationLine
from labelforge.trainer.validation.pictures import load_pictures

_WORDS: dict[Metric, str] = {
    "official": "the figure of each dataset's own benchmark",
    "mean-iou": "mean IoU",
    "mean-accuracy": "mean pixel accuracy",
}
_LONG = 12  # rows of a table that is folded away


def validation_blocks(run: Path, history: History) -> tuple[Block, ...]:
    """Chart, tables and pictures; none for a run that was never validated.

    Args:
        run: Folder of the run.
        history: Its validations.
    """
    best = history.best
    if best is None:
        return ()
    latest = history.lines[-1]
    facts = (
        ("Best", percent(best.score)),
        ("Best at step", best.step),
        ("Latest", percent(latest.score)),
        ("Validations", len(history.lines)),
        ("Since the best", history.since_best),
    )
    table: Block = _course(history, best)
    if len(history.lines) > _LONG:
        table = Fold(f"All {len(history.lines)} validations", (table,))
    return (Facts(facts), *_charts(history), _best_scores(best), table, *_gallery(run, best, latest))


def _charts(history: History) -> list[LineChart]:
    """A curve per shard set, and their mean; a chart for as many as have a style of their own."""
    lines = history.lines
    steps = [line.step for line in lines]
    curves = [Series("mean", steps, [line.score for line in lines])] if len(lines[0].sets) > 1 else []
    for number, name in enumerate(lines[0].names):
        values = [line.sets[number].figure(line.metric) for line in lines]
        curves.append(Series(name, steps, values))
    caption = f"Scores of the averaged weights on images that are not learnt from: {_WORDS[lines[0].metric]}"
    parts = [tuple(curves[i : i + STYLES]) for i in range(0, len(curves), STYLES)]
    return [LineChart(part, "step", "score", caption + ", continued" * (i > 0)) for i, part in enumerate(parts)]


def _best_scores(best: ValidationLine) -> Table:
    names = ("official figure", "mean IoU", "mean pixel accuracy", "pixel accuracy")
    columns = (Column("shards"), Column("images", True), *(Column(name, True, ".1%") for name in names))
    rows: list[tuple[Cell, ...]] = [
        (name, entry.images, entry.official, entry.mean_iou, entry.mean_accuracy, entry.pixel_accuracy)
        for name, entry in zip(best.names, best.sets, strict=True)
    ]
    return Table(columns, tuple(rows), f"The best validation, at step {best.step:,}")


def _course(history: History, best: ValidationLine) -> Table:
    names = best.names
    several = len(names) > 1
    columns = [Column("step", True), *(Column(name, True, ".1%") for name in names)]
    columns += [Column("mean", True, ".1%")] * several + [Column("seconds", True, ".1f"), Column("")]
    rows: list[tuple[Cell, ...]] = []
    for line in history.lines:
        figures = [entry.figure(line.metric) for entry in line.sets]
        mean = [line.score] * several
        rows.append((line.step, *figures, *mean, line.seconds, "best" if line is best else ""))
    return Table(tuple(columns), tuple(rows), "Every validation")


def _gallery(run: Path, best: ValidationLine, latest: ValidationLine) -> list[Gallery]:
    """The same images as both saw them, as far as their pictures are there."""
    kept = {f"best, step {best.step:,}": load_pictures(run, best.step)}
    if latest.step == best.step:
        kept = {f"best and latest, step {best.step:,}": kept.popitem()[1]}
    else:
        kept[f"latest, step {latest.step:,}"] = load_pictures(run, latest.step)
    kept = {title: pictures for title, pictures in kept.items() if pictures}
    if not kept:
        return []
    rows = []
    for name, pictures in next(iter(kept.values())).items():
        for number, picture in enumerate(pictures):
            answers = {title: several[name][number] for title, several in kept.items() if name in several}
            rows.append(_row(name, picture, answers))
    return [Gallery(("image", "truth", *kept), tuple(rows), "Some of the images, always the same ones")]


def _row(name: str, picture: Shown, answers: dict[str, Shown]) -> GalleryRow:
    shown = [
        Picture.encode(picture.image, f"{picture.key}: image"),
        Picture.encode(picture.true, f"{picture.key}: truth"),
        *(
            Picture.encode(
                answer.decided, f"{picture.key}: {title}", f"{percent(answer.right)} of its scored pixels are right"
            )
            for title, answer in answers.items()
        ),
    ]
    legend = dict.fromkeys(swatch for answer in answers.values() for swatch in answer.legend)
    return GalleryRow(f"{name}: {picture.key}", tuple(shown), tuple(legend))
