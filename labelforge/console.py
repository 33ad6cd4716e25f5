"""What several commands print or write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["narrow_console", "write_json", "write_text"]

_WIDEST = 100  # columns: longer lines are harder to read than wrapped ones


def narrow_console() -> Console:
    """A console for tables and running text: as wide as the terminal, but no wider than is good to read."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, _WIDEST)
    return console


def write_json(target: str, data: Any) -> None:
    """Write JSON to a file, or to standard output for ``-``.

    Raises:
        ConfigError: The file cannot be written.
    """
    write_text(target, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def write_text(target: str, text: str | bytes) -> None:
    """Write text, or the bytes of a picture, to a file, or to standard output for ``-``.

    Raises:
        ConfigError: The file cannot be written.
    """
    from labelforge.report import write_atomically

    if target == "-":
        click.echo(text, nl=False)
        return
    try:
        write_atomically(target, text)
    except OSError as fault:
        raise ConfigError(
            f"cannot be written ({fault.strerror or fault})",
            where=target,
            cure="Give a file in a folder that exists and may be written to.",
        ) from None
