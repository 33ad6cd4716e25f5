"""What the commands share on a terminal: width, progress bar, and output that goes to a file or to the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from labelforge.files import check_output, json_text, write_output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task

_WIDEST = 100  # columns: longer lines are harder to read than wrapped ones


def output_file(_: click.Context, __: click.Parameter, target: str | None) -> str | None:
    """Callback of an option that names a file to write: it is checked now, not after an hour of work.

    Raises:
        ConfigError: The file cannot be written.
    """
    if target is not None:
        check_output(target)
    return target


over_option = click.option(
    "--over",
    type=click.Choice(["nodes", "leaves"]),
    help="What a flat-union network decides between: all that its labels name, or only what holds no other of these. "
    "Default: nodes. Other heads have no answers that hold others.",
)
"""The option of commands that can read a flat-union network without the answers that hold others."""

precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="Arithmetic of the network. bfloat16 takes a third of the time on processors that have it (AVX512-BF16, AMX), "
    "and one to four pixels in a hundred are decided otherwise; auto: bfloat16 on CUDA, else float32. Default: as the "
    "run; of an ONNX file float32 (bfloat16 needs OpenVINO).",
)
"""The option of commands that ask a trained network."""

json_option = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    callback=output_file,
    help="Write everything to FILE as JSON; -: print only the JSON.",
)
"""The option ``--json FILE`` of every command that has it; the command's argument is ``json_file``."""

output_option = click.option(
    "-o", "--output", metavar="FILE", callback=output_file, help="Write to FILE; -: print it (the default)."
)
"""The option ``-o FILE`` of a command whose result is one text or picture; None if it is not given."""

LOGIT_ADJUSTMENT_HELP = (
    "Take rare classes for less rare than they were in training (Menon et al. 2021), -1 to 2: 0 is as trained, 1 as if "
    "all classes had been equally frequent. More of them is found, and more is taken for them. Below 0 it is frequent "
    "classes that gain."
)

SHORT_SIDE_HELP = "Length in pixels of an image's shorter side as the network sees it; default: as in training."


def narrow_console(*, aside: bool = False) -> Console:
    """A console for tables and running text: as wide as the terminal, but no wider than is good to read.

    Args:
        aside: On standard error, where standard output is for something else.
    """
    from rich.console import Console

    console = Console(highlight=False, stderr=aside)
    console.width = min(console.width, _WIDEST)
    return console


def progress_bar(console: Console | None = None, *, indent: int = 0, transient: bool = False) -> Progress:
    """A progress bar that looks like all others (:func:`bar_columns`).

    Args:
        console: Where to draw it; default: standard error, so that standard output stays clean.
        indent: Columns to leave free on the left.
        transient: Remove the bar when it is done, and show none where there is no terminal.
    """
    from rich.console import Console
    from rich.progress import Progress

    screen = console or Console(stderr=True)
    hidden = transient and not screen.is_terminal
    return Progress(*bar_columns(indent), console=screen, transient=transient, disable=hidden)


def bar_columns(indent: int = 0) -> list[ProgressColumn]:
    """Columns of a progress bar: what, bar, done of all, time so far, time left, and the field ``note``, if any.

    Args:
        indent: Columns to leave free on the left.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn
    from rich.text import Text

    class NoteColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(str(task.fields.get("note", "")))

    return [
        TextColumn(" " * indent + "{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeftColumn(),
        NoteColumn(),
    ]


def print_or_write(target: str, content: str | bytes) -> None:
    """Print text, or the bytes of a picture, for the target ``-``; else write it to that file.

    Raises:
        ConfigError: The file cannot be written.
    """
    if target == "-":
        click.echo(content, nl=False)
    else:
        write_output(target, content)


def print_json(target: str, data: Any) -> None:
    """Print data as JSON for the target ``-``; else write it to that file.

    Raises:
        ConfigError: The file cannot be written.
    """
    print_or_write(target, json_text(data))
