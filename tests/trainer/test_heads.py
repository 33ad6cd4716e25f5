"""The head: order and independence of the classifiers, behind any backbone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import pytest
import torch
from torch import nn

from labelforge.trainer import HierarchicalHead
from labelforge.trainer.models.resnet import Bottleneck

SIZES = (4, 2, 3)


@pytest.mark.parametrize("context_dilation", [0, 6])
def test_logits_stand_side_by_side(context_dilation: int) -> None:
    head = HierarchicalHead(12, SIZES, features=16, context_dilation=context_dilation)
    with torch.no_grad():
        for j, mark in enumerate((1.0, 2.0, 3.0)):
            head.get_parameter(f"classifiers.{j}.weight").zero_()
            head.get_parameter(f"classifiers.{j}.bias").fill_(mark)
        logits = head(torch.randn(2, 12, 5, 7))
    assert logits.shape == (2, 9, 5, 7)
    assert logits[1, :, 2, 3].tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 3]


def test_classifiers_share_only_the_reduction() -> None:
    head = HierarchicalHead(12, SIZES, features=16)
    head(torch.randn(2, 12, 5, 7))[:, 4:6].sum().backward()
    moved = {name for name, p in head.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    parts = {".".join(name.split(".")[:2]) for name in moved}
    assert {p for p in parts if not p.startswith("reduction")} == {"bottlenecks.1", "classifiers.1"}
    assert "reduction.0" in parts


def test_published_layout() -> None:
    """1x1 to 256 features; per classifier a bottleneck 256-64-64-256 and a 1x1 to its children."""
    head = HierarchicalHead(2048, (53, 10, 3, 2, 43))
    reduction = 2048 * 256 + 2 * 256
    bottleneck = 256 * 64 + 9 * 64 * 64 + 64 * 256 + 2 * (64 + 64 + 256)
    assert sum(p.numel() for p in head.parameters()) == reduction + 5 * bottleneck + 111 * 257
    widened = HierarchicalHead(2048, (53, 10, 3, 2, 43), context_dilation=12)
    added = sum(p.numel() for p in widened.parameters()) - sum(p.numel() for p in head.parameters())
    assert added == 9 * 256 * 256 + 2 * 256


def test_context_widens_the_view() -> None:
    """The dilated 3x3 reaches 6 positions further to each side, on top of the bottleneck's 1."""
    for dilation, reach in ((0, 1), (6, 7)):
        head = HierarchicalHead(3, (2,), features=64, context_dilation=dilation).double().eval()
        for block in cast(Iterable[Bottleneck], head.bottlenecks):
            nn.init.ones_(block.bn3.weight)  # a fresh block passes its input on and sees nothing around it
        features = torch.randn(1, 3, 21, 21, dtype=torch.float64, requires_grad=True)
        head(features)[0, 0, 10, 10].backward()
        assert features.grad is not None
        seen = features.grad.abs().sum(dim=(0, 1)).nonzero()
        assert (seen.amin(0).tolist(), seen.amax(0).tolist()) == ([10 - reach] * 2, [10 + reach] * 2)


def test_the_authors_bottleneck_is_as_wide_inside_as_outside() -> None:
    """256-256-256-256, and without a projection: the channels that come out are those that go in."""
    head = HierarchicalHead(2048, (53, 10, 3, 2, 43), bottleneck=256)
    bottleneck = 256 * 256 + 9 * 256 * 256 + 256 * 256 + 2 * 3 * 256
    reduction = 2048 * 256 + 2 * 256
    assert sum(p.numel() for p in head.parameters()) == reduction + 5 * bottleneck + 111 * 257


def test_hybrid_upsampling_doubles_each_classifier_for_itself() -> None:
    head = HierarchicalHead(12, SIZES, features=16, upsampling="hybrid")
    logits = head(torch.randn(2, 12, 5, 7))
    assert logits.shape == (2, 9, 10, 14)
    logits[:, 4:6].sum().backward()
    moved = {name for name, p in head.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {name.split(".")[1] for name in moved if name.startswith("upsamplers")} == {"1"}
    plain = HierarchicalHead(12, SIZES, features=16)
    added = sum(p.numel() for p in head.parameters()) - sum(p.numel() for p in plain.parameters())
    assert added == sum(16 * n * n + n for n in SIZES)
    assert set(plain.state_dict()) == {name for name in head.state_dict() if not name.startswith("upsamplers")}


def test_hybrid_upsampling_starts_as_bilinear_upsampling() -> None:
    head = HierarchicalHead(12, SIZES, features=16, upsampling="hybrid").eval()
    features = torch.randn(1, 12, 6, 8)
    wide = head(features)
    for double in cast(Iterable[nn.Module], head.upsamplers):
        double.forward = lambda x: x
    wanted = nn.functional.interpolate(head(features), scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(wide[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])  # borders: the kernel reaches outside


def test_the_variance_scaling_start() -> None:
    """Standard deviations as TensorFlow's slim draws them; nothing beyond the cut; blocks do not start closed."""
    torch.manual_seed(0)
    head = HierarchicalHead(512, (53, 43), bottleneck=256, upsampling="hybrid", start="variance-scaling")
    for name, fan_in in {
        "reduction.0": 512,
        "bottlenecks.1.conv1": 256,
        "bottlenecks.1.conv2": 9 * 256,
        "bottlenecks.0.conv3": 256,
        "upsamplers.0": 16 * 53,
        "upsamplers.1": 16 * 43,
    }.items():
        weight = head.get_parameter(f"{name}.weight")
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.02)
        assert weight.abs().max().item() <= 2 * math.sqrt(2.6 / fan_in)
    for j, size in enumerate((53, 43)):
        limit = math.sqrt(6 / (256 + size))
        weight = head.get_parameter(f"classifiers.{j}.weight")
        assert 0.98 * limit < weight.abs().max().item() <= limit
        assert weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
        assert not head.get_parameter(f"classifiers.{j}.bias").any()
        assert not head.get_parameter(f"upsamplers.{j}.bias").any()
        assert (head.get_parameter(f"bottlenecks.{j}.bn3.weight") == 1).all()


def test_every_classifier_starts_undecided() -> None:
    torch.manual_seed(0)
    head = HierarchicalHead(64, (53, 10))
    logits = head(torch.randn(4, 64, 8, 8))
    assert 0.01 < logits.std() < 1
