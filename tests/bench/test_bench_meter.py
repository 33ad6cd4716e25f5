"""The measuring itself: turns, waiting for the device, comparison, memory, caches, and what machine it was."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labelforge.bench import machine, meter
from labelforge.bench.ceilings import measure_ceilings
from labelforge.bench.machine import describe_machine, driver_version, last_level_cache
from labelforge.bench.meter import (
    RECORDING,
    Contestants,
    Meter,
    Plan,
    Work,
    copies_beyond,
    count_flops,
    event_stopwatch,
    host_stopwatch,
    peak_memory,
    rotating,
    time_in_turns,
)
from labelforge.bench.results import compare

MIB = 2**20
CPU = torch.device("cpu")
STOPWATCH = host_stopwatch(time.perf_counter)


@dataclass
class FakeEvent:
    """Passed by a device at some time of its own clock."""

    at: float

    def elapsed_time(self, later: FakeEvent) -> float:
        """Milliseconds, as CUDA's events tell them."""
        return 1e3 * (later.at - self.at)


class FakeDevice:
    """A device that only works off its queue, in no time of its own, when it is waited for; and the clock beside it.

    The host learns of the end ``late`` seconds after it.
    """

    def __init__(self, queued: float = 0.0, late: float = 0.0) -> None:
        self.now = 1000.0
        self.queued = queued
        self.late = late
        self.calls: list[str] = []

    def contestants(self, **seconds: list[float]) -> Contestants:
        """Some whose calls take these seconds in turn, all of them in the queue."""

        def call(name: str) -> None:
            self.calls.append(name)
            self.queued += seconds[name].pop(0)

        return {name: lambda name=name: call(name) for name in seconds}  # type: ignore[misc]

    def synchronise(self) -> None:
        self.now += self.queued + self.late
        self.queued = 0.0

    def record(self) -> torch.cuda.Event:
        """An event at the end of the queue."""
        return cast(torch.cuda.Event, FakeEvent(self.now + self.queued))

    def clock(self) -> float:
        return self.now


def run(contestants: Contestants, plan: Plan, device: FakeDevice) -> dict[str, tuple[float, ...]]:
    return time_in_turns(contestants, plan, event_stopwatch(device.record, device.synchronise), device.clock)


def test_rivals_take_turns_and_each_call_is_timed_to_its_end() -> None:
    device = FakeDevice(queued=50.0, late=0.25)  # work left over from before must not count for the first
    contestants = device.contestants(a=[2, 3, 4], b=[7, 8, 9])
    assert run(contestants, Plan(turns=3, least=3), device) == {"a": (2, 3, 4), "b": (7, 8, 9)}
    assert "".join(device.calls) == "ababab"


def test_the_hosts_clock_times_what_ends_when_it_returns() -> None:
    device = FakeDevice()

    def call() -> None:
        device.now += 0.5

    contestants: Contestants = {"a": call}
    assert time_in_turns(contestants, Plan(2, 2), host_stopwatch(device.clock), device.clock) == {"a": (0.5, 0.5)}


def test_what_records_itself_is_warmed_up_longer_and_its_memory_is_not_measured() -> None:
    calls: list[str] = []
    meter = Meter(CPU, "float32", Plan(2, 2), lambda _: None)
    contestants: Contestants = {name: partial(calls.append, name) for name in "ab"}
    race = meter.race("race", contestants, rival="b", unit="calls", amount=1, recorded="a")
    assert "".join(calls) == "a" * RECORDING + "bb" + "abab"
    assert race.entry("a").peak_memory is None
    assert (race.entry("b").peak_memory is None) == (peak_memory(lambda: None, CPU) is None)


@pytest.mark.parametrize(
    ("seconds", "turns"),
    [
        (0.1, 6),  # everything fits: as many turns as there may be
        (2.0, 4),  # begun after 0, 2, 4 and 6 seconds; after 8 the time of 7 is over
        (100.0, 3),  # long over, but so many there must be
    ],
)
def test_a_plan_limits_turns_and_time(seconds: float, turns: int) -> None:
    device = FakeDevice()
    contestants = device.contestants(a=[seconds / 2] * 10, b=[seconds / 2] * 10)
    samples = run(contestants, Plan(turns=6, least=3, seconds=3.5), device)
    assert {name: len(taken) for name, taken in samples.items()} == {"a": turns, "b": turns}


def test_garbage_waits_while_the_clock_runs() -> None:
    seen: list[bool] = []
    time_in_turns({"a": lambda: seen.append(gc.isenabled())}, Plan(2, 2), STOPWATCH, time.perf_counter)
    assert seen == [False, False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        time_in_turns({"a": fail}, Plan(1, 1), STOPWATCH, time.perf_counter)
    assert gc.isenabled()


def test_a_machine_that_slows_down_does_not_change_a_comparison() -> None:
    slowing = [1.0, 1.0, 1.0, 5.0, 9.0]
    ratio = compare([3 * s for s in slowing], [2 * s for s in slowing])
    assert ratio.turns == pytest.approx((1.5, 1.5, 1.5))
    # One contestant disturbed in two turns of five: the spread shows it.
    spread = compare([3, 3, 3, 12, 12], [2, 2, 2, 2, 2])
    assert spread.turns == pytest.approx((1.5, 1.5, 6.0))
    assert spread.of_medians == pytest.approx(1.5)


def test_only_turns_of_one_race_are_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare([1.0, 2.0], [1.0])


def test_the_amounts_of_work_are_those_of_their_contestants() -> None:
    once = Meter(CPU, "float32", Plan(2, 2), lambda _: None)
    contestants: Contestants = {"a": lambda: None, "b": lambda: None}
    race = once.race("t", contestants, rival="b", unit="x", amount=1, memory=False, work={"b": Work(bytes=8, flops=6)})
    assert (race.entry("a").bytes, race.entry("a").flops) == (None, None)
    assert (race.entry("b").bytes, race.entry("b").flops) == (8, 6)
    assert race.clock == "host"


def test_operations_are_those_of_products_and_convolutions() -> None:
    left = torch.ones(3, 4, requires_grad=True)
    assert count_flops(lambda: left @ torch.ones(4, 5)) == 2 * 3 * 4 * 5
    there_and_back = count_flops(lambda: torch.autograd.grad((left @ torch.ones(4, 5)).sum(), left))
    assert there_and_back == 2 * (2 * 3 * 4 * 5)
    image, kernel = torch.ones(2, 3, 8, 8), torch.ones(5, 3, 3, 3)
    assert count_flops(lambda: F.conv2d(image, kernel, padding=1)) == 2 * (2 * 8 * 8) * (5 * 3 * 3 * 3)


def test_calls_go_round_the_copies_of_their_inputs() -> None:
    made: list[int] = []
    used: list[int] = []

    def make(number: int) -> Callable[[], object]:
        made.append(number)
        return lambda: used.append(number)

    call = rotating(make, 3)
    assert (made, used) == ([0, 1, 2], [])
    for _ in range(7):
        call()
    assert (made, used) == ([0, 1, 2], [0, 1, 2, 0, 1, 2, 0])


@pytest.mark.parametrize(
    ("cache", "size", "copies"),
    [
        (50 * MIB, 200 * MIB, 1),  # one copy already reads more than two caches before any byte of it again
        (50 * MIB, 100 * MIB, 1),
        (50 * MIB, 99 * MIB, 2),
        (50 * MIB, 30 * MIB, 4),  # 120 MiB; three would be less than 100
        (50 * MIB, 1 * MIB, 100),
    ],
)
def test_so_many_copies_that_no_cache_holds_one(cache: int, size: int, copies: int) -> None:
    assert copies_beyond(cache, size) == copies
    assert copies * size >= 2 * cache
    assert copies == 1 or (copies - 1) * size < 2 * cache


def test_copies_are_for_the_meters_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "last_level_cache", lambda device: {"cpu": 10 * MIB}[device.type])
    assert Meter(CPU, "float32", Plan(), lambda _: None).copies(8 * MIB) == 3


def test_the_last_cache_is_that_of_all_processors_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROCESSORS", tmp_path)
    assert last_level_cache(CPU) == 64 * MIB  # nothing is known
    for processor in range(4):
        pair = "0-1" if processor < 2 else "2-3"
        caches = [("1", str(processor), "48K"), ("2", str(processor), "1024K"), ("3", pair, "32M")]
        for index, facts in enumerate(caches):
            folder = tmp_path / f"cpu{processor}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, value in zip(("level", "shared_cpu_list", "size"), facts, strict=True):
                (folder / name).write_text(value + "\n")
    (tmp_path / "cpu3" / "cache" / "index9").mkdir()  # one that tells nothing
    (tmp_path / "cpufreq").mkdir()
    assert last_level_cache(CPU) == 2 * 32 * MIB


def test_ceilings_are_of_the_work_that_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rates follow from the fastest calls: with made-up times of a copy and a product, they are known."""
    monkeypatch.setattr("labelforge.bench.ceilings.last_level_cache", lambda _: 20 * MIB)
    times: dict[str, tuple[float, ...]] = {"copy": (0.5, 0.25, 1.0), "product": (4.0, 2.0, 8.0)}
    done: list[str] = []

    def made_up(contestants: Contestants, *_: object) -> dict[str, tuple[float, ...]]:
        done.extend(contestants)
        return times

    monkeypatch.setattr("labelforge.bench.ceilings.time_in_turns", made_up)
    ceilings = measure_ceilings(Meter(CPU, "bfloat16", Plan(), lambda _: None))
    assert done == list(times)
    assert ceilings.bytes_per_second == 2 * 80 * MIB / 0.25  # 80 MiB read and 80 written: four caches, not the least
    assert ceilings.flops_per_second == 2 * 1024**3 / 2.0


def test_memory_of_a_call_counts_nothing_that_was_freed_before() -> None:
    if peak_memory(lambda: None, CPU) is None:
        pytest.skip("this system does not tell resident memory")

    def call() -> None:
        big = np.ones(64 * MIB, np.uint8)
        del big
        np.ones(16 * MIB, np.uint8).sum()

    before = np.ones(200 * MIB, np.uint8)
    del before
    for _ in range(2):
        peak = peak_memory(call, CPU)
        assert peak is not None
        assert 63 * MIB < peak < 100 * MIB  # the C library may keep the first array; other threads come and go


def test_memory_that_cannot_be_measured_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PROCESS", tmp_path / "missing")
    called: list[int] = []
    assert peak_memory(lambda: called.append(1), CPU) is None
    assert called == [1]


def test_the_machine_is_this_one() -> None:
    found = describe_machine(CPU)
    assert found.gpu is None
    assert found.torch == torch.__version__
    assert found.threads == torch.get_num_threads()
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    facts = Path("/proc/meminfo")
    if facts.is_file() and found.memory is not None:
        total = int(facts.read_text().split("MemTotal:")[1].split()[0]) * 1024
        assert found.memory == pytest.approx(total, rel=0.01)


def test_the_driver_is_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '555.42.06\\n555.42.06\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver_version() == "555.42.06"
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert driver_version() is None
    tool.unlink()
    assert driver_version() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_described_and_its_memory_measured() -> None:
    device = torch.device("cuda")
    gpu = describe_machine(device).gpu
    assert gpu is not None
    assert gpu.name == torch.cuda.get_device_name(device)
    assert peak_memory(lambda: torch.ones(64 * MIB, dtype=torch.uint8, device=device), device) == 64 * MIB


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_timed_by_its_own_events() -> None:
    once = Meter(torch.device("cuda"), "bfloat16", Plan(3, 3), lambda _: None)
    left = torch.ones(64, 64, device="cuda")
    race = once.race("t", {"a": lambda: left @ left}, rival="a", unit="x", amount=1)
    assert race.clock == "CUDA events"
    assert len(race.entry("a").seconds) == 3
    assert last_level_cache(once.device) >= MIB
    assert measure_ceilings(once).bytes_per_second > 0
