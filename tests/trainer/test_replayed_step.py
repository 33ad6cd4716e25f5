"""A step that is recorded and replayed learns what one learns that is computed kernel by kernel.

Without a GPU recordings are run again (:mod:`tests.trainer.rerunning`), which shows all but that they can be recorded.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer import TrainConfig, TrainingBatches
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.distributed import Processes
from labelforge.trainer.learner import Learner
from labelforge.trainer.rows import GlobalRows
from tests.trainer.rerunning import Rerunner, rerunner
from tests.trainer.tiny import make_shards, tiny_backbone, tiny_config

__all__ = ["rerunner"]

on_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
STEPS = 9


@pytest.fixture(scope="module", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    with tiny_backbone():
        yield


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=on_gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """A device; on a CPU recordings are run again."""
    device: str = request.param
    if device == "cpu":
        request.getfixturevalue("rerunner")
    return device


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [ShardReader(make_shards(Path(folder, name), name, 4)) for name in ("dense", "boxes")]


def open_run(readers: list[ShardReader], device: str, **settings: Any) -> tuple[Learner, TrainingBatches]:
    config: TrainConfig = tiny_config(steps=STEPS, device=device, precision="float32", **settings)
    batches = TrainingBatches.open(readers, config)
    learner = Learner(config, batches.table, Processes(0, 1, torch.device(device)))
    if device == "cpu":
        assert not learner.replays
        learner.replays = config.cuda_graph
        Rerunner.network = learner.network
    return learner, batches


def learnt(readers: list[ShardReader], device: str, **settings: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The losses of some steps, and the weights and averages after them."""
    learner, batches = open_run(readers, device, **settings)
    losses = [learner.step(number, batches[number]).total for number in range(STEPS)]
    found = {f"network/{name}": value for name, value in learner.network.state_dict().items()}
    found |= {f"average/{name}": value for name, value in learner.average.module.state_dict().items()}
    return torch.stack([loss.detach().cpu() for loss in losses]), found


def close_to(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], device: str) -> None:
    rtol, atol = (1e-2, 2e-3) if device == "cuda" else (0.0, 0.0)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name].double(), value.double(), rtol=rtol, atol=atol, msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": {"stride": 2, "mean": "pixel"}},
        {"optim": {"optimizer": "adamw"}, "loss": {"class_weights": "inverse-sqrt", "balance": "datasets"}},
        {"model": {"head": "flat-marginal"}, "optim": {"warmup": 4}},
    ],
    ids=["default", "stride", "adamw", "flat"],
)
def test_learns_the_same(readers: list[ShardReader], device: str, settings: dict[str, Any]) -> None:
    losses, weights = learnt(readers, device, **settings)
    if device == "cpu":
        assert Rerunner.recorded == (4 if "stride" in settings.get("loss", {}) else 1)
    wanted, wanted_weights = learnt(readers, device, **settings, cuda_graph=False)
    assert len(set(wanted.tolist())) == STEPS
    torch.testing.assert_close(losses, wanted, rtol=1e-3 if device == "cuda" else 0.0, atol=0.0)
    close_to(weights, wanted_weights, device)


def test_recording_leaves_everything_as_it_was(readers: list[ShardReader], device: str) -> None:
    """Running statistics and their counters, which a step changes, and the random numbers that dropout draws."""
    drawn = []
    for graph in (True, False):
        learner, batches = open_run(readers, device, cuda_graph=graph)
        learner.step(0, batches[0])
        learner.step(1, batches[1])
        counters = [v for name, v in learner.network.state_dict().items() if name.endswith("num_batches_tracked")]
        assert counters and all(int(value) == 2 for value in counters)
        drawn.append(torch.rand(3, device=device))
    assert torch.equal(*drawn)


def test_batches_of_another_shape_are_computed(readers: list[ShardReader], device: str) -> None:
    learner, batches = open_run(readers, device)
    learner.step(0, batches[0])
    batch = batches[1]
    rows = GlobalRows(batch.rows.tensor[:1], batch.rows.numbering)
    small = Batch(batch.pixels[:1], rows, batch.keys[:1])
    loss = learner.step(1, small)
    assert int(loss.labelled_pixels.max()) <= rows.tensor.numel()
    assert torch.isfinite(learner.step(2, batches[2]).total)


def test_a_learner_that_is_left_is_freed_at_once(readers: list[ShardReader], rerunner: type[Rerunner]) -> None:
    """What it recorded must not be freed by the garbage collector, while something else is recorded."""
    learner, batches = open_run(readers, "cpu")
    learner.step(0, batches[0])
    replayed = weakref.ref(learner._replayed[None])
    gc.collect()
    gc.disable()
    try:
        learner._replayed[None]._graph = None  # a real graph does not refer to what it recorded
        del learner
        assert replayed() is None
    finally:
        gc.enable()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_what_cannot_be_recorded_is_said(tmp_path: Path) -> None:
    """In a process of its own, which can then record nothing else."""
    code = f"""
import torch
from labelforge.errors import ConfigError
from tests.trainer.test_replayed_step import open_run
from tests.trainer.tiny import TinyBackbone, make_shards, tiny_backbone
from labelforge.shards import ShardReader
forward = TinyBackbone.forward
def waiting(self, images):
    assert float(images.sum()) < float("inf")
    return forward(self, images)
TinyBackbone.forward = waiting
with tiny_backbone():
    learner, batches = open_run([ShardReader(make_shards({str(tmp_path)!r} + "/dense", "dense", 2))], "cuda")
    try:
        learner.step(0, batches[0])
    except ConfigError as fault:
        print(fault)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be recorded as a CUDA graph: " in done.stdout
    assert "Set cuda_graph=false" in done.stdout


def test_the_error_names_the_setting(
    readers: list[ShardReader], rerunner: type[Rerunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerunner, "refuses", 1)
    learner, batches = open_run(readers, "cpu")
    with pytest.raises(ConfigError, match=r"cannot be recorded as a CUDA graph: it waits\. Set cuda_graph=false"):
        learner.step(0, batches[0])

    def full(self: Rerunner, call: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(rerunner, "record", full)
    with pytest.raises(ConfigError, match=r"memory is too small to record .*\. Set cuda_graph=false"):
        learner.step(0, batches[0])
