"""A network that is read in several ways: what each finds, and that images are seen once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import find_checkpoint
from labelforge.trainer.evaluation.scoring import evaluate, evaluate_readings
from labelforge.trainer.models.network import build_network
from labelforge.trainer.reading import Reading
from labelforge.trainer.segmenter import NetworkSegmenter, Segmenter
from labelforge.trainer.training import train
from tests.trainer.tiny import make_shards, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [ShardReader(make_shards(folder / name, name, 5)) for name in ("dense", "boxes")]


@pytest.fixture(scope="module")
def run(shards: list[ShardReader], tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    config = tiny_config(steps=60, model={"head": "flat-union"}, optim={"lr": 0.05}, ema={"decay": 0})
    return train(shards, tmp_path_factory.mktemp("run") / "run", config).out


def test_a_network_read_in_several_ways_sees_each_image_once(
    run: Path, shards: list[ShardReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every way on every shard set, against evaluations one by one."""
    ways = [
        Reading(by, over, strength) for by in (None, "winner") for over in (None, "leaves") for strength in (0.0, 1.0)
    ]
    single = [[evaluate(run, [reader], device="cpu", **way._asdict()) for way in ways] for reader in shards]
    looked: list[int] = []
    network_logits = Segmenter.network_logits

    def counting(self: Segmenter, images: Sequence[Any]) -> torch.Tensor:
        looked.append(len(images))
        return network_logits(self, images)

    monkeypatch.setattr(Segmenter, "network_logits", counting)
    found = evaluate_readings(run, shards, ways, device="cpu")
    assert sum(looked) == sum(map(len, shards))
    assert found == [[one for (one,) in of_one] for of_one in single]
    matrices = [each.matrix.tobytes() for each in found[0]]
    assert matrices == [one.matrix.tobytes() for (one,) in single[0]] and len(set(matrices)) > 4


@pytest.mark.parametrize("protocol", ["official", "authors"])
def test_images_that_are_looked_at_together_are_scored_as_alone(
    run: Path, shards: list[ShardReader], monkeypatch: pytest.MonkeyPatch, protocol: Any
) -> None:
    alone = evaluate(run, shards, device="cpu", protocol=protocol)
    monkeypatch.setattr(NetworkSegmenter, "at_once", lambda self, image: 3)  # as on CUDA
    together = evaluate(run, shards, device="cpu", protocol=protocol)
    # Sums of confidences may differ in their last bits: convolutions of several images add in another order.
    assert [each.matrix.tobytes() for each in together] == [each.matrix.tobytes() for each in alone]
    assert [each.scores for each in together] == [each.scores for each in alone]


def test_what_cannot_be_read(run: Path, shards: list[ShardReader]) -> None:
    def fails(what: str, *readings: Reading, **how: Any) -> None:
        with pytest.raises(ConfigError, match=what):
            evaluate_readings(run, shards, readings, device="cpu", **how)

    fails(r"there is no reading\. Give one")
    fails("by: no such reading 'best'. Give one of sum, winner", Reading(cast(Any, "best")))
    fails("over: no such reading 'roots'. Give one of nodes, leaves", Reading(over=cast(Any, "roots")))
    fails("2 readings cannot be observed at once", Reading(), Reading("winner"), observe=lambda _: None)
    fails("reads decisions, not sums", Reading(), Reading("sum"), protocol="authors")


def test_a_network_in_training_is_read_as_it_is(run: Path, shards: list[ShardReader]) -> None:
    """What validation scores: it can be asked to decide over leaves, but has no priors."""
    checkpoint = find_checkpoint(run)
    network = build_network(checkpoint.layout.sizes, checkpoint.config.model, pretrained=False)
    checkpoint.load_into(network, average=True)
    place = torch.device("cpu")
    plain = NetworkSegmenter(network.eval(), checkpoint.layout, checkpoint.mappings, checkpoint.config, place)
    ((leaves,),) = evaluate_readings(plain, shards[:1], [Reading(over="leaves")])
    (wanted,) = evaluate(run, shards[:1], over="leaves", device="cpu")
    assert leaves == wanted and leaves.matrix.tobytes() == wanted.matrix.tobytes()
    with pytest.raises(ConfigError, match=r"has no logit adjustment, and 0\.5 was asked for\. Load a checkpoint"):
        evaluate_readings(plain, shards[:1], [Reading(logit_adjustment=0.5)])
    assert plain.read_as(logit_adjustment=0.0).logit_adjustment == 0
