"""Compares two reports: what became slower or faster, by more than its spread.

*What is compared.* Contestants of the same name in races of the same title that did the same work.

*By what.* By times where both reports are of one machine that nobody else used; otherwise by ratios to the rival of the
race, which say more about the program and less about the machine; the rival itself cannot be judged by these. Between
a CPU and a GPU nothing is judged.

*When something changed.* The spread of the new turns must lie wholly beyond the old one's, and the medians must differ
by more than 5 %. The spread is from quartile to quartile; of fewer than 10 turns from the fastest to the slowest, and
of fewer than 4 there is none. Thus chance alone puts the spreads of no more than two in a hundred unchanged contestants
in that order, of whatever distribution the turns are, before the 5 % are asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from labelforge.bench.results import BenchReport, Entry, Machine, Race, quartiles
from labelforge.errors import ConfigError

Verdict = Literal["slower", "faster", "same", "not judged"]
Basis = Literal["times", "ratios", "nothing"]

MARGIN: Final = 1.05
"""Medians that differ by no more than this factor are the same."""

_FEW, _TOO_FEW = 10, 4  # turns of which quartiles say little, or nothing says anything


@dataclass(frozen=True)
class Change:
    """What became of one contestant.

    Attributes:
        name: Its name.
        old: Median seconds before.
        new: Median seconds now.
        ratio: Median ratio to the rival now, divided by that before; None for the rival, or if it is another.
        verdict: What it is judged to be.
    """

    name: str
    old: float
    new: float
    ratio: float | None
    verdict: Verdict

    @property
    def time(self) -> float:
        """New time divided by the old one."""
        return self.new / self.old


@dataclass(frozen=True)
class RaceChange:
    """What became of a race.

    Attributes:
        title: Suite and title of the race.
        rival: Name of the contestant that ratios refer to, if it is the same in both reports.
        changes: The contestants that are in both.
    """

    title: str
    rival: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Comparison:
    """Two reports beside each other.

    Attributes:
        old: Name of the old report.
        by: What contestants are judged by.
        why: Why by that.
        differences: What else differs between the runs: "torch: 2.11.0, was 2.10.0".
        races: What became of the races that are in both.
        skipped: What could not be compared, and why.
    """

    old: str
    by: Basis
    why: str
    differences: tuple[str, ...]
    races: tuple[RaceChange, ...]
    skipped: tuple[str, ...]

    def changed(self, verdict: Verdict) -> list[str]:
        """The contestants of a verdict, with their races."""
        return [
            f"{change.name} ({race.title})"
            for race in self.races
            for change in race.changes
            if change.verdict == verdict
        ]


def compare_reports(old: BenchReport, new: BenchReport, name: str | os.PathLike[str]) -> Comparison:
    """Compare two reports.

    Args:
        old: The report to compare with.
        new: The other one.
        name: What the old one is called: its file.

    Raises:
        ConfigError: They share no race of the same work.
    """
    by, why = _basis(old, new)
    before, now = dict(_races(old)), dict(_races(new))
    races, skipped = [], []
    for key, (work, race) in now.items():
        if key not in before:
            skipped.append(f"{_title(key)}: not in the old report")
        elif before[key][0] != work:
            skipped.append(f"{_title(key)}: the old report's work is another one ({before[key][0]}; now {work})")
        else:
            earlier = before[key][1]
            races.append(_race_change(_title(key), earlier, race, by))
            lost = {entry.name for entry in earlier.entries} ^ {entry.name for entry in race.entries}
            skipped += [f"{_title(key)}: {name} is only in one report" for name in sorted(lost)]
    skipped += [f"{_title(key)}: not in the new report" for key in before if key not in now]
    if not any(race.changes for race in races):
        raise ConfigError(
            f"has no contestant in common with the new results. {'. '.join(skipped)}",
            where=name,
            cure="Compare runs of the same suites and sizes.",
        )
    return Comparison(
        old=os.fspath(name),
        by=by,
        why=why,
        differences=tuple(_differences({**_hardware(old), **_software(old)}, {**_hardware(new), **_software(new)})),
        races=tuple(races),
        skipped=tuple(skipped),
    )


def _basis(old: BenchReport, new: BenchReport) -> tuple[Basis, str]:
    """What to judge by, and why."""
    if (old.machine.gpu is None) != (new.machine.gpu is None):
        return "nothing", "one report is of a GPU and the other of a CPU"
    if _hardware(old) != _hardware(new):
        return "ratios", "the machines differ"
    if old.machine.busy or new.machine.busy:
        return "ratios", "others used the machine in one of the runs or both"
    return "times", "the same machine, and nobody else used it"


def _race_change(title: str, old: Race, new: Race, by: Basis) -> RaceChange:
    before = {entry.name: entry for entry in old.entries}
    rival = new.rival if new.rival == old.rival else None
    clocks = old.clock == new.clock
    changes = []
    for entry in new.entries:
        if entry.name not in before:
            continue
        earlier = before[entry.name]
        quotients = None
        if rival is not None and entry.name != rival:
            quotients = _quotients(earlier, old.entry(rival)), _quotients(entry, new.entry(rival))
        judged = {"times": (earlier.seconds, entry.seconds), "ratios": quotients, "nothing": None}[by]
        changes.append(
            Change(
                name=entry.name,
                old=quartiles(earlier.seconds).median,
                new=quartiles(entry.seconds).median,
                ratio=None if quotients is None else quartiles(quotients[1]).median / quartiles(quotients[0]).median,
                verdict=judge(*judged) if judged is not None and clocks else "not judged",
            )
        )
    return RaceChange(title, rival, tuple(changes))


def judge(old: Sequence[float], new: Sequence[float]) -> Verdict:
    """Whether samples became larger (slower) or smaller (faster) by more than their spread and 5 %."""
    if min(len(old), len(new)) < _TOO_FEW:
        return "not judged"
    (low, high), (new_low, new_high) = _spread(old), _spread(new)
    change = quartiles(new).median / quartiles(old).median
    if new_low > high and change > MARGIN:
        return "slower"
    if new_high < low and change < 1 / MARGIN:
        return "faster"
    return "same"


def _spread(samples: Sequence[float]) -> tuple[float, float]:
    if len(samples) < _FEW:
        return min(samples), max(samples)
    low, _, high = quartiles(samples)
    return low, high


def _quotients(entry: Entry, rival: Entry) -> list[float]:
    return [mine / other for mine, other in zip(entry.seconds, rival.seconds, strict=True)]


_Key = tuple[str, str]  # suite and title of a race


def _races(report: BenchReport) -> Iterator[tuple[_Key, tuple[str, Race]]]:
    """All races with what they worked on; the paper's figure is one of a single contestant."""
    for suite in report.suites:
        # How many bytes the same pictures take depends on the libraries that wrote them.
        work = re.sub(r"[\d.]+ MiB", "... MiB", suite.work)
        for race in suite.races:
            yield (suite.suite, race.title), (f"{work}, {race.amount:g} {race.unit}", race)
        if (paper := suite.paper) is not None and paper.entry is not None:
            title = f"{paper.height}x{paper.width} with {paper.classes} classes"
            alone = Race(title=title, unit="frames", amount=1, rival=paper.entry.name, entries=(paper.entry,))
            yield (suite.suite, title), (report.precision, alone)


def _title(key: _Key) -> str:
    return ": ".join(key)


def _hardware(report: BenchReport) -> dict[str, object]:
    machine: Machine = report.machine
    return {
        "CPU": machine.cpu,
        "cores": machine.cores,
        "threads": machine.threads,
        "GPU": None if machine.gpu is None else machine.gpu.name,
        "system": machine.system,
    }


def _software(report: BenchReport) -> dict[str, object]:
    gpu = report.machine.gpu
    return {
        "labelforge": report.labelforge,
        "torch": report.machine.torch,
        "Python": report.machine.python,
        "driver": None if gpu is None else gpu.driver,
        "CUDA": None if gpu is None else gpu.cuda,
        "precision": report.precision,
        "clock": ", ".join(sorted({race.clock for suite in report.suites for race in suite.races})),
    }


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name, value in new.items():
        if value != old[name]:
            yield f"{name}: {value or 'none'}, was {old[name] or 'none'}"
