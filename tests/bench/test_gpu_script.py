"""The script behind ``make gpu``: parts side by side, what a failing one leaves, and how the time is shared."""

from __future__ import annotations

import importlib.util
import io
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from labelforge.bench import SUITES
from labelforge.bench.runner import _ON_HOST

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_gpu", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parts_run_side_by_side_and_are_told_in_their_order(gpu: ModuleType, tmp_path: Path) -> None:
    """The first can only end after the last has begun; one fails, and one is ended."""
    met = tmp_path / "met"
    wait = f"import os, time\nwhile not os.path.exists({str(met)!r}): time.sleep(0.01)\nprint('first done')"
    programs = {
        "first": wait,
        "bad": "print('bad done'); raise SystemExit(3)",
        "late": "import time; print('late begun', flush=True); time.sleep(60)",
        "last": f"open({str(met)!r}, 'w'); print('last done')",
    }
    group = [
        gpu.Part(name, [sys.executable, "-c", code], 1 if name == "late" else 30, 0) for name, code in programs.items()
    ]
    log, out = io.StringIO(), tmp_path / "out"
    out.mkdir()
    results = list(gpu.run_side_by_side(group, out, log, time.monotonic() + 30, "cpu"))
    assert [result.name for result in results] == list(programs)
    verdicts = [result.verdict for result in results]
    assert verdicts == ["passed", "failed: exit code 3", "failed: not done after 1 s", "passed"]
    told = [line for line in log.getvalue().splitlines() if line.endswith(("done", "begun"))]
    assert told == ["first done", "bad done", "late begun", "last done"]
    assert not list(out.iterdir())


def test_parts_without_time_are_left_out(gpu: ModuleType, tmp_path: Path) -> None:
    part = gpu.Part("part", [sys.executable, "-c", "raise SystemExit(1)"], 150, gpu.LEAST)
    (result,) = gpu.run_side_by_side([part], tmp_path, io.StringIO(), time.monotonic() + gpu.LEAST - 1, "cpu")
    assert result.verdict == "left out: no time is left"


@pytest.mark.parametrize(
    ("left", "after", "seconds"), [(300, 3, 180), (300, 0, 300), (100, 3, 40), (60, 1, 40), (30, 1, 30)]
)
def test_a_suite_leaves_time_to_those_after_it(gpu: ModuleType, left: float, after: int, seconds: float) -> None:
    assert gpu.time_for(left, after) == seconds


def test_the_suites_of_the_host_come_last(gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(gpu.ON_HOST) == _ON_HOST
    monkeypatch.setattr(gpu, "parts", lambda _: [])
    monkeypatch.setattr(gpu, "install", lambda _: gpu.Result("install", "nothing to do", 0.0))
    monkeypatch.setattr(gpu, "run", lambda part, *_: gpu.Result(part.name, "passed", part.seconds))
    with (tmp_path / "log.txt").open("w") as log:
        results = list(gpu.run_all(tmp_path, "cpu", log, time.monotonic() + 600))
    assert [result.name.removeprefix("bench ") for result in results] == ["install", *SUITES]
    assert {result.seconds for result in results[1:]} == {150}


def test_every_marked_test_is_run_on_a_gpu(gpu: ModuleType) -> None:
    tests = gpu.CHECKOUT / "tests"
    marked = [file for file in tests.rglob("test_*.py") if "mark.gpu" in file.read_text(encoding="utf-8")]
    run = [gpu.CHECKOUT / place for place in gpu.GPU_TESTS]
    here = Path(__file__)
    assert [f for f in marked if f != here and not any(f == place or place in f.parents for place in run)] == []
    assert all(place.exists() for place in run)
