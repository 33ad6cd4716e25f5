"""Training: from shards to a checkpoint, in one place and from top to bottom.

:func:`train` checks everything that can be wrong before it writes anything. Then it repeats, step by step: load a
batch, learn from it (:mod:`labelforge.trainer.learner`), and when due validate, write a line of the log or a
checkpoint. It ends after the last step, after the step in which SIGTERM or SIGINT arrived, or when validations have not
got better for too long; in any case with a checkpoint from which ``resume`` continues exactly.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from labelforge.errors import counted, shortened
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import best_checkpoint, find_checkpoint
from labelforge.trainer.checkpoint_writer import mark_best, save_checkpoint
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.datasets import pixel_counts
from labelforge.trainer.distributed import StopRequest, join_processes, listen_for_stop
from labelforge.trainer.features import remove_own
from labelforge.trainer.learner import Learner
from labelforge.trainer.log import Clock, LogLine, LossWindow, MetricsLog, read_log
from labelforge.trainer.opening import describe_run
from labelforge.trainer.progress import NoProgress, TrainProgress
from labelforge.trainer.remarks import remarks
from labelforge.trainer.report import write_report
from labelforge.trainer.run_folder import (
    RunStart,
    finished_note,
    leaving_nothing,
    open_run,
    training_alone,
    write_description,
)
from labelforge.trainer.segmenter import NetworkSegmenter
from labelforge.trainer.settings import load_config
from labelforge.trainer.validation.history import History, ValidationLine
from labelforge.trainer.validation.sets import open_validation_sets
from labelforge.trainer.validation.validation import Validation


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

        >>> from labelforge.trainer import RunResult, train
        >>> result: RunResult = train(["shards/cityscapes-train", "shards/gtsdb-train"], "runs/first", resume=True)
        >>> result.step, result.stopped_by, [line.step for line in result.log]
        (1, None, [1])

    Attributes:
        out: Folder of the run.
        step: Steps done, over all resumptions.
        checkpoint: Folder of the latest checkpoint.
        log: All lines of its log.
        stopped_by: Number of the signal that ended it before its last step, or None.
        validations: What every validation found.
        best: Folder of the checkpoint that was the best of them, or None.
    """

    out: Path
    step: int
    checkpoint: Path
    log: tuple[LogLine, ...]
    stopped_by: int | None = None
    validations: tuple[ValidationLine, ...] = ()
    best: Path | None = None

    def __repr__(self) -> str:
        loss = f", loss {self.log[-1].loss:.3f}" if self.log else ""
        end = "" if self.stopped_by is None else f", stopped by {signal.Signals(self.stopped_by).name}"
        return f"<RunResult {shortened(self.out)}: {counted(self.step, 'step')}{loss}{end}>"


def train(
    shards: Sequence[str | os.PathLike[str] | ShardReader],
    out: str | os.PathLike[str],
    config: TrainConfig | str | os.PathLike[str] | None = None,
    *,
    val: Sequence[str | os.PathLike[str] | ShardReader] = (),
    settings: Sequence[str] = (),
    resume: bool = False,
    progress: TrainProgress | None = None,
) -> RunResult:
    """Train a network on shards of one or more datasets.

        >>> from labelforge.trainer import train
        >>> small = ["steps=1", "model.backbone=resnet18", "data.crop=[64,96]", "data.workers=0"]
        >>> result = train(["shards/cityscapes-train", "shards/gtsdb-train"], "runs/first", settings=small)
        >>> result.step, result.checkpoint.name
        (1, 'step-0000001')

    Args:
        shards: Shard sets, all made for one taxonomy.
        out: Folder of the run; new, unless it is resumed.
        config: Configuration, or its YAML file; default: when resuming the run's own, else the defaults of
            :class:`TrainConfig`, which are not the paper's (those are its ``preset="authors"``).
        val: Shard sets that the network does not learn from: every ``validation.every`` steps the averaged weights are
            scored on each as its benchmark does. The best are kept as the run's ``best``, beside the latest.
        settings: ``key=value`` texts that override it (:func:`load_config`).
        resume: Continue the run in ``out`` from its latest checkpoint (from the start if it has none).
        progress: Shows how far the run is.

    A run that fails before its first checkpoint leaves nothing in a new folder.

    Raises:
        ConfigError: The configuration does not fit the shards, the machine or the folder, or the run is finished and
            the settings are others.
        ShardError: Shards are broken or were made for another taxonomy.
        CheckpointError: The checkpoint to resume from is broken or belongs to another run.
        LabelforgeError: The loss became infinite or not a number.
    """
    start = open_run(out, resume=resume)
    config = load_config(start.config_file if config is None else config, settings)
    batches = TrainingBatches.open(shards, config)
    sets = open_validation_sets(val, config.validation, batches)
    table = batches.table
    notes = [finished_note(start, config)] if start.checkpoint else list(remarks(config, batches))
    if start.checkpoint is not None:
        start.checkpoint.check_same_run(config, table.layout, table.mappings)
    with join_processes(config.device) as processes:
        own = batches.share(processes.rank, processes.world)
        told = progress if progress and processes.main else NoProgress()
        validation = Validation(sets, config, start.folder, start.step, told)
        pixels = pixel_counts([crops.training_set for crops in batches.crops])
        learner = Learner(config, table, processes, start.checkpoint, pixels=pixels, drawn=batches.drawn)
        if learner.transfer is not None:
            notes.append(f"taken over from {config.start_from}: {learner.transfer.sentence}")
        if start.step < config.steps:
            notes += describe_run(config, batches, learner.network, processes.device)
            if learner.replays:
                notes.append("Network, loss and gradients of a step are recorded, and launched as one (CUDA graph).")
            notes += validation.notes()
        for note in filter(None, notes):
            told.note(note)
        with training_alone(start) if processes.main else nullcontext():
            store = learner.keep_features(start.folder, told) if start.step < config.steps else None
            training = _Training(learner, own if store is None else own.keeping(store), validation, told)
            stopped_by = training.fit(start)
            processes.wait()  # now every process can see the last checkpoint, and none needs features any more
            if processes.main and stopped_by is None:
                remove_own(config, store)
            return _conclude(start.folder, config, table, stopped_by, write=processes.main)


def _conclude(
    folder: Path, config: TrainConfig, table: TargetTable, stopped_by: int | None, *, write: bool
) -> RunResult:
    """What became of a run that has ended, and its report."""
    checkpoint, log, history = find_checkpoint(folder), tuple(read_log(folder)), History.read(folder)
    if write:
        write_report(folder / "report.html", config, table, log, checkpoint.step, history)
    best = best_checkpoint(folder)
    return RunResult(folder, checkpoint.step, checkpoint.folder, log, stopped_by, history.lines, best)


class _Training:
    """The steps of a run, and what is due between them.

    Args:
        learner: What learns, in this process.
        batches: The batches of this process.
        validation: What the weights are scored on.
        progress: Shows how far the run is.
    """

    def __init__(
        self, learner: Learner, batches: TrainingBatches, validation: Validation, progress: TrainProgress
    ) -> None:
        self._learner = learner
        self._batches = batches
        self._validation = validation
        self._progress = progress

    def fit(self, start: RunStart) -> signal.Signals | None:
        """Train from where a run begins to its last step, until a signal asks to stop, or until validation says enough.

        Args:
            start: Folder and first step.

        Returns:
            The signal that ended it before the last step, or None.
        """
        config, processes = self._learner.config, self._learner.processes
        processes.wait()  # before the first process writes into the folder, all have finished reading it
        if not processes.main:
            return self._fit(start)
        write_description(start, config, processes.device)
        with leaving_nothing(start, config):
            return self._fit(start)

    def _fit(self, start: RunStart) -> signal.Signals | None:
        learner, batches, validation, progress = self._learner, self._batches, self._validation, self._progress
        config, processes = learner.config, learner.processes
        if processes.main:
            validation.start()
        log = MetricsLog(start.folder, start.step, write=processes.main)
        window = LossWindow(learner.table.layout.names)
        clock = Clock(sum(batches.counts) * processes.world, log.seconds)
        pin = processes.device.type == "cuda"
        loaded = batches.load(start.step, workers=config.data.workers, pin=pin)
        step = start.step
        with closing(log), closing(loaded), listen_for_stop() as stop, progress.following(step, config.steps):
            if self._validate(step, log, stop, window, clock):  # what a signal broke off
                self._save(start.folder, step, best=True)
            ended = self._must_stop(stop) or validation.enough
            while step < config.steps and not ended:
                with clock.waiting():
                    batch = next(loaded)
                loss = learner.step(step, batch)
                step += 1
                clock.step()
                window.add(step, loss, batch.keys)
                progress.advance(step)
                best = self._validate(step, log, stop, window, clock)
                ended = self._must_stop(stop) or validation.enough or step == config.steps
                if step % config.log_every == 0 or ended:
                    line = LogLine(step=step, lr=learner.rate, **asdict(window.take()), **asdict(clock.take()))
                    log.write(line)
                    progress.log(line)
                if step % config.checkpoint_every == 0 or ended or best:
                    window.check()
                    self._save(start.folder, step, best=best)
        if step == config.steps or validation.enough:
            validation.conclude(step)
            return None
        return stop.signal

    def _must_stop(self, stop: StopRequest) -> bool:
        """Whether a signal has asked any process to stop; if so, all of them know from now on."""
        if self._learner.processes.any(stop.signal is not None):
            stop.signal = stop.signal or signal.SIGTERM
        return stop.signal is not None

    def _validate(self, step: int, log: MetricsLog, stop: StopRequest, window: LossWindow, clock: Clock) -> bool:
        """Score the averaged weights if that is due; whether they are the best so far.

        The first process does, and knows of the best. All of them know whether it is enough.
        """
        learner, validation = self._learner, self._validation
        if not validation.is_due(step):
            return False
        window.check()  # a network that is broken is not scored
        best, table, processes = False, learner.table, learner.processes
        with clock.resting():
            if processes.main:
                average = learner.average.module
                network = NetworkSegmenter(average, table.layout, table.mappings, learner.config, processes.device)
                best = validation.run(step, network, log, stop)
            validation.enough = processes.told(validation.enough)
        return best

    def _save(self, folder: Path, step: int, *, best: bool) -> None:
        learner = self._learner
        if not learner.processes.main:
            return
        save_checkpoint(
            folder,
            step=step,
            config=learner.config,
            layout=learner.table.layout,
            mappings=learner.table.mappings,
            samples=[len(crops) for crops in self._batches.crops],
            weights=learner.network.state_dict(),
            average=learner.average.module.state_dict(),
            state=learner.state(),
            keep=learner.config.keep_checkpoints,
            priors=learner.priors(step),
        )
        if best:
            mark_best(folder, step, learner.config.keep_checkpoints)
