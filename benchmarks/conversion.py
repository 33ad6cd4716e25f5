"""Memory and scaling of conversions: ``python benchmarks/conversion.py``.

Datasets of small made-up frames (64 x 64) in the layout of Cityscapes show what a conversion keeps per sample; larger
frames show what a second worker is worth. Each conversion is a command of its own. The peak resident memory of its main
process and of its largest worker is what the system noted (VmHWM), looked at many times while they run; Linux only.
Times are of the whole command, its start and its report too; the number of workers alternates, and the median of the
ratios is told. Other programs on the machine spoil the ratio, not the memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from labelforge.bench.convert import copy_frames, write_synthetic_frames

_LOOK = 0.02  # seconds
_DIFFERENT = 20  # frames that are drawn; the others are copies


class Measured(NamedTuple):
    """One conversion.

    Attributes:
        seconds: How long it took.
        processor: Seconds of processor time of all its processes.
        main: Peak resident memory of its main process in MiB.
        worker: That of its largest worker.
    """

    seconds: float
    processor: float
    main: float
    worker: float


def measure(root: Path, out: Path, workers: int) -> Measured:
    """Convert a dataset by the command, and watch its processes."""
    command = [sys.executable, "-m", "labelforge", "convert", "cityscapes", str(root), str(out)]
    start, before = time.perf_counter(), _processor()
    with subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL) as process:
        peaks: dict[int, float] = {}
        while process.poll() is None:
            for pid in (process.pid, *_children(process.pid)):
                peaks[pid] = max(peaks.get(pid, 0.0), _peak(pid))
            time.sleep(_LOOK)
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds = time.perf_counter() - start
    main = peaks.pop(process.pid)
    return Measured(seconds, _processor() - before, main, max(peaks.values(), default=0.0))


def _processor() -> float:
    """Processor time in seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _peak(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def frames(root: Path, count: int, size: tuple[int, int]) -> Path:
    """A dataset of so many frames of a (height, width)."""
    drawn = root.with_name(f"{root.name}-drawn")
    write_synthetic_frames(drawn, min(count, _DIFFERENT), size)
    copy_frames(drawn, root, count)
    return root


def memory(folder: Path, count: int) -> None:
    """Print the memory that conversions of so many small frames need, and how long their indexes are."""
    root = frames(folder / f"small-{count}", count, (64, 64))
    for workers in (1, 2):
        done = measure(root, folder / "out", workers)
        worker = f", a worker {done.worker:.0f} MiB" if done.worker else ""
        print(f"{count:,} samples, workers {workers}: main process {done.main:.0f} MiB{worker}", flush=True)
        indexes = [path.stat().st_size for path in (folder / "out").glob("*.index.json")]
        shutil.rmtree(folder / "out")
    print(f"{count:,} samples: indexes have {sum(indexes) / count:.0f} bytes a sample", flush=True)
    shutil.rmtree(root)


def scaling(folder: Path, count: int, size: tuple[int, int], turns: int) -> None:
    """Print how much faster two workers are than one, and what processor time they take, which others do not spoil."""
    root = frames(folder / "large", count, size)
    runs: dict[int, list[Measured]] = {1: [], 2: []}
    for _ in range(turns):
        for workers, done in runs.items():
            done.append(measure(root, folder / "out", workers))
            shutil.rmtree(folder / "out")
    faster = statistics.median(one.seconds / two.seconds for one, two in zip(runs[1], runs[2], strict=True))
    for workers, done in runs.items():
        seconds = statistics.median(run.seconds for run in done)
        processor = statistics.median(run.processor for run in done)
        print(f"{count} frames, workers {workers}: {seconds:.1f} s, processor time {processor:.1f} s")
    print(f"two workers are {faster:.2f} times as fast (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)")


def main() -> None:
    """Measure, and print a line for each."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--samples", type=int, nargs="*", default=[200, 20_000], help="sizes of the small datasets")
    arguments.add_argument("--frames", type=int, default=1024, help="frames for the second part; 0: leave it out")
    arguments.add_argument("--size", default="512x1024", help="height and width of these")
    arguments.add_argument("--turns", type=int, default=3, help="turns of one and two workers")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for count in given.samples:
            memory(Path(place), count)
        if given.frames:
            height, width = map(int, given.size.split("x"))
            scaling(Path(place), given.frames, (height, width), given.turns)


if __name__ == "__main__":
    main()
