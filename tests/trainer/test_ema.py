"""The weight average against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from labelforge.trainer import ExponentialMovingAverage


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


def test_state_survives_a_round_trip() -> None:
    net = nn.Linear(2, 3)
    first = ExponentialMovingAverage(net, decay=0.9)
    for value in (1.0, 2.0):
        set_weights(net, value)
        first.update(net)
    second = ExponentialMovingAverage(nn.Linear(2, 3), decay=0.9)
    second.load_state_dict(first.state_dict())
    set_weights(net, 3.0)
    first.update(net)
    second.update(net)
    assert torch.equal(first.module.weight, second.module.weight)
    assert second.updates == 3


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_impossible_decay(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be"):
        ExponentialMovingAverage(nn.Linear(1, 1), decay=decay)
