"""Reports of benchmarks that never ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelforge.bench.config import SuiteName
from labelforge.bench.results import (
    BenchReport,
    Ceilings,
    Clock,
    Entry,
    Gpu,
    Machine,
    PaperLine,
    Race,
    SuiteReport,
    compare,
    quartiles,
)

MACHINE = Machine(
    cpu="A Processor",
    cores=4,
    threads=2,
    memory=8 * 2**30,
    load=0.1,
    gpu=None,
    system="Linux x86_64",
    python="3.12.0",
    torch="2.13.0",
)
GPU = Gpu(name="A GPU", memory=80 * 2**30, driver="555.1", cuda="13.0", cudnn=91900)
CEILINGS = Ceilings(bytes_per_second=40e9, flops_per_second=400e9)


def race(seconds: Mapping[str, Sequence[float]], *, title: str = "a race", clock: Clock = "host") -> Race:
    """One of contestants with these seconds, the last of them the rival."""
    rival = list(seconds)[-1]
    return Race(
        title=title,
        unit="frames",
        amount=1,
        rival=rival,
        entries=tuple(entry(name, taken, seconds[rival]) for name, taken in seconds.items()),
        clock=clock,
    )


def entry(name: str, seconds: Sequence[float], rival: Sequence[float]) -> Entry:
    return Entry(
        name=name,
        seconds=tuple(seconds),
        quartiles=quartiles(seconds),
        rate=1 / quartiles(seconds).median,
        peak_memory=None,
        ratio=compare(seconds, rival),
    )


def suite(
    *races: Race, name: SuiteName = "loss", work: str = "some work, 1.5 MiB", paper: PaperLine | None = None
) -> SuiteReport:
    return SuiteReport(suite=name, work=work, shrunk=None, races=races, finding="A finding.", paper=paper)


def report(*suites: SuiteReport, machine: Machine = MACHINE, ceilings: Ceilings | None = None) -> BenchReport:
    return BenchReport(
        labelforge="0.2.0",
        machine=machine,
        device="cpu" if machine.gpu is None else "cuda",
        precision="float32",
        seconds=12.0,
        suites=suites,
        ceilings=ceilings,
    )
