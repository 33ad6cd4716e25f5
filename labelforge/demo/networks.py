"""Training and scoring the demo's three networks side by side, one process each.

Small networks on few cores gain little from threads, and suffer where other programs share the cores; three processes
with a core's worth of threads each keep two cores as busy as they can be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from labelforge.demo.processes import Tell, cores, side_by_side
from labelforge.demo.spread import Tallies, Tally
from labelforge.errors import LabelforgeError

if TYPE_CHECKING:
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.log import LogLine
    from labelforge.trainer.readout import Over
    from labelforge.trainer.training import RunResult


_ENVIRONMENT = {
    # Threads that wait for each other must not spin while another process needs the core.
    "OMP_WAIT_POLICY": "PASSIVE",
    # A step takes and gives back some hundred megabytes. What glibc keeps, the kernel need not clear for the next step:
    # a quarter less time.
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
}
"""Of the processes that train, unless the user has set it."""


class Trained(NamedTuple):
    """A trained network and what it is worth: per validation set its scores, and what the official one is made of."""

    run: RunResult
    evaluations: list[Evaluation]
    tallies: list[Tally]


def train_and_score(
    configs: dict[str, TrainConfig],
    over: dict[str, Over],
    runs: Path,
    train: Sequence[Path],
    val: Sequence[Path],
    console: Console,
) -> dict[str, Trained]:
    """Train several networks at once, each in its own folder in ``runs``, and score each on the shards ``val``.

    Args:
        configs: Their settings, by name.
        over: What a flat union of that name is read over, if not all nodes.
        runs: Where their folders are made.
        train: Shard sets to train on.
        val: Shard sets to score on.
        console: Where to show how far they are.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    threads = max(1, cores() // len(configs))
    jobs = {
        name: partial(_work, name, config, over.get(name, "nodes"), runs / name, (tuple(train), tuple(val)), threads)
        for name, config in configs.items()
    }
    return side_by_side(jobs, console, processes=len(jobs))


def _work(
    name: str,
    config: TrainConfig,
    over: Over,
    out: Path,
    shards: tuple[Sequence[Path], Sequence[Path]],
    threads: int,
    tell: Tell,
) -> Trained:
    """What one process does."""
    import torch

    from labelforge.shards import ShardReader
    from labelforge.trainer.evaluation.scoring import evaluate
    from labelforge.trainer.training import train

    torch.set_num_threads(threads)
    result = train(shards[0], out, config, progress=_Teller(name, config.steps, tell))
    if result.stopped_by is not None:
        what = f"training of {name} was stopped by signal {result.stopped_by}"
        raise LabelforgeError(what, cure="Run the demo again.")
    readers = [ShardReader(folder) for folder in shards[1]]
    images, scored = sum(map(len, readers)), 0

    def advance(*_: object) -> None:
        nonlocal scored
        scored += 1
        tell(f"{name} scoring", scored, images, "")

    seen = Tallies()
    evaluations = evaluate(out, readers, over=over, device="cpu", progress=advance, observe=seen.see)
    pairs = zip(evaluations, readers, strict=True)
    return Trained(result, evaluations, [seen.by_class(e.shards, reader.mapping, e.protocol) for e, reader in pairs])


class _Teller:
    """A :class:`labelforge.trainer.progress.TrainProgress` that tells of every step."""

    def __init__(self, name: str, steps: int, tell: Tell) -> None:
        self._name, self._steps, self._tell, self._note = name, steps, tell, ""

    def note(self, text: str) -> None:
        pass

    def following(self, first: int, steps: int) -> AbstractContextManager[None]:
        self.advance(first)
        return nullcontext()

    def advance(self, step: int) -> None:
        self._tell(f"{self._name} steps", step, self._steps, self._note)

    def scoring(self, done: int, total: int) -> None:
        pass

    def log(self, line: LogLine) -> None:
        self._note = f"loss {line.loss:.2f}"
