"""A network made ready to be asked answers as the one it was made of."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from labelforge.trainer import ModelConfig, build_network
from labelforge.trainer.models.inference import fold_batch_norm, ready_for_inference
from labelforge.trainer.models.network import SegmentationNet

IMAGES = torch.randint(0, 256, (2, 3, 70, 99), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CONFIGS = [
    ModelConfig(backbone="resnet18", output_stride=16, features=32),
    ModelConfig(backbone="resnet50", output_stride=32, decoder="lr-aspp", features=16, upsampling="hybrid"),
    ModelConfig(backbone="efficientnet-lite0", output_stride=32, decoder="fpn", features=16, bottlenecks="shared"),
    ModelConfig(backbone="efficientnet-lite0", output_stride=16, features=16, context_dilation=2),
]


def trained(config: ModelConfig) -> SegmentationNet:
    """A network whose normalisations have statistics, scales and shifts unlike those they begin with."""
    torch.manual_seed(3)
    network = build_network((5, 3, 4), config, pretrained=False).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.2),
                (module.bias.data, -0.2, 0.2),
            ):
                assert values is not None
                values.uniform_(low, high)
    return network


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.backbone}-{config.decoder}")
def test_the_same_logits_without_normalisation(config: ModelConfig) -> None:
    network = trained(config)
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        wanted: Tensor = network(IMAGES)
        ready = ready_for_inference(network, torch.float32)
        torch.testing.assert_close(ready(IMAGES), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
        assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
        half = ready_for_inference(network, torch.bfloat16)
        assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
        near = half(IMAGES).float()
        assert float((near - wanted).abs().mean()) < 0.1 * float(wanted.abs().mean())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(p.requires_grad for p in ready.parameters())


class Backwards(nn.Module):
    """Lists its normalisation after a convolution that it does not follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(512, 512, 1)
        self.norm = nn.BatchNorm2d(512)
        assert self.norm.running_mean is not None
        self.norm.running_mean.uniform_(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.norm(x))  # type: ignore[no-any-return]


def test_a_module_that_says_otherwise_stays_as_it_is() -> None:
    config = ModelConfig(backbone="resnet18", output_stride=32)
    network = trained(config)
    network.head = Backwards().eval()
    with torch.inference_mode():
        wanted = network(IMAGES)
        assert not torch.allclose(fold_batch_norm(network)(IMAGES), wanted, rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(ready_for_inference(network, torch.float32)(IMAGES), wanted, rtol=1e-4, atol=1e-4)


def test_other_modules_are_only_copied() -> None:
    layer = nn.Conv2d(3, 4, 1)
    ready = ready_for_inference(layer, torch.bfloat16)
    assert ready is not layer and next(ready.parameters()).dtype == torch.float32


def test_a_network_that_cannot_be_compared_stays_as_it_is() -> None:
    """Someone else's operator may be there for GPUs only."""
    network = trained(ModelConfig(backbone="resnet18", output_stride=32))
    forward = network.backbone.forward

    def picky(images: Tensor) -> tuple[Tensor, ...]:
        if images.shape[-1] == 97:  # that of the noise
            raise NotImplementedError("could not run 'their::op' with arguments from the 'CPU' backend")
        return forward(images)  # type: ignore[no-any-return]

    network.backbone.forward = picky
    with torch.inference_mode():
        ready = ready_for_inference(network, torch.float32)
        assert any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
        torch.testing.assert_close(ready(IMAGES), network(IMAGES), rtol=1e-4, atol=1e-4)
