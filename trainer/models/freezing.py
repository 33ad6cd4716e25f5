"""Parts of a network that keep what was loaded: no gradient, no optimiser, statistics and dropout as in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from labelforge.errors import ConfigError, did_you_mean

Freeze = Literal["none", "backbone"] | Sequence[str]
"""Nothing, the whole backbone, or modules of the backbone by name."""


def frozen_modules(backbone: nn.Module, freeze: Freeze) -> tuple[nn.Module, ...]:
    """The modules of a backbone that ``model.freeze`` means.

    Raises:
        ConfigError: The backbone has no such module.
    """
    if isinstance(freeze, str):
        return (backbone,) if freeze == "backbone" else ()
    modules = {name: module for name, module in backbone.named_modules() if name}
    for name in freeze:
        if name not in modules:
            first = [known for known in modules if "." not in known]
            cure = f"{did_you_mean(name, list(modules))} Its parts are: {', '.join(first)}."
            raise ConfigError(f"model.freeze: the backbone has no module {name!r}", cure=cure.strip())
    return tuple(modules[name] for name in freeze)


def freeze_modules(modules: Sequence[nn.Module]) -> None:
    """Take the gradients of modules away. Evaluation mode is for ``SegmentationNet.train``, which is called often."""
    for module in modules:
        module.requires_grad_(False)


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """How many parameters a network has, and how many of them train."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)
