"""Frozen parts: what stays as it was loaded, to the last bit, and what may not be frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import find_checkpoint
from labelforge.trainer.config import ModelConfig
from labelforge.trainer.models.network import build_network
from labelforge.trainer.optim import make_optimizer
from labelforge.trainer.progress import NoProgress
from labelforge.trainer.settings import load_config
from labelforge.trainer.training import train
from tests.trainer.tiny import TinyBackbone, open_both, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    return open_both(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with weights and statistics that no new network has."""
    torch.manual_seed(99)
    backbone = TinyBackbone(8)
    backbone(torch.randn(4, 3, 32, 32))
    file = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(backbone.state_dict(), file)
    return file


@pytest.mark.parametrize(
    ("freeze", "stays"),
    [
        ("none", ()),
        ("backbone", ("",)),
        (["layers.0"], ("layers.0.",)),
        (["layers.0.0", "layers.3"], ("layers.0.0.", "layers.3.")),
    ],
)
def test_what_is_frozen_stays_as_loaded_and_the_rest_does_not(
    readers: list[ShardReader], weights: Path, tmp_path: Path, freeze: str | list[str], stays: tuple[str, ...]
) -> None:
    config = tiny_config(
        model={"freeze": freeze, "weights": str(weights), "normalisation": "symmetric"}, optim={"weight_decay": 0.1}
    )
    train(readers, tmp_path / "run", config)
    loaded = torch.load(weights, weights_only=True)
    for average in (False, True):
        after = find_checkpoint(tmp_path / "run").weights(average=average)
        for name, tensor in loaded.items():
            same = after[f"backbone.{name}"].numpy().tobytes() == tensor.numpy().tobytes()
            assert same == name.startswith(stays) if stays else not same, name
    state = find_checkpoint(tmp_path / "run").state()
    moved = {name.removeprefix("momentum/") for name in state if name.startswith("momentum/")}
    frozen = {f"backbone.{name}" for name in loaded if stays and name.startswith(stays)}
    assert moved and not moved & frozen


def test_a_frozen_part_is_in_evaluation_mode_and_not_in_the_optimiser() -> None:
    config = ModelConfig(backbone="resnet18", output_stride=32, features=16, freeze=("conv1", "bn1", "layer1"))
    network = build_network((3, 2), config).train()
    training = {name for name, module in network.backbone.named_modules() if module.training}
    assert not any(name.startswith(("conv1", "bn1", "layer1")) for name in training)
    assert {"layer2", "layer4.1.bn2"} <= training
    optimised = {id(p) for group in make_optimizer(network, tiny_config().optim).param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        frozen = name.startswith(("backbone.conv1", "backbone.bn1", "backbone.layer1"))
        assert (id(parameter) in optimised) != frozen, name


def test_random_weights_are_not_frozen() -> None:
    cure = "give model.weights or start_from"
    with pytest.raises(ConfigError, match=f"^--set model.freeze=backbone: .*{cure}"):
        load_config(None, ["model.freeze=backbone"])
    with pytest.raises(ValidationError, match=cure):
        tiny_config(model={"freeze": ["layers.0"]})
    assert tiny_config(model={"freeze": "backbone"}, start_from="runs/first").model.freeze == "backbone"
    assert load_config(None, ["model.freeze=[conv1]", "model.weights=a.pth"]).model.freeze == ("conv1",)


def test_an_unknown_module_names_the_near_ones(weights: Path) -> None:
    given = {"backbone": "resnet18", "freeze": ["layer11"], "weights": str(weights)}
    with pytest.raises(ConfigError, match=r"no module 'layer11'\. Did you mean .*'layer1'.* Its parts are: conv1, bn1"):
        build_network((2,), ModelConfig.model_validate(given), pretrained=False)


def test_one_module_without_brackets_is_told_how_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"or a list of modules is needed, such as .*model\.freeze=\[layer1\]"):
        load_config(None, ["model.freeze=layer1", "model.weights=a.pth"])


def test_a_rate_for_a_frozen_backbone_is_refused() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^--set model\.freeze=backbone: optim\.backbone_lr would do nothing.* leave one of them out\.$",
    ):
        load_config(None, ["model.freeze=backbone", "model.weights=a.pth", "optim.backbone_lr=0.1"])


class Notes(NoProgress):
    """Keeps what a run is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_a_run_says_how_much_trains(readers: list[ShardReader], tmp_path: Path) -> None:
    model = {"features": 256, "bottleneck": 128}
    train(readers, tmp_path / "first", tiny_config(steps=1, model=model))
    notes = Notes()
    frozen = {**model, "freeze": ["layers"]}
    train(
        readers,
        tmp_path / "run",
        tiny_config(steps=1, start_from=str(tmp_path / "first"), model=frozen),
        progress=notes,
    )
    weights = find_checkpoint(tmp_path / "run").weights(average=False)
    counts = [(n, t.numel()) for n, t in weights.items() if t.is_floating_point() and "running" not in n]
    whole, head = sum(c for _, c in counts) / 1e6, sum(c for n, c in counts if n.startswith("head.")) / 1e6
    assert notes.told[-2].startswith(f"tiny with {whole:.1f} million parameters, {head:.1f} of which train, on cpu")
    assert f"{head:.1f}" != "0.0"
