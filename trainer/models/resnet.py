"""Residual networks: ResNet-18/34/50 (He et al. 2016) with torchvision's parameter names, so that its files load.

At output stride 16 or 8 the strides of the last stages become dilation (atrous convolution, Chen et al. 2017), which
keeps every parameter and every receptive field: the dilated network's features, read at every 2nd or 4th position, are
exactly the undilated network's.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from labelforge.trainer.models.contract import IMAGENET, FeatureMap, StagedBackbone, check_output_stride, grids


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection (ResNet-18 and -34).

    Args:
        in_channels: Channels in.
        width: Channels of both convolutions, and out.
        stride: Stride of the first convolution.
        dilations: Dilation of the first convolution, and of the second. In a dilated network they differ where a
            stride was left out, because only what follows it reads a finer grid than it was made for.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, dilations: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, 1, dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, width, h/stride, w/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        skip = x if self.downsample is None else self.downsample(x)
        return cast(Tensor, self.relu(out + skip))


class Bottleneck(nn.Module):
    """1x1 reduction, 3x3, 1x1 expansion, with a skip connection (ResNet-50 and the head).

    The stride is on the 3x3 convolution, as in torchvision's ResNet ("v1.5").

    Args:
        in_channels: Channels in.
        width: Channels of the 3x3 convolution.
        stride: Stride of the 3x3 convolution.
        dilations: Dilation of the 3x3 convolution; the second entry, for what follows the stride, has a 1x1 alone.
        out_channels: Channels that come out; default: four times ``width``.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        dilations: tuple[int, int] = (1, 1),
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        out_channels = out_channels or width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, dilations[0])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, h/stride, w/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        skip = x if self.downsample is None else self.downsample(x)
        return cast(Tensor, self.relu(out + skip))


class ResNet(StagedBackbone):
    """A residual network without its classifier, at a chosen output stride; its maps are those of its four stages.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        blocks: Blocks in each of the four stages.
        output_stride: 32 as published; 16 or 8 replace the last one or two strides by dilation.

    Raises:
        ConfigError: The output stride is none of these.
    """

    scaling = IMAGENET
    classifier = ("fc.",)
    recordable = True

    def __init__(
        self, block: type[BasicBlock | Bottleneck], blocks: tuple[int, int, int, int], output_stride: int = 32
    ) -> None:
        super().__init__()
        check_output_stride(output_stride)
        ends = grids((4, 8, 16, 32), output_stride)
        widths = [64, 128, 256, 512]
        self.maps = tuple(
            FeatureMap(stride, width * block.expansion) for (stride, _), width in zip(ends, widths, strict=True)
        )
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(block, 64, 64, blocks[0], begin=(4, 1), end=ends[0])
        self.layer2 = _stage(block, 64 * block.expansion, 128, blocks[1], begin=ends[0], end=ends[1])
        self.layer3 = _stage(block, 128 * block.expansion, 256, blocks[2], begin=ends[1], end=ends[2])
        self.layer4 = _stage(block, 256 * block.expansion, 512, blocks[3], begin=ends[2], end=ends[3])
        initialise(self)

    def stage(self, number: int) -> tuple[nn.Module, ...]:
        """One of the four stages; the stem belongs to the first."""
        stem = (self.conv1, self.bn1, self.relu, self.maxpool) if number == 0 else ()
        return (*stem, (self.layer1, self.layer2, self.layer3, self.layer4)[number])


def _stage(
    block: type[BasicBlock | Bottleneck],
    in_channels: int,
    width: int,
    blocks: int,
    *,
    begin: tuple[int, int],
    end: tuple[int, int],
) -> nn.Sequential:
    """A stage of blocks from the grid ``begin`` to the grid ``end``, each (stride, dilation)."""
    out_channels = width * block.expansion
    first = block(in_channels, width, stride=end[0] // begin[0], dilations=(begin[1], end[1]))
    rest = (block(out_channels, width, dilations=(end[1], end[1])) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The skip connection's 1x1 convolution, where the block changes the channels or the grid.

    A stage that lost its stride to dilation needs it too: it is there because the channels change, as in every stage
    but ResNet-18's and -34's first.
    """
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


def initialise(module: nn.Module) -> None:
    """He initialisation, in place; every block starts as its skip connection (Goyal et al. 2017, section 5.1).

    With each block's last normalisation at zero, a new network is shallow at first and learns faster; loaded weights
    replace all of this.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, BasicBlock):
            nn.init.zeros_(layer.bn2.weight)
        elif isinstance(layer, Bottleneck):
            nn.init.zeros_(layer.bn3.weight)
