"""The results of a benchmark, as validated data: every raw sample, and how to read them.

Derived numbers (quartiles, rates, ratios) follow from ``seconds``, but are stored too, so that a reader of the JSON
need not know how to compute them. A comparison is the median over the turns: each turn gives one quotient of two
consecutive calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelforge.bench.config import Arithmetic, SuiteName

Clock = Literal["host", "CUDA events"]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_BUSY: Final = 0.5
"""Load per core, before the run, above which times are unreliable."""


class Quartiles(NamedTuple):
    """First quartile, median and third quartile."""

    low: float
    median: float
    high: float


class Ratio(NamedTuple):
    """How the time of one contestant compares with another's."""

    turns: Quartiles
    """Over the quotients of single turns, in which anything that slows the machine down for a while cancels out."""
    of_medians: float
    """Quotient of the two medians."""


def quartiles(samples: Sequence[float]) -> Quartiles:
    """Quartiles of one sample or more, by linear interpolation."""
    return Quartiles(*np.percentile(samples, [25, 50, 75]).tolist())


def compare(samples: Sequence[float], rival: Sequence[float]) -> Ratio:
    """Compare two contestants of one race.

    Args:
        samples: Seconds per turn.
        rival: Seconds of the rival in the same turns.

    Raises:
        ValueError: They are not of the same number of turns.
    """
    turns = quartiles([mine / other for mine, other in zip(samples, rival, strict=True)])
    return Ratio(turns, quartiles(samples).median / quartiles(rival).median)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gpu(_Record):
    """A CUDA device and its software."""

    name: str = Field(description="Model.")
    memory: int = Field(description="Memory in bytes.")
    driver: str | None = Field(description="Version of the driver; null where nvidia-smi does not say.")
    cuda: str | None = Field(description="CUDA release that PyTorch was built for.")
    cudnn: int | None = Field(description="cuDNN version as PyTorch counts it.")


class Machine(_Record):
    """The machine, and the software that decides speed."""

    cpu: str = Field(description="Model of the processor.")
    cores: int = Field(description="Processors that this process may use.")
    threads: int = Field(description="Threads used by PyTorch.")
    memory: int | None = Field(description="Physical memory in bytes.")
    load: float | None = Field(
        description="Processes that wanted to run, averaged over the minute before; near 0 on an idle machine."
    )
    gpu: Gpu | None = Field(description="The GPU that was measured; null where a CPU was.")
    system: str = Field(description="Operating system and architecture.")
    python: str = Field(description="Version of Python.")
    torch: str = Field(description="Version of PyTorch.")

    @property
    def busy(self) -> bool:
        """Whether others used so much of the machine that only ratios are to be trusted."""
        return self.load is not None and self.load > self.cores * _BUSY


class Ceilings(_Record):
    """How fast the device is at two tasks that leave it nothing to wait for, measured in the same run."""

    bytes_per_second: float = Field(
        gt=0, description="Bytes read and written per second by a copy of a buffer that no cache holds."
    )
    flops_per_second: float = Field(
        gt=0, description="Floating-point operations per second of a matrix product in the networks' precision."
    )


class Entry(_Record):
    """One contestant of a race."""

    name: str = Field(description="What was measured.")
    seconds: tuple[_Seconds, ...] = Field(min_length=1, description="Seconds of every timed call, turn by turn.")
    quartiles: Quartiles = Field(description="First quartile, median and third quartile of the seconds.")
    rate: float = Field(description="Amount per second at the median; the unit is the race's.")
    peak_memory: int | None = Field(description="Peak bytes of one call beyond what was held; null: not measured.")
    ratio: Ratio = Field(description="Its time compared with that of the race's rival.")
    bytes: int | None = Field(
        default=None, description="Bytes that one call must read and write; null where nobody counted."
    )
    flops: int | None = Field(
        default=None, description="Floating-point operations of one call; null where nobody counted."
    )

    @property
    def bytes_per_second(self) -> float | None:
        """Achieved bandwidth at the median."""
        return None if self.bytes is None else self.bytes / self.quartiles.median

    @property
    def flops_per_second(self) -> float | None:
        """Achieved floating-point operations per second at the median."""
        return None if self.flops is None else self.flops / self.quartiles.median


class Race(_Record):
    """Contestants that did the same work in turns."""

    title: str = Field(description="What the work was.")
    unit: str = Field(description="What the rate counts: images, frames, millions of pixels.")
    amount: float = Field(description="How many of these one call does.")
    rival: str = Field(description="Name of the entry that the ratios refer to.")
    entries: tuple[Entry, ...] = Field(min_length=1, description="The contestants.")
    clock: Clock = Field(default="host", description="What timed the calls; the README of the benchmarks says how.")

    @model_validator(mode="after")
    def _ran_together(self) -> Self:
        names = [entry.name for entry in self.entries]
        if len(set(names)) < len(names) or self.rival not in names:
            raise ValueError(f"race {self.title!r}: every entry needs a name of its own, and one is the rival's")
        if len({len(entry.seconds) for entry in self.entries}) > 1:
            raise ValueError(f"race {self.title!r}: all entries must have the same number of turns")
        return self

    def entry(self, name: str) -> Entry:
        """The entry of a contestant."""
        return next(entry for entry in self.entries if entry.name == name)

    def sentence(self, name: str, rival: str) -> str:
        """How long one contestant takes compared with another, as a sentence; says so if the spread leaves it open."""
        spread = compare(self.entry(name).seconds, self.entry(rival).seconds).turns
        undecided = ": no difference that this run could tell" if spread.low <= 1 <= spread.high else ""
        return f"{name[:1].upper()}{name[1:]} takes {self.times(name, rival)} as long as {rival}{undecided}."

    def times(self, name: str, rival: str) -> str:
        """How many times as long one contestant takes as another."""
        spread = compare(self.entry(name).seconds, self.entry(rival).seconds).turns
        return f"{spread.median:.2f} times (quartiles {spread.low:.2f} to {spread.high:.2f})"


class PaperLine(_Record):
    """Frames per second as the paper states them, and here."""

    height: int = Field(description="Height of the frames in pixels.")
    width: int = Field(description="Width of the frames in pixels.")
    classes: int = Field(description="Classes that are told apart.")
    stated: float = Field(description="Frames per second that the paper states, on one GPU of 2018.")
    entry: Entry | None = Field(description="The same measured here; null where it was not.")
    text: str = Field(description="The comparison, or why there is none, as a sentence.")


class SuiteReport(_Record):
    """What one suite found."""

    suite: SuiteName = Field(description="Its name.")
    work: str = Field(description="What one call works on: images, size, network.")
    shrunk: str | None = Field(description="How the size differs from the full one; null at full size.")
    races: tuple[Race, ...] = Field(description="Its races.")
    finding: str = Field(description="What the suite says, in a sentence or two.")
    paper: PaperLine | None = Field(default=None, description="The paper's speed and the one measured here.")


class BenchReport(_Record):
    """A whole run."""

    version: Literal[1, 2] = Field(
        default=2, description="Version of this format; 1 knows neither ceilings nor clocks nor amounts of work."
    )
    labelforge: str = Field(description="Version of labelforge.")
    machine: Machine = Field(description="What it ran on.")
    device: str = Field(description="Device that was measured.")
    precision: Arithmetic = Field(description="Arithmetic of the networks; losses are computed in float32 always.")
    seconds: float = Field(description="Duration of the whole run.")
    ceilings: Ceilings | None = Field(
        default=None, description="Limits of the device; null if no suite that computes on it was run."
    )
    suites: tuple[SuiteReport, ...] = Field(description="One report per suite.")
