"""Prints results, and comparisons of results, as text for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from labelforge.bench.cells import (
    CHANGE_COLUMNS,
    CHANGE_LEGEND,
    LEGEND,
    busy,
    change_cells,
    change_title,
    facts,
    finding,
    heading,
    judged_by,
    race_cells,
    race_columns,
    race_title,
    work_cells,
    work_columns,
)
from labelforge.bench.comparison import Comparison, RaceChange
from labelforge.bench.results import BenchReport, Ceilings, Race, SuiteReport

_TITLE = "cyan"
_NAME = 20
"""Columns for the names of contestants, where there is room."""


def render(report: BenchReport) -> Group:
    """A report as something rich can print."""
    return Group(*_parts(report))


def render_comparison(comparison: Comparison) -> Group:
    """A comparison as something rich can print."""
    return Group(*_comparison_parts(comparison))


def _parts(report: BenchReport) -> Iterator[RenderableType]:
    yield Text(heading(report))
    yield Text("\n".join(f"{name:<6} {value}" for name, value in facts(report)))
    yield Text(LEGEND, style="dim")
    if (warning := busy(report.machine)) is not None:
        yield Text(warning, style="yellow")
    for suite in report.suites:
        yield from _suite(suite, report.ceilings)
    yield Text(f"\n{report.seconds:.0f} s in all.", style="dim")


def _suite(suite: SuiteReport, ceilings: Ceilings | None) -> Iterator[RenderableType]:
    yield Text(f"\n{suite.suite}: {suite.work}", style="bold")
    if suite.shrunk is not None:
        yield Text(f"Not the full size: {suite.shrunk}", style="yellow")
    for race in suite.races:
        yield from _race(race, ceilings)
    yield Text(suite.finding)
    if suite.paper is not None:
        yield Text(suite.paper.text, style="bold")


def _race(race: Race, ceilings: Ceilings | None) -> Iterator[RenderableType]:
    yield Text(race_title(race), style=_TITLE)
    table = _table(race_columns(race))
    for entry in race.entries:
        table.add_row(entry.name, *race_cells(race, entry))
    yield table
    if columns := work_columns(race):  # a table of their own: beside the others they need more than 80 columns
        table = _table(columns)
        for entry in race.entries:
            if entry.bytes is not None or entry.flops is not None:
                table.add_row(entry.name, *work_cells(entry, ceilings))
        yield table


def _comparison_parts(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(f"\nCompared with {comparison.old}", style="bold")
    yield from map(Text, comparison.differences)
    yield Text(judged_by(comparison), style="" if comparison.by == "times" else "yellow")
    yield Text(CHANGE_LEGEND, style="dim")
    for race in comparison.races:
        yield Text(change_title(race.title, race.rival), style=_TITLE)
        yield _changes(race)
    yield from (Text(f"Not compared: {text}.", style="dim") for text in comparison.skipped)
    yield Text(finding(comparison), style="bold")


def _changes(race: RaceChange) -> Table:
    table = _table(CHANGE_COLUMNS)
    styles = {"slower": "red", "faster": "green"}
    for change in race.changes:
        table.add_row(change.name, *change_cells(change), style=styles.get(change.verdict))
    return table


def _table(columns: list[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(" " * _NAME)  # as wide as in the other tables, but narrower where the numbers need the room
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table
