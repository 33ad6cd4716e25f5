"""A network with all that depends on an image's size, saved as a checkpoint: what tests of exporting export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.checkpoint_writer import save_checkpoint
from labelforge.trainer.models.backbones import BACKBONES
from labelforge.trainer.models.contract import Backbone, FeatureMap
from labelforge.trainer.models.efficientnet import SameConv2d
from labelforge.trainer.models.network import build_network
from tests.trainer.tiny import TREE, mapping, tiny_config


class SameBackbone(Backbone):
    """Convolutions that pad by the image's size, to maps of stride 4 and 8."""

    maps = (FeatureMap(stride=4, channels=8), FeatureMap(stride=8, channels=12))

    def __init__(self, _: int) -> None:
        super().__init__()
        self.first, self.norm1 = SameConv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8)
        self.second, self.norm2 = SameConv2d(8, 8, 5, stride=2, groups=8), nn.BatchNorm2d(8)
        self.third, self.norm3 = SameConv2d(8, 12, 3, stride=2), nn.BatchNorm2d(12)
        self.last, self.norm4 = SameConv2d(12, 12, 3, dilation=2), nn.BatchNorm2d(12)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        fine = F.relu6(self.norm2(self.second(F.relu6(self.norm1(self.first(images))))))
        return fine, F.relu6(self.norm4(self.last(F.relu6(self.norm3(self.third(fine))))))


@contextmanager
def same_backbone(kind: type[Backbone] = SameBackbone) -> Iterator[None]:
    """Within this, the backbone of :func:`save_network` exists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "same", kind)
        yield


def save_network(
    run: Path,
    *,
    seed: int = 0,
    mappings: Sequence[LabelMapping] | None = None,
    samples: Sequence[int] = (2, 1),
    **model: Any,
) -> Checkpoint:
    """A checkpoint whose averaged weights, which count, are random, and the others zero."""
    given = {"backbone": "same", "decoder": "fpn", "decoder_channels": 8, "upsampling": "hybrid", **model}
    config = tiny_config(model=given)
    mappings = mappings or [mapping("dense"), mapping("boxes")]
    layout = TargetTable.compile(TREE, mappings).layout
    torch.manual_seed(seed)
    network = build_network(layout.sizes, config.model, joins=layout.joins)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                low, high = (0.5, 1.5) if name.endswith("running_var") else (-0.5, 0.5)
                value.uniform_(low, high)
    weights = network.state_dict()
    folder = save_checkpoint(
        run,
        step=3,
        config=config,
        layout=layout,
        mappings=mappings,
        samples=samples,
        weights={name: torch.zeros_like(value) for name, value in weights.items()},
        average=weights,
        state={},
        keep=1,
    )
    return Checkpoint.open(folder)


def logits_of(checkpoint: Checkpoint, images: Tensor) -> Tensor:
    """Logits of the network that training would go on with, in PyTorch, with nothing folded."""
    network = build_network(checkpoint.layout.sizes, checkpoint.config.model, joins=checkpoint.layout.joins)
    checkpoint.load_into(network, average=True)
    with torch.no_grad():
        logits: Tensor = network.eval()(images)
    return logits
