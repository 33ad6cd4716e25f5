"""``labelforge predict``: segment images and videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelforge.console import LOGIT_ADJUSTMENT_HELP, SHORT_SIDE_HELP, over_option, precision_option, progress_bar

if TYPE_CHECKING:
    from labelforge.trainer.config import Precision
    from labelforge.trainer.prediction import PredictResult
    from labelforge.trainer.readout import By, Over


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--label-space",
    metavar="NAME",
    help="Ids to write: 'tree' for the tree's class ids, or a dataset for its native ids, e.g. cityscapes. "
    "Default: those of --name-as, else tree.",
)
@click.option(
    "--name-as",
    metavar="NAME",
    help="Names that a benchmark's own tools look for (cityscapes, mapillary-vistas-1.2, mapillary-vistas-2.0, "
    "ade20k-150, bdd100k), with the ids that they read; or a template such as '{folder}/{stem}_pred'.",
)
@click.option(
    "--by",
    type=click.Choice(["sum", "winner"]),
    help="In a dataset's labels: the label whose classes are together the most probable, or the one that contains "
    "the decision. Default: sum, but void where most likely no label can be named; for a dataset of boxes winner.",
)
@over_option
@click.option("--logit-adjustment", type=float, metavar="T", help=LOGIT_ADJUSTMENT_HELP)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="T",
    help="Answer only what is at least this probable: a decision stops at the node where it is less, say at 'vehicle'; "
    "in a dataset's labels by sum, a less probable label is void.",
)
@click.option("--soft", is_flag=True, help="Also write OUT/confidence/NAME.png, 16 bit grey: probability times 65535.")
@click.option("--video-ids", is_flag=True, help="Of videos, also write the id map of every frame.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run wrote to OUT.")
@click.option("--short-side", type=click.IntRange(min=1), help=SHORT_SIDE_HELP)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@precision_option
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    images: tuple[str, ...],
    out: Path,
    label_space: str | None,
    name_as: str | None,
    by: By | None,
    over: Over | None,
    logit_adjustment: float | None,
    confidence: float,
    soft: bool,
    video_ids: bool,
    overwrite: bool,
    short_side: int | None,
    device: str,
    precision: Precision | None,
) -> None:
    """Segment images and videos with a trained network.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint), its best (RUN/best), one checkpoint's
    folder, or a file of 'labelforge export'. IMAGES are files, folders or quoted glob patterns; what labelforge wrote
    is left out.

    \b
    OUT/ids/NAME.png        the id of every pixel, grey 8 or 16 bit
    OUT/overlays/NAME.jpg   the image in the ids' colours; of a video, NAME.mp4
    OUT/legend.html         the classes that occur, for people
    OUT/classes.json        all ids, for programs

    NAME is the file's name without suffix, and more of its path where several share it. In a dataset's label space,
    pixels that fit none of its labels get the dataset's own void id; where it has none, 255 (65535 in 16 bit maps).

    Files that cannot be read are listed at the end, and the exit code is 1.
    """  # noqa: D301 -- \b is click's mark for text that keeps its lines
    from labelforge.trainer.prediction import predict

    with progress_bar(transient=True) as bar:
        task = bar.add_task("predict", total=None)
        result = predict(
            run,
            images,
            out,
            label_space=label_space,
            name_as=name_as,
            by=by,
            over=over,
            logit_adjustment=logit_adjustment,
            confidence=confidence,
            soft=soft,
            video_ids=video_ids,
            overwrite=overwrite,
            device=device,
            short_side=short_side,
            precision=precision,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    click.echo(_summary(result, out))
    click.echo(f"{out / 'legend.html'} shows the classes that occur, {out / 'classes.json'} lists all ids.")
    if result.failures:
        click.echo(f"{len(result.failures)} of {len(result.failures) + len(result.written)} files failed:", err=True)
        for fault in result.failures:
            click.echo(f"  {fault}", err=True)
        context.exit(1)


def _summary(result: PredictResult, out: Path) -> str:
    videos = sum(prediction.overlay.suffix == ".mp4" for prediction in result.written)
    images = len(result.written) - videos
    counts = [f"{n} {kind}{'s' * (n != 1)}" for n, kind in ((images, "image"), (videos, "video")) if n]
    places = [f"overlays in {out / 'overlays'}"]
    if any(prediction.ids for prediction in result.written):
        whose = "the tree" if result.label_space == "tree" else result.label_space
        places.insert(0, f"id maps (ids of {whose}) in {out / 'ids'}")
    return f"Segmented {' and '.join(counts)}: {', '.join(places)}."
