"""Training: from shards to a checkpoint, in one place and from top to bottom.

:func:`train` checks everything that can be wrong before it writes anything. A :class:`Trainer` then repeats, step by
step: load a batch, learn from it, and when due validate, write a line of the log or a checkpoint. It ends after the
last step, after the step in which SIGTERM or SIGINT arrived, or when validations have not got better for too long; in
any case with a checkpoint from which ``resume`` continues exactly.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from labelforge.errors import counted, shortened
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint, best_checkpoint, find_checkpoint
from labelforge.trainer.checkpoint_writer import mark_best, save_checkpoint
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import Batch, TrainingBatches
from labelforge.trainer.data.datasets import pixel_counts
from labelforge.trainer.data.feature_store import FeatureStore
from labelforge.trainer.devices import autocast, resolve_precision
from labelforge.trainer.distributed import Processes, StopRequest, join_processes, listen_for_stop
from labelforge.trainer.features import Classify, FrozenFeatures, open_store, remove_own, reuses_features
from labelforge.trainer.log import Clock, LogLine, LossWindow, MetricsLog, read_log
from labelforge.trainer.loss import LossOutput, hierarchical_loss, loss_weights
from labelforge.trainer.models.network import build_network
from labelforge.trainer.opening import describe_run
from labelforge.trainer.optim import (
    ExponentialMovingAverage,
    learning_rate,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_learning_rate,
)
from labelforge.trainer.pixel_grid import PixelGrid
from labelforge.trainer.progress import NoProgress, TrainProgress
from labelforge.trainer.remarks import remarks
from labelforge.trainer.report import write_report
from labelforge.trainer.run_folder import RunStart, finished_note, leaving_nothing, open_run, write_description
from labelforge.trainer.segmenter import NetworkSegmenter
from labelforge.trainer.settings import load_config
from labelforge.trainer.tables import TableTensors
from labelforge.trainer.transfer import Transfer, transfer_weights
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
        trainer = Trainer(config, table, processes, start.checkpoint, pixels=pixels)
        if trainer.transfer is not None:
            notes.append(f"taken over from {config.start_from}: {trainer.transfer.sentence}")
        if start.step < config.steps:
            notes += [*describe_run(config, batches, trainer.network, processes.device), *validation.notes()]
        for note in filter(None, notes):
            told.note(note)
        store = trainer.keep_features(start.folder, told) if start.step < config.steps else None
        stopped_by = trainer.fit(start, own if store is None else own.keeping(store), validation, told)
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


class Trainer:
    """One network in training, and everything that a step changes: weights, average, momentum, random state.

    Args:
        config: Configuration of the run.
        table: Its target table.
        processes: The device, and the processes that train together.
        checkpoint: Continue exactly where this was saved.
        pixels: (L,) labelled pixels of each row of the table, which weights of classes need.

    Attributes:
        network: The network, in training mode.
        average: Its moving average.
        rate: Learning rate of the latest step.
        transfer: What was taken over from another run, if the configuration names one.

    Raises:
        ConfigError: The configuration and the table do not fit.
        CheckpointError: The checkpoint, or a file with the backbone's weights, is broken or of another network.
    """

    def __init__(
        self,
        config: TrainConfig,
        table: TargetTable,
        processes: Processes,
        checkpoint: Checkpoint | None = None,
        *,
        pixels: npt.NDArray[np.int64] | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        device = processes.device
        self.config = config
        self.table = table
        self.processes = processes
        fresh = checkpoint is None
        pretrained, layout = fresh and config.start_from is None, table.layout
        self.network = build_network(layout.sizes, config.model, joins=layout.joins, pretrained=pretrained)
        self.transfer: Transfer | None = None
        if fresh and config.start_from is not None:
            earlier = find_checkpoint(config.start_from)
            self.transfer = transfer_weights(self.network, table.layout, config.model, earlier)
        self.network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average = ExponentialMovingAverage(self.network, config.ema.decay)
        self.rate = config.optim.first_rate
        self._optimizer = make_optimizer(self.network, config.optim)
        self._tensors, loss = TableTensors.of(table, device), config.loss
        self._loss_weights = loss_weights(table.layout, *loss.weights, loss.nodes).to(device)
        known = np.zeros(0, np.int64) if pixels is None else pixels
        found = class_weights(table, known, loss.class_weights, flip=config.data.flip, mean=loss.mean)
        self._class_weights = None if found is None else torch.from_numpy(found).to(device)
        self._dtype = resolve_precision(config.precision, device)
        if checkpoint is not None:
            self._restore(checkpoint)
        self._features: FrozenFeatures | None = None
        self._forward: nn.Module = self.network
        if config.compile:  # in place, after the average was copied: parameters keep their names
            self.network.backbone.compile()
        if reuses_features(config):
            self._features = FrozenFeatures(self.network, device, self._dtype)
            self._forward = Classify(self.network)
        if processes.world > 1:
            self._forward = DistributedDataParallel(self._forward)

    def keep_features(self, run: Path, progress: TrainProgress) -> FeatureStore | None:
        """From now on keep what a frozen backbone makes of fixed crops, in the folder that is returned, if any.

        Args:
            run: Folder of the run.
            progress: Told where they are kept, and if no more can be.

        Raises:
            ConfigError: The folder of features cannot be made.
        """
        store = open_store(self.config, run, self.network, self._dtype)
        if store is not None:
            what = f"the features of {counted(self.config.data.views, 'fixed crop')} of each image are computed once"
            progress.note(f"{what} and kept in {store.folder}.")
            self._features = FrozenFeatures(self.network, self.processes.device, self._dtype, store, progress.note)
        return store

    def fit(
        self, start: RunStart, batches: TrainingBatches, validation: Validation, progress: TrainProgress
    ) -> signal.Signals | None:
        """Train from where a run begins to its last step, until a signal asks to stop, or until validation says enough.

        Args:
            start: Folder and first step.
            batches: The batches of this process.
            validation: What the weights are scored on.
            progress: Shows how far the run is.

        Returns:
            The signal that ended it before the last step, or None.
        """
        config, processes = self.config, self.processes
        processes.wait()  # before the first process writes into the folder, all have finished reading it
        if processes.main:
            write_description(start, config, processes.device)
        with leaving_nothing(start, config) if processes.main else nullcontext():
            return self._fit(start, batches, validation, progress)

    def _fit(
        self, start: RunStart, batches: TrainingBatches, validation: Validation, progress: TrainProgress
    ) -> signal.Signals | None:
        config, processes = self.config, self.processes
        if processes.main:
            validation.start()
        log = MetricsLog(start.folder, start.step, write=processes.main)
        window = LossWindow(self.table.layout.names)
        clock = Clock(sum(batches.counts) * processes.world, log.seconds)
        pin = processes.device.type == "cuda"
        loaded = batches.load(start.step, workers=config.data.workers, pin=pin)
        step = start.step
        with closing(log), closing(loaded), listen_for_stop() as stop, progress.following(step, config.steps):
            if self._validate(validation, step, log, stop, window, clock):  # what a signal broke off
                self._save(start.folder, step, batches, best=True)
            ended = self._must_stop(stop) or validation.enough
            while step < config.steps and not ended:
                with clock.waiting():
                    batch = next(loaded)
                loss = self.step(step, batch)
                step += 1
                clock.step()
                window.add(step, loss, batch.keys)
                progress.advance(step)
                best = self._validate(validation, step, log, stop, window, clock)
                ended = self._must_stop(stop) or validation.enough or step == config.steps
                if step % config.log_every == 0 or ended:
                    line = LogLine(step=step, lr=self.rate, **asdict(window.take()), **asdict(clock.take()))
                    log.write(line)
                    progress.log(line)
                if step % config.checkpoint_every == 0 or ended or best:
                    window.check()
                    self._save(start.folder, step, batches, best=best)
        if step == config.steps or validation.enough:
            validation.conclude(step)
            return None
        return stop.signal

    def _must_stop(self, stop: StopRequest) -> bool:
        """Whether a signal has asked any process to stop; if so, all of them know from now on."""
        if self.processes.any(stop.signal is not None):
            stop.signal = stop.signal or signal.SIGTERM
        return stop.signal is not None

    def _validate(
        self, validation: Validation, step: int, log: MetricsLog, stop: StopRequest, window: LossWindow, clock: Clock
    ) -> bool:
        """Score the averaged weights if that is due; whether they are the best so far.

        The first process does, and knows of the best. All of them know whether it is enough.
        """
        if not validation.is_due(step):
            return False
        window.check()  # a network that is broken is not scored
        best, table, processes = False, self.table, self.processes
        with clock.resting():
            if processes.main:
                average = self.average.module
                network = NetworkSegmenter(average, table.layout, table.mappings, self.config, processes.device)
                best = validation.run(step, network, log, stop)
            validation.enough = processes.told(validation.enough)
        return best

    def step(self, number: int, batch: Batch) -> LossOutput:
        """Learn from one batch.

        Args:
            number: Number of the step, from 0.
            batch: Images and rows, on the CPU or the device.
        """
        config, device = self.config, self.processes.device
        self.rate = learning_rate(number, config.steps, config.optim)
        set_learning_rate(self._optimizer, self.rate)
        batch = batch.to(device)
        rows = batch.rows
        seen = batch.images if self._features is None else self._features.of(batch)
        with autocast(device, self._dtype):
            logits = self._forward(seen)
        asked = config.loss
        loss = hierarchical_loss(
            logits,
            rows,
            self._tensors,
            self._loss_weights,
            asked.gate,
            mean=asked.mean,
            box_weight=asked.box_weight,
            balance=asked.balance,
            class_weights=self._class_weights,
            grid=PixelGrid.of_step(number, asked.stride) if asked.stride > 1 else None,
        )
        self._optimizer.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.average.update(self.network)
        return loss

    def _save(self, folder: Path, step: int, batches: TrainingBatches, *, best: bool) -> None:
        if not self.processes.main:
            return
        save_checkpoint(
            folder,
            step=step,
            config=self.config,
            layout=self.table.layout,
            mappings=self.table.mappings,
            samples=[len(crops) for crops in batches.crops],
            weights=self.network.state_dict(),
            average=self.average.module.state_dict(),
            state=self._state(),
            keep=self.config.keep_checkpoints,
        )
        if best:
            mark_best(folder, step, self.config.keep_checkpoints)

    def _state(self) -> dict[str, torch.Tensor]:
        """What resuming needs besides the weights."""
        device = self.processes.device
        found = {"updates": torch.tensor(self.average.updates), "rng/cpu": torch.get_rng_state()}
        if device.type == "cuda":
            found["rng/cuda"] = torch.cuda.get_rng_state(device)
        return found | optimizer_state(self._optimizer, self.network)

    def _restore(self, checkpoint: Checkpoint) -> None:
        device = self.processes.device
        checkpoint.load_into(self.network, average=False)
        checkpoint.load_into(self.average.module, average=True)
        state = checkpoint.state()
        self.average.updates = int(state["updates"])
        torch.set_rng_state(state["rng/cpu"])
        if device.type == "cuda" and "rng/cuda" in state:
            torch.cuda.set_rng_state(state["rng/cuda"], device)
        restore_optimizer(self._optimizer, self.network, state)
