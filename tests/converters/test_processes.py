"""What becomes of the processes of a conversion: interrupted, killed, while they start, and where there is another.

``python -m tests.converters.test_processes 25`` kills conversions at 25 moments; the test does so at a few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from labelforge.converters import convert
from labelforge.errors import ShardError
from tests.converters.layouts import contents, write_cityscapes
from tests.converters.running import HERE, interrupted, wait_for


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a process group")
def test_an_interrupt_ends_all_workers_quietly(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import StuckCityscapes\n"
        f"try: convert(StuckCityscapes, {str(root)!r}, {str(out)!r}, split='train', samples_per_shard=3, workers=2)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    assert interrupted(code, lambda: len([*out.glob(".shard*")]) >= 2) == ("interrupted", "", 0)
    assert not out.exists()


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
        cwd=HERE,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len([*out.glob(".shard*")]) >= 2)
    assert len(_group(process.pid)) > 2
    process.send_signal(killed_by)
    process.wait(timeout=20)
    wait_for(lambda: not _group(process.pid), 20)
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


def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, kills=3, seed=1)


def kill_and_go_on(folder: Path, kills: int, seed: int) -> int:
    """Kill conversions with two workers at random moments, and go on: no finished shard is touched, and in the end all
    bytes are those of an undisturbed conversion. Every other time only the main process is killed, not its workers.

    Returns:
        How many finished shards were found there after kills, in all.
    """
    write_cityscapes(folder / "root", count=30)
    convert("cityscapes", folder / "root", folder / "expected", split="train", samples_per_shard=1)
    draw = random.Random(seed)
    finished: dict[str, tuple[int, int]] = {}
    survived, round_ = 0, 0
    for kill in range(kills):
        out = folder / f"out-{round_}"
        with _conversion(folder / "root", out) as process:
            deadline = time.monotonic() + 30
            while not (out / ".writing").exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 2.5))
            if kill % 2:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        now = _finished(out)
        assert {name: now[name] for name in finished} == finished
        finished, survived = now, survived + len(now)
        if (out / "manifest.json").exists():
            assert contents(out) == contents(folder / "expected")
            finished, round_ = {}, round_ + 1
    out = folder / f"out-{round_}"
    with _conversion(folder / "root", out) as process:
        assert process.wait(timeout=60) == 0
    now = _finished(out)
    assert {name: now[name] for name in finished} == finished
    assert contents(out) == contents(folder / "expected")
    return survived


def _conversion(root: Path, out: Path) -> subprocess.Popen[bytes]:
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import SlowCityscapes\n"
        f"convert(SlowCityscapes, {str(root)!r}, {str(out)!r}, split='train', samples_per_shard=1, workers=2)"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=HERE, start_new_session=True)


def _finished(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of all files of finished shards."""
    finished = {}
    for index in out.glob("shard*.json"):
        for path in (index, index.with_name(index.name.replace(".index.json", ".tar"))):
            finished[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return finished


def test_a_second_conversion_into_one_folder_stops_at_once(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with _conversion(root, out) as process:
        deadline = time.monotonic() + 30
        while not (out / "shard-00000.index.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for overwrite in (False, True):
            with pytest.raises(ShardError, match=rf"convert \(process {process.pid} on .* is writing here"):
                convert("cityscapes", root, out, split="train", samples_per_shard=1, overwrite=overwrite)
        assert process.wait(timeout=60) == 0
    convert("cityscapes", root, tmp_path / "fresh", split="train", samples_per_shard=1)
    assert contents(out) == contents(tmp_path / "fresh")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        shards = kill_and_go_on(Path(place), kills=int(sys.argv[1]), seed=0)
        print(f"killed {sys.argv[1]} times; {shards} times a finished shard was there after a kill and stayed")
