"""Timing of rivals against each other.

Rivals take turns, A B A B, so that whatever else the machine does, and however it heats up, hits all of them alike.
Every call is timed alone: the device is waited for before the clock is read, at both ends. A comparison is the median
of the turns: each turn gives one quotient of two calls made right after one another.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

__all__ = ["Contestant", "Plan", "Quartiles", "Ratio", "compare", "quartiles", "race", "synchroniser"]


_YOUNGEST = 0
"""Generation of the garbage collector that holds what was made since it was last run."""


@dataclass(frozen=True)
class Contestant:
    """One of several ways to do the same.

    Attributes:
        name: What it is called in the results.
        call: Does it once; what it returns is dropped.
    """

    name: str
    call: Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """How often to measure.

    Attributes:
        warmup: Calls of every contestant before the clock starts.
        turns: Timed calls of every contestant, at most.
        least: Timed calls of every contestant, at least.
        seconds: After this long per contestant no further turn begins, once ``least`` are done.
    """

    warmup: int = 1
    turns: int = 25
    least: int = 5
    seconds: float = 2.0

    @classmethod
    def exactly(cls, turns: int) -> Plan:
        """A plan of so many turns, however long they take."""
        return cls(turns=turns, least=turns)


class Quartiles(NamedTuple):
    """First quartile, median and third quartile."""

    low: float
    median: float
    high: float


class Ratio(NamedTuple):
    """How the time of one contestant compares with another's."""

    turns: Quartiles
    """Of the quotients of single turns: what slows a machine down for a while cancels out in these."""
    of_medians: float
    """Quotient of the two medians."""


def quartiles(samples: Sequence[float]) -> Quartiles:
    """Quartiles by linear interpolation between the order statistics (numpy's default).

    Raises:
        ValueError: There is no sample.
    """
    if not samples:
        raise ValueError("no samples")
    if len(samples) == 1:
        return Quartiles(samples[0], samples[0], samples[0])
    return Quartiles(*statistics.quantiles(samples, n=4, method="inclusive"))


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


def race(
    contestants: Sequence[Contestant],
    plan: Plan,
    *,
    synchronise: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
) -> list[tuple[float, ...]]:
    """Time contestants in turns. Garbage is collected between the turns, never inside a timed call.

    Args:
        contestants: Who takes part. Their warm-up calls are up to the caller.
        plan: How often.
        synchronise: Waits until the device has finished all work (:func:`synchroniser`).
        clock: Seconds, from any origin.

    Returns:
        Per contestant, the seconds of its calls, turn by turn.
    """
    samples: list[list[float]] = [[] for _ in contestants]
    with _collection_stopped():
        began = clock()
        for turn in range(plan.turns):
            if turn >= plan.least and clock() - began >= plan.seconds * len(contestants):
                break
            for contestant, taken in zip(contestants, samples, strict=True):
                synchronise()
                start = clock()
                contestant.call()
                synchronise()
                taken.append(clock() - start)
            gc.collect(_YOUNGEST)
    return [tuple(taken) for taken in samples]


def synchroniser(device: torch.device) -> Callable[[], object]:
    """A function that waits until a device has finished all its work."""
    if device.type == "cuda":
        return partial(torch.cuda.synchronize, device)
    return _nothing_to_wait_for


def _nothing_to_wait_for() -> None:
    """A CPU has finished when a call returns."""


@contextmanager
def _collection_stopped() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
