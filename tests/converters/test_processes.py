"""What becomes of the processes of a conversion: interrupted, killed, and while they start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a process group")
def test_an_interrupt_ends_all_workers_quietly(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import StuckCityscapes\n"
        f"try: convert(StuckCityscapes, {str(root)!r}, {str(out)!r}, split='train', samples_per_shard=3, workers=2)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while len(list(out.glob(".shard*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (stdout.strip(), stderr, process.returncode) == ("interrupted", "", 0)
    assert not (out / "manifest.json").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("killed_by", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_a_conversion_that_is_killed(root: Path, tmp_path: Path, killed_by: signal.Signals) -> None:
    out = tmp_path / "out"
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import StuckCityscapes\n"
        f"convert(StuckCityscapes, {str(root)!r}, {str(out)!r}, split='train', samples_per_shard=3, workers=2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while len(list(out.glob(".shard*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(_group(process.pid)) > 2
    process.send_signal(killed_by)
    process.wait(timeout=20)
    deadline = time.monotonic() + 20
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = _group(process.pid)
    if left:
        os.killpg(process.pid, signal.SIGKILL)
    assert not left


def _group(leader: int) -> list[str]:
    """The living processes of a process group."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state != "Z":
                found.append(process.name)
    return found


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
def test_an_interrupt_while_workers_start_is_not_lost() -> None:
    """In a process of its own, with another thread that the signal may be delivered to."""
    code = (
        "import os, signal, threading, time\n"
        "from labelforge.converters.engine.interrupts import interrupts_held\n"
        "threading.Thread(target=time.sleep, args=(2,), daemon=True).start()\n"
        "try:\n"
        "    with interrupts_held():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0.2)\n"
        "        print('went on')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:4] == ["went on", "interrupted", "True", "set()"]
