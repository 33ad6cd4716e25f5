"""Everything that a training step changes: the network, its average, the optimiser, the random state."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from labelforge.errors import CheckpointError, ConfigError, TaxonomyError
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.config import LossConfig, ModelConfig, TrainConfig
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.distributed import Processes
from labelforge.trainer.ema import ExponentialMovingAverage
from labelforge.trainer.loss import LossOutput, hierarchical_loss
from labelforge.trainer.models.network import SegmentationNet, build_network, upsample
from labelforge.trainer.optim import learning_rate, make_optimizer, set_learning_rate
from labelforge.trainer.tables import TableTensors

__all__ = ["Learner", "loss_weights", "network_for"]


class Learner:
    """One network in training.

    Args:
        table: Target table of the run.
        config: Configuration of the run.
        processes: Where to compute, and with whom.
        pretrained: Load the backbone's weights, if the configuration names any; not needed before :meth:`restore`.

    Attributes:
        network: The network, in training mode.
        average: Its moving average.
        rate: Learning rate of the latest step.

    Raises:
        ConfigError: The configuration and the table do not fit.
        CheckpointError: The backbone's weights do not fit.
    """

    def __init__(
        self, table: TargetTable, config: TrainConfig, processes: Processes, *, pretrained: bool = True
    ) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        self._device = processes.device
        self._table = TableTensors.of(table, self._device)
        self._lambdas = loss_weights(table, config.loss).to(self._device)
        self._half = wants_bfloat16(config, self._device)
        self.network = network_for(table, config.model, pretrained=pretrained).to(self._device).train()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = ExponentialMovingAverage(self.network, config.ema.decay)
        self.rate = config.optim.lr
        self._optimizer = make_optimizer(self.network, config.optim)
        self._forward: nn.Module = self.network
        if processes.world > 1:
            self._forward = DistributedDataParallel(self.network)

    def step(self, number: int, batch: Batch) -> LossOutput:
        """Learn from one batch.

        Args:
            number: Number of the step, from 0.
            batch: Images and rows, on the CPU.
        """
        self.rate = learning_rate(number, self._config.steps, self._config.optim)
        set_learning_rate(self._optimizer, self.rate)
        images = batch.images.to(self._device, non_blocking=True)
        rows = batch.rows.to(self._device, non_blocking=True).long()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            logits = self._forward(images)
        logits = upsample(logits.float(), (rows.shape[1], rows.shape[2]))
        loss = hierarchical_loss(logits, rows, self._table, self._lambdas, self._config.loss.gate)
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.total)
        self._optimizer.step()
        self.average.update(self.network)
        return loss

    def state(self) -> dict[str, torch.Tensor]:
        """What resuming needs besides the weights."""
        found = {"updates": torch.tensor(self.average.updates), "rng/cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            found["rng/cuda"] = torch.cuda.get_rng_state(self._device)
        for name, parameter in self.network.named_parameters():
            momentum = self._optimizer.state.get(parameter, {}).get("momentum_buffer")
            if momentum is not None:
                found[f"momentum/{name}"] = momentum
        return found

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on exactly where a checkpoint was saved.

        Raises:
            CheckpointError: It is broken or of another network.
        """
        load_weights(self.network, checkpoint.weights(average=False), checkpoint)
        load_weights(self.average.module, checkpoint.weights(average=True), checkpoint)
        state = checkpoint.state()
        self.average.updates = int(state["updates"])
        torch.set_rng_state(state["rng/cpu"])
        if self._device.type == "cuda" and "rng/cuda" in state:
            torch.cuda.set_rng_state(state["rng/cuda"], self._device)
        for name, parameter in self.network.named_parameters():
            momentum = state.get(f"momentum/{name}")
            if momentum is not None:
                self._optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)


def network_for(table: TargetTable, config: ModelConfig, *, pretrained: bool = True) -> SegmentationNet:
    """The network that a configuration describes.

    Args:
        table: Target table; decides the classifiers.
        config: The configuration.
        pretrained: Load the backbone's weights, if the configuration names any.

    Raises:
        ConfigError: Unknown backbone.
        CheckpointError: The backbone's weights are missing or do not fit.
    """
    normalisation = config.normalisation
    if normalisation == "auto":
        normalisation = "symmetric" if config.weights is None else "imagenet"
    return build_network(
        tuple(columns.stop - columns.start for columns in table.slices),
        backbone=config.backbone,
        output_stride=config.output_stride,
        weights=config.weights if pretrained else None,
        features=config.features,
        context_dilation=config.context_dilation,
        normalisation=normalisation,
        freeze_batch_norm=config.freeze_batch_norm,
    )


def load_weights(network: nn.Module, weights: Mapping[str, torch.Tensor], checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a network.

    Raises:
        CheckpointError: They are of another network.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as fault:
        raise CheckpointError(
            f"its weights are of another network ({str(fault).splitlines()[-1].strip()})",
            where=checkpoint.folder,
            cure="Use the labelforge version that wrote it, and do not edit its checkpoint.json.",
        ) from None


def loss_weights(table: TargetTable, config: LossConfig) -> torch.Tensor:
    """Lambda of each classifier.

    Returns:
        (J,) float32.

    Raises:
        ConfigError: A node is unknown or owns no classifier of the table.
    """
    weights = dict.fromkeys(table.names, config.others)
    weights[table.names[0]] = config.root
    for reference, value in config.nodes.items():
        try:
            path = table.taxonomy.node(reference).path
        except TaxonomyError as fault:
            raise ConfigError(f"loss.nodes: {fault.what}", cure=fault.cure) from None
        if path not in weights:
            cure = f"Nodes with a classifier: {', '.join(table.names)}."
            raise ConfigError(f"loss.nodes: {reference!r} has no classifier", cure=cure)
        weights[path] = value
    return torch.tensor([weights[name] for name in table.names])


def wants_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the network computes in bfloat16 on this device."""
    return config.precision == "bfloat16" or (config.precision == "auto" and device.type == "cuda")
