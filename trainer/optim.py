"""What updates the weights: the optimiser, its learning rate, and the moving average that inference uses."""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD

from labelforge.trainer.config import OptimConfig

_POLY_POWER = 0.9

Network = TypeVar("Network", bound=nn.Module)


def make_optimizer(model: nn.Module, config: OptimConfig) -> SGD:
    """SGD with momentum; weight decay acts on convolution weights only, not on norms and biases."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return SGD([g for g in groups if g["params"]], lr=config.lr, momentum=config.momentum)


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
    return config.lr * factor * warm


def set_learning_rate(optimizer: SGD, rate: float) -> None:
    """Use a learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


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
