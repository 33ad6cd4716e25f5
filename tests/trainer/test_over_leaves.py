"""A flat union read over its leaves alone: the same logits without the classes that hold others, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.shards import ShardReader
from labelforge.trainer import upsample
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.evaluation.summary import reading_notes
from labelforge.trainer.prediction import predict
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.training import train
from tests.trainer.tiny import TREE, draw, make_shards, mapping, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")

IMAGE, _ = draw("dense", 0, (64, 80))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [ShardReader(make_shards(folder / name, name, 2)) for name in ("dense", "boxes")]


@pytest.fixture(scope="module")
def run(shards: list[ShardReader], tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    config = tiny_config(steps=60, model={"head": "flat-union"}, optim={"lr": 0.05}, ema={"decay": 0})
    return train(shards, tmp_path_factory.mktemp("run") / "run", config).out


def test_only_classes_that_hold_others_go(run: Path) -> None:
    nodes, leaves = (Segmenter.load(run, "cpu", over=over).layout.class_names for over in ("nodes", "leaves"))
    assert set(nodes) - set(leaves) == {"sign/front"}  # "ground" holds no other: nothing in it has a label
    assert [name for name in nodes if name != "sign/front"] == list(leaves)
    marginal = LogitLayout.compile(TREE, [mapping("dense"), mapping("boxes")], "flat-marginal")
    whole = LogitLayout.compile(TREE)
    assert marginal.over_leaves() is marginal and whole.over_leaves() is whole


def test_the_decision_is_the_highest_of_the_logits_that_are_left(run: Path) -> None:
    whole, leaves = Segmenter.load(run, "cpu"), Segmenter.load(run, "cpu", over="leaves")
    front = whole.layout.class_names.index("sign/front")
    logits = upsample(whole.logits(IMAGE), (64, 80))[0].numpy()
    assert (logits.argmax(axis=0) == front).any(), "or this would show nothing"
    logits[front] = -np.inf
    found = leaves.decide(IMAGE).numpy()
    names, all_names = np.array(leaves.layout.class_names), np.array(whole.layout.class_names)
    assert (names[found] == all_names[logits.argmax(axis=0)]).mean() > 0.999  # up to rounding
    readout = torch.from_numpy(np.exp(logits - logits.max(axis=0)))
    confidence = (readout.max(dim=0).values / readout.sum(dim=0)).numpy()
    assert leaves.decide_with_confidence(IMAGE).confidence.numpy() == pytest.approx(confidence, abs=1e-5)


def test_predictions_and_scores_are_of_what_is_left(run: Path, shards: list[ShardReader], tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    Image.fromarray(IMAGE).save(picture)
    leaves = Segmenter.load(run, "cpu", over="leaves")
    for over in ("nodes", "leaves"):
        result = predict(run, [picture], tmp_path / over, over=over, device="cpu")
        listed: dict[int, Any] = {
            entry["id"]: entry["name"]
            for entry in json.loads((tmp_path / over / "classes.json").read_text())["classes"]
        }
        assert ("sign/front" in listed.values()) == (over == "nodes")
        ids = np.asarray(Image.open(str(result.written[0].ids)))
        if over == "leaves":
            assert [listed[i] for i in ids.ravel()] == [
                leaves.layout.class_names[k] for k in leaves.decide(IMAGE).ravel()
            ]
    (asked,) = evaluate(run, shards[:1], over="leaves", device="cpu")
    (loaded,) = evaluate(leaves, shards[:1])
    (plain,) = evaluate(run, shards[:1], device="cpu")
    assert (asked.over, loaded.over, plain.over) == ("leaves", "leaves", "nodes")
    assert asked == loaded and (asked.matrix == loaded.matrix).all()
    assert not (asked.matrix == plain.matrix).all()
    assert asked.to_dict()["over"] == "leaves"
    assert "Decided between answers that hold no other." in reading_notes(asked)
    (again,) = evaluate(leaves, shards[:1], over="nodes")
    assert again == plain and (again.matrix == plain.matrix).all()


def test_it_is_refused_where_it_would_change_nothing(shards: list[ShardReader], tmp_path: Path) -> None:
    for head in ("hierarchical", "flat-marginal"):
        made = train(shards, tmp_path / head, tiny_config(steps=1, model={"head": head})).out
        with pytest.raises(ConfigError, match=r"over leaves would change nothing.*flat-union"):
            Segmenter.load(made, "cpu", over="leaves")
