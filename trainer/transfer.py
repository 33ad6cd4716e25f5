"""Starts a network from the weights of another run, which may have had other datasets.

The backbone, the decoder, the reduction and every classifier that the two networks have in common are taken over. A
choice that the earlier network had as part of a larger one begins as its share of that: where "driveable" becomes
"road" and "lane", each has the logit of "driveable" less log 2, so at first the two together are as probable as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from labelforge.errors import ConfigError, counted, listed
from labelforge.logits import LogitLayout
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.config import ModelConfig
from labelforge.trainer.models.contract import IMAGENET, SYMMETRIC
from labelforge.trainer.models.heads import HierarchicalHead
from labelforge.trainer.models.network import SegmentationNet, build_network

_SAME = (
    "backbone",
    "decoder",
    "decoder_channels",
    "decoder_stride",
    "features",
    "context_dilation",
    "bottleneck",
    "bottlenecks",
    "upsampling",
    "logits",
)
"""Settings of the model that decide the shapes and the meaning of what is taken over."""


class Transfer(NamedTuple):
    """What was taken over."""

    kept: tuple[str, ...]
    """Classifiers that are the same."""
    changed: tuple[str, ...]
    """Classifiers with other choices than before."""
    new: tuple[str, ...]
    """Classifiers that the earlier network did not have."""
    body: str = "the backbone"
    """What comes before the head, in words."""

    @property
    def sentence(self) -> str:
        """The same in words."""
        parts = (("as before", self.kept), ("with other choices", self.changed), ("that it did not have", self.new))
        texts = (f"{counted(len(names), 'classifier')} {what} ({listed(names, 4)})" for what, names in parts if names)
        return "; ".join((self.body, *texts)) + "."


def transfer_weights(
    network: SegmentationNet, layout: LogitLayout, config: ModelConfig, checkpoint: Checkpoint
) -> Transfer:
    """Take over the averaged weights of a checkpoint, in place.

    Args:
        network: A new network, on the CPU.
        layout: Its classifiers.
        config: Its configuration.
        checkpoint: The run to start from.

    Raises:
        CheckpointError: Its weights are broken.
        ConfigError: Its network has other shapes, or sees images scaled otherwise.
    """
    before = checkpoint.config.model
    without = {"none": {"decoder_channels", "decoder_stride"}, "lr-aspp": {"decoder_stride"}}.get(config.decoder, set())
    for key in _SAME:
        if key not in without and getattr(before, key) != getattr(config, key):
            raise ConfigError(
                f"the run to start from has model.{key}={getattr(before, key)}, this one {getattr(config, key)}",
                where=checkpoint.folder,
                cure=f"Add --set model.{key}={getattr(before, key)}.",
            )
    earlier = checkpoint.layout
    source = build_network(earlier.sizes, before, joins=earlier.joins, pretrained=False)
    if source.scaling != network.scaling:
        raise ConfigError(
            "the run to start from scales images in another way",
            where=checkpoint.folder,
            cure=f"Add {_same_scaling(before, source)}.",
        )
    checkpoint.load_into(source, average=True)
    old, new = cast(HierarchicalHead, source.head), cast(HierarchicalHead, network.head)
    network.backbone.load_state_dict(source.backbone.state_dict())
    network.decoder.load_state_dict(source.decoder.state_dict())
    new.reduction.load_state_dict(old.reduction.state_dict())
    new.context.load_state_dict(old.context.state_dict())
    if new.shares:
        new.bottlenecks.load_state_dict(old.bottlenecks.state_dict())
    found = _classifiers(new, layout, old, earlier)
    return found if config.decoder == "none" else found._replace(body="the backbone and the decoder")


def _same_scaling(before: ModelConfig, source: SegmentationNet) -> str:
    """The setting with which a network scales images as that of an earlier run."""
    named = {SYMMETRIC: "symmetric", IMAGENET: "imagenet"}
    if source.scaling in named:
        return f"--set model.normalisation={named[source.scaling]}"
    return f"--set model.normalisation=auto --set model.weights={before.weights}"


def _classifiers(new: HierarchicalHead, layout: LogitLayout, old: HierarchicalHead, before: LogitLayout) -> Transfer:
    names: dict[str, list[str]] = {"kept": [], "changed": [], "new": []}
    positions = {name: j for j, name in enumerate(before.names)}
    joined = {layout.names[j] for j, _, _ in new.joins}
    joined_before = {before.names[j] for j, _, _ in old.joins}
    for j, name in enumerate(layout.names):
        if name not in positions:
            names["new"].append(name)
            continue
        i = positions[name]
        covers, earlier = _leaf_paths(layout, j), _leaf_paths(before, i)
        same = covers == earlier and (name in joined) == (name in joined_before)
        names["kept" if same else "changed"].append(name)
        if not new.shares:
            new.bottlenecks[j].load_state_dict(old.bottlenecks[i].state_dict())
        _choices(new, j, old, i, [_origin(cover, earlier) for cover in covers])
    _make_room(new, [layout.names[j] in names["new"] for j in range(layout.num_classifiers)])
    return Transfer(tuple(names["kept"]), tuple(names["changed"]), tuple(names["new"]))


@torch.no_grad()
def _make_room(new: HierarchicalHead, is_new: Sequence[bool]) -> None:
    """Take from each logit that leads to new classifiers what these, undecided, add to it: the log of their choices.

    Where a classifier was put between two that were there, or left out between them, or is joined since, what is
    decided above it changes a little: nothing but training can tell what it should be.
    """
    choices: list[float] = [float(size) for size in new.sizes]
    for below, above, choice in sorted(new.joins, reverse=True):
        if not is_new[below]:
            continue
        if is_new[above]:
            choices[above] += choices[below] - 1  # each of its logits begins at 0, this one at the log of those below
            continue
        doubled = new.upsamplers[above]
        last = doubled if isinstance(doubled, nn.ConvTranspose2d) else new.classifiers[above]
        cast(Tensor, cast(nn.Conv2d, last).bias)[choice] -= math.log(choices[below])


def _leaf_paths(layout: LogitLayout, classifier: int) -> list[frozenset[str]]:
    """The leaves of each choice by their paths, which mean the same in two states of a tree."""
    leaves = layout.taxonomy.leaves
    return [frozenset(leaves[i].path for i in cover) for cover in layout.covers[layout.slices[classifier]]]


def _origin(cover: frozenset[str], earlier: list[frozenset[str]]) -> int | None:
    """Which earlier choice a choice was, or was part of: the smallest, as a flat-union head has some inside others."""
    holding = [number for number, before in enumerate(earlier) if cover <= before]
    return min(holding, key=lambda number: len(earlier[number]), default=None)


@torch.no_grad()
def _choices(new: HierarchicalHead, j: int, old: HierarchicalHead, i: int, origins: list[int | None]) -> None:
    """Set the logits of one classifier from those of the earlier one that each choice comes from."""
    shares = [origins.count(origin) for origin in origins]
    here, there = cast(nn.Conv2d, new.classifiers[j]), cast(nn.Conv2d, old.classifiers[i])
    known = [(choice, origin) for choice, origin in enumerate(origins) if origin is not None]
    for choice, origin in known:
        here.weight[choice] = there.weight[origin]
        cast(Tensor, here.bias)[choice] = cast(Tensor, there.bias)[origin]
    last: nn.Module = new.upsamplers[j]
    if isinstance(last, nn.ConvTranspose2d):
        earlier = cast(nn.ConvTranspose2d, old.upsamplers[i])
        for choice, origin in known:
            last.weight[:, choice] = 0  # nothing of choices that are new
            for other, source in known:
                # Of several parts of one earlier choice, the sum over the inputs must stay what it was.
                last.weight[other, choice] = earlier.weight[source, origin] / shares[other]
            cast(Tensor, last.bias)[choice] = cast(Tensor, earlier.bias)[origin]
    else:
        last = here
    for choice, _ in known:
        cast(Tensor, last.bias)[choice] -= math.log(shares[choice])
