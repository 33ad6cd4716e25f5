"""What a public object shows of itself at a prompt."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import labelforge as lf
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.training import RunResult, train
from tests.trainer.tiny import make_shards, open_both, tiny_config

TREE = lf.Taxonomy.load("iv2018")
THREE = [lf.LabelMapping.load(TREE, name) for name in ("cityscapes", "mapillary-vistas-1.2", "gtsdb")]


def test_trees_tables_and_layouts() -> None:
    assert repr(TREE) == "<Taxonomy iv2018: 112 nodes, 5 classifiers, 111 logits>"
    assert repr(THREE[0]) == "<LabelMapping cityscapes: 35 pixel labels, 27 used>"
    assert repr(THREE[2]) == "<LabelMapping gtsdb: 43 box labels, 43 used>"
    table = lf.TargetTable.compile(TREE, THREE)
    rows = len(table.target)
    assert repr(table) == f"<TargetTable iv2018: {rows} rows of 3 datasets, 5 classifiers, 111 logits>"
    assert repr(table.layout) == "<LogitLayout iv2018: 5 classifiers, 111 logits, 107 classes>"
    flat = lf.LogitLayout.compile(TREE, head="flat-marginal")
    assert repr(flat) == "<LogitLayout iv2018: 1 classifier, 107 logits, 107 classes>"


def test_batches_and_their_rows(tmp_path: Path) -> None:
    batches = TrainingBatches.open(open_both(tmp_path), tiny_config(steps=2, data={"batch": {"dense": 2}}))
    assert repr(batches) == "<TrainingBatches tiny: 2 steps, 1 of boxes, 2 of dense>"
    height, width = batches[0].rows.shape[1:]
    assert repr(batches[0].rows) == f"<GlobalRows (3, {height}, {width}), torch.int16>"


@pytest.mark.usefixtures("backbone")
def test_readers_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = lf.ShardReader(make_shards(Path("some"), "dense", 1))
    assert repr(one) == "<ShardReader some: 1 sample of dense train, tiny>"
    deep = Path("a-folder-with-a-long-name", "another", "shards-of-2026", "dense-train")
    assert repr(lf.ShardReader(make_shards(deep, "dense", 3))) == (
        "<ShardReader ...me/another/shards-of-2026/dense-train: 3 samples of dense train, tiny>"
    )
    result = train(open_both(tmp_path), Path("run"), tiny_config(steps=2))
    loss = result.log[-1].loss
    assert repr(result) == f"<RunResult run: 2 steps, loss {loss:.3f}>"
    stopped = RunResult(result.out, 1, result.checkpoint, (), signal.SIGTERM)
    assert repr(stopped) == "<RunResult run: 1 step, stopped by SIGTERM>"
    found = lf.trainer.find_checkpoint("run")  # type: ignore[attr-defined]
    assert repr(found) == "<Checkpoint run/checkpoints/step-0000002: tiny, boxes, dense>"
