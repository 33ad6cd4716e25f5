"""What ``labelforge demo`` does, step by step: the very calls that a user makes on real data, on rendered data.

DIR/data/{cityscapes,mapillary-vistas,gtsdb}      scenes in the layouts of the real datasets
DIR/shards/{cityscapes,...}-{train,val}           the same, converted
DIR/runs/{hierarchical,flat-union,flat-marginal}  three networks, trained on the same batches
DIR/predictions                                   what the first of them sees
DIR/tree.svg, DIR/results.json, DIR/report.html
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.training import RunResult

__all__ = ["HEADS", "Demo", "Settings", "run_demo"]

TAXONOMY = "iv2018"
HEADS = ("hierarchical", "flat-union", "flat-marginal")
MARKER = ".labelforge-demo"
"""Says that a folder was made by the demo, and may be made anew."""


@dataclass(frozen=True)
class _Dataset:
    """One of the three datasets: its converter, its splits, how many scenes each gets, and its validation images."""

    name: str
    train: str
    val: str
    train_scenes: int
    val_scenes: int
    val_images: str


DATASETS = (
    _Dataset("cityscapes", "train", "val", 48, 10, "leftImg8bit/val/*/*.png"),
    _Dataset("mapillary-vistas", "training", "validation", 64, 10, "validation/images/*.jpg"),
    _Dataset("gtsdb", "train", "test", 96, 26, "006*.ppm"),
)


@dataclass(frozen=True)
class Settings:
    """What can be chosen about a demo.

    Attributes:
        out: Folder to write to.
        steps: Training steps of each network.
        seed: Seed of the scenes, the batches and the initial weights.
        share: Share of the usual number of scenes to render; tests take less.
    """

    out: Path
    steps: int
    seed: int = 0
    share: float = 1.0

    def scenes(self, count: int) -> int:
        """How many scenes to render where the demo usually renders ``count``."""
        return max(2, round(count * self.share))


@dataclass
class Demo:
    """What a demo has made so far.

    Attributes:
        settings: What was asked for.
        runs: The trained networks, by head.
        scores: Their evaluations on the validation shards of each dataset, by head.
        seconds: Time taken by each stage.
    """

    settings: Settings
    runs: dict[str, RunResult] = field(default_factory=dict)
    scores: dict[str, list[Evaluation]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def data(self, dataset: str) -> Path:
        """Folder of a dataset's native files."""
        return self.settings.out / "data" / dataset

    def shards(self, part: str) -> list[Path]:
        """Shard folders of all datasets; ``part`` is train or val."""
        return [self.settings.out / "shards" / f"{d.name}-{part}" for d in DATASETS]


def run_demo(settings: Settings, console: Console) -> Demo:
    """Render, convert, draw the tree, train three networks, evaluate, predict, report.

    Raises:
        ConfigError: The folder holds something else than an earlier demo.
    """
    from labelforge.demo.page import write_report

    clear(settings.out)
    demo = Demo(settings)
    stages: tuple[tuple[str, Callable[[Demo, Console], None]], ...] = (
        ("Rendering three datasets that disagree", _render),
        ("Converting them to shards", _convert),
        ("Drawing the tree", _draw_tree),
        ("Training and scoring three networks, side by side", _train),
        ("Predicting", _predict),
    )
    for number, (title, stage) in enumerate(stages, 1):
        console.print(f"[bold]{number}/{len(stages)}[/bold] {title}")
        start = time.perf_counter()
        stage(demo, console)
        demo.seconds[title] = time.perf_counter() - start
    write_report(demo, settings.out / "report.html")
    return demo


def clear(out: Path) -> None:
    """Make ``out`` an empty folder, unless what it holds is not an earlier demo.

    Raises:
        ConfigError: It is a file, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError("is a file", where=out, cure="Name a folder with --out.")
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            what = "is not empty and holds no earlier demo"
            raise ConfigError(what, where=out, cure="Name another folder with --out.")
        for entry in out.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER:
                entry.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text("Made by 'labelforge demo', which may empty this folder.\n", encoding="utf-8")


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("    {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress


def _render(demo: Demo, console: Console) -> None:
    from labelforge.demo import write_cityscapes, write_gtsdb, write_mapillary_vistas

    writers: tuple[Callable[..., Path], ...] = (write_cityscapes, write_mapillary_vistas, write_gtsdb)
    sizes = ((288, 144), (224, 168), (288, 168))
    with _bars(console) as progress:
        for dataset, write, size in zip(DATASETS, writers, sizes, strict=True):
            train, val = demo.settings.scenes(dataset.train_scenes), demo.settings.scenes(dataset.val_scenes)
            bar = progress.add_task(dataset.name, total=train + val)
            tell = partial(progress.advance, bar)
            write(demo.data(dataset.name), train, val, seed=demo.settings.seed, size=size, progress=tell)


def _convert(demo: Demo, console: Console) -> None:
    from labelforge.converters import convert

    with _bars(console) as progress:
        for part in ("train", "val"):
            for dataset, out in zip(DATASETS, demo.shards(part), strict=True):
                split = dataset.train if part == "train" else dataset.val
                bar = progress.add_task(f"{dataset.name} {split}", total=None)

                def tell(done: int, total: int, bar: TaskID = bar) -> None:
                    progress.update(bar, completed=done, total=total)

                convert(dataset.name, demo.data(dataset.name), out, split=split, taxonomy=TAXONOMY, progress=tell)


def _draw_tree(demo: Demo, console: Console) -> None:
    (demo.settings.out / "tree.svg").write_text(tree_picture(demo), encoding="utf-8")
    console.print(f"    {demo.settings.out / 'tree.svg'}", highlight=False, soft_wrap=True)


def tree_picture(demo: Demo) -> str:
    """The tree as SVG, with the pixels of the training shards."""
    from labelforge.drawing import Survey, counted_mappings, draw_svg
    from labelforge.taxonomy import Taxonomy

    tree = Taxonomy.load(TAXONOMY)
    mappings, counts = counted_mappings(tree, demo.shards("train"))
    return draw_svg(Survey.of(tree, mappings, counts))


def train_config(settings: Settings, head: str) -> TrainConfig:
    """A training that a laptop's CPU can do in a minute; all three heads share everything but the head."""
    from labelforge.trainer.config import TrainConfig

    return TrainConfig.model_validate(
        {
            "seed": settings.seed,
            "steps": settings.steps,
            "device": "cpu",
            "log_every": max(1, settings.steps // 20),
            "checkpoint_every": settings.steps,
            "model": {"head": head, "backbone": "resnet18", "output_stride": 16, "features": 128},
            "data": {"crop": [112, 168], "scale": [1.0, 1.6], "workers": 0},
            # The mean over a batch's few pixels of signs or riders is noisy, and in a short run noise is what such a
            # classifier gives the shared features: less weight than the paper's 0.1. The street's surface has pixels
            # in plenty: more.
            "loss": {"others": 0.03, "nodes": {"driveable": 0.3}} if head == "hierarchical" else {},
            "optim": {"lr": 0.1, "schedule": "poly", "warmup": settings.steps // 20},
            "ema": {"decay": 0.97},
        }
    )


def _train(demo: Demo, console: Console) -> None:
    from labelforge.demo.rivals import train_and_score

    configs = {head: train_config(demo.settings, head) for head in HEADS}
    runs = demo.settings.out / "runs"
    for head, (run, scores) in train_and_score(
        configs, runs, demo.shards("train"), demo.shards("val"), console
    ).items():
        demo.runs[head], demo.scores[head] = run, scores
    results = {head: [e.to_dict() for e in evaluations] for head, evaluations in demo.scores.items()}
    (demo.settings.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _predict(demo: Demo, console: Console) -> None:
    from labelforge.trainer.prediction import predict

    images = [sorted(demo.data(d.name).glob(d.val_images))[0] for d in DATASETS]
    written = predict(demo.runs["hierarchical"].out, images, demo.settings.out / "predictions", device="cpu")
    for prediction in written:
        console.print(f"    {os.fspath(prediction.overlay)}", highlight=False, soft_wrap=True)
