"""A step that is recorded and replayed on a GPU learns what one learns that is computed kernel by kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer import TrainConfig, TrainingBatches
from labelforge.trainer.distributed import Processes
from labelforge.trainer.learner import Learner
from tests.trainer.tiny import make_shards, tiny_backbone, tiny_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CUDA = torch.device("cuda", 0)


@pytest.fixture(scope="module", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    with tiny_backbone():
        yield


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [ShardReader(make_shards(Path(folder, name), name, 4)) for name in ("dense", "boxes")]


def learnt(readers: list[ShardReader], **settings: Any) -> tuple[list[float], dict[str, torch.Tensor], Learner]:
    """The losses of some steps, and the weights and averages after them."""
    config: TrainConfig = tiny_config(steps=6, device="cuda", precision="float32", **settings)
    batches = TrainingBatches.open(readers, config)
    learner = Learner(config, batches.table, Processes(0, 1, CUDA))
    losses = [learner.step(number, batches[number]).total.detach().clone() for number in range(6)]
    found = {f"network/{name}": value for name, value in learner.network.state_dict().items()}
    found |= {f"average/{name}": value for name, value in learner.average.module.state_dict().items()}
    return [float(loss) for loss in losses], found, learner


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_learns_the_same(readers: list[ShardReader], stride: int) -> None:
    losses, weights, learner = learnt(readers, loss={"stride": stride})
    wanted, wanted_weights, eager = learnt(readers, loss={"stride": stride}, cuda_graph=False)
    assert len(learner._replayed) == min(stride**2, 4) and not eager._replayed
    assert len(set(wanted)) == len(wanted)
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(wanted), rtol=1e-3, atol=0)
    for name, value in wanted_weights.items():
        torch.testing.assert_close(weights[name].double(), value.double(), rtol=1e-2, atol=1e-3, msg=name)


def test_recording_leaves_everything_as_it_was(readers: list[ShardReader]) -> None:
    """With a learning rate of nothing, only running statistics change, and these once per step."""
    settings: dict[str, Any] = {"optim": {"lr": 1e-30}}
    torch.cuda.manual_seed(5)
    _, found, _ = learnt(readers, **settings)
    drawn = torch.rand(3, device=CUDA)
    torch.cuda.manual_seed(5)
    _, wanted, _ = learnt(readers, **settings, cuda_graph=False)
    assert torch.equal(drawn, torch.rand(3, device=CUDA))
    counters = [name for name in wanted if name.endswith("num_batches_tracked")]
    assert counters and all(int(found[name]) == int(wanted[name]) for name in counters)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name].double(), value.double(), rtol=1e-3, atol=1e-4, msg=name)


def test_what_cannot_be_recorded_is_said(readers: list[ShardReader]) -> None:
    config = tiny_config(steps=6, device="cuda")
    batches = TrainingBatches.open(readers, config)
    learner = Learner(config, batches.table, Processes(0, 1, CUDA))
    backbone = learner.network.backbone
    forward = backbone.forward

    def waiting(images: torch.Tensor) -> Any:
        assert float(images.sum()) < float("inf")
        return forward(images)

    backbone.forward = waiting
    with pytest.raises(ConfigError, match=r"cannot be recorded as a CUDA graph: .*Set cuda_graph=false"):
        learner.step(0, batches[0])
