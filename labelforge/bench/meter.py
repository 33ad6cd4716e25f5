"""Measures rivals against each other: their time in turns, and their peak memory.

*Time.* Rivals take turns, A B A B, so that whatever else the machine does, and however it heats up, affects all of them
alike. Every call is timed alone: the clock waits for the device at both ends.

*Memory* is the peak of one call beyond what was held before it. On CUDA it is what PyTorch's allocator counts. On a CPU
nothing counts tensors alone, so it is the peak of the process's resident memory, as Linux tracks it (``VmHWM``, which
writing to ``/proc/self/clear_refs`` resets). The C library is first asked to return what was freed earlier, since the
call could otherwise reuse that unnoticed. It may still keep what the call itself frees, so the figure is between the
call's true peak and the sum of its allocations. Where the system does not offer this, memory is not measured.
"""

from __future__ import annotations

import ctypes
import gc
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from labelforge.bench.config import Arithmetic
from labelforge.bench.results import Entry, Race, compare, quartiles
from labelforge.trainer.devices import autocast

PROCESS = Path("/proc/self")
"""Where Linux describes this process."""

Contestants = Mapping[str, Callable[[], object]]
"""Several ways to do the same work: name in the results -> function that does it once (its result is dropped)."""

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

    def race(
        self, title: str, contestants: Contestants, *, rival: str, unit: str, amount: float, memory: bool = True
    ) -> Race:
        """Warm contestants up, measure the memory of each, then time them in turns.

        Args:
            title: What the work is.
            contestants: Who does it.
            rival: Name of the contestant that all are compared with.
            unit: What the rate counts.
            amount: How many of these one call does.
            memory: Whether to measure peak memory; that of other processes is not seen.
        """
        peaks: dict[str, int | None] = {}
        for name, call in contestants.items():
            self.say(f"{title}: {name}")
            call()
            peaks[name] = peak_memory(call, self.device) if memory else None
        self.say(title)
        device = torch.get_device_module(self.device)
        samples = time_in_turns(contestants, self.plan, lambda: device.synchronize(self.device), time.perf_counter)
        entries = [
            Entry(
                name=name,
                seconds=seconds,
                quartiles=quartiles(seconds),
                rate=amount / quartiles(seconds).median,
                peak_memory=peaks[name],
                ratio=compare(seconds, samples[rival]),
            )
            for name, seconds in samples.items()
        ]
        return Race(title=title, unit=unit, amount=amount, rival=rival, entries=tuple(entries))


def time_in_turns(
    contestants: Contestants, plan: Plan, synchronise: Callable[[], object], clock: Callable[[], float]
) -> dict[str, tuple[float, ...]]:
    """Time contestants in turns. Garbage is collected between the turns, never inside a timed call.

    Args:
        contestants: Who takes part. The caller must warm them up.
        plan: How often.
        synchronise: Waits until the device has finished all work.
        clock: Seconds, from any origin.

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
                synchronise()
                start = clock()
                call()
                synchronise()
                samples[name].append(clock() - start)
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
