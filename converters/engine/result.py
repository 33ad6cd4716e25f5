"""The result of a conversion, label by label: what came in, what it became, what is not used and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelforge.inspection.labels import absence, label_lines
from labelforge.mapping import LabelMapping
from labelforge.shards import Manifest
from labelforge.wording import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAME_WIDTH = 44  # columns of the terminal; a longer name may break (all of Vistas 1.2 and nearly all of 2.0 fit)


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

        >>> from labelforge.converters import Conversion, convert
        >>> done: Conversion = convert("cityscapes", "data/cityscapes", "converted", split="train", short_side=512)
        >>> done.manifest.dataset, done.kept, done.notes  # the shards were there already
        ('cityscapes', 1, ())

    Attributes:
        manifest: What the folder holds now.
        mapping: Its label table.
        title: The dataset's name in reports.
        kept: Number of shards kept from an earlier run.
        notes: What else the user should know, such as annotated samples without an image.
    """

    manifest: Manifest
    mapping: LabelMapping
    title: str
    kept: int
    notes: tuple[str, ...]


def terminal_summary(conversion: Conversion) -> RenderableType:
    """The summary for a terminal: a table of the labels that have pixels, totals, and what was left out.

    >>> from rich.console import Console
    >>> from labelforge.converters import convert, terminal_summary
    >>> conversion = convert("cityscapes", "data/cityscapes", "converted", split="train", short_side=512)
    >>> Console(width=80).print(terminal_summary(conversion))  # doctest: +ELLIPSIS
    Cityscapes, train...5 samples in 1 shard (1 kept from before)...
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    totals = conversion.manifest.totals
    table = Table(
        title=f"{conversion.title}, {conversion.manifest.split}", title_justify="left", box=None, pad_edge=False
    )
    lines = label_lines(conversion.mapping, [record.pixels for record in conversion.manifest.labels])
    longest = max((len(line.name) for line in lines if line.pixels), default=0)
    # Only names break in the middle of a word, so they get their space first.
    table.add_column("label", overflow="fold", no_wrap=longest <= _NAME_WIDTH)
    table.add_column("pixels in", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("became", overflow="fold")  # or why not: a column for that would leave the names no room
    for line in lines:
        if line.pixels:
            share = f"{line.pixels / totals.pixels:.2%}"
            style = "dim" if line.why_not else None
            table.add_row(
                Text(printable(line.name)),
                f"{line.pixels:,}",
                share,
                Text(printable(line.became or f"not used: {line.why_not}")),
                style=style,
            )
    absent = [line.name for line in lines if not line.pixels and line.row > 0]
    parts: list[RenderableType] = [table, Text(f"\n{_totals(conversion)}")]
    if absent:
        parts.append(Text(absence(absent, len(lines) - 1), style="dim"))
    parts += [Text(printable(f"note: {note}"), style="yellow") for note in conversion.notes]
    parts += [
        Text(printable(f"left out: {skipped.key}: {skipped.reason}"), style="yellow") for skipped in totals.skipped
    ]
    return Group(*parts)


def _totals(conversion: Conversion) -> str:
    totals, shards = conversion.manifest.totals, conversion.manifest.shards
    kept = f" ({conversion.kept} kept from before)" if conversion.kept else ""
    skipped = f", {len(totals.skipped)} left out" if totals.skipped else ""
    count = f"{totals.samples:,} sample{'s' * (totals.samples != 1)} in {len(shards)} shard{'s' * (len(shards) != 1)}"
    return (
        f"{count}{kept}{skipped}; "
        f"{totals.pixels:,} pixels: {totals.used / totals.pixels:.1%} used, "
        f"{totals.ignored / totals.pixels:.1%} ignored, {totals.unannotated / totals.pixels:.1%} not annotated"
    )
