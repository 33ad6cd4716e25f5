"""``labelforge lint``: what a tree and its mappings would teach a network, and what in it looks like a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labelforge.console import json_option, narrow_console, print_json

if TYPE_CHECKING:
    from labelforge.treefile import BoxUse


class _ListOptions(click.Command):
    """A command whose repeatable options take several values after the argument: ``TREE --dataset a b``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        repeatable = {name for p in self.params if isinstance(p, click.Option) and p.multiple for name in p.opts}
        if args and not args[0].startswith("-"):
            args = _repeat(args, repeatable)
        return super().parse_args(ctx, args)


def _repeat(args: list[str], repeatable: set[str]) -> list[str]:
    """The same with such an option before each of its values."""
    found: list[str] = []
    option: str | None = None
    for word in args:
        is_option = word.startswith("-") and word != "-"
        if not is_option and option is not None and found[-1] != option:
            found.append(option)
        if is_option:
            option = word if word in repeatable else None
        found.append(word)
    return found


@click.command("lint", cls=_ListOptions)
@click.argument("taxonomy")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option(
    "--boxes",
    type=click.Choice(["own", "path", "drop"]),
    help="Which classifiers boxes train; default: as the tree says. drop: none.",
)
@click.option(
    "--lone-boxes", is_flag=True, help="Boxes also train classifiers of which their dataset says nothing else."
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME...",
    help="Check what these datasets (names, or dataset.yaml files) would teach.",
)
@click.option("--shards", multiple=True, metavar="DIR...", help="Check what the labels of these shards would teach.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    taxonomy: str,
    strict: bool,
    boxes: BoxUse | None,
    lone_boxes: bool,
    datasets: tuple[str, ...],
    shards: tuple[str, ...],
    json_file: str | None,
) -> None:
    """Check what a tree and all mappings in its folder would teach a network.

    TAXONOMY is a shipped name or a folder with tree.yaml. Prints which dataset teaches which class (with --dataset or
    --shards: which classifiers a network trained on these would have, and what they choose from), then what looks
    wrong: classes that no dataset teaches, datasets that would teach "always the same class", labels that no classifier
    can use, classes learnt from boxes alone, mirror partners that disagree, siblings with the same colour, and more,
    each with the reason and what to do. The exit code is 1 if there is an error (with --strict, also for a warning),
    2 if a file cannot be read.
    """
    from labelforge.lint import lint_taxonomy
    from labelforge.lint.terminal import render

    report = lint_taxonomy(taxonomy, boxes, lone_boxes=lone_boxes, datasets=datasets, shards=shards)
    if json_file is not None:
        print_json(json_file, report.to_dict())
    if json_file != "-":
        narrow_console().print(render(report, strict=strict), markup=False)
    context.exit(int(report.fails(strict=strict)))
