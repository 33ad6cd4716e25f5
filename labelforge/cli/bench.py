"""``labelforge bench``: how fast loss, inference, training and loading are."""

from __future__ import annotations

import re
from pathlib import Path

import click

from labelforge.errors import ConfigError

__all__ = ["command"]


@click.command("bench")
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Arithmetic of the networks; auto: bfloat16 on CUDA, else float32.",
)
@click.option("--full", is_flag=True, help="The paper's sizes on a CPU too; takes minutes.")
@click.option("--size", metavar="HxW", help="Height and width of the images, e.g. 520x706.")
@click.option("--batch", type=click.IntRange(min=1), help="Images per call; for loader, images in its folder.")
@click.option("--backbone", help="Backbone of infer and train; default: resnet50.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="Timed calls of every rival; default: what fits 2 seconds, 5 to 25.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads that PyTorch computes with; default: its own choice. Leave cores that others use alone.",
)
@click.option("--shards", metavar="DIR", help="Shards for loader; default: synthetic ones.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write everything measured as JSON.")
def command(
    suites: tuple[str, ...],
    device: str,
    precision: str,
    full: bool,
    size: str | None,
    batch: int | None,
    backbone: str | None,
    repeats: int | None,
    threads: int | None,
    shards: str | None,
    json_file: Path | None,
) -> None:
    """Measure speed and memory, each number beside a rival's from the same run.

    \b
    SUITE     measures                                 beside
    loss      the hierarchical loss                    one flat cross-entropy; a stored map per classifier
    infer     image to class map, the decision rule    the same backbone with a flat head; an argmax
    train     a whole training step                    a plain training step of a flat network
    loader    random access to shards                  the same images as loose files

    Without SUITE all are run, in the paper's problem (tree iv2018, 108 classes, ResNet-50). On a GPU they have the
    paper's sizes; on a CPU smaller ones, which is said beside the numbers, unless --full or --size asks for others.
    """  # noqa: D301 -- \b is click's mark for text that keeps its lines
    from rich.console import Console

    from labelforge.bench import BenchConfig, render, run_bench
    from labelforge.bench.config import suite_names
    from labelforge.files import write_atomically

    config = BenchConfig(
        suites=suite_names(suites),
        device=device,
        precision=precision,
        full=full,
        size=None if size is None else _size(size),
        batch=batch,
        backbone=backbone,
        repeats=repeats,
        threads=threads,
        shards=shards,
    )
    screen = Console(stderr=True)
    with screen.status("starting") as status:
        report = run_bench(config, say=status.update)
    Console().print(render(report))
    if json_file is not None:
        write_atomically(json_file, report.model_dump_json(indent=1) + "\n")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise ConfigError(f"--size {text!r} is not of the form HxW", cure="Write 520x706, for example.")
    return int(match[1]), int(match[2])
