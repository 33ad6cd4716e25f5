"""Processes of the demo: what becomes of them when the demo is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelforge.demo.processes import Tell

SCRIPT = """
import sys
from functools import partial

from rich.console import Console

from labelforge.demo.processes import side_by_side
from tests.demo.test_processes import write_and_wait

if __name__ == "__main__":
    side_by_side({"one": partial(write_and_wait, sys.argv[1])}, Console(quiet=True))
"""


def write_and_wait(file: str, tell: Tell) -> None:
    """Write the number of this process, then work for longer than any test."""
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def any_left(group: int) -> bool:
    """Whether a process group has members."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("killed_by", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_the_demo(tmp_path: Path, killed_by: signal.Signals) -> None:
    script, file = tmp_path / "script.py", tmp_path / "process"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    demo = subprocess.Popen(
        [sys.executable, str(script), str(file)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while not (file.exists() and file.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        worker = int(file.read_text())
    finally:
        demo.send_signal(killed_by)
        demo.wait(timeout=60)
    end = time.monotonic() + 20
    while (is_alive(worker) or any_left(demo.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(worker)
    assert not any_left(demo.pid), "the process that keeps the queue"
