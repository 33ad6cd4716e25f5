"""``labelforge bench``: how fast loss, inference, training, loading and conversion are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from labelforge.console import json_option, narrow_console, print_json
from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from labelforge.bench import BenchReport, Comparison

_FILE_OPTIONS = frozenset({"stored", "compare", "markdown", "json_file"})  # those that say nothing of what is measured


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
@click.option("--full", is_flag=True, help="Measure the paper's sizes on a CPU too; takes many minutes.")
@click.option("--size", metavar="HxW", help="Height and width of the images, e.g. 520x706.")
@click.option("--batch", type=click.IntRange(min=1), help="Images per call; for loader and convert: how many in all.")
@click.option("--backbone", help="Backbone for infer and train; default: resnet50.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="Timed calls of each contestant; default: as many as fit in 2 seconds, 5 to 25.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads for PyTorch; default: its own choice. Leave out cores that other programs use.",
)
@click.option("--shards", metavar="DIR", help="Shards for loader to read; default: synthetic ones.")
@click.option("--cityscapes", metavar="DIR", help="Cityscapes for convert to read; default: synthetic frames.")
@click.option(
    "--compare",
    metavar="OLD.json",
    help="Also show what became slower or faster than in a report of --json; see below.",
)
@click.option("--from", "stored", metavar="NEW.json", help="Measure nothing: take the results from a report of --json.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a README or an issue.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    suites: tuple[str, ...],
    size: str | None,
    compare: str | None,
    stored: str | None,
    json_file: str | None,
    *,
    markdown: bool,
    **settings: Any,
) -> None:
    """Measure speed and memory, each against a rival in the same run.

    \b
    SUITE   measures                 against
    loss    the hierarchical loss    a cross-entropy per classifier; a flat one
    decide  the decision rule        an argmax; plain PyTorch
    infer   image to class map       the same backbone with a flat head
    train   a whole training step    a training step of a flat network
    loader  training samples         a folder of png files; webdataset, litdata
            random access to shards  the same images as loose files
    convert a dataset to shards      decoding all images; Datumaro, if installed

    Without SUITE, all suites run. The task is the paper's: tree iv2018, 108 classes, ResNet-50. A GPU measures the
    paper's sizes, a CPU smaller ones unless --full or --size says otherwise; the output says what is smaller.

    With --compare, the exit code is 1 if something became slower: if its median grew by more than 5 % and the spread of
    its new turns lies wholly above the old one's. Times count on the same machine, if others left it alone; else the
    ratios to the rivals.
    """  # noqa: D301 -- \b is click's mark for text that keeps its lines
    from rich.console import Console

    from labelforge.bench import BenchConfig, compare_reports, read_report, run_bench
    from labelforge.bench.config import suite_names

    old = None if compare is None else read_report(compare)  # before minutes of measuring
    if stored is not None:
        _refuse_settings(context)
        report = read_report(stored)
    else:
        config = BenchConfig(suites=suite_names(suites), size=None if size is None else _size(size), **settings)
        with Console(stderr=True).status("starting") as status:
            report = run_bench(config, say=status.update)
    if json_file != "-":
        _print(report, markdown=markdown)
    if json_file is not None:
        print_json(json_file, report.model_dump(mode="json"))
    if old is not None and compare is not None:
        comparison = compare_reports(old, report, compare)
        _print(comparison, markdown=markdown, aside=json_file == "-")
        context.exit(int(bool(comparison.changed("slower"))))


def _print(result: BenchReport | Comparison, *, markdown: bool, aside: bool = False) -> None:
    """Print a report or a comparison; aside: on standard error, since standard output is for something else."""
    from labelforge.bench import Comparison, comparison_markdown, render, render_comparison, report_markdown

    if markdown:
        text = comparison_markdown(result) if isinstance(result, Comparison) else report_markdown(result)
        click.echo(text, err=aside)
    else:
        screen = render_comparison(result) if isinstance(result, Comparison) else render(result)
        narrow_console(aside=aside).print(screen)


def _refuse_settings(context: click.Context) -> None:
    """Refuse settings of a measurement where nothing is measured.

    Raises:
        ConfigError: One was given.
    """
    for parameter in context.command.params:
        given = parameter.name and context.get_parameter_source(parameter.name)
        if given == click.core.ParameterSource.COMMANDLINE and parameter.name not in _FILE_OPTIONS:
            raise ConfigError(
                f"{parameter.opts[0] if parameter.opts[0].startswith('-') else 'SUITE'} is of no use with --from",
                cure="Nothing is measured; leave out one of the two.",
            )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise ConfigError(f"--size {text!r} is not of the form HxW", cure="Write 520x706, for example.")
    return int(match[1]), int(match[2])
