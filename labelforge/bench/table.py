"""Prints results as text for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from labelforge.bench.results import BenchReport, Entry, Machine, Race, SuiteReport

_BUSY = 0.5
"""Load per core, before the run, above which times are reported as unreliable."""
_LEGEND = (
    "In brackets: quartiles. Rivals take turns; a ratio is the median over the turns. "
    "Memory: peak of one call beyond what was held before; -: not measured."
)


def render(report: BenchReport) -> Group:
    """A report as something rich can print."""
    return Group(*_parts(report))


def _parts(report: BenchReport) -> Iterator[RenderableType]:
    yield Text(f"labelforge {report.labelforge} on {report.device}, networks in {report.precision}")
    yield Text("\n".join(_machine_lines(report.machine)))
    yield Text(_LEGEND, style="dim")
    load, cores = report.machine.load, report.machine.cores
    if load is not None and load > cores * _BUSY:
        text = f"Others use this machine (load {load:.1f} on {cores} cores): trust ratios, not times; see --threads."
        yield Text(text, style="yellow")
    for suite in report.suites:
        yield from _suite(suite)
    yield Text(f"\n{report.seconds:.0f} s in all.", style="dim")


def _machine_lines(machine: Machine) -> Iterator[str]:
    busy = "" if machine.load is None else f", load before {machine.load:.1f}"
    memory = "" if machine.memory is None else f", {_gib(machine.memory)} RAM"
    yield f"CPU    {machine.cpu}, {machine.cores} cores, {machine.threads} used{memory}{busy}"
    if (gpu := machine.gpu) is not None:
        yield f"GPU    {gpu.name}, {_gib(gpu.memory)}, driver {gpu.driver or 'unknown'}, CUDA {gpu.cuda or 'unknown'}"
    yield f"torch  {machine.torch}, Python {machine.python}, {machine.system}"


def _suite(suite: SuiteReport) -> Iterator[RenderableType]:
    yield Text(f"\n{suite.suite}: {suite.work}", style="bold")
    if suite.shrunk is not None:
        yield Text(f"Not the full size: {suite.shrunk}", style="yellow")
    yield from map(_race, suite.races)
    yield Text(suite.finding)
    if suite.paper is not None:
        yield Text(suite.paper.text, style="bold")


def _race(race: Race) -> Table:
    table = Table(
        title=f"{race.title} ({len(race.entries[0].seconds)} turns, ratio to {race.rival})",
        title_justify="left",
        title_style="cyan",
        box=None,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    table.add_column("", min_width=20)
    for name in ("time", f"{race.unit}/s", "memory", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in race.entries:
        memory = "-" if entry.peak_memory is None else f"{entry.peak_memory / 2**20:.0f} MiB"
        table.add_row(entry.name, _time(entry), _number(entry.rate), memory, _ratio(entry, race))
    return table


def _time(entry: Entry) -> str:
    low, median, high = entry.quartiles
    unit, factor = ("s", 1.0) if median >= 1 else ("ms", 1e3)
    return f"{_number(median * factor)} ({_number(low * factor)}-{_number(high * factor)}) {unit}"


def _ratio(entry: Entry, race: Race) -> str:
    if entry.name == race.rival:
        return "1" + " " * len(" (1.00-1.00)")
    low, median, high = entry.ratio.turns
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def _gib(size: int) -> str:
    return f"{size / 2**30:.0f} GiB"


def _number(value: float) -> str:
    """Three significant digits, never in powers of ten above 1."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"
