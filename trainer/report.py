"""``report.html`` of a run: what was trained on what, and how the losses developed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from labelforge.answers import answer_ids
from labelforge.learnable import Learnable
from labelforge.logits import LogitLayout
from labelforge.report import Column, Facts, Fold, LineChart, Page, Series, Table, Text
from labelforge.report.chart import STYLES
from labelforge.targets import TargetTable
from labelforge.trainer.config import Gate, LossConfig, Mean, TrainConfig
from labelforge.trainer.log import LogLine
from labelforge.trainer.progress import clock
from labelforge.trainer.settings import describe_fields
from labelforge.trainer.validation.history import History
from labelforge.trainer.validation.report import validation_blocks

_GATES: Final[Mapping[Gate, str]] = {
    "parent": "where the parent classifier chooses the box's branch",
    "path": "where every classifier above chooses the box's branch",
}
"""Which box pixels pass the gate, in words; without a gate all do, and there is nothing to show."""
_TOTAL: Final[Mapping[Mean, str]] = {
    "classifier": "Total loss: the classifiers' losses, weighted",
    "pixel": "Total loss: the mean over labelled pixels, and the weighted mean over those in boxes",
}
"""What the total is, by what is averaged."""
_SHARE: Final = (0.0, 1.0)  # the ends of an axis


def write_report(
    path: Path,
    config: TrainConfig,
    table: TargetTable,
    log: Sequence[LogLine],
    step: int,
    history: History | None = None,
) -> None:
    """Write the page.

    Args:
        path: The file.
        config: Configuration of the run.
        table: What its datasets teach.
        log: Its log.
        step: Steps done.
        history: Its validations.
    """
    history = history or History()
    datasets, layout = table.datasets, table.layout
    state = "finished" if step == config.steps else f"stopped after {step:,} of {config.steps:,} steps"
    if step < config.steps and history.is_enough(config.validation):
        state = f"stopped early, after {step:,} of {config.steps:,} steps, since validation got no better"
    validation = validation_blocks(path.parent, history)
    page = Page("Training run", f"{config.model.head} head on {', '.join(datasets)}; {state}")
    page = page.add("Run", Facts(_facts(config, datasets, layout, log, step)))
    if validation:
        page = page.add("Validation", *validation)
    if log:
        page = page.add("Loss", *_loss_blocks(log, layout, config.loss))
        page = page.add("Schedule and speed", *_speed_charts(log))
    page = page.add("What it can answer", *_answers(table, config))
    page.add("Configuration", _settings(config)).write(path)


def _facts(
    config: TrainConfig, datasets: Sequence[str], layout: LogitLayout, log: Sequence[LogLine], step: int
) -> tuple[tuple[str, str | int | float], ...]:
    return (
        ("Steps", step),
        ("Taxonomy", layout.taxonomy.name),
        ("Datasets", ", ".join(datasets)),
        ("Network", f"{config.model.backbone}, output stride {config.model.output_stride}"),
        ("Decoder", config.model.decoder),
        ("Classifiers", layout.num_classifiers),
        ("Classes", len(layout.classes)),
        ("Last loss", round(log[-1].loss, 4) if log else "none"),
        ("Training time", clock(log[-1].seconds if log else 0)),
    )


def _answers(table: TargetTable, config: TrainConfig) -> tuple[Text, Table]:
    """What the labels teach, and every class with its id and the classifier that ends in it."""
    layout = table.layout
    chosen_by = {
        int(k): name
        for name, columns in zip(layout.names, layout.slices, strict=True)
        for k in layout.class_of[columns]
    }
    ids = answer_ids(layout.taxonomy, layout.answers)
    rows = tuple(
        (ids[k], name, chosen_by[k], len(leaves))
        for k, (name, leaves) in enumerate(zip(layout.class_names, layout.classes, strict=True))
    )
    columns = (
        Column("id", numeric=True),
        Column("class"),
        Column("chosen by"),
        Column("leaves of the tree", numeric=True),
    )
    sentences = Learnable.of_table(table, config.loss.boxes, lone_boxes=config.loss.lone_boxes).sentences
    return Text(*sentences), Table(columns, rows, "Where decisions end, and the id in maps of the tree's own ids")


def _loss_blocks(log: Sequence[LogLine], layout: LogitLayout, loss: LossConfig) -> list[LineChart | Fold]:
    total = Series("total", [line.step for line in log], [line.loss for line in log])
    blocks: list[LineChart | Fold] = [LineChart((total,), "step", "loss", _TOTAL[loss.mean])]
    if layout.num_classifiers > 1:
        blocks += classifier_charts(log, "Loss per classifier: the mean over its own pixels")
    below = {name for j, name in enumerate(layout.names) if layout.ancestors(j)}  # a classifier with none has no gate
    if loss.gate in _GATES:
        shares = [curve for curve in _curves(log, "gate") if curve.name in below]
        what = f"Share of box pixels that passed the gate: {_GATES[loss.gate]}"
        blocks += _charts(shares, "share", what, "lowest", _SHARE)
    return blocks


def classifier_charts(log: Sequence[LogLine], caption: str) -> list[LineChart | Fold]:
    """The loss of every classifier that learnt something; if they are many, the worst in sight, the others folded away.

    Args:
        log: Log of the run.
        caption: What the charts show.
    """
    return _charts(_curves(log, "losses"), "loss", caption, "highest")


def _curves(log: Sequence[LogLine], measure: Literal["losses", "gate"]) -> list[Series]:
    """A curve per classifier, with gaps where a line of the log says nothing about it."""
    steps = [line.step for line in log]
    values: list[dict[str, float]] = [getattr(line, measure) for line in log]
    names = dict.fromkeys(name for line in values for name in line)
    return [Series(name, steps, [line.get(name, math.nan) for line in values]) for name in names]


def _charts(
    curves: Sequence[Series],
    y_label: str,
    caption: str,
    worst: Literal["highest", "lowest"],
    ends: tuple[float, float] | None = None,
) -> list[LineChart | Fold]:
    """One chart, of no more curves than have a style of their own; what is left over is folded away."""
    if len(curves) <= STYLES:
        return [LineChart(tuple(curves), "step", y_label, caption, y_ends=ends)] if curves else []
    curves = sorted(curves, key=_last, reverse=worst == "highest")
    first, *others = [tuple(curves[i : i + STYLES]) for i in range(0, len(curves), STYLES)]
    rest = len(curves) - STYLES
    return [
        LineChart(first, "step", y_label, f"{caption}: the {STYLES} that end {worst}", y_ends=ends),
        Fold(
            f"{rest} more classifier{'s' * (rest > 1)}",
            tuple(LineChart(part, "step", y_label, f"{caption}, continued", y_ends=ends) for part in others),
        ),
    ]


def _last(curve: Series) -> float:
    return next(y for y in reversed(curve.y) if not math.isnan(y))


def _speed_charts(log: Sequence[LogLine]) -> list[LineChart]:
    steps = [line.step for line in log]
    rate = Series("learning rate", steps, [line.lr for line in log])
    speed = Series("images per second", steps, [line.images_per_s for line in log])
    wait = Series("waiting for data", steps, [line.data_wait for line in log])
    return [
        LineChart((rate,), "step", "learning rate", "Learning rate", log_y=True),
        LineChart((speed,), "step", "images/s", "Training speed"),
        LineChart((wait,), "step", "share", "Share of the time that the network waited for a batch", y_ends=_SHARE),
    ]


def _settings(config: TrainConfig) -> Table:
    rows = []
    for key, _, default, description in describe_fields():
        value: object = config
        for part in key.split("."):
            value = getattr(value, part)
        rows.append((key, _text(value), default, description))
    columns = (Column("setting"), Column("value"), Column("default"), Column("meaning"))
    return Table(columns, tuple(rows), "All settings of the run")


def _text(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
