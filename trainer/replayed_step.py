"""A training step on a GPU without the host's work: forward pass, loss and gradients are recorded, and launched as one.

A step of a ResNet-50 is over a thousand kernels; launching them one by one took a slow host twice as long as computing
them took an H200 (benchmarks/LOG.md). A recording (:mod:`labelforge.trainer.models.recording`) works on fixed memory:
images and labels are copied to it, and losses and gradients lie in it until the next step.

Recording changes nothing: weights, running statistics and random state are then as if nothing had been run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from labelforge.errors import ConfigError
from labelforge.trainer.kernels.device_cache import holding
from labelforge.trainer.loss import LossOutput
from labelforge.trainer.models.recording import Recorder, RecordingError

_REHEARSALS = 3
_CURE = "Set cuda_graph=false; a run that has a checkpoint can be resumed so."

LossOf = Callable[[Tensor, Tensor], LossOutput]
"""From (N, 3, H, W) images and (N, H, W) labels to a network's loss, by the same kernels each time."""


class ReplayedStep:
    """The gradients of a network in training, for images and labels of one shape.

    Args:
        network: The network on CUDA, in training mode, whose parameters are only changed in place from now on.
        loss: Its loss.
        images: Some images.
        labels: Labels of the same shape as all to come.
        recorder: Records it; steps that never run at the same time can share one.

    Raises:
        ConfigError: Something in it cannot be recorded, like waiting for the device, or memory is short.
    """

    def __init__(self, network: nn.Module, loss: LossOf, images: Tensor, labels: Tensor, recorder: Recorder) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        try:
            self._record(network, loss, recorder)
        except RecordingError as fault:
            raise ConfigError(f"the network's step: {fault}", cure=_CURE) from None
        except torch.OutOfMemoryError:
            raise ConfigError("the GPU's memory is too small to record the network's step", cure=_CURE) from None

    def _record(self, network: nn.Module, loss: LossOf, recorder: Recorder) -> None:
        before = [(buffer, buffer.clone()) for buffer in network.buffers()]
        device = self._images.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            recorder.rehearse(lambda: self._step(loss), _REHEARSALS)
        for buffer, value in before:
            buffer.copy_(value)
        with holding() as self._tables:
            self._graph, (self._found, self._gradients) = recorder.record(lambda: self._step(loss))

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

    def _step(self, loss: LossOf) -> tuple[LossOutput, tuple[Tensor | None, ...]]:
        output = loss(self._images, self._labels)
        found = torch.autograd.grad(output.total, self._parameters, allow_unused=True)
        gradients = tuple(map(_laid_out, found, self._parameters))
        return LossOutput(*(part.detach() for part in output)), gradients


def _laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """A gradient in memory as its parameter is, which optimisers are fast with."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype
