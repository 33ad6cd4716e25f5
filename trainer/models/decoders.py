"""Decoders: one feature map out of those of a backbone, for the head to read.

``none`` is the last map as it is. ``fpn`` and ``lr-aspp`` bring what the coarse maps know to a finer one, so that a
backbone can keep its strides (no dilation, which is dear) and small objects are still a few cells wide. Both are small:
on a CPU their cost counts. Nothing here is loaded from a file of weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.config import DecoderName
from labelforge.trainer.models.contract import FeatureMap
from labelforge.trainer.models.resnet import initialise

_SKIP = 8
"""Stride of the map that ``lr-aspp`` adds to; where there is none, the next finer one, or the finest."""


class Decoder(nn.Module):
    """A module from the maps that it reads to one map, (N, channels, ceil(H / stride), ceil(W / stride)).

    Attributes:
        reads: Which of the backbone's maps it is called with, by their numbers, the finest first.
        output: The map that it gives.
    """

    reads: tuple[int, ...]
    output: FeatureMap


class LastMap(Decoder):
    """The coarsest map as it is (``none``).

    Args:
        maps: The backbone's maps.
    """

    def __init__(self, maps: Sequence[FeatureMap]) -> None:
        super().__init__()
        self.reads = (len(maps) - 1,)
        self.output = maps[-1]

    def forward(self, maps: tuple[Tensor]) -> Tensor:
        """The map."""
        (last,) = maps
        return last


class Pyramid(Decoder):
    """A feature pyramid's top-down pathway, to its finest level (``fpn``).

    Every map is reduced to the same channels by a 1x1 convolution; from the coarsest on, each is enlarged bilinearly to
    the next and added to it; a 3x3 convolution smooths the sum. Batch normalisation follows every convolution, as the
    maps of a backbone differ in their range.

    Source: Lin et al. 2017 (arXiv 1612.03144), section 3, with one output as in Kirillov et al. 2019 (arXiv 1901.02446)
    but without their further convolutions on each level, which cost more than they are worth on a CPU.

    Args:
        maps: The backbone's maps.
        channels: Channels of every level and of the result.
    """

    def __init__(self, maps: Sequence[FeatureMap], channels: int) -> None:
        super().__init__()
        self.reads = tuple(range(len(maps)))
        self.output = FeatureMap(maps[0].stride, channels)
        self.laterals = nn.ModuleList(_conv_bn(found.channels, channels, kernel=1) for found in maps)
        self.smooth = _conv_bn(channels, channels, kernel=3)
        initialise(self)

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """All maps, the finest first, to (N, channels, h, w) at the finest one's size."""
        levels = [lateral(found) for lateral, found in zip(self.laterals, maps, strict=True)]
        result: Tensor = levels.pop()
        while levels:
            finer = levels.pop()
            result = finer + _enlarge(result, finer)
        return F.relu(self.smooth(result))


class GatedSkip(Decoder):
    """Lite reduced atrous spatial pyramid pooling (``lr-aspp``).

    The coarsest map is reduced by a 1x1 convolution and its channels are gated by what the whole image shows (average,
    1x1 convolution, sigmoid). It is then enlarged bilinearly and added to a map of stride 8, which a 1x1 convolution
    brings to the same channels. The published one adds the two as logits; here they are features, which the head reads.

    Source: Howard et al. 2019 (MobileNetV3, arXiv 1905.02244), section 6.4; the average is over the whole image, as in
    most implementations, instead of over a window of 49x49.

    Args:
        maps: The backbone's maps.
        channels: Channels of the result.
    """

    def __init__(self, maps: Sequence[FeatureMap], channels: int) -> None:
        super().__init__()
        strides = [found.stride for found in maps]
        skip = strides.index(max((stride for stride in strides if stride <= _SKIP), default=strides[0]))
        self.reads = (skip, len(maps) - 1)
        self.output = FeatureMap(strides[skip], channels)
        self.reduce = _conv_bn(maps[-1].channels, channels, kernel=1)
        self.gate = nn.Conv2d(maps[-1].channels, channels, kernel_size=1, bias=False)
        self.skip = _conv_bn(maps[skip].channels, channels, kernel=1)
        initialise(self)

    def forward(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """The finer and the coarsest map to (N, channels, h, w) at the finer one's size."""
        finer, coarsest = maps
        gate = self.gate(F.adaptive_avg_pool2d(coarsest, 1)).sigmoid()
        skip = self.skip(finer)
        return F.relu(skip + _enlarge(F.relu(self.reduce(coarsest)) * gate, skip))


def build_decoder(name: DecoderName, maps: Sequence[FeatureMap], channels: int) -> Decoder:
    """Make a decoder by name.

    Args:
        name: ``none``, ``fpn`` or ``lr-aspp``.
        maps: The maps of the backbone that it reads.
        channels: Channels of its result; ``none`` keeps those of the map.
    """
    if name == "none":
        return LastMap(maps)
    return Pyramid(maps, channels) if name == "fpn" else GatedSkip(maps, channels)


def _enlarge(coarse: Tensor, fine: Tensor) -> Tensor:
    """Bilinear, to the height and width of another map, pixel centres aligned."""
    if coarse.shape[-2:] == fine.shape[-2:]:
        return coarse
    return F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)


def _conv_bn(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))
