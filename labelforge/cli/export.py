"""``labelforge export``: a trained network as an ONNX file, or shards in a format for training elsewhere."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import click

from labelforge.errors import ConfigError

_SHARD_FORMATS = ("masks", "coco", "parquet", "yolo")


@click.command("export")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", *_SHARD_FORMATS]),
    help="What OUT becomes; onnx where OUT ends in .onnx.",
)
@click.option(
    "--classes",
    metavar="CUT",
    help="Of shards: the classes, as nodes ('road, car | van, traffic sign/front'; | puts several into one class), "
    "leaves, depth=2, a .txt or .yaml file, or a label space (cityscapes: all of its labels; cityscapes:evaluated: "
    "those of its benchmark).",
)
@click.option(
    "--rest",
    metavar="NAME",
    help="Of shards: one more class, NAME, for all that surely lies outside the others (background). Default: that is "
    "ignored. What may be in one of them, or has no label, stays ignored.",
)
@click.option(
    "--split-names",
    multiple=True,
    metavar="OLD=NEW",
    help="Of shards: what a split is called in OUT (repeatable). Default: training=train, validation=val, valid=val, "
    "testing=test; others keep their name.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
def command(
    sources: tuple[str, ...],
    out: Path,
    form: str | None,
    classes: str | None,
    rest: str | None,
    split_names: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Write a trained network as an ONNX file, or shards in a format for training elsewhere.

    RUN OUT.onnx writes a network, SHARDS... OUT --format masks|coco|parquet|yolo --classes CUT writes data.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint), its best (RUN/best) or one checkpoint's
    folder. The file takes RGB images of any size, (N, 3, H, W) uint8, and gives the choices of all classifiers,
    (N, C, h, w) float32, at the network's stride; its metadata say what they mean and how large the network is to see
    an image. 'labelforge predict' and 'evaluate' take it as RUN. Before it is written, its logits are compared with the
    network's. It needs the packages of pip install 'labelforge[onnx]'.

    SHARDS are folders that 'labelforge convert' wrote, of one tree; OUT is a new folder. A label that lies inside one
    class of CUT becomes that class, any other is ignored (or with --rest NAME the class NAME, if it surely lies outside
    all others); the table, OUT/report.html and OUT/classes.json say which and
    why. masks are label maps beside images, with a dataset file for mmsegmentation; coco opens in pycocotools, parquet
    in Hugging Face datasets (pip install 'labelforge[hf]'), yolo in Ultralytics.
    """
    if not sources:
        cure = "Write: labelforge export SHARDS... OUT --format masks --classes CUT, or labelforge export RUN OUT.onnx."
        raise ConfigError("there is one path, but it takes what to export and OUT", where=out, cure=cure)
    if form is None and out.suffix == ".onnx":
        form = "onnx"
    if form is None:
        cure = f"Add --format with one of {', '.join(_SHARD_FORMATS)}, or name a file that ends in .onnx."
        raise ConfigError("is no ONNX file, and no format is given", where=out, cure=cure)
    if form == "onnx":
        given = [
            name for name, value in (("--classes", classes), ("--rest", rest), ("--split-names", split_names)) if value
        ]
        if given:
            raise ConfigError(f"{given[0]} is for shards, not for a network", cure="Leave it out, or add --format.")
        if len(sources) > 1:
            raise ConfigError(f"{len(sources)} runs for one ONNX file", cure="Name one RUN and one OUT.onnx.")
        _export_network(Path(sources[0]), out, overwrite)
        return
    if classes is None:
        cure = "Name nodes, or write leaves, depth=2, a file, or a label space such as cityscapes:evaluated."
        raise ConfigError(f"the format {form} needs --classes", cure=cure)
    _export_shards(sources, out, form, classes, rest, _pairs(split_names), overwrite)


def _export_network(run: Path, out: Path, overwrite: bool) -> None:
    from labelforge.trainer.export import export_onnx
    from labelforge.trainer.onnx_file import OnnxFile

    written = OnnxFile.open(export_onnx(run, out, overwrite=overwrite))
    size = written.file.stat().st_size / 1e6
    click.echo(
        f"Wrote {written.file} ({size:.1f} MB): step {written.step}, tree {written.taxonomy.name}, "
        f"{written.layout.num_logits} logits."
    )
    click.echo(f"Next: labelforge predict {shlex.quote(str(written.file))} IMAGES... --out DIR")


def _export_shards(
    shards: tuple[str, ...],
    out: Path,
    form: str,
    classes: str,
    rest: str | None,
    split_names: dict[str, str],
    overwrite: bool,
) -> None:
    from labelforge.cli._following import following
    from labelforge.console import narrow_console
    from labelforge.exports import export_shards, export_summary

    try:
        with following(f"export {form}", "samples") as follow:
            export = export_shards(
                shards,
                out,
                to=form,
                classes=classes,
                rest=rest,
                split_names=split_names,
                overwrite=overwrite,
                progress=follow,
            )
    except KeyboardInterrupt:
        click.echo(f"Interrupted: nothing is left in {out}.", err=True)
        raise SystemExit(128 + signal.SIGINT) from None
    console = narrow_console()
    console.print(export_summary(export))
    console.print(f"{out}/report.html", style="dim", soft_wrap=True)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        old, separator, new = text.partition("=")
        if not (old and separator and new):
            raise ConfigError(f"--split-names {text!r} is not of the form OLD=NEW", cure="Write training=train.")
        pairs[old] = new
    return pairs
