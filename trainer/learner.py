"""One network in training, and everything that a step changes: weights, average, momentum, random state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from labelforge.errors import counted
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.data.feature_store import FeatureStore
from labelforge.trainer.devices import autocast, resolve_precision
from labelforge.trainer.distributed import Processes
from labelforge.trainer.features import Classify, FrozenFeatures, open_store, reuses_features
from labelforge.trainer.loss import LossOutput, hierarchical_loss, loss_weights
from labelforge.trainer.loss_path import loss_backend
from labelforge.trainer.models.network import build_network
from labelforge.trainer.models.recording import Recorder
from labelforge.trainer.optim import (
    ExponentialMovingAverage,
    learning_rate,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_learning_rate,
)
from labelforge.trainer.pixel_grid import PixelGrid
from labelforge.trainer.priors import taught_priors
from labelforge.trainer.progress import TrainProgress
from labelforge.trainer.replayed_step import ReplayedStep
from labelforge.trainer.rows import GlobalRows
from labelforge.trainer.tables import TableTensors
from labelforge.trainer.transfer import Transfer, transfer_weights

_RECORDED = 4
"""Kinds of steps that are recorded, at most: there are four where the loss takes every second pixel."""


class Learner:
    """A network and what trains it, one step at a time.

    Args:
        config: Configuration of the run.
        table: Its target table.
        processes: The device, and the processes that train together.
        checkpoint: Continue exactly where this was saved.
        pixels: (L,) labelled pixels of each row of the table.
        drawn: How much of each dataset's pixels is drawn in a step; default: of all alike.

    Attributes:
        network: The network, in training mode.
        average: Its moving average.
        rate: Learning rate of the latest step.
        transfer: What was taken over from another run, if the configuration names one.
        replays: Whether steps are recorded and then launched as one (:mod:`labelforge.trainer.replayed_step`).

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
        drawn: Sequence[float] | None = None,
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
        often = [1.0] * len(table.mappings) if drawn is None else drawn
        self._priors: list[float] = taught_priors(table, known, often, loss, found, flip=config.data.flip).tolist()
        self._before = (checkpoint.step, checkpoint.about.priors) if checkpoint is not None else (0, None)
        self._class_weights = None if found is None else torch.from_numpy(found).to(device)
        self._dtype = resolve_precision(config.precision, device)
        if checkpoint is not None:
            self._restore(checkpoint)
        self._features: FrozenFeatures | None = None
        self.replays = self._can_replay()
        self._replayed: dict[PixelGrid | None, ReplayedStep] = {}
        self._recorder: Recorder | None = None
        self._forward: nn.Module = self.network
        if config.compile:  # in place, after the average was copied: parameters keep their names
            self.network.backbone.compile()
        if reuses_features(config):
            self._features = FrozenFeatures(self.network, device, self._dtype)
            self._forward = Classify(self.network)
        if processes.world > 1:
            self._forward = DistributedDataParallel(self._forward)

    def _can_replay(self) -> bool:
        config, processes = self.config, self.processes
        return (
            config.cuda_graph
            and processes.device.type == "cuda"
            and processes.world == 1
            and self.network.backbone.recordable
            and config.loss.stride**2 <= _RECORDED
            and not reuses_features(config)
            and loss_backend(config, self.network, self._tensors) is not None  # the reference waits for the device
        )

    def keep_features(self, run: Path, progress: TrainProgress) -> FeatureStore | None:
        """From now on keep what the frozen part makes of fixed crops, in the folder that is returned, if any.

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
        seen = batch.images if self._features is None else self._features.of(batch)
        grid = PixelGrid.of_step(number, config.loss.stride) if config.loss.stride > 1 else None
        loss = self._replay(seen, batch.rows, grid)
        if loss is None:
            loss = self._loss(seen, batch.rows, grid)
            self._optimizer.zero_grad(set_to_none=True)
            loss.total.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.average.update(self.network)
        return loss

    def _loss(self, seen: Tensor | tuple[Tensor, ...], rows: GlobalRows, grid: PixelGrid | None) -> LossOutput:
        asked = self.config.loss
        with autocast(self.processes.device, self._dtype):
            logits = self._forward(seen)
        return hierarchical_loss(
            logits,
            rows,
            self._tensors,
            self._loss_weights,
            asked.gate,
            mean=asked.mean,
            box_weight=asked.box_weight,
            balance=asked.balance,
            class_weights=self._class_weights,
            grid=grid,
        )

    def _replay(self, seen: Tensor | tuple[Tensor, ...], rows: GlobalRows, grid: PixelGrid | None) -> LossOutput | None:
        """Loss and gradients by what is recorded for such batches; None where nothing can be."""
        if not self.replays or not isinstance(seen, Tensor):
            return None
        if grid not in self._replayed:
            numbering = rows.numbering

            def loss_of(images: Tensor, labels: Tensor) -> LossOutput:
                return self._loss(images, GlobalRows(labels, numbering), grid)

            self._recorder = self._recorder or Recorder(self.processes.device)
            self._replayed[grid] = ReplayedStep(self.network, loss_of, seen, rows.tensor, self._recorder)
        replayed = self._replayed[grid]
        return replayed(seen, rows.tensor) if replayed.fits(seen, rows.tensor) else None

    def priors(self, step: int) -> list[float]:
        """(C,) what the pixels taught until a step of how often each choice is right.

        Where a run was resumed with other settings, each part of it counts by its steps.
        """
        first, before = self._before
        if before is None or list(before) == self._priors:
            return self._priors
        share = first / max(step, 1)
        return [share * old + (1 - share) * new for old, new in zip(before, self._priors, strict=True)]

    def state(self) -> dict[str, torch.Tensor]:
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
