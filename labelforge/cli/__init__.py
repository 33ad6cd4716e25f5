"""The command line: ``labelforge COMMAND``.

One thin file per command; each is imported only when it is used, so that ``labelforge --help`` answers at once. This
file is also the one place where a :class:`~labelforge.errors.LabelforgeError` becomes a line on the terminal and exit
code 2.
"""

from __future__ import annotations

import importlib
import sys

import click

from labelforge import __version__
from labelforge.errors import LabelforgeError, did_you_mean

COMMANDS = {
    "demo": "Render, convert, train and compare on synthetic data.",
    "convert": "Turn a dataset on disk into labelforge shards.",
    "init": "Describe images and labels of your own in a dataset.yaml.",
    "datasets": "List the datasets that can be converted, and the layout of each.",
    "inspect": "See what shards hold, in the terminal or as a page of pictures.",
    "verify": "Check that shards are whole and unchanged.",
    "stats": "Write the pixel counts of shards as CSV.",
    "lint": "Check what a taxonomy and its mappings would teach.",
    "taxonomy": "Draft a mapping for new labels, compare two trees, print JSON Schemas.",
    "retarget": "Switch shards to another taxonomy without converting again.",
    "tree-viz": "Show a taxonomy and which dataset supervises what.",
    "train": "Train one network on shards of several datasets.",
    "evaluate": "Score a trained network in each dataset's own labels.",
    "predict": "Segment images and videos with a trained network.",
    "export": "Write a trained network as ONNX, or shards as masks, COCO, Parquet or YOLO.",
    "bench": "Measure loss, inference, training and loading speed.",
}
"""Every command and its one-line help; ``tree-viz`` is in ``labelforge/cli/tree_viz.py``."""


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"labelforge.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}. {did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="labelforge")
def cli() -> None:
    """Train one segmentation network from datasets whose labels disagree."""


def main() -> None:
    """Run the command line; a user's mistake becomes one line on standard error and exit code 2."""
    try:
        cli(standalone_mode=True)
    except LabelforgeError as fault:
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(str(fault), err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output is gone (a pager that was quit), so there is nobody to tell.
        sys.stderr.close()
        sys.exit(141)
    except OSError as fault:
        # A file or folder cannot be used after all (no permission, a name too long, a failing disk).
        if fault.errno is None:
            raise  # not from the system but a bug of ours: its traceback matters
        what = f"{fault.strerror}. Check the disk and its free space."  # as a write that fails says no path
        if fault.filename is not None:
            what = f"{fault.filename}: cannot be used ({fault.strerror}). Check the path and your permissions."
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(what, err=True)
        sys.exit(2)
