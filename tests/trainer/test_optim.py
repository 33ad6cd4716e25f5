"""The learning rate at every step, and what weight decay acts on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from labelforge.trainer.config import OptimConfig
from labelforge.trainer.optim import learning_rate, make_optimizer, set_learning_rate


def test_the_rate_is_cut_twice() -> None:
    config = OptimConfig(lr=0.8, cuts=(0.5, 0.9), cut=0.5)
    rates = [learning_rate(step, 20, config) for step in range(20)]
    assert rates == [0.8] * 10 + [0.4] * 8 + [0.2] * 2


def test_the_rate_falls_by_a_power() -> None:
    config = OptimConfig(lr=0.5, schedule="poly")
    assert [learning_rate(step, 4, config) for step in range(4)] == pytest.approx(
        [0.5, 0.5 * 0.75**0.9, 0.5 * 0.5**0.9, 0.5 * 0.25**0.9]
    )


def test_the_rate_rises_first() -> None:
    config = OptimConfig(lr=1.0, warmup=4, cuts=())
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
