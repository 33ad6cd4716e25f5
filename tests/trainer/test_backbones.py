"""Backbones: torchvision's names and shapes, exact dilation, and the loading of weights."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.errors import ConfigError
from labelforge.trainer.models import backbones
from labelforge.trainer.models.backbones import (
    BACKBONES,
    backbone_names,
    build_backbone,
)
from labelforge.trainer.models.contract import Backbone, FeatureMap
from labelforge.trainer.models.resnet import BasicBlock, Bottleneck

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
PARAMETERS = {"resnet18": 11_176_512, "resnet34": 21_284_672, "resnet50": 23_508_032}


def torchvision_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's state dict without fc, written down from its layout."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(key: str, out_channels: int, in_channels: int, kernel: int) -> None:
        shapes[f"{key}.weight"] = (out_channels, in_channels, kernel, kernel)

    def norm(key: str, channels: int) -> None:
        shapes.update({f"{key}.{k}": (channels,) for k in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{key}.num_batches_tracked"] = ()

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    expansion, inside = (4, 64) if name == "resnet50" else (1, 64)
    for stage, blocks in enumerate(BLOCKS[name], start=1):
        width = 64 * 2 ** (stage - 1)
        for block in range(blocks):
            key = f"layer{stage}.{block}"
            convs = [(inside, 1), (width, 3), (width, 1)] if expansion == 4 else [(inside, 3), (width, 3)]
            for i, (channels, kernel) in enumerate(convs, start=1):
                out = width * 4 if i == 3 else width
                conv(f"{key}.conv{i}", out, channels, kernel)
                norm(f"{key}.bn{i}", out)
            if block == 0 and (expansion == 4 or stage > 1):
                conv(f"{key}.downsample.0", width * expansion, inside, 1)
                norm(f"{key}.downsample.1", width * expansion)
            inside = width * expansion
    return shapes


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("output_stride", [8, 32])
def test_names_and_shapes_are_torchvisions(name: str, output_stride: int) -> None:
    net = build_backbone(name, output_stride)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == torchvision_shapes(name)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[name]


def published_forward(weights: dict[str, Tensor], name: str, x: Tensor) -> tuple[Tensor, ...]:
    """The undilated network as a plain function of its weights: stem, stages, strides as torchvision has them."""

    def conv_norm(key: str, norm: str, x: Tensor, stride: int = 1) -> Tensor:
        kernel = weights[f"{key}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        mean, var = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        scale = weights[f"{norm}.weight"] / (var + 1e-5).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{norm}.bias"][:, None, None]

    x = F.max_pool2d(conv_norm("conv1", "bn1", x, 2).relu(), 3, stride=2, padding=1)
    convs, strided = (3, 2) if name == "resnet50" else (2, 1)
    maps = []
    for stage, blocks in enumerate(BLOCKS[name], start=1):
        for block in range(blocks):
            key = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = x
            for i in range(1, convs + 1):
                out = conv_norm(f"{key}.conv{i}", f"{key}.bn{i}", out, stride if i == strided else 1)
                out = out.relu() if i < convs else out
            if f"{key}.downsample.0.weight" in weights:
                x = conv_norm(f"{key}.downsample.0", f"{key}.downsample.1", x, stride)
            x = (x + out).relu()
        maps.append(x)
    return tuple(maps)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_features_are_the_published_networks(name: str) -> None:
    torch.manual_seed(1)
    net = build_backbone(name, 32).double().eval()
    randomise_statistics(net)
    images = torch.randn(1, 3, 45, 71, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(net(images), published_forward(net.state_dict(), name, images), rtol=1e-9, atol=1e-9)


def randomise_statistics(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.5)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_dilation_computes_the_same_features_more_densely(name: str) -> None:
    """Every 2nd or 4th feature of the dilated networks is the undilated network's, to the border."""
    torch.manual_seed(0)
    size = (45, 71)  # no multiple of any stride
    coarse = build_backbone(name, 32).double().eval()
    randomise_statistics(coarse)
    images = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        wanted = coarse(images)[-1]
    assert wanted.shape == (1, coarse.maps[-1].channels, -(-size[0] // 32), -(-size[1] // 32))
    assert wanted.std() > 0.1
    for stride in (16, 8):
        fine = build_backbone(name, stride).double().eval()
        fine.load_state_dict(coarse.state_dict())
        with torch.no_grad():
            maps = fine(images)
        got = maps[-1]
        assert [found.stride for found in fine.maps] == [min(s, stride) for s in (4, 8, 16, 32)]
        for found, made in zip(fine.maps, maps, strict=True):
            assert made.shape == (1, found.channels, *(-(-side // found.stride) for side in size))
        torch.testing.assert_close(got[:, :, :: 32 // stride, :: 32 // stride], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_fresh_block_is_its_skip_connection(name: str) -> None:
    """What a stage adds to its first block's projection is nothing before training: later blocks pass features on."""
    net = build_backbone(name, 32).eval()
    features = torch.rand(1, net.maps[-1].channels, 3, 4)
    last = [m for m in net.modules() if isinstance(m, BasicBlock | Bottleneck)][-1]
    with torch.no_grad():
        torch.testing.assert_close(last(features), features)


def test_channels_last_gives_the_same_features() -> None:
    torch.manual_seed(0)
    net = build_backbone("resnet18", 16).eval()
    randomise_statistics(net)
    images = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        wanted = net(images)[-1]
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        got = net(images.to(memory_format=torch.channels_last))[-1]
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4)


def test_unknown_names_and_strides() -> None:
    with pytest.raises(ConfigError, match=r"unknown backbone 'resnet51'. Did you mean 'resnet50'"):
        build_backbone("resnet51")
    with pytest.raises(ConfigError, match=r"output stride 4 .* 8, 16, 32"):
        build_backbone("resnet18", 4)


class Patches(Backbone):
    def __init__(self, *strides: int) -> None:
        super().__init__()
        self.maps = tuple(FeatureMap(stride, 5) for stride in strides)


def test_installed_backbones_join(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "patches"
        made: Callable[[int], nn.Module] = Patches

        def load(self) -> Callable[[int], nn.Module]:
            return type(self).made

    def entry_points(**wanted: str) -> list[Point]:
        assert wanted["group"] == "labelforge.backbones"
        return [Point()] if wanted.get("name", "patches") == "patches" else []

    monkeypatch.setattr(backbones, "entry_points", entry_points)
    assert backbone_names() == sorted(["patches", *BACKBONES])
    net = build_backbone("patches", 16)
    assert isinstance(net, Patches) and net.maps == (FeatureMap(16, 5),)
    wrong: list[tuple[Callable[[int], nn.Module], str]] = [
        (lambda stride: nn.Conv2d(3, 8, stride), "what 'patches' builds is no Backbone but Conv2d. Derive"),
        (lambda _: Backbone(), "backbone 'patches' does not say which maps it gives"),
        (lambda _: Patches(), "backbone 'patches' does not say which maps it gives"),
        (lambda _: Patches(16, 8), "the maps of backbone 'patches' have strides 16, 8. Give them the finest first."),
    ]
    for Point.made, message in wrong:
        with pytest.raises(ConfigError, match=message):
            build_backbone("patches")


def test_no_entry_points_are_needed() -> None:
    assert set(BACKBONES) <= set(backbone_names())
    assert not {p.name for p in importlib.metadata.entry_points(group="labelforge.backbones")} & set(BACKBONES)
