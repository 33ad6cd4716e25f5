"""``labelforge init FOLDER``: looks at images and labels, and writes the ``dataset.yaml`` that describes them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from labelforge.console import output_file
from labelforge.errors import ConfigError


@click.command("init")
@click.argument("folder", type=click.Path())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=output_file,
    help="Write to FILE, which must not be there yet; -: print it. Default: FOLDER/dataset.yaml.",
)
def command(folder: str, output: str | None) -> None:
    """Look at a FOLDER of images and labels of your own, and write a dataset.yaml that describes it.

    It finds out which label belongs to which image, the splits, how labels are stored, and which values, colours or
    classes occur, and says in comments what it saw, what it could not pair, and what it only guessed. Check the file,
    then say in a mapping what the classes mean; no Python is needed to convert the data.

    Known are masks (values, palette, colours or COCO's panoptic format), and boxes and polygons of COCO, Pascal VOC,
    YOLO, KITTI, labelme, CVAT, Supervisely, VGG Image Annotator and CSV files, with a first line of names or without.
    """
    from labelforge.converters.init.describe import describe
    from labelforge.files import write_output

    target = Path(folder) / "dataset.yaml" if output is None else Path(output)
    if output != "-" and target.exists():
        cure = "Delete it, or name another file with -o."
        raise ConfigError("there is such a file already, and it is not replaced", where=target, cure=cure)
    found = describe(folder)
    if output == "-":
        click.echo(found.text, nl=False)
        return
    write_output(target, found.text)
    _say(
        folder,
        target,
        found.dataset.kind,
        len(found.dataset.space.labels),
        next(iter(found.dataset.splits)),
        found.known,
    )


def _say(folder: str, target: Path, kind: str, classes: int, split: str, known: str | None) -> None:
    """What was written, and what to do next."""
    beside = target.resolve().parent == Path(folder).resolve()
    root = "" if beside else f" {shlex.quote(os.fspath(folder))}"
    file, mapping = shlex.quote(str(target)), shlex.quote(str(target.with_name("mapping.yaml")))
    click.echo(f"{target}: {kind} of {classes} {'class' if classes == 1 else 'classes'}. Check it, then:")
    click.echo(f"  labelforge taxonomy draft {file} --taxonomy streets -o {mapping}")
    click.echo(f"  labelforge lint streets --dataset {file}")
    click.echo(f"  labelforge convert {file}{root} OUT --split {split}")
    if known is not None:
        command = f"labelforge convert {known} {shlex.quote(folder)} OUT"
        click.echo(f"The folder has the layout of {known}; without any of this: {command}")
