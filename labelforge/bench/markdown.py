"""Results, and comparisons of results, as Markdown with tables, for a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

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
from labelforge.bench.comparison import Comparison
from labelforge.bench.results import BenchReport, Ceilings, Race


def report_markdown(report: BenchReport) -> str:
    """A report as Markdown, with everything that the table on a terminal shows."""
    return "\n\n".join(_parts(report)) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    """A comparison as Markdown."""
    return "\n\n".join(_comparison_parts(comparison)) + "\n"


def _parts(report: BenchReport) -> Iterator[str]:
    yield _escaped(heading(report))
    yield _list(f"{name}: {value}" for name, value in facts(report))
    if (warning := busy(report.machine)) is not None:
        yield _escaped(warning)
    for suite in report.suites:
        yield f"### {_escaped(f'{suite.suite}: {suite.work}')}"
        if suite.shrunk is not None:
            yield _escaped(f"Not the full size: {suite.shrunk}")
        for race in suite.races:
            yield _escaped(race_title(race))
            yield _race(race, report.ceilings)
        yield _escaped(suite.finding)
        if suite.paper is not None:
            yield _escaped(suite.paper.text)
    yield _escaped(f"{LEGEND} {report.seconds:.0f} s in all.")


def _race(race: Race, ceilings: Ceilings | None) -> str:
    extra = work_columns(race)
    rows = []
    for entry in race.entries:
        counted = work_cells(entry, ceilings) if extra else []
        rows.append([entry.name, *race_cells(race, entry), *counted])
    return _table([*race_columns(race), *extra], rows)


def _comparison_parts(comparison: Comparison) -> Iterator[str]:
    yield f"### {_escaped(f'Compared with {comparison.old}')}"
    if comparison.differences:
        yield _list(comparison.differences)
    yield _escaped(judged_by(comparison))
    for race in comparison.races:
        yield _escaped(change_title(race.title, race.rival))
        yield _table(CHANGE_COLUMNS, [[change.name, *change_cells(change)] for change in race.changes])
    if comparison.skipped:
        yield "Not compared:"
        yield _list(comparison.skipped)
    yield _escaped(finding(comparison))
    yield _escaped(CHANGE_LEGEND)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column has no head; numbers are set to the right."""
    lines = [
        ["", *columns],
        ["---", *["---:"] * len(columns)],
        *([_escaped(cell.strip()) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_escaped(line)}" for line in lines)


def _escaped(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_|<>\[\]~#])", r"\\\1", text)
