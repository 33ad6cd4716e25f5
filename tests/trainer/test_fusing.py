"""Convolutions fused with what follows them compute what they computed one after the other."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from labelforge.trainer import ModelConfig
from labelforge.trainer.models.fusing import ReluConv2d, fuse
from labelforge.trainer.models.inference import fold_batch_norm, ready_for_inference
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.models.resnet import BasicBlock
from tests.trainer.test_inference import CONFIGS, IMAGES, trained


def convolution_relu(x: Tensor, weight: Tensor, bias: Tensor, *how: object) -> Tensor:
    """As cuDNN documents it."""
    return torch.conv2d(x, weight, bias, *how).relu()  # type: ignore[call-overload,no-any-return]


def convolution_add_relu(x: Tensor, weight: Tensor, z: Tensor, alpha: float, bias: Tensor, *how: object) -> Tensor:
    """The same, with something added before the ReLU."""
    return (torch.conv2d(x, weight, bias, *how) + alpha * z).relu()  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def without_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "cudnn_convolution_relu", convolution_relu)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", convolution_add_relu)


def random_head(network: SegmentationNet) -> None:
    """A head that decides something: its logits begin at zero."""
    for layer in network.head.classifiers:  # type: ignore[union-attr]
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        nn.init.normal_(layer.weight, std=0.1)
        nn.init.normal_(layer.bias)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.backbone}-{config.decoder}")
@pytest.mark.usefixtures("without_cudnn")
def test_the_same_logits(config: ModelConfig) -> None:
    network = trained(config)
    random_head(network)
    with torch.inference_mode():
        folded = fold_batch_norm(network)
        wanted = folded(IMAGES)
        fused = copy.deepcopy(folded)
        fuse(fused)
        torch.testing.assert_close(fused(IMAGES), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
        torch.testing.assert_close(folded(IMAGES), wanted, rtol=0, atol=0)
    if config.backbone == "resnet50":  # stem, blocks and head: what is not fused has no ReLU after it
        fusions = sum(isinstance(module, ReluConv2d) for module in fused.modules())
        assert fusions == 1 + 3 * 16 + 1 + 3 * 3  # stem, the blocks of four stages, reduction, three bottlenecks


def test_what_is_not_folded_stays() -> None:
    network = trained(ModelConfig(backbone="resnet18", output_stride=32, features=16))
    fuse(network)
    assert not any(isinstance(module, ReluConv2d) for module in network.modules())


class Leaky(nn.ReLU):
    """A ReLU of someone else's, which is none."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, 0.1)


@pytest.mark.usefixtures("without_cudnn")
def test_what_is_not_known_stays() -> None:
    class Gated(BasicBlock):
        """A block that does something else."""

    class Ordered(nn.Sequential):
        """A sequence that may do anything."""

    convolution = nn.Conv2d(4, 4, 3, padding=1)
    network = nn.ModuleList(
        [
            nn.Sequential(copy.deepcopy(convolution), Leaky()),
            Ordered(copy.deepcopy(convolution), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 4, 3, padding="same"), nn.ReLU()),
            Gated(4, 4),
            nn.Sequential(copy.deepcopy(convolution), nn.Identity(), nn.ReLU()),
        ]
    )
    fuse(network)
    assert [sum(isinstance(m, ReluConv2d) for m in part.modules()) for part in network] == [0, 0, 0, 0, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.backbone}-{config.decoder}")
def test_ready_on_a_gpu(config: ModelConfig) -> None:
    """The third call of a shape is replayed, and so is one with other images."""
    network = trained(config)
    random_head(network)
    others = IMAGES.flip(0)
    with torch.inference_mode():
        wanted, wanted_of_others = network(IMAGES), network(others)
    on_gpu = copy.deepcopy(network).cuda()
    scale = float(wanted.abs().max())
    for dtype, close in ((torch.float32, 2e-2), (torch.bfloat16, 1e-1)):  # TF32 has 10 bits, bfloat16 has 7
        ready = ready_for_inference(on_gpu, dtype)
        answers = [ready(IMAGES.cuda()) for _ in range(3)]
        of_others, again = ready(others.cuda()), ready(IMAGES.cuda())
        assert torch.equal(answers[2], answers[1]) and torch.equal(again, answers[2])
        for found in answers:
            torch.testing.assert_close(found.float().cpu(), wanted, rtol=0, atol=close * scale)
        torch.testing.assert_close(of_others.float().cpu(), wanted_of_others, rtol=0, atol=close * scale)
        assert not torch.equal(of_others, again)
        smaller = ready(IMAGES[:1, :, :50].cuda())
        assert smaller.shape[0] == 1 and smaller.shape[2] < wanted.shape[2]
