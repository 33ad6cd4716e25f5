"""The learning rate at every step, what weight decay acts on, and the weight average against its formula."""

from __future__ import annotations

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
