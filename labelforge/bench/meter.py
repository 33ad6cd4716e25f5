"""Measures rivals against each other: their time in turns, and their peak memory.

*Time.* Rivals take turns, A B A B, so that whatever else the machine does, and however it heats up, affects all of them
alike. Every call is timed alone. On CUDA the device's own clock does it, by an event before the call's first kernel and
one after its last: what the host needs to notice the end is not counted, what the device waits for the host is. The
device is idle when a call begins. On a CPU it is the host's clock.

*Caches.* A call that is repeated may find its inputs in a cache, where no user's would be. `rotating` makes a
contestant of several copies of the inputs, and `Meter.copies` says how many it takes.

*Memory* is the peak of one call beyond what was held before it. On CUDA it is what PyTorch's allocator counts. On a CPU
nothing counts tensors alone, so it is the peak of the process's resident memory, as Linux tracks it (``VmHWM``, which
writing to ``/proc/self/clear_refs`` resets). The C library is first asked to return what was freed earlier, since the
call could otherwise reuse that unnoticed. It may still keep what the call itself frees, so the figure is between the
call's true peak and the sum of its allocations. Where the system does not offer this, memory is not measured.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from labelforge.bench.config import Arithmetic
from labelforge.bench.machine import last_level_cache
from labelforge.bench.results import Clock, Entry, Race, compare, quartiles
from labelforge.trainer.devices import autocast

PROCESS = Path("/proc/self")
"""Where Linux describes this process."""

Contestants = Mapping[str, Callable[[], object]]
"""Several ways to do the same work: name in the results -> function that does it once (its result is dropped)."""

Stopwatch = Callable[[Callable[[], object]], float]
"""Calls a function to its end, on the device too, and returns the seconds that it took."""

NO_CACHE: Final = 2
"""So many times a cache's size must be read between two uses of the same bytes, for it to have forgotten the first."""

RECORDING: Final = 5
"""So often what records itself is called before it is measured."""

_RESET_PEAK = "5"  # proc(5), clear_refs: reset the peak resident set size to the current one
_YOUNGEST = 0  # generation of the garbage collector that holds what was made since it was last run


@dataclass(frozen=True)
class Plan:
    """How often to measure.

    Attributes:
        turns: Timed calls of every contestant, at most.
        least: Timed calls of every contestant, at least.
        seconds: After this long per contestant no new turn begins, once ``least`` are done.
    """

    turns: int = 25
    least: int = 5
    seconds: float = 2.0


@dataclass(frozen=True)
class Work:
    """What one call of a contestant cannot do without; None where nobody counted.

    Attributes:
        bytes: Bytes that it must read and write: each input and each output once.
        flops: Floating-point operations; a multiplication and an addition are two (`count_flops`).
    """

    bytes: int | None = None
    flops: int | None = None


@dataclass(frozen=True)
class Meter:
    """Measures contestants.

    Attributes:
        device: What is measured.
        precision: Arithmetic of the networks.
        plan: How often.
        say: Called with what is being measured.
    """

    device: torch.device
    precision: Arithmetic
    plan: Plan
    say: Callable[[str], None]

    def autocast(self) -> torch.autocast:
        """The context that a network computes in."""
        return autocast(self.device, getattr(torch, self.precision))

    @property
    def clock(self) -> Clock:
        """What times the calls."""
        return "CUDA events" if self.device.type == "cuda" else "host"

    def copies(self, size: int) -> int:
        """How many copies of a contestant's inputs `rotating` needs, so that no cache of the device holds any.

        Args:
            size: Bytes of one copy.
        """
        return copies_beyond(last_level_cache(self.device), size)

    def race(
        self,
        title: str,
        contestants: Contestants,
        *,
        rival: str,
        unit: str,
        amount: float,
        memory: bool = True,
        work: Mapping[str, Work] | None = None,
        recorded: Collection[str] = (),
    ) -> Race:
        """Warm contestants up, measure the memory of each, then time them in turns.

        Args:
            title: What the work is.
            contestants: Who does it.
            rival: Name of the contestant that all are compared with.
            unit: What the rate counts.
            amount: How many of these one call does.
            memory: Whether to measure peak memory; that of other processes is not seen.
            work: What one call of these contestants reads, writes and computes, for the bandwidth and the FLOP/s that
                the results then show beside the device's ceilings.
            recorded: Names of contestants that compile or record themselves in their first `RECORDING` calls, which are
                not measured. Nor is their memory: a recording holds it from call to call.
        """
        peaks: dict[str, int | None] = {}
        for name, call in contestants.items():
            self.say(f"{title}: {name}")
            for _ in range(RECORDING if name in recorded else 1):
                call()
            peaks[name] = peak_memory(call, self.device) if memory and name not in recorded else None
        self.say(title)
        samples = time_in_turns(contestants, self.plan, self.stopwatch(), time.perf_counter)
        entries = [
            _entry(name, samples, rival, amount, peaks[name], (work or {}).get(name, Work())) for name in samples
        ]
        return Race(title=title, unit=unit, amount=amount, rival=rival, entries=tuple(entries), clock=self.clock)

    def stopwatch(self) -> Stopwatch:
        """What times one call on the device."""
        if self.device.type != "cuda":
            return host_stopwatch(time.perf_counter)
        stream = torch.cuda.current_stream(self.device)
        return event_stopwatch(lambda: _recorded(stream), lambda: torch.cuda.synchronize(self.device))


def _entry(
    name: str, samples: Mapping[str, tuple[float, ...]], rival: str, amount: float, peak: int | None, work: Work
) -> Entry:
    seconds = samples[name]
    return Entry(
        name=name,
        seconds=seconds,
        quartiles=quartiles(seconds),
        rate=amount / quartiles(seconds).median,
        peak_memory=peak,
        ratio=compare(seconds, samples[rival]),
        bytes=work.bytes,
        flops=work.flops,
    )


def host_stopwatch(clock: Callable[[], float]) -> Stopwatch:
    """Times calls that end when they return, by a clock in seconds."""

    def timed(call: Callable[[], object]) -> float:
        start = clock()
        call()
        return clock() - start

    return timed


def event_stopwatch(record: Callable[[], torch.cuda.Event], synchronise: Callable[[], object]) -> Stopwatch:
    """Times calls by events in the device's queue.

    Args:
        record: Puts a new event at the end of the queue. A call that works on several streams must let this one wait
            for the others.
        synchronise: Waits until the device has finished all work.
    """

    def timed(call: Callable[[], object]) -> float:
        synchronise()
        start = record()
        call()
        end = record()
        synchronise()
        return float(start.elapsed_time(end)) / 1e3

    return timed


def _recorded(stream: torch.cuda.Stream) -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record(stream)
    return event


def rotating(make_call: Callable[[int], Callable[[], object]], copies: int) -> Callable[[], object]:
    """A contestant whose every call works on other inputs than the one before.

    In a suite::

        logits = [torch.randn(shape, device=meter.device) for _ in range(meter.copies(bytes_of_one))]
        contestants = {"ours": rotating(lambda i: partial(decide, logits[i]), len(logits)), ...}

    All contestants of a race can share the copies. Inputs larger than the caches need no second copy.

    Args:
        make_call: Gets the number of a copy, from 0, and returns what works on that copy. Called once for each, now.
        copies: How many there are (`Meter.copies`).
    """
    calls = itertools.cycle([make_call(number) for number in range(copies)])

    def call_next() -> object:
        return next(calls)()

    return call_next


def copies_beyond(cache: int, size: int) -> int:
    """The fewest copies of a size that are `NO_CACHE` times as large as a cache, and at least one.

    Going round them in turn, `NO_CACHE` caches full of other bytes are read before any byte is used again.
    """
    return max(1, -(-NO_CACHE * cache // size))


def count_flops(call: Callable[[], object]) -> int:
    """Floating-point operations of a call: of its convolutions and matrix products alone, forward and backward.

    Counted by PyTorch from the shapes of its own operators, so the call is made once. Compiled code, replayed graphs
    and kernels of other packages count nothing: count before compiling.
    """
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def time_in_turns(
    contestants: Contestants, plan: Plan, stopwatch: Stopwatch, clock: Callable[[], float]
) -> dict[str, tuple[float, ...]]:
    """Time contestants in turns. Garbage is collected between the turns, never inside a timed call.

    Args:
        contestants: Who takes part. The caller must warm them up.
        plan: How often.
        stopwatch: Times each call.
        clock: Seconds, from any origin; by it the plan's time is over.

    Returns:
        Per contestant, the seconds of its calls, turn by turn.
    """
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        began = clock()
        for turn in range(plan.turns):
            if turn >= plan.least and clock() - began >= plan.seconds * len(contestants):
                break
            for name, call in contestants.items():
                samples[name].append(stopwatch(call))
            gc.collect(_YOUNGEST)
    finally:
        if enabled:
            gc.enable()
    return {name: tuple(seconds) for name, seconds in samples.items()}


def peak_memory(call: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that a call needs at its peak, on top of what was held before; None if that cannot be measured.

    Args:
        call: Called once, measurable or not. Warm it up first: a first call also allocates what later ones reuse.
        device: The device whose memory is measured.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - held
    with suppress(AttributeError, OSError, TypeError):  # only glibc can; other C libraries keep what they keep
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (PROCESS / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        call()
        return None
    before = _resident("VmRSS")
    call()
    peak = _resident("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


def _resident(field: str) -> int | None:
    """A field of ``/proc/self/status``, in bytes."""
    found = re.search(rf"^{field}:\s*(\d+) kB", (PROCESS / "status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
