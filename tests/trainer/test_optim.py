"""The learning rate at every step, what weight decay acts on, and the weight average against its formula."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from labelforge.trainer.config import OptimConfig
from labelforge.trainer.optim import (
    ExponentialMovingAverage,
    learning_rate,
    make_optimizer,
    set_learning_rate,
)


def test_the_rate_is_cut_twice() -> None:
    config = OptimConfig(lr=0.8, schedule="steps", cuts=(0.5, 0.9), cut=0.5)
    rates = [learning_rate(step, 20, config) for step in range(20)]
    assert rates == [0.8] * 10 + [0.4] * 8 + [0.2] * 2


def test_the_rate_falls_by_a_power() -> None:
    config = OptimConfig(lr=0.5, schedule="poly")
    assert [learning_rate(step, 4, config) for step in range(4)] == pytest.approx(
        [0.5, 0.5 * 0.75**0.9, 0.5 * 0.5**0.9, 0.5 * 0.25**0.9]
    )


def test_the_rate_rises_first() -> None:
    config = OptimConfig(lr=1.0, warmup=4, schedule="steps", cuts=())
    assert [learning_rate(step, 100, config) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_decay_shrinks_convolutions_only() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = make_optimizer(network, OptimConfig(lr=0.1, weight_decay=0.5, momentum=0))
    set_learning_rate(optimizer, 0.2)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = dict(network.named_parameters())
    torch.testing.assert_close(after["0.weight"], before["0.weight"] * (1 - 0.2 * 0.5))
    for name in ("0.bias", "1.weight", "1.bias"):
        assert torch.equal(after[name], before[name])


class Parts(nn.Module):
    """A network of two layers, one of them the backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(2, 3, 1)
        self.head = nn.Conv2d(3, 1, 1)


def test_adamw_is_the_formula_of_its_paper() -> None:
    """Loshchilov and Hutter 2019, algorithm 2, in plain numbers for one weight and one bias."""
    torch.manual_seed(0)
    network = Parts()
    optimizer = make_optimizer(network, OptimConfig(optimizer="adamw", lr=0.03, weight_decay=0.2))
    first = torch.randn(5, generator=torch.Generator().manual_seed(1)).tolist()
    for parameter, decay in ((network.head.weight, 0.2), (network.head.bias, 0.0)):
        assert parameter is not None
        weight, mean, square = parameter.flatten()[0].item(), 0.0, 0.0
        for t, gradient in enumerate(first, 1):
            rate = 0.03 / t
            set_learning_rate(optimizer, rate)
            for each in network.parameters():
                each.grad = None
            parameter.grad = torch.full_like(parameter, gradient)
            optimizer.step()
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            step = (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)) ** 0.5 + 1e-8)
            weight -= rate * (step + decay * weight)
            assert parameter.flatten()[0].item() == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_backbone_has_a_rate_of_its_own_at_every_step(optimizer: Literal["sgd", "adamw"]) -> None:
    network = Parts()
    config = OptimConfig(optimizer=optimizer, lr=0.4, backbone_lr=0.25, warmup=2, weight_decay=0.5)
    made = make_optimizer(network, config)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    for step in range(4):
        rate = learning_rate(step, 4, config)
        set_learning_rate(made, rate)
        found = {names[id(p)]: (g["lr"], g["weight_decay"]) for g in made.param_groups for p in g["params"]}
        assert found == {
            "backbone.weight": (rate * 0.25, 0.5),
            "backbone.bias": (rate * 0.25, 0.0),
            "head.weight": (rate, 0.5),
            "head.bias": (rate, 0.0),
        }
    assert rate == 0.4 * 0.25**0.9


def test_each_optimiser_has_its_own_first_rate_and_decay() -> None:
    adamw = torch.optim.AdamW([torch.zeros(1)])
    config = OptimConfig(optimizer="adamw")
    assert (config.first_rate, config.decay) == (adamw.defaults["lr"], adamw.defaults["weight_decay"])
    assert (OptimConfig().first_rate, OptimConfig().decay) == (0.01, 1e-4)
    assert OptimConfig(optimizer="adamw", lr=0.5, weight_decay=0).first_rate == 0.5
    assert OptimConfig(optimizer="adamw", lr=0.5, weight_decay=0).decay == 0


def set_weights(net: nn.Linear, value: float) -> None:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(value)


def test_steps_follow_the_warmed_up_decay() -> None:
    net = nn.Linear(2, 3)
    set_weights(net, 0.0)
    average = ExponentialMovingAverage(net, decay=0.15)
    expected = 0.0
    for step, value in enumerate([1.0, -2.0, 5.0, 0.5]):
        set_weights(net, value)
        average.update(net)
        decay = min(0.15, [1 / 10, 2 / 11, 3 / 12, 4 / 13][step])
        expected = decay * expected + (1 - decay) * value
        assert average.module.weight.flatten().tolist() == pytest.approx([expected] * 6)
        assert average.module.bias.tolist() == pytest.approx([expected] * 3)
    assert average.updates == 4


def test_long_runs_forget_the_start() -> None:
    """Without warm-up a decay of 0.9999 would still hold 98 % of the random start after 200 steps."""
    net = nn.Linear(2, 3)
    set_weights(net, 100.0)
    average = ExponentialMovingAverage(net, decay=0.9999)
    set_weights(net, 0.0)
    for _ in range(200):
        average.update(net)
    assert average.module.weight.abs().max() < 1e-6


def test_batch_statistics_are_averaged_and_counters_copied() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = ExponentialMovingAverage(net, decay=0.05)
    before = average.module.state_dict()["1.running_mean"].clone()
    net(torch.full((2, 1, 3, 3), 4.0))
    average.update(net)
    now = net.state_dict()
    expected = 0.05 * before + 0.95 * now["1.running_mean"]
    torch.testing.assert_close(average.module.state_dict()["1.running_mean"], expected)
    assert average.module.state_dict()["1.num_batches_tracked"].item() == 1


def test_the_average_is_a_network_ready_for_inference() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = ExponentialMovingAverage(net)
    assert not average.module.training and net.training
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in net.parameters())
    frozen = average.module.state_dict()["0.weight"].clone()
    with torch.no_grad():
        net.get_parameter("0.weight").add_(1)
    assert torch.equal(average.module.state_dict()["0.weight"], frozen)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_impossible_decay(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be"):
        ExponentialMovingAverage(nn.Linear(1, 1), decay=decay)
