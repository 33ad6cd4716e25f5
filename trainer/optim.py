"""What updates the weights: the optimiser, its learning rate, and the moving average that inference uses."""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from labelforge.trainer.config import OptimConfig

_POLY_POWER = 0.9

Network = TypeVar("Network", bound=nn.Module)


def make_optimizer(network: nn.Module, config: OptimConfig) -> Optimizer:
    """SGD with momentum, or AdamW, for the parameters that train.

    Weight decay acts on convolution weights only, not on norms and biases. The parameters of ``network.backbone`` are
    in groups of their own, with ``factor`` (``optim.backbone_lr``) in them.
    """
    groups: list[dict[str, Any]] = []
    for backbone, factor in ((True, config.backbone_lr), (False, 1.0)):
        own = [p for name, p in network.named_parameters() if name.startswith("backbone.") == backbone]
        trained = [p for p in own if p.requires_grad]
        for weights, decay in ((True, config.decay), (False, 0.0)):
            parameters = [p for p in trained if (p.ndim > 1) == weights]
            groups.append({"params": parameters, "weight_decay": decay, "factor": factor})
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamw":
        return AdamW(groups, lr=config.first_rate)
    return SGD(groups, lr=config.first_rate, momentum=config.momentum)


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """Learning rate of a step.

    Args:
        step: From 0.
        steps: Steps of the whole run.
        config: The schedule.
    """
    if config.schedule == "poly":
        factor = math.pow(max(0.0, 1 - step / steps), _POLY_POWER)
    else:
        factor = math.pow(config.cut, bisect_right(sorted(round(cut * steps) for cut in config.cuts), step))
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return config.first_rate * factor * warm


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on: in each group times its ``factor``, if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


_STATE = {"momentum": "momentum_buffer", "mean": "exp_avg", "square": "exp_avg_sq", "updates": "step"}
"""What the two optimisers keep for each parameter: the name in checkpoints, and torch's."""


def optimizer_state(optimizer: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """What an optimiser remembers, by "kind/name of the parameter", for a checkpoint."""
    return {
        f"{kind}/{name}": state[key]
        for name, parameter in network.named_parameters()
        if (state := optimizer.state.get(parameter))
        for kind, key in _STATE.items()
        if state.get(key) is not None
    }


def restore_optimizer(optimizer: Optimizer, network: nn.Module, stored: Mapping[str, Tensor]) -> None:
    """Make an optimiser remember what :func:`optimizer_state` gave; other entries of ``stored`` are left alone."""
    for name, parameter in network.named_parameters():
        for kind, key in _STATE.items():
            value = stored.get(f"{kind}/{name}")
            if value is not None:
                # A count of updates stays on the CPU; what is as large as the parameter lies in memory as it does.
                like = parameter.detach() if value.shape == parameter.shape else value
                optimizer.state[parameter][key] = torch.empty_like(like).copy_(value)


class ExponentialMovingAverage(Generic[Network]):
    """Exponential moving average of a network's weights, used at inference.

        >>> import torch
        >>> from labelforge.trainer import ExponentialMovingAverage
        >>> network = torch.nn.Linear(1, 1, bias=False)
        >>> average = ExponentialMovingAverage(network, decay=0.5)
        >>> _ = torch.nn.init.constant_(network.weight, 1.0), torch.nn.init.constant_(average.module.weight, 0.0)
        >>> average.update(network)  # the first steps count more: (1 + 0) / (10 + 0) of the old average stays
        >>> average.module.weight.item()
        0.8999999761581421

    Each step moves the average towards the trained weights: average += (1 - decay) * (weights - average). Batch
    normalisation's running statistics are averaged with the same decay: they belong to the weights they were measured
    on, and the statistics of the latest weights would not fit the average. Counters are copied.

    A decay that averages over thousands of steps would keep the random first weights for long, so it is warmed up: at
    step t it is at most (1 + t) / (10 + t), the rule of TensorFlow's ``ExponentialMovingAverage``.

    Attributes:
        module: The network with averaged weights, in evaluation mode, without gradients; ready for inference.
        decay: Decay after warm-up.
        updates: Steps so far.

    Args:
        module: The network to follow (not its DistributedDataParallel wrapper). The average starts as its copy.
        decay: In [0, 1): 0 follows the weights at once; 0.999 averages over the last thousand steps or so.
    """

    def __init__(self, module: Network, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {decay}")
        self.module = copy.deepcopy(module)
        self.module.eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the current weights of the followed network."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages: list[Tensor] = []
        currents: list[Tensor] = []
        followed = module.state_dict()
        for name, average in self.module.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                currents.append(followed[name])
            else:
                average.copy_(followed[name])
        torch._foreach_lerp_(averages, currents, 1 - decay)
