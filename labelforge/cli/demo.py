"""``labelforge demo``: the whole pipeline on rendered data, in a few minutes on a laptop."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click


@click.command("demo")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to write to."
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=800, show_default=True, help="Training steps of each network."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of everything random.")
def command(out: Path, steps: int, seed: int) -> None:
    """Show what labelforge does, on rendered street scenes: no download, no GPU.

    Renders three small datasets that disagree, in the layouts of Cityscapes, Mapillary Vistas and GTSDB; converts them;
    draws the tree; trains the hierarchical network and two flat baselines on the same batches; scores all three in each
    dataset's own labels; predicts; and writes it all up in DIR/report.html. An earlier demo in the folder is replaced.
    """
    from rich.console import Console

    from labelforge.demo.page import score_table
    from labelforge.demo.results import verdict
    from labelforge.demo.run import run_demo
    from labelforge.demo.settings import Settings

    console = Console(stderr=True)
    demo = run_demo(Settings(out, steps, seed), console)
    Console().print(score_table(demo))
    click.echo(textwrap.fill(verdict(demo), 80, break_on_hyphens=False))
    click.echo(f"{out / 'report.html'}  (open it in a browser)")
