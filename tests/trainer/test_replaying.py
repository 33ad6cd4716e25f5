"""A network that is replayed answers as it does when it is run."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from labelforge.trainer.models.replaying import Replayed
from tests.trainer.rerunning import Rerunner, rerunner

__all__ = ["rerunner"]


class Doubling(nn.Module):
    """Counts how often it is run, and answers in memory that it uses again."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, images: Tensor) -> Tensor:
        self.runs += 1
        return images.float() * 2


def images(value: int, height: int = 4) -> Tensor:
    return torch.full((1, 3, height, 5), value, dtype=torch.uint8)


def test_recorded_at_the_second_call(rerunner: type[Rerunner]) -> None:
    network = Replayed(Doubling())
    answers = []
    for call, recorded in enumerate((0, 1, 1, 1)):
        answers.append(network(images(call)))
        assert rerunner.recorded == recorded
    assert [float(answer.mean()) for answer in answers] == [0, 2, 4, 6]  # none is overwritten by a later one
    assert len({answer.data_ptr() for answer in answers}) == 4
    given = images(9)
    network(given)
    assert (given == 9).all()


def test_every_shape_for_itself_and_only_so_many(rerunner: type[Rerunner]) -> None:
    network = Replayed(Doubling())
    for _ in range(3):
        for height in range(1, 12):
            assert float(network(images(height, height)).sum()) == 2 * height * 15 * height
    assert rerunner.recorded == 8
    last = images(3, 4).contiguous(memory_format=torch.channels_last)
    assert network(last).stride() == (last.float() * 2).stride()


@pytest.mark.parametrize("fault", ["refused", "memory"])
def test_what_cannot_be_recorded_is_run(rerunner: type[Rerunner], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Doubling()
    network = Replayed(inner)
    if fault == "refused":
        monkeypatch.setattr(rerunner, "refuses", 1)
    else:

        def full(self: Rerunner, call: object, times: int = 1) -> None:
            raise torch.OutOfMemoryError("full")

        monkeypatch.setattr(rerunner, "rehearse", full)
    for value in range(4):
        assert float(network(images(value)).mean()) == 2 * value
        assert float(network(images(value, 7)).mean()) == 2 * value
    assert rerunner.recorded == 0  # nor tried again
    assert inner.runs == 8 + (fault == "refused")  # and a rehearsal


def test_a_copy_records_anew(rerunner: type[Rerunner]) -> None:
    network = Replayed(Doubling())
    network(images(1)), network(images(1))
    other = copy.deepcopy(network)
    assert other.network is not network.network
    other(images(1))
    assert rerunner.recorded == 1
