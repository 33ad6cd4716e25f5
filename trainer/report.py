"""``report.html`` of a run: what was trained on what, and how the losses developed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelforge.logits import LogitLayout
from labelforge.report import Column, Facts, LineChart, Page, Series, Table
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.log import LogLine
from labelforge.trainer.progress import clock
from labelforge.trainer.settings import describe_fields


def write_report(
    path: Path, config: TrainConfig, datasets: Sequence[str], layout: LogitLayout, log: Sequence[LogLine], step: int
) -> None:
    """Write the page.

    Args:
        path: The file.
        config: Configuration of the run.
        datasets: Names of its datasets.
        layout: Its classifiers and classes.
        log: Its log.
        step: Steps done.
    """
    state = "finished" if step == config.steps else f"stopped after {step:,} of {config.steps:,} steps"
    page = Page("Training run", f"{config.model.head} head on {', '.join(datasets)}; {state}")
    page = page.add("Run", Facts(_facts(config, datasets, layout, log, step)))
    if log:
        page = page.add("Loss", *_loss_charts(log))
        page = page.add("Schedule and speed", *_speed_charts(log))
    page.add("Configuration", _settings(config)).write(path)


def _facts(
    config: TrainConfig, datasets: Sequence[str], layout: LogitLayout, log: Sequence[LogLine], step: int
) -> tuple[tuple[str, str | int | float], ...]:
    return (
        ("Steps", step),
        ("Taxonomy", layout.taxonomy.name),
        ("Datasets", ", ".join(datasets)),
        ("Network", f"{config.model.backbone}, output stride {config.model.output_stride}"),
        ("Classifiers", layout.num_classifiers),
        ("Classes", len(layout.classes)),
        ("Last loss", round(log[-1].loss, 4) if log else "none"),
        ("Training time", clock(log[-1].seconds if log else 0)),
    )


def _loss_charts(log: Sequence[LogLine]) -> list[LineChart]:
    steps = [line.step for line in log]
    total = Series("total", steps, [line.loss for line in log])
    charts = [LineChart((total,), "step", "loss", "Total loss: the classifiers' losses, weighted")]
    names = list(log[0].losses)
    if len(names) > 1:
        parts = tuple(Series(name, steps, [line.losses[name] for line in log]) for name in names)
        charts.append(LineChart(parts, "step", "loss", "Loss per classifier, before its weight"))
    gated = sorted({name for line in log for name in line.gate}, key=names.index)
    if gated:
        missing = float("nan")
        shares = tuple(Series(name, steps, [line.gate.get(name, missing) for line in log]) for name in gated)
        caption = "Share of box pixels that passed the gate: where the classifiers above choose the box's branch"
        charts.append(LineChart(shares, "step", "share", caption))
    return charts


def _speed_charts(log: Sequence[LogLine]) -> list[LineChart]:
    steps = [line.step for line in log]
    rate = Series("learning rate", steps, [line.lr for line in log])
    speed = Series("images per second", steps, [line.images_per_s for line in log])
    wait = Series("waiting for data", steps, [line.data_wait for line in log])
    return [
        LineChart((rate,), "step", "learning rate", "Learning rate", log_y=True),
        LineChart((speed,), "step", "images/s", "Training speed"),
        LineChart((wait,), "step", "share", "Share of the time that the network waited for a batch"),
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
