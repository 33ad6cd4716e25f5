"""``labelforge datasets``: what can be converted, the layout that is expected, and where to get it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import TYPE_CHECKING

import click

from labelforge.console import narrow_console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from labelforge.converters import Converter


@click.command("datasets")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the datasets that 'labelforge convert' reads; of one NAME, its layout, splits, options and home page.

    Datasets of other packages are listed too.
    """
    from labelforge.converters import available, find_converter

    console = narrow_console()
    if name is None:
        console.print(_table(list(available())))
        console.print("\n'labelforge datasets NAME' says more of one.", style="dim")
        console.print("Data of your own: 'labelforge init FOLDER' describes it for 'labelforge convert'.", style="dim")
        return
    for part in _facts(find_converter(name)):
        console.print(part, markup=False, soft_wrap=True)


def _table(names: list[str]) -> RenderableType:
    from rich.table import Table

    from labelforge.converters import find_converter
    from labelforge.errors import ConfigError

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("name", "dataset", "splits"):
        table.add_column(title, overflow="fold")
    for name in names:
        try:
            kind = find_converter(name)
        except ConfigError as error:
            table.add_row(name, str(error), "")
            continue
        table.add_row(name, kind.title, ", ".join(kind.splits))
    return table


def _facts(kind: type[Converter]) -> Iterator[RenderableType]:
    from rich.text import Text

    from labelforge.converters.registry import option_names

    yield Text(kind.title, "bold")
    if kind.layout:
        yield Text("layout, below ROOT:")
        yield Text(indent(kind.layout, "  "))
    yield Text(f"splits: {', '.join(kind.splits)}")
    for option in option_names(kind):
        yield Text(f"--option {option}={kind.option_help.get(option, '...')}")
    if kind.home:
        yield Text(f"from: {kind.home}")
    yield Text(f"labelforge convert {kind.name} ROOT OUT --split {kind.splits[0]}", "dim")
