"""Training and scoring the demo's three networks side by side, one process each.

Small networks on few cores gain little from threads, and suffer where other programs share the cores; three processes
with a core's worth of threads each keep two cores as busy as they can be. What a process has to tell goes through a
queue to the bars in the terminal.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from rich.console import Console

from labelforge.console import progress_bar
from labelforge.errors import LabelforgeError

if TYPE_CHECKING:
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.log import LogLine
    from labelforge.trainer.training import RunResult


def train_and_score(
    configs: dict[str, TrainConfig], runs: Path, train: Sequence[Path], val: Sequence[Path], console: Console
) -> dict[str, tuple[RunResult, list[Evaluation]]]:
    """Train several networks at once, each in its own folder in ``runs``, and score each on the shards ``val``."""
    # Threads that wait for each other must not spin while another process needs the core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threads, context = max(1, (os.cpu_count() or 1) // len(configs)), multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(len(configs), context)
    with context.Manager() as manager, progress_bar(console, indent=4) as bars, pool:
        queue = manager.Queue()
        tasks = {name: bars.add_task(f"{name:<14}", total=config.steps) for name, config in configs.items()}
        jobs = {
            name: pool.submit(_work, name, config, runs / name, (tuple(train), tuple(val)), threads, queue)
            for name, config in configs.items()
        }
        while not queue.empty() or not all(job.done() for job in jobs.values()):
            with suppress(Empty):
                name, done, note = queue.get(timeout=0.2)
                bars.update(tasks[name], completed=done, note=note)
        return {name: job.result() for name, job in jobs.items()}


def _work(
    name: str, config: TrainConfig, out: Path, shards: tuple[Sequence[Path], Sequence[Path]], threads: int, queue: Any
) -> tuple[RunResult, list[Evaluation]]:
    """What one process does."""
    import torch

    from labelforge.trainer.evaluation.scoring import evaluate
    from labelforge.trainer.training import train

    torch.set_num_threads(threads)
    result = train(shards[0], out, config, progress=_Teller(name, queue))
    if result.stopped_by is not None:
        what = f"training of {name} was stopped by signal {result.stopped_by}"
        raise LabelforgeError(what, cure="Run the demo again.")
    queue.put((name, config.steps, "scoring"))
    evaluations = evaluate(out, shards[1], device="cpu")
    queue.put((name, config.steps, "done"))
    return result, evaluations


class _Teller:
    """A :class:`labelforge.trainer.progress.TrainProgress` that puts everything into a queue."""

    def __init__(self, name: str, queue: Any) -> None:
        self._name, self._queue, self._note = name, queue, ""

    def note(self, text: str) -> None:
        pass

    def following(self, first: int, steps: int) -> AbstractContextManager[None]:
        self.advance(first)
        return nullcontext()

    def advance(self, step: int) -> None:
        self._queue.put((self._name, step, self._note))

    def scoring(self, done: int, total: int) -> None:
        pass

    def log(self, line: LogLine) -> None:
        self._note = f"loss {line.loss:.2f}"
