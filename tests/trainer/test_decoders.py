"""Decoders against their definition, computed pixel by pixel, at sizes that no stride divides."""

from __future__ import annotations

from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.config import DecoderName
from labelforge.trainer.models.contract import FeatureMap
from labelforge.trainer.models.decoders import Decoder, GatedSkip, Pyramid, build_decoder
from tests.trainer.test_network import bilinear

MAPS = tuple(FeatureMap(stride, channels) for stride, channels in ((4, 6), (8, 5), (16, 7), (32, 9)))
SIZES = [(360, 480), (375, 1242), (101, 67), (33, 31), (1, 1)]


def features(
    size: tuple[int, int], maps: tuple[FeatureMap, ...] = MAPS, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(size[0])
    shapes = [(2, found.channels, *(-(-side // found.stride) for side in size)) for found in maps]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def scrambled(decoder: Decoder) -> Decoder:
    """In double precision, with statistics as if it had been trained."""
    torch.manual_seed(1)
    for module in decoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return decoder.double().eval()


def read(decoder: Decoder, maps: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return cast(Tensor, decoder(tuple(maps[number] for number in decoder.reads)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "stride", "channels"), [("none", 32, 9), ("fpn", 4, 8), ("lr-aspp", 8, 8)])
def test_the_map_has_the_size_and_channels_that_the_decoder_says(
    name: DecoderName, stride: int, channels: int, size: tuple[int, int]
) -> None:
    decoder = build_decoder(name, MAPS, 8).eval()
    assert decoder.output == FeatureMap(stride, channels)
    found = read(decoder, features(size, dtype=torch.float32))
    assert found.shape == (2, channels, *(-(-side // stride) for side in size))


def test_none_is_the_last_map() -> None:
    maps = features((64, 96))
    assert read(build_decoder("none", MAPS, 8), maps) is maps[-1]
    assert not build_decoder("none", MAPS, 8).state_dict()


def weighed(layer: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution and batch normalisation from their definitions."""
    convolution, norm = cast(nn.Sequential, layer)
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    summed = torch.einsum("nchw,oc->nohw", x, convolution.weight[:, :, 0, 0])
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return summed * scale[:, None, None] + (norm.bias - norm.running_mean * scale)[:, None, None]


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    rows = [[bilinear(c.tolist(), like.shape[2], like.shape[3]) for c in sample] for sample in x]
    return torch.tensor(rows, dtype=x.dtype)


def test_a_pyramid_is_its_definition() -> None:
    decoder = scrambled(build_decoder("fpn", MAPS, 4))
    assert isinstance(decoder, Pyramid)
    maps = features((101, 67))
    got = read(decoder, maps)
    with torch.no_grad():
        laterals = [weighed(layer, found) for layer, found in zip(decoder.laterals, maps, strict=True)]
        total = laterals[3]
        for finer in (laterals[2], laterals[1], laterals[0]):
            total = finer + enlarged(total, finer)
        # A 3x3 convolution as nine shifted 1x1 ones.
        convolution, norm = decoder.smooth
        assert isinstance(convolution, nn.Conv2d)
        padded = F.pad(total, (1, 1, 1, 1))
        height, width = total.shape[2:]
        shifted = torch.cat([padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)], 1)
        kernel = convolution.weight.permute(0, 2, 3, 1).reshape(4, 36, 1, 1)
        one_by_one = nn.Conv2d(36, 4, 1, bias=False)
        one_by_one.weight = nn.Parameter(kernel)
        wanted = weighed(nn.Sequential(one_by_one, norm), shifted).clamp(min=0)
    torch.testing.assert_close(got, wanted)


def test_a_gated_skip_is_its_definition() -> None:
    decoder = scrambled(build_decoder("lr-aspp", MAPS, 4))
    assert isinstance(decoder, GatedSkip) and decoder.reads == (1, 3)
    maps = features((101, 67))
    got = read(decoder, maps)
    with torch.no_grad():
        finer, coarsest = maps[1], maps[3]
        gate = 1 / (1 + (-torch.einsum("nc,oc->no", coarsest.mean((2, 3)), decoder.gate.weight[:, :, 0, 0])).exp())
        gated = weighed(decoder.reduce, coarsest).clamp(min=0) * gate[:, :, None, None]
        skip = weighed(decoder.skip, finer)
        wanted = (skip + enlarged(gated, skip)).clamp(min=0)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    ("strides", "reads", "stride"),
    [
        ((4, 8, 16, 32), (1, 3), 8),
        ((4, 8, 8, 8), (1, 3), 8),
        ((4, 16), (0, 1), 4),
        ((16, 32), (0, 1), 16),
        ((4,), (0, 0), 4),
    ],
)
def test_which_map_is_skipped_to(strides: tuple[int, ...], reads: tuple[int, int], stride: int) -> None:
    decoder = build_decoder("lr-aspp", [FeatureMap(s, 3) for s in strides], 4)
    assert decoder.reads == reads and decoder.output.stride == stride


@pytest.mark.parametrize("name", ["fpn", "lr-aspp"])
def test_every_weight_of_a_decoder_learns(name: DecoderName) -> None:
    decoder = build_decoder(name, MAPS, 8).double().train()
    maps = features((101, 67))
    (decoder(tuple(maps[number] for number in decoder.reads)) ** 2).sum().backward()
    for key, parameter in decoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
