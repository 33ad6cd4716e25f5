"""The network around backbone and head: scaling, frozen statistics, upsampling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from labelforge.trainer import ModelConfig, SegmentationNet, build_network, upsample
from labelforge.trainer.config import DecoderName
from labelforge.trainer.models.contract import IMAGENET, Backbone, FeatureMap


class Identity(Backbone):
    maps = (FeatureMap(stride=1, channels=3),)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (images,)


def test_images_are_scaled_to_minus_one_to_one() -> None:
    net = SegmentationNet(Identity(), nn.Identity())
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    assert net(images)[0, 1, 0].tolist() == pytest.approx([-1, -0.6, 1])
    torch.testing.assert_close(net(images.float()), net(images))


def test_imagenet_normalisation() -> None:
    """(x / 255 - mean) / deviation with the constants of torchvision's documentation."""
    net = SegmentationNet(Identity(), nn.Identity(), scaling=IMAGENET)
    out = net(torch.full((1, 3, 1, 1), 200, dtype=torch.uint8)).flatten().tolist()
    constants = zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    assert out == pytest.approx([(200 / 255 - mean) / deviation for mean, deviation in constants], rel=1e-5)


def test_logits_at_the_backbones_stride() -> None:
    net = build_network((5, 3), ModelConfig(backbone="resnet18", output_stride=8, features=16))
    logits = net(torch.randint(0, 256, (2, 3, 65, 90), dtype=torch.uint8))
    assert logits.shape == (2, 8, 9, 12)
    assert upsample(logits, (65, 90)).shape == (2, 8, 65, 90)
    assert not {"mean", "scale"} & set(net.state_dict())


def test_doubled_logits_are_brought_to_the_images_size_too() -> None:
    config = ModelConfig(backbone="resnet18", output_stride=16, features=16, upsampling="hybrid")
    logits = build_network((5, 3), config)(torch.randint(0, 256, (2, 3, 65, 90), dtype=torch.uint8))
    assert logits.shape == (2, 8, 10, 12)
    assert upsample(logits, (65, 90)).shape == (2, 8, 65, 90)


@pytest.mark.parametrize("decoder", ["none", "fpn", "lr-aspp"])
def test_logits_are_those_of_the_maps(decoder: DecoderName) -> None:
    config = ModelConfig(backbone="resnet18", output_stride=32, features=16, decoder=decoder, decoder_channels=8)
    net = build_network((5, 3), config).eval()
    images = torch.randint(0, 256, (2, 3, 65, 90), dtype=torch.uint8)
    maps = net.extract(images)
    assert all(torch.equal(found, wanted) for found, wanted in zip(maps, read_by(net, images), strict=True))
    assert torch.equal(net.classify(tuple(found.clone() for found in maps)), net(images))


def read_by(net: SegmentationNet, images: Tensor) -> list[Tensor]:
    """The maps that a decoder reads, of all that the backbone gives."""
    maps = net.backbone((images - 127.5) / 127.5)
    return [maps[number] for number in net.decoder.reads]


@pytest.mark.parametrize("decoder", ["none", "fpn"])
@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_batch_norm(frozen: bool, decoder: DecoderName) -> None:
    config = ModelConfig(
        backbone="resnet18",
        output_stride=32,
        features=16,
        freeze_batch_norm=frozen,
        decoder=decoder,
        decoder_channels=8,
    )
    net = build_network((2,), config).train()
    before = {k: v.clone() for k, v in net.state_dict().items() if k.endswith("running_mean")}
    net(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)).sum().backward()
    moved = {k for k, v in before.items() if not torch.equal(net.state_dict()[k], v)}
    new = {"head"} if decoder == "none" else {"decoder", "head"}
    assert {k.split(".")[0] for k in moved} == (new if frozen else {"backbone", *new})
    weight = net.get_parameter("backbone.bn1.weight")
    assert weight.grad is not None and weight.grad.abs().sum() > 0, "scale and shift still train"
    assert not any(m.training for m in net.eval().modules())


def bilinear(values: list[list[float]], height: int, width: int) -> list[list[float]]:
    """Bilinear resampling with aligned pixel centres and a replicated border, from its definition."""
    h, w = len(values), len(values[0])

    def source(i: int, out: int, size: int) -> tuple[int, int, float]:
        at = min(max((i + 0.5) * size / out - 0.5, 0.0), size - 1.0)
        low = math.floor(at)
        return low, min(low + 1, size - 1), at - low

    result = []
    for y in range(height):
        y0, y1, fy = source(y, height, h)
        row = []
        for x in range(width):
            x0, x1, fx = source(x, width, w)
            top = values[y0][x0] * (1 - fx) + values[y0][x1] * fx
            bottom = values[y1][x0] * (1 - fx) + values[y1][x1] * fx
            row.append(top * (1 - fy) + bottom * fy)
        result.append(row)
    return result


def test_upsampling_aligns_pixel_centres() -> None:
    logits = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = upsample(logits, (19, 31))
    for channel in range(2):
        wanted = torch.tensor(bilinear(logits[0, channel].tolist(), 19, 31), dtype=torch.float64)
        torch.testing.assert_close(got[0, channel], wanted)
