"""A training step on a GPU without the host's work: forward pass, loss and gradients are recorded, and launched as one.

A step of a ResNet-50 is over a thousand kernels; launching them one by one took a slow host twice as long as computing
them took an H200 (benchmarks/LOG.md). As in :mod:`labelforge.trainer.models.replaying`, CUDA graphs work on fixed
memory: images and labels are copied to it, and losses and gradients lie in it until the next step.

Recording changes nothing: weights, running statistics and random state are then as if nothing had been run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from labelforge.errors import ConfigError
from labelforge.trainer.kernels.device_cache import holding
from labelforge.trainer.loss import LossOutput

_WARM_UP = 3
"""Passes before recording, in which libraries choose their kernels and a compiler compiles."""


class ReplayedStep:
    """The gradients of a network in training, for images and labels of one shape.

    Args:
        network: The network on CUDA, in training mode, whose parameters are only changed in place from now on.
        loss: From (N, 3, H, W) images and (N, H, W) labels to the network's loss, by the same kernels each time.
        images: Some images.
        labels: Labels of the same shape as all to come.
        memory: That of an earlier recording to share, if the two never run at the same time.

    Attributes:
        memory: For later recordings.

    Raises:
        ConfigError: Something in it cannot be recorded, like waiting for the device.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[Tensor, Tensor], LossOutput],
        images: Tensor,
        labels: Tensor,
        memory: Any = None,
    ) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._loss = loss
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self.memory = torch.cuda.graph_pool_handle() if memory is None else memory
        try:
            self._record(network)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as fault:
            what = f"the network's step cannot be recorded as a CUDA graph: {str(fault).splitlines()[0]}"
            raise ConfigError(what, cure="Set cuda_graph=false.") from fault

    def fits(self, images: Tensor, labels: Tensor) -> bool:
        """Whether a batch is laid out as the one that was recorded."""
        return _kind(images) == _kind(self._images) and _kind(labels) == _kind(self._labels)

    def __call__(self, images: Tensor, labels: Tensor) -> LossOutput:
        """The loss of a batch, detached; its gradients are put into the network's parameters, until the next call."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return LossOutput(*(part.clone() for part in self._found))

    def _record(self, network: nn.Module) -> None:
        device = self._images.device
        now, aside = torch.cuda.current_stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        before = [(buffer, buffer.clone()) for buffer in network.buffers()]
        aside.wait_stream(now)
        with torch.cuda.stream(aside), torch.random.fork_rng([device]):
            for _ in range(_WARM_UP):
                self._step()
            for buffer, value in before:
                buffer.copy_(value)
        now.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the device: one of the loader's pins memory.
        how: dict[str, Any] = {"pool": self.memory, "stream": aside, "capture_error_mode": "thread_local"}
        with holding() as self._tables, torch.cuda.graph(self._graph, **how):
            self._found, self._gradients = self._step()

    def _step(self) -> tuple[LossOutput, tuple[Tensor | None, ...]]:
        loss = self._loss(self._images, self._labels)
        found = torch.autograd.grad(loss.total, self._parameters, allow_unused=True)
        gradients = tuple(map(_laid_out, found, self._parameters))
        return LossOutput(*(part.detach() for part in loss)), gradients


def _laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """A gradient in memory as its parameter is, which optimisers are fast with."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype
