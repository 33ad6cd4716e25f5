"""What a report says, as pieces of text: both the table on a terminal and the Markdown are made of these."""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.bench.comparison import Change, Comparison
from labelforge.bench.results import BenchReport, Ceilings, Entry, Machine, Race
from labelforge.errors import counted

LEGEND = (
    "In brackets: quartiles. Rivals take turns; a ratio is the median over the turns. "
    "Memory: peak of one call beyond what was held before; -: not measured."
)


def heading(report: BenchReport) -> str:
    """What was measured, in a line."""
    return f"labelforge {report.labelforge} on {report.device}, networks in {report.precision}"


def facts(report: BenchReport) -> Iterator[tuple[str, str]]:
    """Name and value of what the numbers depend on: processor, GPU, software, ceilings."""
    machine = report.machine
    busy = "" if machine.load is None else f", load before {machine.load:.1f}"
    memory = "" if machine.memory is None else f", {_gib(machine.memory)} RAM"
    yield "CPU", f"{machine.cpu}, {machine.cores} cores, {machine.threads} used{memory}{busy}"
    if (gpu := machine.gpu) is not None:
        versions = f"driver {gpu.driver or 'unknown'}, CUDA {gpu.cuda or 'unknown'}"
        yield "GPU", f"{gpu.name}, {_gib(gpu.memory)}, {versions}"
    yield "torch", f"{machine.torch}, Python {machine.python}, {machine.system}"
    if (ceilings := report.ceilings) is not None:
        copy, product = per_second(ceilings.bytes_per_second, "B"), per_second(ceilings.flops_per_second, "FLOP")
        yield "limits", f"{copy} by copying, {product} by a matrix product in {report.precision}"


def busy(machine: Machine) -> str | None:
    """A warning where others use the machine."""
    if not machine.busy:
        return None
    use = f"load {machine.load:.1f} on {machine.cores} cores"
    return f"Others use this machine ({use}): trust ratios, not times; see --threads."


def race_title(race: Race) -> str:
    """Title, turns and rival of a race, and what timed it unless that was the host."""
    clock = "" if race.clock == "host" else f", {race.clock}"
    return f"{race.title} ({len(race.entries[0].seconds)} turns{clock}, ratio to {race.rival})"


def race_columns(race: Race) -> list[str]:
    """Heads of the columns of a race, but for the contestant's name."""
    return ["time", f"{race.unit}/s", "memory", "ratio"]


def race_cells(race: Race, entry: Entry) -> list[str]:
    """An entry's cells in these columns."""
    memory = "-" if entry.peak_memory is None else f"{entry.peak_memory / 2**20:.0f} MiB"
    return [_time(entry), number(entry.rate), memory, _ratio(entry, race)]


def work_columns(race: Race) -> list[str]:
    """Heads of the columns that say what entries achieve of the ceilings; empty where nobody counted their work."""
    counted = any(entry.bytes is not None or entry.flops is not None for entry in race.entries)
    return ["GB/s", "of copying", "GFLOP/s", "of a product"] if counted else []


def work_cells(entry: Entry, ceilings: Ceilings | None) -> list[str]:
    """An entry's cells in these columns."""
    bandwidth, speed = entry.bytes_per_second, entry.flops_per_second
    return [
        *_achieved(bandwidth, None if ceilings is None else ceilings.bytes_per_second),
        *_achieved(speed, None if ceilings is None else ceilings.flops_per_second),
    ]


CHANGE_COLUMNS = ["old", "new", "time", "ratio", "verdict"]
CHANGE_LEGEND = (
    "time, ratio: new divided by old, of the median times and of the median ratios to the rival. Slower or faster: by "
    "more than 5 %, and the spread of the new turns lies wholly beyond the old one's (quartiles; of fewer than 10 "
    "turns all of them). -: no ratio, or nothing to judge by (a rival where ratios count, fewer than 4 turns, "
    "another clock)."
)


def change_cells(change: Change) -> list[str]:
    """A contestant's cells in the columns of a comparison."""
    ratio = "-" if change.ratio is None else _factor(change.ratio)
    verdict = "-" if change.verdict == "not judged" else change.verdict
    return [seconds(change.old), seconds(change.new), _factor(change.time), ratio, verdict]


def change_title(title: str, rival: str | None) -> str:
    """Title of a race that is compared."""
    return title if rival is None else f"{title} (rival: {rival})"


def judged_by(comparison: Comparison) -> str:
    """What verdicts are based on, and why."""
    by = {"times": "by times", "ratios": "by ratios to the rival", "nothing": "by nothing"}[comparison.by]
    return f"Judged {by}: {comparison.why}."


def finding(comparison: Comparison) -> str:
    """What the comparison found, in a sentence or two."""
    slower, faster = comparison.changed("slower"), comparison.changed("faster")
    judged = sum(change.verdict != "not judged" for race in comparison.races for change in race.changes)
    if not judged:
        return "Nothing could be judged: see why above. With few turns, repeat both runs with more (--repeats)."
    text = f"Of {counted(judged, 'contestant')}, {len(slower)} became slower and {len(faster)} faster."
    return f"{text} Slower: {', '.join(slower)}." if slower else text


def number(value: float) -> str:
    """Three significant digits, never in powers of ten above 1."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time in seconds, milliseconds or microseconds."""
    unit, factor = _unit(value)
    return f"{number(value * factor)} {unit}"


def per_second(value: float, unit: str) -> str:
    """A rate in thousands of millions: ``24.1 GB/s``."""
    return f"{number(value / 1e9)} G{unit}/s"


def _time(entry: Entry) -> str:
    low, median, high = entry.quartiles
    unit, factor = _unit(median)
    return f"{number(median * factor)} ({number(low * factor)}-{number(high * factor)}) {unit}"


def _unit(time: float) -> tuple[str, float]:
    if time >= 1:
        return "s", 1.0
    return ("ms", 1e3) if time >= 1e-3 else ("µs", 1e6)


def _ratio(entry: Entry, race: Race) -> str:
    if entry.name == race.rival:
        return "1" + " " * len(" (1.00-1.00)")
    low, median, high = entry.ratio.turns
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def _factor(value: float) -> str:
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def _achieved(rate: float | None, ceiling: float | None) -> list[str]:
    share = "-" if rate is None or ceiling is None else f"{number(100 * rate / ceiling)} %"
    return ["-" if rate is None else number(rate / 1e9), share]


def _gib(size: int) -> str:
    return f"{size / 2**30:.0f} GiB"
