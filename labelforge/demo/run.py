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
from itertools import count
from pathlib import Path

from rich.console import Console

from labelforge.demo.networks import train_and_score
from labelforge.demo.page import tree_picture, write_report
from labelforge.demo.processes import Tell, side_by_side
from labelforge.demo.results import results
from labelforge.demo.settings import DATASETS, HEADS, OVER, TAXONOMY, Dataset, Demo, Settings, train_config
from labelforge.demo.writers import write_dataset
from labelforge.errors import ConfigError
from labelforge.files import json_text, write_atomically
from labelforge.leftovers import NewFolder, nothing_left
from labelforge.shards import MANIFEST_NAME

MARKER = ".labelforge-demo"  # says that a folder was made by the demo, and may be made anew
_OWN = (MARKER, "data", "shards", "runs", "predictions", "features", "tree.svg", "report.html", "results.json")


def run_demo(settings: Settings, console: Console) -> Demo:
    """Render, convert, draw the tree, train three networks, evaluate, predict, report.

    What fails before there are shards leaves nothing in a new folder.

    Raises:
        ConfigError: The folder holds something else than an earlier demo, or the networks' weights are not installed.
    """
    check_weights(settings)
    with nothing_left(NewFolder.at(settings.out), _OWN, partial(_kept, settings.out)):
        clear(settings.out)
        return _run(settings, console)


def _kept(out: Path) -> str | None:
    """What stays of a demo that fails."""
    return f"{out / 'shards'} stays." if any(out.glob(f"shards/*/{MANIFEST_NAME}")) else None


def _run(settings: Settings, console: Console) -> Demo:
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
    write_atomically(settings.out / "results.json", json_text(results(demo)))
    return demo


def check_weights(settings: Settings) -> None:
    """Refuse to begin where the weights that all networks start from are missing: better now than after rendering.

    Raises:
        ConfigError: They are not installed; the message says what to install.
    """
    from labelforge.trainer.models.backbones import build_backbone

    model = train_config(settings, HEADS[0]).model
    build_backbone(model.backbone, model.output_stride, model.weights)


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
    # The longest job first, so that the last one to end is a short one.
    datasets = sorted(DATASETS, key=lambda dataset: -dataset.train_scenes)
    side_by_side({d.name: partial(_render_one, demo.settings, d, demo.data(d)) for d in datasets}, console)


def _render_one(settings: Settings, dataset: Dataset, root: Path, tell: Tell) -> None:
    train, val = settings.scenes(dataset.train_scenes), settings.scenes(dataset.val_scenes)
    done = count(1)
    write_dataset(
        dataset.name, root, train, val, settings.seed, dataset.size,
        lambda: tell(dataset.name, next(done), train + val, ""),
    )  # fmt: skip


def _convert(demo: Demo, console: Console) -> None:
    jobs = {}
    for part in ("train", "val"):
        for dataset, out in zip(DATASETS, demo.shards(part), strict=True):
            split = dataset.train if part == "train" else dataset.val
            jobs[f"{dataset.name} {split}"] = partial(_convert_one, dataset.name, demo.data(dataset), out, split)
    side_by_side(jobs, console)


def _convert_one(name: str, root: Path, out: Path, split: str, tell: Tell) -> None:
    from labelforge.converters import convert

    told = partial(_tell_of, tell, f"{name} {split}")
    convert(name, root, out, split=split, taxonomy=TAXONOMY, progress=told)


def _tell_of(tell: Tell, what: str, done: int, total: int) -> None:
    tell(what, done, total, "")


def _draw_tree(demo: Demo, console: Console) -> None:
    file = write_atomically(demo.settings.out / "tree.svg", tree_picture(demo))
    console.print(f"    {file}", highlight=False, soft_wrap=True)


def _train(demo: Demo, console: Console) -> None:
    configs = {head: train_config(demo.settings, head) for head in HEADS}
    train, val = demo.shards("train"), demo.shards("val")
    found = train_and_score(configs, OVER, demo.settings.out / "runs", train, val, console)
    for head, trained in found.items():
        demo.runs[head], demo.scores[head], demo.tallies[head] = trained
    shutil.rmtree(demo.settings.features, ignore_errors=True)  # two hundred megabytes that nothing reads any more


def _predict(demo: Demo, console: Console) -> None:
    from labelforge.trainer.prediction import predict

    images = [sorted(demo.data(d).glob(d.val_images))[0] for d in DATASETS]
    result = predict(demo.runs["hierarchical"].out, images, demo.settings.out / "predictions", device="cpu")
    for prediction in result.written:
        console.print(f"    {os.fspath(prediction.overlay)}", highlight=False, soft_wrap=True)
