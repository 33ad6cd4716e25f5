"""Training and scoring the demo's three networks side by side, one process each.

Small networks on few cores gain little from threads, and suffer where other programs share the cores; three processes
with a core's worth of threads each keep two cores as busy as they can be. What a process has to tell goes through a
queue to the bars in the terminal.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from labelforge.errors import LabelforgeError

if TYPE_CHECKING:
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.log import LogLine
    from labelforge.trainer.training import RunResult

__all__ = ["train_and_score"]

Message = tuple[str, int, int, str]
"""Which network, steps done, steps in all, and what else there is to say."""


def train_and_score(
    configs: dict[str, TrainConfig], runs: Path, train: Sequence[Path], val: Sequence[Path], console: Console
) -> dict[str, tuple[RunResult, list[Evaluation]]]:
    """Train several networks at once, and score each on validation shards.

    Args:
        configs: The training of each network, by name.
        runs: Folder for the runs, each under its name.
        train: Shards to train on.
        val: Shards to score on.
        console: Where progress is shown.

    Returns:
        By name: the run and its evaluations, in the order of ``val``.
    """
    # Threads that wait for each other must not spin while another process needs the core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threads = max(1, (os.cpu_count() or 1) // len(configs))
    context = multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        _Bars(manager.Queue(), console) as bars,
        ProcessPoolExecutor(len(configs), context) as pool,
    ):
        jobs = {
            name: pool.submit(_job, name, config, runs / name, tuple(train), tuple(val), threads, bars.queue)
            for name, config in configs.items()
        }
        return {name: job.result() for name, job in jobs.items()}


def _job(
    name: str, config: TrainConfig, out: Path, train: Sequence[Path], val: Sequence[Path], threads: int, queue: Any
) -> tuple[RunResult, list[Evaluation]]:
    """What one process does."""
    import torch

    from labelforge.trainer.evaluation.scoring import evaluate
    from labelforge.trainer.training import train as train_network

    torch.set_num_threads(threads)
    result = train_network(train, out, config, progress=_Teller(name, config.steps, queue))
    if result.stopped_by is not None:
        raise LabelforgeError(
            f"training of {name} was stopped by signal {result.stopped_by}", cure="Run the demo again."
        )
    queue.put((name, config.steps, config.steps, "scoring"))
    evaluations = evaluate(out, val, device="cpu")
    queue.put((name, config.steps, config.steps, "done"))
    return result, evaluations


class _Teller:
    """A :class:`labelforge.trainer.progress.TrainProgress` that puts everything into a queue."""

    def __init__(self, name: str, steps: int, queue: Any) -> None:
        self._name, self._steps, self._queue = name, steps, queue
        self._text = ""

    def following(self, first: int, steps: int) -> AbstractContextManager[None]:
        self._queue.put((self._name, first, steps, self._text))
        return nullcontext()

    def advance(self, step: int) -> None:
        self._queue.put((self._name, step, self._steps, self._text))

    def log(self, line: LogLine) -> None:
        self._text = f"loss {line.loss:.2f}"


class _Bars:
    """One bar per network, moved by a thread that reads the queue."""

    def __init__(self, queue: Any, console: Console) -> None:
        self.queue = queue
        self._progress = Progress(
            TextColumn("    {task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Bars:
        self._progress.start()
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.put(None)
        self._reader.join()
        self._progress.stop()

    def _read(self) -> None:
        bars: dict[str, Any] = {}
        while (message := self.queue.get()) is not None:
            name, done, total, note = message
            if name not in bars:
                bars[name] = self._progress.add_task(name, total=total, note=note)
            self._progress.update(bars[name], completed=done, note=note)
