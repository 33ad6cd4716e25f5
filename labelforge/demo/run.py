"""What ``labelforge demo`` does, step by step: the very calls that a user makes on real data, on rendered data.

DIR/data/{cityscapes,mapillary-vistas,gtsdb}      scenes in the layouts of the real datasets
DIR/shards/{cityscapes,...}-{train,val}           the same, converted
DIR/runs/{hierarchical,flat-union,flat-marginal}  three networks, trained on the same batches
DIR/predictions                                   what the first of them sees
DIR/tree.svg, DIR/results.json, DIR/report.html
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID

from labelforge.console import progress_bar
from labelforge.demo.networks import train_and_score
from labelforge.demo.page import tree_picture, write_report
from labelforge.demo.settings import DATASETS, HEADS, TAXONOMY, Demo, Settings, train_config
from labelforge.demo.writers import write_dataset
from labelforge.errors import ConfigError
from labelforge.files import json_text, write_atomically

MARKER = ".labelforge-demo"  # says that a folder was made by the demo, and may be made anew


def run_demo(settings: Settings, console: Console) -> Demo:
    """Render, convert, draw the tree, train three networks, evaluate, predict, report.

    Raises:
        ConfigError: The folder holds something else than an earlier demo.
    """
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
    write_atomically(out / MARKER, "Made by 'labelforge demo', which may empty this folder.\n")


def _render(demo: Demo, console: Console) -> None:
    with progress_bar(console, indent=4) as bars:
        for dataset in DATASETS:
            train, val = demo.settings.scenes(dataset.train_scenes), demo.settings.scenes(dataset.val_scenes)
            tell = partial(bars.advance, bars.add_task(dataset.name, total=train + val))
            write_dataset(dataset.name, demo.data(dataset), train, val, demo.settings.seed, dataset.size, tell)


def _convert(demo: Demo, console: Console) -> None:
    from labelforge.converters import convert

    def tell(bar: TaskID, done: int, total: int) -> None:
        bars.update(bar, completed=done, total=total)

    with progress_bar(console, indent=4) as bars:
        for part in ("train", "val"):
            for dataset, out in zip(DATASETS, demo.shards(part), strict=True):
                split = dataset.train if part == "train" else dataset.val
                step = partial(tell, bars.add_task(f"{dataset.name} {split}", total=None))
                convert(dataset.name, demo.data(dataset), out, split=split, taxonomy=TAXONOMY, progress=step)


def _draw_tree(demo: Demo, console: Console) -> None:
    file = write_atomically(demo.settings.out / "tree.svg", tree_picture(demo))
    console.print(f"    {file}", highlight=False, soft_wrap=True)


def _train(demo: Demo, console: Console) -> None:
    configs = {head: train_config(demo.settings, head) for head in HEADS}
    found = train_and_score(configs, demo.settings.out / "runs", demo.shards("train"), demo.shards("val"), console)
    for head, (run, scores) in found.items():
        demo.runs[head], demo.scores[head] = run, scores
    results = {head: [e.to_dict() for e in evaluations] for head, evaluations in demo.scores.items()}
    write_atomically(demo.settings.out / "results.json", json_text(results))


def _predict(demo: Demo, console: Console) -> None:
    from labelforge.trainer.prediction import predict

    images = [sorted(demo.data(d).glob(d.val_images))[0] for d in DATASETS]
    result = predict(demo.runs["hierarchical"].out, images, demo.settings.out / "predictions", device="cpu")
    for prediction in result.written:
        console.print(f"    {os.fspath(prediction.overlay)}", highlight=False, soft_wrap=True)
