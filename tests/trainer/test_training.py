"""The training loop: exact resuming, stopping, logging, and what it refuses before it writes anything."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from labelforge.errors import CheckpointError, ConfigError, LabelforgeError, ShardError
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.trainer import training
from labelforge.trainer.checkpoint import find_checkpoint, list_checkpoints
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.datasets import pixel_counts
from labelforge.trainer.learner import Learner
from labelforge.trainer.log import LogLine, read_log
from labelforge.trainer.loss import LossOutput, hierarchical_loss
from labelforge.trainer.progress import NoProgress
from labelforge.trainer.settings import load_config
from labelforge.trainer.training import train
from tests.trainer.tiny import DEFINITION, TinyBackbone, make_shards, open_both, tiny_config


class SignalAt:
    """Progress that sends this process a signal after some steps, and notes what it is told."""

    def __init__(self, step: int | None = None, number: int = signal.SIGTERM) -> None:
        self.step, self.number = step, number
        self.told: list[str] = []
        self.lines: list[LogLine] = []
        self.steps: list[int] = []

    def note(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def following(self, first: int, steps: int) -> Iterator[None]:
        self.told.append(f"from {first} to {steps}")
        try:
            yield
        finally:
            self.told.append("end")

    def advance(self, step: int) -> None:
        self.steps.append(step)
        if step == self.step:
            os.kill(os.getpid(), self.number)

    def log(self, line: LogLine) -> None:
        self.lines.append(line)

    def scoring(self, done: int, total: int) -> None:
        self.told.append(f"scored {done} of {total}")


pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    return open_both(tmp_path_factory.mktemp("shards"))


def tensors(run: Path) -> dict[str, torch.Tensor]:
    found = find_checkpoint(run)
    return {
        **{f"model/{k}": v for k, v in found.weights(average=False).items()},
        **{f"average/{k}": v for k, v in found.weights(average=True).items()},
        **{f"state/{k}": v for k, v in found.state().items()},
    }


def measured(run: Path) -> list[tuple[int, float, dict[str, float], dict[str, float], float]]:
    return [(line.step, line.loss, line.losses, line.gate, line.lr) for line in read_log(run)]


def test_a_stopped_and_resumed_run_equals_an_unbroken_one_bit_for_bit(
    readers: list[ShardReader], tmp_path: Path
) -> None:
    config = tiny_config(steps=8, optim={"schedule": "steps", "cuts": [0.6], "warmup": 3})
    whole = train(readers, tmp_path / "whole", config)
    assert (whole.step, whole.stopped_by) == (8, None)

    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    first = train(readers, tmp_path / "parts", config, progress=SignalAt(4))
    assert (first.step, first.stopped_by) == (4, signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    torch.manual_seed(12345)  # as another process would: nothing may depend on it
    progress = SignalAt()
    rest = train(list(reversed(readers)), tmp_path / "parts", resume=True, progress=progress)
    assert progress.told[-2:] == ["from 4 to 8", "end"]
    assert progress.steps == [5, 6, 7, 8]
    assert [line.step for line in progress.lines] == [6, 8]
    assert rest.step == 8

    expected, got = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert expected.keys() == got.keys()
    assert any(key.startswith("state/momentum/") for key in got)
    for key, value in expected.items():
        assert torch.equal(value, got[key]), key
    assert measured(tmp_path / "whole") == measured(tmp_path / "parts")


def test_the_loss_falls_and_the_run_describes_itself(readers: list[ShardReader], tmp_path: Path) -> None:
    config = tiny_config(
        steps=30, log_every=10, checkpoint_every=12, optim={"lr": 0.05, "schedule": "steps", "cuts": []}
    )
    result = train(readers, tmp_path / "run", config)
    first, last = result.log[0], result.log[-1]
    assert [line.step for line in result.log] == [10, 20, 30]
    assert last.loss < 0.8 * first.loss
    # Nothing tells kinds of ground apart, and all signs of these labels show their front.
    assert list(first.losses) == ["scene", "sign/front"]
    assert set(first.gate) == {"sign/front"}  # the boxes train this classifier only
    assert first.seconds < last.seconds
    assert all(0 <= line.data_wait <= 1 and line.images_per_s > 0 for line in result.log)

    run = tmp_path / "run"
    assert [path.name for path in list_checkpoints(run)] == ["step-0000024", "step-0000030"]
    assert load_config(run / "config.yaml") == config
    page = (run / "report.html").read_text()
    assert "finished" in page
    assert "optim.lr" in page
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    assert not list(run.rglob("*partial*"))


def test_the_total_of_a_step_is_the_weighted_sum_of_its_losses(readers: list[ShardReader], tmp_path: Path) -> None:
    log = train(readers, tmp_path / "run", tiny_config(steps=6, log_every=1)).log
    weights = {"scene": 1.0, "sign/front": 0.1}
    for line in log:
        assert line.loss == pytest.approx(sum(weights[name] * value for name, value in line.losses.items()), rel=1e-4)
    assert len(log) == 6


def test_options_of_the_loss_reach_it(
    readers: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def record(*arguments: Any, **options: Any) -> LossOutput:
        seen.append({"gate": arguments[4], **options})
        return hierarchical_loss(*arguments, **options)

    monkeypatch.setattr("labelforge.trainer.learner.hierarchical_loss", record)
    options = {"gate": "path", "balance": "datasets", "class_weights": "inverse", "mean": "pixel", "box_weight": 0.3}
    log = train(readers, tmp_path / "run", tiny_config(steps=2, loss=options)).log
    assert math.isfinite(log[-1].loss)
    weights = seen[0].pop("class_weights")
    assert seen[0].pop("gate") == "path"
    assert seen[0] == {"balance": "datasets", "grid": None, "mean": "pixel", "box_weight": 0.3}
    batches = TrainingBatches.open(readers, tiny_config())
    pixels = pixel_counts([crops.training_set for crops in batches.crops])
    # All labelled pixels of the samples, row by row: the scene's first choice is the sky, which only "dense" shows.
    sky = sum(int((sample.local_rows == 1).sum()) for sample in readers[0])
    assert pixels[batches.table.offsets[1] + 1] == sky > 0
    wanted = class_weights(batches.table, pixels, "inverse", mean="pixel")
    assert wanted is not None and weights.tolist() == wanted.tolist()


def test_settings_lie_over_a_file_and_over_the_run_that_goes_on(readers: list[ShardReader], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(tiny_config(steps=1, seed=3).model_dump(mode="json")))
    assert train(readers, tmp_path / "run", file, settings=["steps=2"]).step == 2
    assert train(readers, tmp_path / "run", settings=["steps=3"], resume=True).step == 3
    assert find_checkpoint(tmp_path / "run").config == tiny_config(steps=3, seed=3)


@pytest.mark.parametrize("head", ["flat-union", "flat-marginal"])
def test_flat_heads_train_on_the_same_batches(readers: list[ShardReader], tmp_path: Path, head: str) -> None:
    config = tiny_config(steps=2, model={"head": head})
    result = train(readers, tmp_path / "run", config)
    assert list(result.log[-1].losses) == ["flat"]
    # flat-union: sky, ground, front, car and the three signs; flat-marginal: the same without front
    assert len(find_checkpoint(tmp_path / "run").layout.classes) == {"flat-union": 7, "flat-marginal": 6}[head]


def test_sigint_stops_too_and_a_stop_at_the_last_step_is_an_end(readers: list[ShardReader], tmp_path: Path) -> None:
    stopped = train(readers, tmp_path / "a", tiny_config(), progress=SignalAt(1, signal.SIGINT))
    assert (stopped.step, stopped.stopped_by) == (1, signal.SIGINT)
    assert stopped.checkpoint.name == "step-0000001"
    finished = train(readers, tmp_path / "b", tiny_config(steps=2), progress=SignalAt(2))
    assert (finished.step, finished.stopped_by) == (2, None)


def test_resuming_drops_log_lines_that_no_checkpoint_stands_behind(readers: list[ShardReader], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(readers, run, tiny_config(steps=4))
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    ghost = json.loads(lines[-1]) | {"step": 6, "loss": 99.0}
    log.write_text("".join(lines) + json.dumps(ghost) + "\n" + lines[0][:20])  # a crash after step 6, mid-line
    result = train(readers, run, tiny_config(steps=8), resume=True)
    assert [line.step for line in result.log] == [2, 4, 6, 8]
    assert all(line.loss < 50 for line in result.log)


def test_a_run_that_died_before_its_first_checkpoint_starts_again(readers: list[ShardReader], tmp_path: Path) -> None:
    train(readers, tmp_path / "whole", tiny_config())
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text((tmp_path / "whole" / "config.yaml").read_text())
    assert train(readers, run, resume=True).step == 4
    assert measured(run) == measured(tmp_path / "whole")


def test_resuming_needs_the_backbones_weights_no_more(readers: list[ShardReader], tmp_path: Path) -> None:
    """They are in the checkpoint; the file they came from may be on another machine."""
    file = tmp_path / "backbone.pth"
    torch.save(TinyBackbone(8).state_dict(), file)
    config = tiny_config(steps=2, model={"weights": str(file)})
    train(readers, tmp_path / "run", config)
    file.unlink()
    assert train(readers, tmp_path / "run", config.model_copy(update={"steps": 3}), resume=True).step == 3


def test_resuming_a_finished_run_changes_no_weight(readers: list[ShardReader], tmp_path: Path) -> None:
    train(readers, tmp_path, tiny_config())
    before = tensors(tmp_path)
    assert train(readers, tmp_path, resume=True).step == 4
    assert all(torch.equal(value, before[key]) for key, value in tensors(tmp_path).items())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"data": {"batch": {"dens": 2}}}, "no dataset 'dens' in this run. Did you mean 'dense'?"),
        ({"loss": {"nodes": {"sgn": 1}}}, "loss.nodes: "),
        (
            {"loss": {"nodes": {"car": 1}}},
            "'car' has no classifier in this run. These labels teach those of: scene, sign/front.",
        ),
        ({"device": "cuda:99"}, "cuda:99 is not on this machine"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "meta"}, "'meta' is not supported"),
        ({"model": {"backbone": "resnet19"}}, "Did you mean 'resnet18'"),
    ],
)
def test_a_bad_configuration_writes_nothing(
    readers: list[ShardReader], tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        train(readers, tmp_path / "run", tiny_config(**changes))
    assert what in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_left_alone(readers: list[ShardReader], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(readers, run, tiny_config(steps=1))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(ConfigError, match=r"already holds a run\. Add --resume"):
        train(readers, run, tiny_config(steps=1))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_one_process_at_a_time_trains_in_a_folder(readers: list[ShardReader], tmp_path: Path) -> None:
    """Another one is refused while a run is trained, be it new or resumed, and changes nothing of it."""

    class Second(NoProgress):
        """Begins a second training in the same folder after every step of the first."""

        refused = 0

        def advance(self, step: int) -> None:
            state = torch.get_rng_state()
            with pytest.raises(ConfigError, match=r"run: another process is training in this folder\. Wait for it"):
                train(readers, run, resume=True)
            torch.set_rng_state(state)  # which another process would not have changed
            self.refused += 1

    run, second = tmp_path / "run", Second()
    train(readers, tmp_path / "alone", tiny_config(checkpoint_every=1))
    train(readers, run, tiny_config(checkpoint_every=1), progress=second)
    alone = tensors(tmp_path / "alone")
    assert all(torch.equal(value, alone[key]) for key, value in tensors(run).items())
    train(readers, run, resume=True, settings=["steps=6"], progress=second)
    assert second.refused == 6
    assert not list(run.glob(".*"))


def test_a_run_that_went_on_meanwhile_is_not_gone_on_with(
    readers: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process resumes and ends between the look at the folder and the lock."""
    run = tmp_path / "run"
    train(readers, run, tiny_config(steps=2))
    opened = TrainingBatches.open
    before = dict[str, torch.Tensor]()

    def meanwhile(*args: Any) -> TrainingBatches:
        monkeypatch.undo()
        train(readers, run, resume=True, settings=["steps=3"])
        before.update(tensors(run))
        return opened(*args)

    monkeypatch.setattr(TrainingBatches, "open", meanwhile)
    with pytest.raises(ConfigError, match=r"another process has trained in this folder meanwhile\. Try again"):
        train(readers, run, resume=True, settings=["steps=4"])
    assert all(torch.equal(value, before[key]) for key, value in tensors(run).items())


def test_only_the_same_run_can_be_resumed(readers: list[ShardReader], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(readers, run, tiny_config(steps=1))
    with pytest.raises(ConfigError, match=r"started with model .*features=16, not .*features=32"):
        train(readers, run, tiny_config(model={"features": 32}), resume=True)
    with pytest.raises(ConfigError, match="started with seed 0, not 1"):
        train(readers, run, tiny_config(seed=1), resume=True)
    with pytest.raises(CheckpointError, match=r"other datasets or label tables \(its datasets: boxes, dense\)"):
        train(readers[:1], run, tiny_config(), resume=True)
    with pytest.raises(ConfigError, match=r"started with loss\.boxes=empty, not drop"):
        train(readers, run, tiny_config(loss={"boxes": "drop"}), resume=True)
    other = Taxonomy.from_dict({**DEFINITION, "name": "other"})
    foreign = [make_shards(tmp_path / name, name, 1, tree=other) for name in ("dense", "boxes")]
    with pytest.raises(CheckpointError, match=r"started with taxonomy tiny \(.*, but the shards have other \("):
        train(foreign, run, tiny_config(), resume=True)
    average = find_checkpoint(run).folder / "model.safetensors"
    average.write_bytes(average.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: cut short: 1000 bytes of"):
        train(readers, run, resume=True)


def test_a_cut_shard_stops_before_anything_is_written(tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "dense", "dense", 2)
    shard = shards / "shard-00000.tar"
    shard.write_bytes(shard.read_bytes()[:-600])
    with pytest.raises(ShardError, match=r"shard-00000\.tar"):
        train([shards], tmp_path / "run", tiny_config())
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_names_step_and_samples(
    readers: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exploding(Learner):
        def step(self, number: int, batch: Any) -> Any:
            loss = super().step(number, batch)
            return loss._replace(total=loss.total * float("nan")) if number == 4 else loss

    monkeypatch.setattr(training, "Learner", Exploding)
    progress = SignalAt()
    with pytest.raises(LabelforgeError) as caught:
        train(readers, tmp_path / "run", tiny_config(steps=9, checkpoint_every=3, log_every=9), progress=progress)
    message = str(caught.value)
    assert message.startswith("the loss of step 5 is nan; its samples: boxes/boxes_00")
    assert ", dense/dense_00" in message
    assert progress.told[-1] == "end"
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["step-0000003"]  # not the poisoned sixth


def test_bfloat16_computes_the_network_in_half_precision(readers: list[ShardReader], tmp_path: Path) -> None:
    full = train(readers, tmp_path / "full", tiny_config(steps=1, log_every=1))
    half = train(readers, tmp_path / "half", tiny_config(steps=1, log_every=1, precision="bfloat16"))
    assert half.log[0].loss != full.log[0].loss
    assert half.log[0].loss == pytest.approx(full.log[0].loss, rel=0.02)
    assert all(v.dtype != torch.bfloat16 for v in find_checkpoint(tmp_path / "half").weights(average=False).values())


def test_adamw_resumes_bit_for_bit_and_only_as_adamw(readers: list[ShardReader], tmp_path: Path) -> None:
    config = tiny_config(steps=6, optim={"optimizer": "adamw", "warmup": 3, "backbone_lr": 0.3})
    train(readers, tmp_path / "whole", config)
    train(readers, tmp_path / "parts", config, progress=SignalAt(4))
    torch.manual_seed(12345)
    train(readers, tmp_path / "parts", resume=True)
    expected, got = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert expected.keys() == got.keys()
    assert {"state/mean/backbone.layers.0.0.weight", "state/square/backbone.layers.0.0.weight"} <= got.keys()
    assert got["state/updates/backbone.layers.0.0.weight"] == 6
    for key, value in expected.items():
        assert torch.equal(value, got[key]), key
    with pytest.raises(ConfigError, match=r"started with optim\.optimizer adamw, not sgd"):
        train(readers, tmp_path / "parts", settings=["steps=7", "optim.optimizer=sgd"], resume=True)


def test_a_stride_of_the_loss_learns_from_every_pixel_in_turn(readers: list[ShardReader], tmp_path: Path) -> None:
    """Four steps at stride 2 that change nothing, on the same crops: their mean loss is that of all pixels."""
    file = tmp_path / "weights.pth"
    torch.save(TinyBackbone(8).state_dict(), file)
    config = tiny_config(
        steps=4,
        log_every=1,
        optim={"lr": 1e-12, "momentum": 0, "weight_decay": 0},
        data={"views": 1, "batch": {"dense": 3, "boxes": 2}},
        model={"freeze": ["layers"], "weights": str(file), "start": "variance-scaling"},
        loss={"gate": "none"},
    )
    every = [line.losses["scene"] for line in train(readers, tmp_path / "all", config).log]
    loss = config.loss.model_copy(update={"stride": 2})
    parts = train(readers, tmp_path / "part", config.model_copy(update={"loss": loss})).log
    part = [line.losses["scene"] for line in parts]
    assert every == pytest.approx([every[0]] * 4, rel=1e-5)
    assert len(set(part)) == 4
    assert sum(part) / 4 == pytest.approx(every[0], rel=1e-3)
    assert max(abs(value - every[0]) for value in part) > 5 * abs(sum(part) / 4 - every[0])


def test_a_compiled_backbone_trains_the_same_network(
    readers: list[ShardReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a compiler that only captures the graph: what is compiled, and that its weights keep their names."""
    compiled: list[str] = []
    compiling = torch.compile

    def capture(call: Any, **options: Any) -> Any:
        compiled.append(type(call.__self__).__name__)
        return compiling(call, **options, backend="eager")

    monkeypatch.setattr(torch, "compile", capture)
    plain = train(readers, tmp_path / "plain", tiny_config(steps=3))
    assert compiled == []
    other = train(readers, tmp_path / "compiled", tiny_config(steps=3, compile=True))
    assert compiled == ["TinyBackbone"]
    assert [line.loss for line in other.log] == pytest.approx([line.loss for line in plain.log])
    assert train(readers, tmp_path / "compiled", settings=["steps=4", "compile=false"], resume=True).step == 4
