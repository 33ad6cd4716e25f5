"""Parts of a network that keep what was loaded: no gradient, no optimiser, statistics and dropout as in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from torch import nn

from labelforge.errors import ConfigError, counted, did_you_mean
from labelforge.trainer.models.contract import Backbone, StagedBackbone

Freeze = Literal["none", "backbone"] | int | Sequence[str]
"""Nothing, the whole backbone, so many of its first stages, or modules of it by name."""


def frozen_modules(backbone: Backbone, freeze: Freeze) -> tuple[nn.Module, ...]:
    """The modules of a backbone that ``model.freeze`` means.

    Raises:
        ConfigError: The backbone has no such module, not so many stages, or none.
    """
    if isinstance(freeze, str):
        return (backbone,) if freeze == "backbone" else ()
    if isinstance(freeze, int):
        stages = range(_check_stages(backbone, freeze))
        return tuple(module for number in stages for module in cast(StagedBackbone, backbone).stage(number))
    modules = {name: module for name, module in backbone.named_modules() if name}
    for name in freeze:
        if name not in modules:
            first = [known for known in modules if "." not in known]
            cure = f"{did_you_mean(name, list(modules))} Its parts are: {', '.join(first)}."
            raise ConfigError(f"model.freeze: the backbone has no module {name!r}", cure=cure.strip())
    return tuple(modules[name] for name in freeze)


def _check_stages(backbone: Backbone, stages: int) -> int:
    if not isinstance(backbone, StagedBackbone):
        what = f"model.freeze: the backbone has no stages, of which {stages} could be frozen"
        raise ConfigError(what, cure="Derive its class from labelforge.trainer.StagedBackbone, or name its modules.")
    if isinstance(stages, bool) or not 0 < stages < len(backbone.maps):
        what = f"model.freeze: the backbone has {counted(len(backbone.maps), 'stage')}, so {stages} cannot be frozen"
        some = f"1 to {len(backbone.maps) - 1}, or " if len(backbone.maps) > 1 else ""
        raise ConfigError(what, cure=f"Give {some}backbone for all of it.")
    return stages


def freeze_modules(modules: Sequence[nn.Module]) -> None:
    """Take the gradients of modules away. Evaluation mode is for ``SegmentationNet.train``, which is called often."""
    for module in modules:
        module.requires_grad_(False)


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """How many parameters a network has, and how many of them train."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)
