"""Python code in a process of its own, which a test interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parents[2]


def wait_for(ready: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds, or the time is up."""
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.02)


def interrupted(code: str, ready: Callable[[], object]) -> tuple[str, str, int]:
    """Run code in a process group, and interrupt the group as Ctrl-C does when it is ready.

    Returns:
        What it printed, what it complained of, and its exit status.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=HERE,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(ready)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    return stdout.strip(), stderr, process.returncode
