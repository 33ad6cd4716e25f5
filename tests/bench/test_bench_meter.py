"""The measuring itself: turns, waiting for the device, comparison, memory, and what machine it was."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from labelforge.bench import meter
from labelforge.bench.machine import describe_machine, driver_version
from labelforge.bench.meter import Contestants, Plan, peak_memory, time_in_turns
from labelforge.bench.results import compare

MIB = 2**20
CPU = torch.device("cpu")


class FakeDevice:
    """A device that only works off its queue, in no time of its own, when it is waited for; and the clock beside it."""

    def __init__(self, queued: float = 0.0) -> None:
        self.now = 1000.0
        self.queued = queued
        self.calls: list[str] = []

    def contestants(self, **seconds: list[float]) -> Contestants:
        """Some whose calls take these seconds in turn, all of them in the queue."""

        def call(name: str) -> None:
            self.calls.append(name)
            self.queued += seconds[name].pop(0)

        return {name: lambda name=name: call(name) for name in seconds}  # type: ignore[misc]

    def synchronise(self) -> None:
        self.now += self.queued
        self.queued = 0.0

    def clock(self) -> float:
        return self.now


def run(contestants: Contestants, plan: Plan, device: FakeDevice) -> dict[str, tuple[float, ...]]:
    return time_in_turns(contestants, plan, device.synchronise, device.clock)


def test_rivals_take_turns_and_each_call_is_timed_to_its_end() -> None:
    device = FakeDevice(queued=50.0)  # work left over from before must not count for the first
    contestants = device.contestants(a=[2, 3, 4], b=[7, 8, 9])
    assert run(contestants, Plan(turns=3, least=3), device) == {"a": (2, 3, 4), "b": (7, 8, 9)}
    assert "".join(device.calls) == "ababab"


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
    time_in_turns({"a": lambda: seen.append(gc.isenabled())}, Plan(2, 2), lambda: None, time.perf_counter)
    assert seen == [False, False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        time_in_turns({"a": fail}, Plan(1, 1), lambda: None, time.perf_counter)
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
    machine = describe_machine(CPU)
    assert machine.gpu is None
    assert machine.torch == torch.__version__
    assert machine.threads == torch.get_num_threads()
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    facts = Path("/proc/meminfo")
    if facts.is_file() and machine.memory is not None:
        total = int(facts.read_text().split("MemTotal:")[1].split()[0]) * 1024
        assert machine.memory == pytest.approx(total, rel=0.01)


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
