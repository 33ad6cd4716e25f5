"""Exponential moving average of the weights, used at inference.

Each step moves the average towards the trained weights: average += (1 - decay) * (weights - average). Batch
normalisation's running statistics are averaged with the same decay: they belong to the weights they were measured on,
and the statistics of the latest weights would not fit the average. Counters are copied.

A decay that looks back over thousands of steps would hold on to the random first weights, so it is warmed up: at step
t it is at most (1 + t) / (10 + t), the rule of TensorFlow's ``ExponentialMovingAverage``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["ExponentialMovingAverage"]

Network = TypeVar("Network", bound=nn.Module)


class ExponentialMovingAverage(Generic[Network]):
    """The average of a network's weights.

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

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and the number of steps; tensors are shared, not copied."""
        return {"weights": self.module.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave.

        Raises:
            RuntimeError: The weights are of another network.
        """
        self.module.load_state_dict(state["weights"])
        self.updates = int(state["updates"])
