"""The training loop.

:func:`train` checks everything that can be wrong before it writes anything, then repeats: fetch a batch, learn from it,
and at the appointed steps write a line of the log or a checkpoint. It ends after the last step, or after the step in
which SIGTERM or SIGINT arrived; either way with a checkpoint from which ``resume`` goes on exactly.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from labelforge.errors import CheckpointError, ConfigError
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint, list_checkpoints, save_checkpoint
from labelforge.trainer.config import TrainConfig, load_config
from labelforge.trainer.data.batches import BatchPlan, iterate_batches
from labelforge.trainer.data.datasets import (
    Source,
    batch_counts,
    check_taxonomy,
    compile_table,
    group_sources,
    open_shards,
    tag,
)
from labelforge.trainer.distributed import Processes, join_processes
from labelforge.trainer.learner import Learner
from labelforge.trainer.log import LogLine, LossWindow, MetricsLog, read_log
from labelforge.trainer.progress import TrainProgress
from labelforge.trainer.report import write_report
from labelforge.trainer.run_folder import CONFIG_NAME, check_folder, write_description
from labelforge.trainer.stopping import listen_for_stop

__all__ = ["RunResult", "train"]


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        out: Folder of the run.
        step: Steps done, over all resumptions.
        checkpoint: Folder of the latest checkpoint.
        log: All lines of its log.
        stopped_by: Number of the signal that ended it before its last step, or None.
    """

    out: Path
    step: int
    checkpoint: Path
    log: tuple[LogLine, ...]
    stopped_by: int | None = None


def train(
    shards: Sequence[str | os.PathLike[str] | ShardReader],
    out: str | os.PathLike[str],
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    progress: TrainProgress | None = None,
) -> RunResult:
    """Train a network on shards of one or more datasets.

    Args:
        shards: Shard sets, all made for one taxonomy.
        out: Folder of the run; new, unless it is resumed.
        config: Configuration; default that of the run when resuming, else the paper's.
        resume: Go on with the run in ``out`` from its latest checkpoint (from the start if it has none).
        progress: Is told how it goes.

    Raises:
        ConfigError: The configuration does not fit the shards, the machine or the folder.
        ShardError: Shards are broken or were made for another taxonomy.
        CheckpointError: The checkpoint to resume from is broken or of another run.
        LabelforgeError: The loss became infinite or not a number.
    """
    folder = check_folder(out, resume=resume)
    if config is None:
        config = load_config(folder / CONFIG_NAME) if resume else TrainConfig()
    readers = open_shards(shards)
    tree = check_taxonomy(readers, config.taxonomy)
    sources = group_sources(readers)
    table = compile_table(config.model.head, tree, [source.mapping for source in sources], config.loss.boxes)
    counts = batch_counts(sources, config.data.batch)
    checkpoint = find_checkpoint(folder) if resume and list_checkpoints(folder) else None
    if checkpoint is not None:
        _check_same_run(checkpoint, config, table)
    with join_processes(config.device) as processes:
        learner = Learner(table, config, processes, pretrained=checkpoint is None)
        if checkpoint is not None:
            learner.restore(checkpoint)
        plan = BatchPlan(
            sources, counts, table, config.data, seed=config.seed, rank=processes.rank, world=processes.world
        )
        first = 0 if checkpoint is None else checkpoint.step
        run = _Run(folder, config, table, sources, learner, plan, processes, progress if processes.main else None)
        return run.go(first)


@dataclass
class _Run:
    """A run that is checked and ready to start."""

    folder: Path
    config: TrainConfig
    table: TargetTable
    sources: tuple[Source, ...]
    learner: Learner
    plan: BatchPlan
    processes: Processes
    progress: TrainProgress | None

    def go(self, first: int) -> RunResult:
        """Run from step ``first`` (steps done before) to the end, or until asked to stop."""
        self.processes.wait()  # nobody still checks the folder when the first process writes into it
        log = None
        if self.processes.main:
            write_description(self.folder, self.config, self.processes.device)
            log = MetricsLog(self.folder, first)
        if self.progress is not None:
            self.progress.begin(first, self.config.steps)
            if first:
                self.progress.say(f"going on from step {first}")
        try:
            step, stopped_by = self._loop(first, log)
        finally:
            if self.progress is not None:
                self.progress.end()
            if log is not None:
                log.close()
        self.processes.wait()  # the checkpoint is there for every process
        result = RunResult(
            self.folder, step, list_checkpoints(self.folder)[-1], tuple(read_log(self.folder)), stopped_by
        )
        if self.processes.main:
            write_report(self.folder / "report.html", self.config, self.table, result.log, step)
        return result

    def _loop(self, first: int, log: MetricsLog | None) -> tuple[int, int | None]:
        config = self.config
        window = LossWindow(self.table.names)
        clock = _Clock(sum(self.plan.counts) * self.processes.world, 0.0 if log is None else log.seconds)
        pin = self.processes.device.type == "cuda"
        batches = iterate_batches(self.plan, first, config.steps, config.data.workers, pin)
        step, asked = first, None
        with listen_for_stop() as stop, closing(batches):
            while step < config.steps and asked is None:
                with clock.waiting():
                    batch = next(batches)
                loss = self.learner.step(step, batch)
                step += 1
                clock.step()
                window.add(step, loss, batch.keys)
                if self.progress is not None:
                    self.progress.advance(step)
                if self.processes.any(stop.signal is not None):
                    asked = stop.signal or signal.SIGTERM
                last = step == config.steps or asked is not None
                if step % config.log_every == 0 or last:
                    self._write_line(step, window, clock, log)
                if step % config.checkpoint_every == 0 or last:
                    self._save(step, window)
        return step, None if step == config.steps else asked

    def _write_line(self, step: int, window: LossWindow, clock: _Clock, log: MetricsLog | None) -> None:
        means = window.take()
        speed, wait, seconds = clock.take()
        line = LogLine(step, means.loss, means.losses, means.gate, self.learner.rate, speed, wait, seconds)
        if log is not None:
            log.write(line)
        if self.progress is not None:
            self.progress.log(line)

    def _save(self, step: int, window: LossWindow) -> None:
        window.check()
        if self.processes.main:
            save_checkpoint(
                self.folder,
                step=step,
                config=self.config,
                table=self.table,
                samples=[len(source) for source in self.sources],
                weights=self.learner.network.state_dict(),
                average=self.learner.average.module.state_dict(),
                state=self.learner.state(),
                keep=self.config.keep_checkpoints,
            )


class _Clock:
    """Speed and waiting between two lines of the log.

    Args:
        images: Images per step, over all processes.
        seconds: Training time before this process started.
    """

    def __init__(self, images: int, seconds: float) -> None:
        self._images = images
        self._seconds = seconds
        self._steps = 0
        self._waited = 0.0
        self._since = time.perf_counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time inside counts as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def step(self) -> None:
        """A step is done."""
        self._steps += 1

    def take(self) -> tuple[float, float, float]:
        """Images per second and share of waiting since the last take; training time so far in seconds."""
        now = time.perf_counter()
        span = now - self._since
        self._seconds += span
        speed, wait = self._steps * self._images / span, self._waited / span
        self._steps, self._waited, self._since = 0, 0.0, now
        return speed, wait, self._seconds


def _check_same_run(checkpoint: Checkpoint, config: TrainConfig, table: TargetTable) -> None:
    """A run goes on with the network, the seed, the tree and the label tables that it was started with."""
    for key in ("model", "seed"):
        before, now = getattr(checkpoint.config, key), getattr(config, key)
        if before != now:
            raise ConfigError(
                f"the run was started with {key} {_short(before)}, not {_short(now)}",
                where=checkpoint.folder,
                cure=f"Leave {key} as it was, or start a new run.",
            )
    if checkpoint.taxonomy.digest != table.taxonomy.digest:
        raise CheckpointError(
            f"the run was started with taxonomy {tag(checkpoint.taxonomy)}, the shards are of {tag(table.taxonomy)}",
            where=checkpoint.folder,
            cure=f"Retarget the shards to {checkpoint.taxonomy.name} as it was, or start a new run.",
        )
    if [m.digest for m in checkpoint.mappings] != [m.digest for m in table.mappings]:
        before = ", ".join(m.dataset for m in checkpoint.mappings)
        raise CheckpointError(
            f"the run was started with other datasets or label tables (datasets then: {before})",
            where=checkpoint.folder,
            cure="Give the same shards as before, or start a new run.",
        )


def _short(value: object) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{key}={item}" for key, item in value.model_dump(exclude_defaults=True).items()) or "defaults"
    return str(value)
