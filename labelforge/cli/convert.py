"""``labelforge convert DATASET [ROOT] OUT``: a dataset on disk becomes shards, a manifest and a report."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from labelforge.errors import ConfigError, LabelforgeError, counted


class _Command(click.Command):
    """A command whose help lists the converters that there are, also those of other packages."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from labelforge.converters import available

        super().format_help_text(ctx, formatter)
        with formatter.section("Datasets"):
            others = [
                ("auto", "whichever ROOT looks like"),
                ("dataset.yaml", "your own, as 'labelforge init' describes it"),
            ]
            formatter.write_dl([*((name, _facts(name)) for name in available()), *others])


def _facts(name: str) -> str:
    """Splits and options of a converter in a few words, or why there are none."""
    from labelforge.converters import find_converter
    from labelforge.converters.registry import option_names

    try:
        kind = find_converter(name)
    except ConfigError as error:
        return str(error)
    options = option_names(kind)
    return "; ".join([f"splits {', '.join(kind.splits)}", *([f"options {', '.join(options)}"] if options else [])])


@click.command("convert", cls=_Command)
@click.argument("dataset")
@click.argument("folders", nargs=-1, metavar="[ROOT] OUT")
@click.option("--split", help="The split, as the dataset calls it; default: its first.")
@click.option(
    "--taxonomy",
    help="A shipped tree, or a folder with tree.yaml. Default: iv2018, or where that does not map the dataset, the "
    "shipped tree that does; of a dataset.yaml, what its mapping names.",
)
@click.option(
    "--short-side",
    type=click.IntRange(min=1),
    help="Scale images down until the shorter side has this many pixels; never up.",
)
@click.option(
    "--image-codec",
    type=click.Choice(["keep", "jpeg", "png", "npy"]),
    default="keep",
    show_default=True,
    help="How images are stored; keep: as they are (ppm as png).",
)
@click.option(
    "--check",
    type=click.Choice(["fast", "decode"]),
    default="fast",
    show_default=True,
    help="How images stored as they are, are proven whole: by checksums, sizes and markers, or decoded in full.",
)
@click.option(
    "--refine",
    is_flag=True,
    help="Boxes whose class has no shape in the tree cover what the image shows to be the object, not all they hold.",
)
@click.option("--follow-links", is_flag=True, help="Also read files outside of ROOT, to which links in it lead.")
@click.option(
    "--samples-per-shard", type=click.IntRange(min=1), default=64, show_default=True, help="Samples per tar file."
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Worker processes; default: one per CPU. 0 or 1: none, convert in this process.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="A Dask scheduler, such as tcp://10.0.0.1:8786, whose workers convert; they must reach ROOT and OUT.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with a broken sample; skipped ones are listed.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier conversion in OUT.")
@click.option(
    "--option",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the dataset, from 'labelforge datasets NAME' (repeatable).",
)
def command(
    dataset: str,
    folders: tuple[str, ...],
    split: str | None,
    taxonomy: str | None,
    short_side: int | None,
    image_codec: str,
    check: str,
    refine: bool,
    follow_links: bool,
    samples_per_shard: int,
    workers: int | None,
    dask: str | None,
    on_error: str,
    overwrite: bool,
    pairs: tuple[str, ...],
) -> None:
    """Convert one split of the dataset in folder ROOT to shards in OUT, a folder or an fsspec URL.

    DATASET is a name from the list below ('labelforge datasets NAME' says more), or auto, which looks at ROOT; or the
    path of a dataset.yaml that describes data of your own (or its folder), where ROOT may be left out if it is the
    folder of the file.

    To resume an interrupted conversion, run the same command again. OUT/report.html shows what came in, what it became,
    and what is not used and why.
    """
    from rich.console import Console

    from labelforge.cli._following import following
    from labelforge.converters import available, convert
    from labelforge.converters.engine.result import terminal_summary
    from labelforge.own_dataset import file_in_folder

    dataset = dataset if dataset in available() else file_in_folder(dataset)
    root, out = _folders(dataset, folders)
    if dataset == "auto":
        dataset, root = _recognised(root or "")
    split = split or _first_split(dataset)
    if dask is not None and workers is not None:
        raise ConfigError("--workers is of no use with --dask", cure="The cluster has the workers; leave out one.")
    with _said_when_interrupted(out, overwrite=overwrite), following(f"{dataset} {split}", "samples") as follow:
        conversion = convert(
            dataset,
            root,
            out,
            split=split,
            taxonomy=taxonomy,
            short_side=short_side,
            image_codec=image_codec,  # type: ignore[arg-type]  # click has checked the choices
            check=check,  # type: ignore[arg-type]
            refine=refine,
            follow_links=follow_links,
            samples_per_shard=samples_per_shard,
            workers=os.cpu_count() or 1 if workers is None else workers,
            on_error=on_error,  # type: ignore[arg-type]
            overwrite=overwrite,
            options=_options(dataset, pairs),
            dask=dask,
            progress=follow,
        )
    console = Console()
    console.print(terminal_summary(conversion))
    console.print(f"{out.rstrip('/')}/report.html", style="dim", soft_wrap=True)


def _recognised(root: str) -> tuple[str, str | None]:
    """The dataset that a folder holds, and its root: none where the folder says itself what it holds."""
    from labelforge.converters import recognise
    from labelforge.own_dataset import file_in_folder

    own = file_in_folder(root)
    return (recognise(root), root) if own == root else (own, None)


@contextmanager
def _said_when_interrupted(out: str, *, overwrite: bool) -> Iterator[None]:
    from labelforge.converters.engine.output import finished_shards
    from labelforge.shards import open_folder

    try:
        yield
    except KeyboardInterrupt:
        try:
            kept = finished_shards(open_folder(out))
        except LabelforgeError:  # behind a URL that does not answer any more
            kept = 0
        again = "without --overwrite, the same command" if overwrite else "the same command"
        then = f"{again} continues from the finished shards" if kept else "no shard was finished yet"
        click.echo(f"Interrupted; {then}.", err=True)
        raise SystemExit(128 + signal.SIGINT) from None


def _folders(dataset: str, folders: tuple[str, ...]) -> tuple[str | None, str]:
    """ROOT and OUT as given; None for the folder of a dataset.yaml."""
    from labelforge.own_dataset import is_dataset_file

    least = 1 if is_dataset_file(dataset) else 2
    if not least <= len(folders) <= 2:
        form = "DATASET.yaml [ROOT] OUT" if least == 1 else f"{dataset} ROOT OUT"
        raise click.UsageError(f"{counted(len(folders) + 1, 'argument')} given. Write: labelforge convert {form}")
    return (folders[0] if len(folders) == 2 else None), folders[-1]


def _first_split(dataset: str) -> str:
    from labelforge.converters import find_converter
    from labelforge.own_dataset import OwnDataset, is_dataset_file

    return next(iter(OwnDataset.load(dataset).splits if is_dataset_file(dataset) else find_converter(dataset).splits))


def _options(dataset: str, pairs: tuple[str, ...]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ConfigError(f"--option {pair!r} is not of the form NAME=VALUE", cure=_forms(dataset, name))
        options[name] = value
    return options


def _forms(dataset: str, name: str) -> str:
    """How options of a dataset are written: the one that is meant, else all."""
    from labelforge.converters.registry import converter_class, option_names

    kind = converter_class(dataset)
    known = option_names(kind)
    meant = [name] if name in known else known
    forms = " or ".join(f"{option}=... ({kind.option_help.get(option, 'see --help')})" for option in meant)
    return f"Write {forms}." if forms else f"{kind.title} has no options."
