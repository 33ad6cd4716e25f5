"""The measuring itself: turns, waiting for the device, quartiles, comparison, memory, and what machine it was."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelforge.bench import machine as machine_module
from labelforge.bench import memory as memory_module
from labelforge.bench.machine import describe_machine
from labelforge.bench.memory import peak_memory
from labelforge.bench.timing import Contestant, Plan, compare, quartiles, race

MIB = 2**20
CPU = torch.device("cpu")


class FakeDevice:
    """A device that only works off its queue, in no time of its own, when it is waited for; and the clock beside it."""

    def __init__(self, queued: float = 0.0) -> None:
        self.now = 1000.0
        self.queued = queued
        self.calls: list[str] = []

    def contestant(self, name: str, *seconds: float) -> Contestant:
        """One whose calls take these seconds in turn, all of them in the queue."""
        left = list(seconds)

        def call() -> None:
            self.calls.append(name)
            self.queued += left.pop(0)

        return Contestant(name, call)

    def synchronise(self) -> None:
        self.now += self.queued
        self.queued = 0.0

    def clock(self) -> float:
        return self.now


def run(device: FakeDevice, contestants: list[Contestant], plan: Plan) -> list[tuple[float, ...]]:
    return race(contestants, plan, synchronise=device.synchronise, clock=device.clock)


def test_rivals_take_turns_and_each_call_is_timed_to_its_end() -> None:
    device = FakeDevice(queued=50.0)  # work left over from before must not count for the first
    contestants = [device.contestant("a", 2, 3, 4), device.contestant("b", 7, 8, 9)]
    assert run(device, contestants, Plan.exactly(3)) == [(2, 3, 4), (7, 8, 9)]
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
    contestants = [device.contestant(name, *[seconds / 2] * 10) for name in "ab"]
    samples = run(device, contestants, Plan(turns=6, least=3, seconds=3.5))
    assert [len(taken) for taken in samples] == [turns, turns]


def test_garbage_waits_while_the_clock_runs() -> None:
    seen: list[bool] = []
    race([Contestant("a", lambda: seen.append(gc.isenabled()))], Plan.exactly(2), synchronise=lambda: None)
    assert seen == [False, False]
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        race([Contestant("a", fail)], Plan.exactly(1), synchronise=lambda: None)
    assert gc.isenabled()


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40))
def test_quartiles_are_numpys(samples: list[float]) -> None:
    assert quartiles(samples) == pytest.approx(tuple(np.percentile(samples, [25, 50, 75])), rel=1e-9)


def test_quartiles_of_nothing() -> None:
    with pytest.raises(ValueError, match="no samples"):
        quartiles([])


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
        assert 63 * MIB < peak < 82 * MIB  # the C library may keep the first array while it makes the second


def test_memory_that_cannot_be_measured_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_RESET", tmp_path / "missing" / "clear_refs")
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
    assert any(machine.cpu in line for line in machine.lines())


def test_the_driver_is_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '555.42.06\\n555.42.06\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_module._driver() == "555.42.06"
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert machine_module._driver() is None
    tool.unlink()
    assert machine_module._driver() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_described_and_its_memory_measured() -> None:
    device = torch.device("cuda")
    gpu = describe_machine(device).gpu
    assert gpu is not None
    assert gpu.name == torch.cuda.get_device_name(device)
    assert peak_memory(lambda: torch.ones(64 * MIB, dtype=torch.uint8, device=device), device) == 64 * MIB
