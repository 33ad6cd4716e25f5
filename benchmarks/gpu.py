"""Everything that needs a GPU, within seven minutes, into one folder: ``make gpu``.

Needs a machine with Python and PyTorch for CUDA; only the standard library is imported here. Packages that are missing
are installed where there is a network. Where there is none, the parts that can run without them do. Each part is a
process of its own with a limit of its own, so none stops the rest. Tests and checks, which time nothing, run side by
side, and with them those suites once that compile, whose kernels then lie in the caches on disk. After them the suites
run alone, one after the other; those that leave the GPU alone come last, if there is time. The folder then holds

    summary.txt      what ran, passed, failed, and how long it took
    log.txt          what the parts printed
    bench-*.json     the results of the suites, for `labelforge bench --compare` and for `benchmarks/results`
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TextIO

CHECKOUT = Path(__file__).resolve().parents[1]
CHECKS = str(CHECKOUT / "benchmarks" / "gpu_checks.py")
PACKAGES = {  # module: what pip calls it; PyTorch is there already, of a build that fits the machine
    "numpy": "numpy",
    "pandas": "pandas",
    "pycocotools": "pycocotools",
    "shapely": "shapely",
    "skimage": "scikit-image",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "pydantic": "pydantic",
    "click": "click",
    "rich": "rich",
    "safetensors": "safetensors",
    "filelock": "filelock",
    "fsspec": "fsspec",
    "jinja2": "jinja2",
    "lazy_loader": "lazy-loader",
    "numba": "numba",
    "simplejpeg": "simplejpeg",
    "zlib_ng": "zlib-ng",
    "pytest": "pytest",
    "hypothesis": "hypothesis",
}
GPU_TESTS = (
    "tests/trainer/kernels",
    "tests/trainer/test_colors.py",
    "tests/trainer/test_fusing.py",
    "tests/trainer/test_replayed_step.py",
    "tests/trainer/test_rows.py",
    "tests/bench/test_bench_meter.py",
)
"""Files with tests that are marked; all of them together import more than a bare machine has."""
ON_HOST = ("loader", "convert")
"""Suites that leave the GPU alone."""
COMPILING = ("loss", "train")
"""Suites that compile for longer than they measure."""
LEAST = 40.0
"""Seconds that every suite leaves to each of those after it, and without which none begins."""


class Part(NamedTuple):
    """Something to run."""

    name: str
    command: list[str]
    seconds: float
    """It is ended after as many."""
    least: float = 5.0
    """With less time it is left out."""


class Result(NamedTuple):
    """How a part went."""

    name: str
    verdict: str
    seconds: float


def main() -> int:
    """Run everything; the exit code is 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", default=os.environ.get("OUT", "gpu-results"), help="folder; default: $OUT, gpu-results"
    )
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: a rehearsal without a GPU")
    parser.add_argument("--minutes", type=float, default=7, help="in which all parts together end")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    results: list[Result] = []
    with (out / "log.txt").open("w", encoding="utf-8") as log:
        for result in run_all(out, options.device, log, end):
            results.append(result)
            write_summary(out, results)
    print((out / "summary.txt").read_text(encoding="utf-8"))
    return int(any(result.verdict.startswith("failed") for result in results))


def run_all(out: Path, device: str, log: TextIO, end: float) -> Iterator[Result]:
    """Run everything, until a time of `time.monotonic`."""
    yield install(log)
    now = time.monotonic()
    yield from run_side_by_side(parts(device), out, log, now + (end - now) / 2, device)
    suites = bench_suites(out, device, log)
    if not suites:
        yield Result("bench", "failed: the suites could not be listed", 0.0)
    for on_host in (False, True):
        group = [part for name, part in suites.items() if (name in ON_HOST) == on_host]
        for number, part in enumerate(group, start=1):
            seconds = time_for(end - time.monotonic(), len(group) - number)
            yield run(part._replace(seconds=min(part.seconds, seconds)), log, end, device)


def time_for(left: float, after: int) -> float:
    """How many of the seconds that are left a suite may take, when others come after it."""
    return max(left - LEAST * after, min(left, LEAST))


def install(log: TextIO) -> Result:
    """Install what is missing; without a network that fails within seconds."""
    start = time.monotonic()
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return Result("install", "nothing to do", 0.0)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "5"]
    # One by one: what has no wheel for this machine must not keep the others away.
    left = [name for name in missing if start_process([*command, name], log, 60, {}) != 0]
    verdict = f"installed {len(missing) - len(left)} of {len(missing)}"
    return Result("install", verdict + (f"; without {', '.join(left)}" if left else ""), time.monotonic() - start)


def parts(device: str) -> list[Part]:
    """Tests and checks, and on a GPU what fills the caches; what takes longest comes first."""
    checks = [
        Part(f"check {name}", [sys.executable, CHECKS, name, "--device", device], 200)
        for name in ("kernels", "resume", "ddp")
    ]
    if device != "cuda":
        return checks
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", *GPU_TESTS]
    warm = [Part(f"warm up {name}", [*bench_command(device), name, "--repeats", "1"], 200) for name in COMPILING]
    return [Part("tests", tests, 200), *warm, *checks]


def bench_suites(out: Path, device: str, log: TextIO) -> dict[str, Part]:
    """All suites that `labelforge bench` has."""
    code = "from labelforge.bench.config import SUITES; print(*SUITES)"
    command = [sys.executable, "-c", code]
    listed = subprocess.run(
        command, env=environment({}), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=log, text=True, check=False
    )
    files = {name: str(out.resolve() / f"bench-{name}.json") for name in listed.stdout.split()}
    return {
        name: Part(f"bench {name}", [*bench_command(device), name, "--json", file], 150, LEAST)
        for name, file in files.items()
    }


def bench_command(device: str) -> list[str]:
    """`labelforge bench` on a device."""
    return [sys.executable, "-m", "labelforge", "bench", "--device", device]


def run_side_by_side(group: list[Part], out: Path, log: TextIO, end: float, device: str) -> Iterator[Result]:
    """Run parts at the same time, as many as there are cores; what they print is put into the log in their order."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = [out / f"log-{part.name.replace(' ', '-')}.txt" for part in group]

    def run_one(part: Part, file: Path) -> Result:
        with file.open("w", encoding="utf-8") as own:
            return run(part, own, end, device)

    with ThreadPoolExecutor(max(2, cores)) as pool:  # two on one core too: one waits for the GPU, or for a disk
        for result, file in zip(pool.map(run_one, group, files), files, strict=True):
            log.write(file.read_text(encoding="utf-8", errors="replace"))
            log.flush()
            file.unlink()
            yield result


def run(part: Part, log: TextIO, end: float, device: str) -> Result:
    """Run a part, unless no time is left."""
    seconds = min(part.seconds, end - time.monotonic())
    if seconds < part.least:
        return Result(part.name, "left out: no time is left", 0.0)
    if part.name == "tests" and not all(importlib.util.find_spec(module) for module in ("pytest", "hypothesis")):
        return Result(part.name, "left out: pytest or hypothesis is missing; the checks are the same without them", 0.0)
    print(f"{part.name} ...", flush=True)
    start = time.monotonic()
    interpret = {"TRITON_INTERPRET": "1"} if device == "cpu" and part.name == "check kernels" else {}
    code = start_process(part.command, log, seconds, interpret)
    took = time.monotonic() - start
    if code is None:
        return Result(part.name, f"failed: not done after {seconds:.0f} s", took)
    return Result(part.name, "passed" if code == 0 else f"failed: exit code {code}", took)


def start_process(command: list[str], log: TextIO, seconds: float, extra: dict[str, str]) -> int | None:
    """Run a command with its output in the log; None if it took too long, and was ended with all that it started."""
    log.write(f"\n$ {' '.join(command)}\n")
    log.flush()
    process = subprocess.Popen(
        command, env=environment(extra), cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True
    )
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment(extra: dict[str, str]) -> dict[str, str]:
    """That of this process, with the checkout first on the path: nothing of it need be installed."""
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **extra}


def write_summary(out: Path, results: list[Result]) -> None:
    """A line per part."""
    lines = [f"{result.name:16} {result.seconds:6.1f} s  {result.verdict}" for result in results]
    (out / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
