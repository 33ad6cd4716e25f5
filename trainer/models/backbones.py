"""Backbones: networks that turn images into a feature map of a chosen stride.

ResNet-18/34/50 (He et al. 2016) with torchvision's parameter names, so that its ImageNet checkpoints load. At output
stride 16 or 8 the strides of the last stages become dilation (atrous convolution, Chen et al. 2017), which keeps every
parameter and every receptive field: the dilated network's features, read at every 2nd or 4th position, are exactly the
undilated network's.

``BACKBONES`` lists the backbones that come with labelforge. Another package adds its own through an entry point:

    [project.entry-points."labelforge.backbones"]
    my_net = "my_package:build"         # build(output_stride: int) -> nn.Module with .out_channels and .stride
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
from torch import Tensor, nn

from labelforge.errors import CheckpointError, ConfigError, did_you_mean, listed

ENTRY_POINT_GROUP = "labelforge.backbones"
OUTPUT_STRIDES = (8, 16, 32)


class Backbone(nn.Module):
    """What a backbone offers: called with (N, 3, H, W) images, it gives (N, out_channels, ~H/stride, ~W/stride).

    A class need not derive from this one; the two attributes are the contract.
    """

    out_channels: int
    """Channels of the feature map."""
    stride: int
    """Input pixels per feature position."""


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


class ResNet(Backbone):
    """A residual network without its classifier, at a chosen output stride.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        blocks: Blocks in each of the four stages.
        output_stride: 32 as published; 16 or 8 replace the last one or two strides by dilation.

    Raises:
        ConfigError: The output stride is none of these.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], blocks: tuple[int, int, int, int], output_stride: int = 32
    ) -> None:
        super().__init__()
        if output_stride not in OUTPUT_STRIDES:
            raise ConfigError(
                f"output stride {output_stride} is not possible",
                cure=f"Use one of {', '.join(map(str, OUTPUT_STRIDES))}.",
            )
        self.out_channels = 512 * block.expansion
        self.stride = output_stride
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        ends = [_stage_end(stride, output_stride) for stride in (4, 8, 16, 32)]
        self.layer1 = _stage(block, 64, 64, blocks[0], begin=(4, 1), end=ends[0])
        self.layer2 = _stage(block, 64 * block.expansion, 128, blocks[1], begin=ends[0], end=ends[1])
        self.layer3 = _stage(block, 128 * block.expansion, 256, blocks[2], begin=ends[1], end=ends[2])
        self.layer4 = _stage(block, 256 * block.expansion, 512, blocks[3], begin=ends[2], end=ends[3])
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, out_channels, ceil(H/stride), ceil(W/stride))."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return cast(Tensor, x)


BACKBONES: dict[str, Callable[[int], Backbone]] = {
    "resnet18": partial(ResNet, BasicBlock, (2, 2, 2, 2)),
    "resnet34": partial(ResNet, BasicBlock, (3, 4, 6, 3)),
    "resnet50": partial(ResNet, Bottleneck, (3, 4, 6, 3)),
}
"""Name to a function from the output stride to a backbone."""


def backbone_names() -> list[str]:
    """Names of all available backbones, including those of installed packages."""
    return sorted({*BACKBONES, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def build_backbone(name: str, output_stride: int = 8, weights: str | Path | None = None) -> Backbone:
    """Make a backbone by name.

        >>> from labelforge.trainer import build_backbone
        >>> backbone = build_backbone("resnet18", output_stride=16)
        >>> backbone.out_channels, backbone.stride
        (512, 16)

    Args:
        name: A key of ``BACKBONES`` or the name of an installed entry point.
        output_stride: Input pixels per feature position.
        weights: File to load its weights from (see :func:`load_backbone_weights`); default random.

    Raises:
        ConfigError: Unknown name, impossible output stride, or an installed backbone that breaks the contract.
        CheckpointError: The weights do not fit.
    """
    build = BACKBONES.get(name) or _installed(name)
    backbone = build(output_stride)
    for attribute in ("out_channels", "stride"):
        if not isinstance(getattr(backbone, attribute, None), int):
            raise ConfigError(
                f"backbone '{name}' has no integer attribute '{attribute}'",
                cure="Set it on the module that the backbone's function returns.",
            )
    if weights is not None:
        load_backbone_weights(backbone, weights)
    return backbone


def load_backbone_weights(backbone: nn.Module, path: str | Path) -> None:
    """Load a checkpoint, for a ResNet one of torchvision's, into a backbone.

    The classifier (``fc.*``) is dropped, and the batch counters, which checkpoints from before 2018 lack, may be
    missing; every other tensor must be there with its shape.

    Args:
        backbone: What to load into.
        path: A ``.safetensors`` file, or a ``.pth`` file holding a plain dictionary of tensors.

    Raises:
        CheckpointError: No such file, not a dictionary of tensors, or names or shapes differ.
    """
    path = Path(path)
    found = {name: tensor for name, tensor in _read_tensors(path).items() if not name.startswith("fc.")}
    wanted = backbone.state_dict()
    missing = [name for name in wanted if name not in found and not name.endswith(".num_batches_tracked")]
    problems = [f"{name} {_shape(wanted[name])} is missing" for name in missing]
    for name, tensor in sorted(found.items()):
        if name not in wanted:
            problems.append(f"{name} {_shape(tensor)} is unknown")
        elif tensor.shape != wanted[name].shape:
            problems.append(f"{name} is {_shape(tensor)} instead of {_shape(wanted[name])}")
    if problems:
        raise CheckpointError(
            f"the weights do not fit the backbone: {listed(problems, 3)}",
            where=path,
            cure="Give a checkpoint of the same architecture.",
        )
    backbone.load_state_dict(found, strict=False)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("no such file", where=path, cure="Check the path of the backbone's weights.") from None
    except Exception as error:  # on bytes that are no pickle, torch's unpickler fails with whatever they lead it to
        raise CheckpointError(
            "broken, or not a file of weights",
            where=path,
            cure="Give a complete .safetensors file, or a .pth file of plain tensors.",
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointError(
            "does not hold a plain dictionary of tensors", where=path, cure="Save the model's state_dict() by itself."
        )
    return tensors


def _installed(name: str) -> Callable[[int], Backbone]:
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return cast("Callable[[int], Backbone]", point.load())
    raise ConfigError(f"unknown backbone '{name}'", cure=did_you_mean(name, backbone_names()))


def _stage_end(stride: int, output_stride: int) -> tuple[int, int]:
    """Stride and dilation of the grid at the end of a stage that ends at ``stride`` in the undilated network."""
    return min(stride, output_stride), max(1, stride // output_stride)


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


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
