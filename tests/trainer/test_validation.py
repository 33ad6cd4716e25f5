"""Validation while training: it changes no weight, survives any interruption, and its figures are those of evaluate."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.errors import ConfigError, ShardError
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint import best_checkpoint, find_checkpoint, list_checkpoints
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.log import read_log
from labelforge.trainer.models.backbones import BACKBONES
from labelforge.trainer.training import RunResult, train
from labelforge.trainer.validation.history import History
from labelforge.trainer.validation.pictures import load_pictures
from tests.trainer.test_training import SignalAt, tensors
from tests.trainer.tiny import DEFINITION, TinyBackbone, draw, make_shards, open_both, tiny_config, write_shards

pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    return open_both(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("val")
    return [
        ShardReader(make_shards(folder / "dense", "dense", 5, first=10)),
        ShardReader(make_shards(folder / "boxes", "boxes", 3, first=20)),
    ]


def validating(**changes: Any) -> TrainConfig:
    """Eight steps, validated after 3, 6 and 8."""
    return tiny_config(**{"steps": 8, "optim": {"lr": 0.1}, "validation": {"every": 3}} | changes)


def found(run: Path) -> list[Any]:
    """The validations of a run, without how long they took."""
    return [replace(line, seconds=0.0) for line in History.read(run).lines]


class SignalWhileScoring(SignalAt):
    """Sends the signal while the n-th image of the run is scored."""

    def __init__(self, image: int) -> None:
        super().__init__()
        self.images = image

    def scoring(self, done: int, total: int) -> None:
        self.images -= 1
        if self.images == 0:
            os.kill(os.getpid(), signal.SIGINT)


class Restless(TinyBackbone):
    """Draws random numbers even where it is evaluated."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        (maps,) = super().forward(images)
        return (F.dropout(maps, 0.1, training=True),)


@pytest.mark.parametrize("backbone", [TinyBackbone, Restless])
def test_no_weight_changes_by_validation_or_by_interrupting_it(
    readers: list[ShardReader],
    val: list[ShardReader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backbone: type[TinyBackbone],
) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", backbone)
    config = validating()
    train(readers, tmp_path / "without", config)
    assert not (tmp_path / "without" / "validation.jsonl").exists()
    train(readers, tmp_path / "whole", config, val=val)
    interruptions = {
        "between": SignalAt(4),
        "at a validation": SignalAt(3),
        "during the first": SignalWhileScoring(5),
        "during the second": SignalWhileScoring(10),
        "during the last": SignalWhileScoring(23),
    }
    for name, progress in interruptions.items():
        stopped = train(readers, tmp_path / name, config, val=val, progress=progress)
        assert stopped.step == {"between": 4, "during the second": 6, "during the last": 8}.get(name, 3)
        torch.manual_seed(999)
        train(readers, tmp_path / name, val=val, resume=True)
    expected = tensors(tmp_path / "without")
    for name in ("whole", *interruptions):
        got = tensors(tmp_path / name)
        assert got.keys() == expected.keys()
        assert all(torch.equal(value, got[key]) for key, value in expected.items()), name
        assert found(tmp_path / name) == found(tmp_path / "whole"), name
        assert (tmp_path / name / "best").read_text() == (tmp_path / "whole" / "best").read_text()
        lines = [(line.step, line.loss) for line in read_log(tmp_path / name)]
        assert lines[-1] == (8, read_log(tmp_path / "without")[-1].loss)
    assert [line.step for line in found(tmp_path / "whole")] == [3, 6, 8]


def test_the_figures_are_those_of_evaluate(readers: list[ShardReader], val: list[ShardReader], tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = validating(validation={"every": 3, "images": 3}, keep_checkpoints=9, checkpoint_every=1)
    result = train(readers, run, config, val=val)
    for line in result.validations:
        expected = evaluate(run / "checkpoints" / f"step-{line.step:07d}", val, images=3, device="cpu")
        assert [entry.images for entry in line.sets] == [3, 3]
        assert [entry.official for entry in line.sets] == [each.scores.headline for each in expected]
        assert [entry.mean_accuracy for entry in line.sets] == [each.scores.mean_accuracy for each in expected]
        assert line.score == fmean(each.scores.headline or 0 for each in expected)
    best = max(result.validations, key=lambda line: line.score)
    assert result.best == run / "checkpoints" / f"step-{best.step:07d}"
    assert find_checkpoint(run / "best").step == best.step
    shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(run)
    (again, _) = evaluate(tmp_path / "copy" / "best", val, images=3, device="cpu")
    assert again.scores.headline == best.sets[0].official


def test_a_part_of_the_images_is_spread_over_all(
    val: list[ShardReader], readers: list[ShardReader], tmp_path: Path
) -> None:
    """Two of five: the first and the third. The confusion counts only their pixels."""
    run = train(readers, tmp_path / "run", tiny_config(steps=1)).out
    seen = []
    (part,) = evaluate(run, val[:1], images=2, device="cpu", observe=lambda image: seen.append(image.sample.key))
    assert seen == ["dense_010", "dense_012"]
    assert part.images == 2
    assert part.scores.evaluated == sum(
        count for number in (0, 2) for row, count in val[0].pixels(number).items() if row in (1, 2, 3, 4)
    )


def script(monkeypatch: pytest.MonkeyPatch, scores: Sequence[float]) -> None:
    """Make validations find these scores, one after the other, instead of scoring."""
    left: Iterator[float] = iter(scores)

    def scored(*arguments: Any, **options: Any) -> list[Any]:
        (score,) = evaluate(*arguments, **options)
        value = next(left)
        figures = replace(score.scores, headline=value, mean_iou=value / 2, mean_accuracy=1 - value)
        return [replace(score, scores=figures)]

    monkeypatch.setattr("labelforge.trainer.validation.validation.evaluate", scored)


def steps_kept(run: Path) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in list_checkpoints(run)]


@pytest.mark.parametrize(
    ("scores", "best", "kept"),
    [
        ([0.1, 0.2, 0.3, 0.4], 4, [4]),
        ([0.4, 0.3, 0.2, 0.1], 1, [1, 4]),
        ([0.1, 0.4, 0.4, 0.2], 2, [2, 4]),  # a draw is not better
        ([0.0, 0.0, 0.0, 0.0], 1, [1, 4]),
    ],
)
def test_the_best_is_kept_beside_the_latest(
    readers: list[ShardReader],
    val: list[ShardReader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[float],
    best: int,
    kept: list[int],
) -> None:
    script(monkeypatch, scores)
    config = validating(steps=4, validation={"every": 1}, keep_checkpoints=1, checkpoint_every=1)
    result = train(readers, tmp_path / "run", config, val=val[:1])
    assert [line.score for line in result.validations] == scores
    assert steps_kept(tmp_path / "run") == kept
    assert find_checkpoint(tmp_path / "run" / "best").step == best
    assert (tmp_path / "run" / "best").read_text() == f"checkpoints/step-{best:07d}\n"
    assert sorted(path.name for path in (tmp_path / "run" / "validation").iterdir()) == [
        f"step-{step:07d}.npz" for step in sorted({best, 4})
    ]
    longer = train(readers, tmp_path / "run", settings=["steps=5"], resume=True)  # without --val
    assert longer.step == 5
    assert steps_kept(tmp_path / "run") == sorted({best, 5})


@pytest.mark.parametrize(("metric", "best"), [("official", 3), ("mean-iou", 3), ("mean-accuracy", 1)])
def test_the_metric_decides(
    readers: list[ShardReader],
    val: list[ShardReader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    best: int,
) -> None:
    script(monkeypatch, [0.2, 0.3, 0.6])
    config = validating(steps=3, validation={"every": 1, "metric": metric})
    assert train(readers, tmp_path / "run", config, val=val[:1]).best == best_checkpoint(tmp_path / "run")
    assert find_checkpoint(tmp_path / "run" / "best").step == best


def test_patience_ends_the_run_wherever_it_was_interrupted(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [0.1, 0.5, 0.3, 0.4, 0.45]
    config = validating(steps=20, validation={"every": 2, "patience": 3})
    ends: list[RunResult] = []
    for stop in (None, 2, 5, 6, 9):
        script(monkeypatch, scores)
        run = tmp_path / f"run-{stop}"
        result = train(readers, run, config, val=val[:1], progress=SignalAt(stop))
        if stop is not None:
            # What is due where a signal stops the run is made up for: the script goes on with the next score.
            result = train(readers, run, val=val[:1], resume=True)
        ends.append(result)
    for result in ends:
        assert (result.step, result.stopped_by) == (10, None)
        assert [line.score for line in result.validations] == scores
        assert result.best is not None
        assert result.best.name == "step-0000004"
        assert "stopped early" in (result.out / "report.html").read_text()
    run = ends[0].out
    progress = SignalAt()
    assert train(readers, run, val=val[:1], resume=True, progress=progress).step == 10
    assert progress.steps == []
    early = (
        "stopped early after step 10: none of 3 validations was better than 50.0% at step 4. "
        "To train on: --resume --set validation.patience=0."
    )
    assert early in progress.told
    script(monkeypatch, [0.2, 0.1])
    onwards = train(readers, run, settings=["validation.patience=0", "steps=14"], val=val[:1], resume=True)
    assert (onwards.step, len(onwards.validations)) == (14, 7)


def test_a_crash_forgets_what_no_checkpoint_stands_behind(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation, its pictures and a half-written line of steps that the run has to do again."""
    run = tmp_path / "run"
    config = validating(steps=2, validation={"every": 2})
    script(monkeypatch, [0.3])
    train(readers, run, config, val=val[:1])
    record = json.loads((run / "validation.jsonl").read_text())
    ghost = json.dumps(record | {"step": 3, "score": 0.9})
    with (run / "validation.jsonl").open("a") as file:
        file.write(f"{ghost}\n{ghost[:30]}")
    shutil.copy(run / "validation" / "step-0000002.npz", run / "validation" / "step-0000003.npz")
    (run / "best").write_text("checkpoints/step-0000003\n")
    script(monkeypatch, [0.2])
    result = train(readers, run, settings=["steps=4"], val=val[:1], resume=True)
    assert [(line.step, line.score) for line in result.validations] == [(2, 0.3), (4, 0.2)]
    assert find_checkpoint(run / "best").step == 2
    assert sorted(path.name for path in (run / "validation").iterdir()) == ["step-0000002.npz", "step-0000004.npz"]


def test_a_best_checkpoint_that_was_removed_is_forgotten(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest was the best and is removed, as the error about a damaged one advises; the one before is no more."""
    run = tmp_path / "run"
    config = validating(steps=3, validation={"every": 1}, checkpoint_every=1, keep_checkpoints=2)
    script(monkeypatch, [0.2, 0.1, 0.3])
    train(readers, run, config, val=val[:1])
    assert steps_kept(run) == [2, 3]
    shutil.rmtree(run / "checkpoints" / "step-0000003")
    again = train(readers, run, settings=["steps=4", "checkpoint_every=9"], resume=True)  # without --val
    assert (again.step, again.best) == (4, None)
    assert not (run / "best").exists()


def test_other_images_are_not_comparable(readers: list[ShardReader], val: list[ShardReader], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(readers, run, validating(steps=2), val=val)
    before = (run / "validation.jsonl").read_bytes()
    for settings, shards in (
        (["validation.metric=mean-iou"], val),
        (["validation.images=1"], val),
        ([], val[:1]),
    ):
        with pytest.raises(ConfigError, match=r"validated on dense train, boxes train by official.* to begin anew"):
            train(readers, run, settings=["steps=3", *settings], val=shards, resume=True)
    assert (run / "validation.jsonl").read_bytes() == before
    (run / "validation.jsonl").unlink()
    again = train(readers, run, settings=["steps=3", "validation.images=1"], val=list(reversed(val)), resume=True)
    assert [(line.step, [entry.images for entry in line.sets]) for line in again.validations] == [(3, [1, 1])]


def test_what_cannot_be_validated_on_is_refused_before_anything_is_written(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path
) -> None:
    other = make_shards(tmp_path / "other", "dense", 1, tree=Taxonomy.from_dict({**DEFINITION, "name": "other"}))
    cut = make_shards(tmp_path / "cut", "dense", 1, first=40)
    shard = next(cut.glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-600])
    image, rows = draw("dense", 50, (64, 80))
    void = write_shards(tmp_path / "void", "dense", [("void", image, rows * 0 + 5)])
    mixed = make_shards(tmp_path / "mixed", "dense", 3, first=2)
    shared = draw("dense", 1, (64, 80))[0]  # its image with other labels, beside one that has no more than its name
    boxes = [(f"dense_{i:03d}", image, draw("boxes", i, (64, 80))[1]) for i, image in ((0, shared), (1, shared))]
    labelled_otherwise = write_shards(tmp_path / "otherwise", "boxes", boxes)
    renamed = make_shards(tmp_path / "renamed", "dense", 3, first=1)
    manifest = renamed / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "split": "all"}))
    cases: list[tuple[Any, type[Exception], str]] = [
        ([other], ShardError, "made for taxonomy other "),
        ([cut], ShardError, "cut short"),
        ([tmp_path / "none"], ShardError, "none"),
        ([val[0], val[0]], ConfigError, "given twice"),
        ([readers[0]], ConfigError, "3 of its 3 images are learnt from"),
        ([mixed], ConfigError, "1 of its 3 images are learnt from"),
        ([labelled_otherwise], ConfigError, "1 of its 2 images are learnt from"),
        ([renamed], ConfigError, "2 of its 3 images are learnt from"),
        ([void], ConfigError, "its images have no pixel that is scored by its protocol"),
    ]
    for shards, error, what in cases:
        with pytest.raises(error) as caught:
            train(readers, tmp_path / "run", validating(), val=shards)
        assert what in str(caught.value)
        assert not (tmp_path / "run").exists()


def test_a_network_that_answers_none_of_the_labels_is_not_scored_on_them(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path
) -> None:
    """Trained on pixels alone it never says which sign it is; with boxes alone it knows nothing else."""
    with pytest.raises(ConfigError, match=r"the network can answer none of those that occur\. Leave it out of --val"):
        train(readers[:1], tmp_path / "run", validating(), val=[val[1]])
    assert not (tmp_path / "run").exists()


def test_settings_that_do_nothing_are_said(readers: list[ShardReader], val: list[ShardReader], tmp_path: Path) -> None:
    progress = SignalAt()
    train(readers, tmp_path / "a", validating(steps=1, validation={"patience": 2}), progress=progress)
    assert "validation.patience does nothing without --val SHARDS." in progress.told
    progress = SignalAt()
    train(readers, tmp_path / "b", validating(steps=1, validation={"images": 2}), val=val, progress=progress)
    assert (
        "validation after the last step, on dense train: 2 of 5 images, mean IoU, 4 classes "
        "(no protocol). boxes train: 2 of 3 images, mean IoU, 3 classes (no protocol)." in progress.told
    )
    said = [text for text in progress.told if text.startswith("validation at step 1: dense train ")]
    assert said[0].endswith("% (the best so far)")
    assert [text for text in progress.told if text.startswith("scored")] == [f"scored {n} of 4" for n in range(1, 5)]
    progress = SignalAt()
    train(readers, tmp_path / "b", settings=["steps=2"], resume=True, progress=progress)
    assert "validated until step 1, but no more: add --val to go on with it." in progress.told


def test_the_report_shows_scores_and_pictures(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(readers, run, validating(steps=2, validation={"every": 1}), val=val)
    pictures = load_pictures(run, 2)
    assert {name: [picture.key for picture in several] for name, several in pictures.items()} == {
        "dense train": ["dense_010", "dense_012", "dense_014"],
        "boxes train": ["boxes_020", "boxes_021", "boxes_022"],
    }
    script(monkeypatch, [0.5, 0.25])
    one = tmp_path / "one"
    train(readers, one, validating(steps=2, validation={"every": 1}), val=val[:1])
    page = (one / "report.html").read_text()
    for text in ("Validation", "best, step 1", "latest, step 2", "50.0%", "25.0%", "dense train: dense_010", "sky"):
        assert text in page
    assert page.count("<img") == 3 * 4
    (one / "validation" / "step-0000001.npz").write_bytes(b"broken")
    train(readers, one, resume=True)
    page = (one / "report.html").read_text()
    assert page.count("<img") == 3 * 3
    assert "Validation" in page


def test_tensorboard_gets_figures_and_pictures(
    readers: list[ShardReader], val: list[ShardReader], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    result = train(readers, run, validating(steps=2, validation={"every": 1}), val=val)
    board = EventAccumulator(str(run))
    board.Reload()
    scalars = [(event.step, event.value) for event in board.Scalars("validation/mean")]
    assert scalars == [(line.step, pytest.approx(line.score)) for line in result.validations]
    assert "validation/dense train/dense_010" in board.Tags()["images"]
