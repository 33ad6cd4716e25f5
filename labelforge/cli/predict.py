"""``labelforge predict``: segment images."""

from __future__ import annotations

from pathlib import Path

import click

from labelforge.console import SHORT_SIDE_HELP, progress_bar


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--label-space",
    default="tree",
    show_default=True,
    help="Ids to write: 'tree' for the tree's class ids, or a dataset for its native ids, e.g. cityscapes.",
)
@click.option("--short-side", type=click.IntRange(min=1), help=SHORT_SIDE_HELP)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def command(
    run: Path, images: tuple[str, ...], out: Path, label_space: str, short_side: int | None, device: str
) -> None:
    """Segment images with a trained network.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint) or one checkpoint's folder. IMAGES are files,
    folders or quoted glob patterns. For each image, OUT gets NAME.ids.png (the id of every pixel, 8 or 16 bit grey) and
    NAME.overlay.png; classes.json and legend.html explain ids and colours. In a dataset's label space, pixels that fit
    none of its labels get the id 255 (65535 in 16 bit maps).
    """
    from labelforge.trainer.prediction import predict

    with progress_bar(transient=True) as bar:
        task = bar.add_task("predict", total=None)
        written = predict(
            run,
            images,
            out,
            label_space=label_space,
            device=device,
            short_side=short_side,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    click.echo(f"Wrote {len(written)} id maps and overlays to {out}; {out / 'classes.json'} explains them.")
