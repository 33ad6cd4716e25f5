"""The optimiser and its learning rate, as functions of the configuration and the step."""

from __future__ import annotations

import math
from bisect import bisect_right

from torch import nn
from torch.optim import SGD

from labelforge.trainer.config import OptimConfig

__all__ = ["learning_rate", "make_optimizer", "set_learning_rate"]

_POLY_POWER = 0.9


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
