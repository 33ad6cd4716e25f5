"""What a run says before its first step, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.models import network
from labelforge.trainer.models.network import build_network
from labelforge.trainer.models.weights import LoadedWeights
from labelforge.trainer.opening import describe_run
from tests.trainer.tiny import TREE, open_both, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")


def opening(folder: Path, **changes: object) -> list[str]:
    config = tiny_config(data={"batch": {"dense": 2}}, **changes)
    batches = TrainingBatches.open(open_both(folder), config)
    built = build_network(batches.table.layout.sizes, config.model)
    return describe_run(config, batches, built, torch.device("cpu"))


def test_it_says_what_is_trained_on_and_what_that_teaches(tmp_path: Path) -> None:
    boxes, dense, what, classes, device = opening(tmp_path)
    assert boxes == "boxes: 2 samples with labelled boxes, 1 in each batch; 3 of 3 labels occur."
    assert dense == "dense: 3 samples with labelled pixels, 2 in each batch; 4 of 4 labels occur."
    assert what == "2 of 4 classifiers with 7 choices and 6 answers."
    lint = f"labelforge lint TREE --shards {tmp_path / 'boxes'} --shards {tmp_path / 'dense'}"
    counts = "2 from pixels, 3 from boxes, 2 only as part of a larger answer, 1 not at all"
    assert classes == f"Of the {len(TREE.leaves)} classes of tiny, {counts}. Which: {lint}"
    assert device == "tiny with 0.0 million parameters on cpu; a batch is 3 crops of 32x48."


def test_it_names_the_decoder_and_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "load_weights", lambda *_: LoadedWeights("tiny.pth", ("fc.bias", "fc.weight")))
    model = {"backbone": "tiny", "features": 16, "decoder": "fpn", "decoder_channels": 8, "weights": "tiny.pth"}
    *_, loaded, device = opening(tmp_path, model=model)
    assert loaded == "backbone weights: tiny.pth; the classifier in it is dropped (2 tensors)."
    assert device.startswith("tiny and fpn with 0.0 million parameters on cpu; ")


def test_the_command_it_names_can_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    assert f"--shards '{folder / 'dense'}' --boxes path" in opening(folder, loss={"boxes": "path"})[3]
