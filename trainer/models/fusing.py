"""Convolutions on a GPU in one kernel of cuDNN with what follows them: bias, skip connection, ReLU.

PyTorch adds a convolution's bias by a kernel of its own, then a skip connection, then applies the ReLU, and each reads
and writes the whole map. For a ResNet-50 in bfloat16 on an H200 these took more than half of the time
(benchmarks/LOG.md).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from labelforge.trainer.models.resnet import BasicBlock, Bottleneck, ResNet

Network = TypeVar("Network", bound=nn.Module)


def fused_for_cuda(network: Network) -> Network | None:
    """A fused copy of a network on CUDA; None where cuDNN is not in use."""
    used = torch.backends.cudnn.enabled and torch.backends.cudnn.is_available()  # type: ignore[no-untyped-call]
    if not used or torch.version.hip is not None:
        return None
    fused = copy.deepcopy(network)
    fuse(fused)
    return fused


def fuse(network: nn.Module) -> None:
    """Fuse, in place, what is known to follow a convolution: in blocks and stems of ResNets, and in sequences.

    Where a convolution is still followed by its batch normalisation nothing changes.

    Args:
        network: In evaluation mode, its batch normalisation folded; to be run on CUDA from now on.
    """
    for module in list(network.modules()):
        if type(module) is nn.Sequential:  # of other classes nobody knows what they do
            _fuse_sequence(module)
        elif type(module) is ResNet and isinstance(module.bn1, nn.Identity):
            stem = cast(nn.Module, module)
            stem.conv1, stem.relu = ReluConv2d(module.conv1), nn.Identity()
        for name, child in module.named_children():
            if isinstance(child, BasicBlock | Bottleneck) and _is_ours(child):
                setattr(module, name, ResidualBlock(child))


class ReluConv2d(nn.Module):
    """A convolution, what is added to it, and a ReLU.

    Args:
        convolution: The convolution, whose parameters are shared; zeros are padded alike on both sides.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """``relu(convolution(x))``, or ``relu(convolution(x) + skip)``."""
        layer = self.convolution
        stride, dilation = layer.stride, layer.dilation
        padding = cast(tuple[int, ...], layer.padding)
        if skip is None:
            return torch.cudnn_convolution_relu(x, layer.weight, layer.bias, stride, padding, dilation, layer.groups)
        return torch.cudnn_convolution_add_relu(
            x, layer.weight, skip, 1.0, layer.bias, stride, padding, dilation, layer.groups
        )


class ResidualBlock(nn.Module):
    """A block of a ResNet whose batch normalisation is folded.

    Args:
        block: The block, whose parameters are taken over: the bias of the projection goes to the last convolution.
    """

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        *first, last = _convolutions(block)
        self.first = nn.Sequential(*(ReluConv2d(layer) for layer in first))
        self.last = ReluConv2d(last)
        self.projection = None if block.downsample is None else _projection(block.downsample)
        if self.projection is not None and self.projection.bias is not None:
            assert last.bias is not None  # of the batch normalisation that was folded into it
            last.bias.data += self.projection.bias.data
            self.projection.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """As that of the block."""
        skip = x if self.projection is None else self.projection(x)
        return cast(Tensor, self.last(self.first(x), skip))


def _is_ours(block: BasicBlock | Bottleneck) -> bool:
    """Whether it does what the class says, and no normalisation is left."""
    if type(block) not in (BasicBlock, Bottleneck):
        return False
    return not any(isinstance(module, nn.BatchNorm2d) for module in block.modules())


def _convolutions(block: BasicBlock | Bottleneck) -> Iterator[nn.Conv2d]:
    yield block.conv1
    yield block.conv2
    if isinstance(block, Bottleneck):
        yield block.conv3


def _projection(downsample: nn.Module) -> nn.Conv2d:
    (layer,) = (module for module in downsample.modules() if isinstance(module, nn.Conv2d))
    return layer


def _fuse_sequence(sequence: nn.Sequential) -> None:
    """Fuse the convolutions of a sequence with the ReLU after them."""
    parts = [(name, part) for name, part in sequence.named_children() if not isinstance(part, nn.Identity)]
    for (name, part), (after, relu) in itertools.pairwise(parts):
        if type(part) is nn.Conv2d and type(relu) is nn.ReLU and _is_plain(part):
            sequence._modules[name], sequence._modules[after] = ReluConv2d(part), nn.Identity()


def _is_plain(layer: nn.Conv2d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
