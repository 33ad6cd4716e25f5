"""``labelforge stats``: pixel counts of shards as CSV."""

from __future__ import annotations

import click

from labelforge.console import output_option, print_or_write


@click.command("stats")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option(
    "--per",
    type=click.Choice(["label", "sample", "sample-label"]),
    default="label",
    help="What a line stands for: a label, a sample, or a label in a sample (long form). Default: label.",
)
@output_option
def command(shards: tuple[str, ...], per: str, output: str | None) -> None:
    """Write what shards hold in numbers, as CSV, without reading a picture.

    Per label: its row, native id and name, what it means in the tree, its pixels, their share and in how many images it
    occurs. Per sample: size, and the shares used, ignored and not annotated. Per sample-label: the pixels of every
    label in every sample. Every line says of which shards it is, so that several SHARDS go into one file.
    """
    from labelforge.inspection import label_statistics

    table = label_statistics(shards, per)  # type: ignore[arg-type]
    print_or_write(output or "-", table.to_csv(index=False, lineterminator="\n"))
