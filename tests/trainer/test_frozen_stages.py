"""The first stages of a backbone frozen: the same network, and what they make is computed once."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import find_checkpoint
from labelforge.trainer.config import ModelConfig, TrainConfig
from labelforge.trainer.models.backbones import build_backbone
from labelforge.trainer.models.contract import StagedBackbone
from labelforge.trainer.models.network import SegmentationNet, build_network
from labelforge.trainer.optim import make_optimizer
from labelforge.trainer.settings import load_config
from labelforge.trainer.training import train
from tests.trainer.test_features import Stopper, assert_same, tensors
from tests.trainer.tiny import make_shards, tiny_config

LITE = ["_conv_stem", "_bn0", "_blocks.0", "_blocks.1", "_blocks.2", "_blocks.3", "_blocks.4"]
"""What of EfficientNet-Lite0 comes before its map of stride 8, which its published table says."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [
        ShardReader(make_shards(folder / "dense", "dense", 5)),
        ShardReader(make_shards(folder / "boxes", "boxes", 2)),
    ]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with weights and statistics that no new network has."""
    torch.manual_seed(99)
    backbone = build_backbone("efficientnet-lite0", 32)
    backbone(torch.randn(4, 3, 32, 32))
    file = tmp_path_factory.mktemp("weights") / "lite.pth"
    torch.save(backbone.state_dict(), file)
    return file


def config_of(weights: Path, freeze: int | list[str], **data: Any) -> TrainConfig:
    model = {
        "backbone": "efficientnet-lite0",
        "output_stride": 32,
        "decoder": "fpn",
        "decoder_channels": 8,
        "decoder_stride": 8,
        "weights": str(weights),
        "freeze": freeze,
    }
    data = {"batch": {"dense": 2}, **data}
    return tiny_config(steps=8, log_every=4, model=model, data=data, optim={"lr": 0.02, "backbone_lr": 0.5})


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet-lite1"])
@pytest.mark.parametrize("output_stride", [8, 32])
def test_stages_run_one_after_the_other_give_the_maps_of_the_whole(name: str, output_stride: int) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name, output_stride).eval()
    assert isinstance(backbone, StagedBackbone)
    images = torch.randn(1, 3, 65, 90)
    whole = backbone(images)
    assert [tuple(found.shape[1:]) for found in whole] == [
        (channels, -(-65 // stride), -(-90 // stride)) for stride, channels in backbone.maps
    ]
    x = images
    for number, wanted in enumerate(whole):
        (x,) = backbone(x, begin=number, end=number + 1)
        assert torch.equal(x, wanted)
    own = [id(p) for number in range(4) for module in backbone.stage(number) for p in module.parameters()]
    assert own == [id(p) for p in backbone.parameters()], "every parameter belongs to one stage, in their order"


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet-lite0"])
@pytest.mark.parametrize(("decoder", "reads"), [("none", {3}), ("fpn", {1, 2, 3}), ("lr-aspp", {1, 3})])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_cut_network_is_the_same_network(backbone: str, decoder: str, reads: set[int], stages: int) -> None:
    """Its two halves, against a network that is not cut; the first gives what is frozen and needed, and no more."""
    common = {"backbone": backbone, "output_stride": 32, "features": 16, "decoder": decoder, "weights": "x.pth"}
    common |= {} if decoder == "none" else {"decoder_channels": 8}
    common |= {"decoder_stride": 8} if decoder == "fpn" else {}
    whole = build_network((5, 3), ModelConfig.model_validate(common), pretrained=False)
    cut = build_network((5, 3), ModelConfig.model_validate({**common, "freeze": stages}), pretrained=False)
    cut.load_state_dict(whole.state_dict())
    images = torch.randint(0, 256, (2, 3, 65, 90), dtype=torch.uint8)
    logits = whole.eval()(images)
    assert torch.equal(cut.eval()(images), logits)
    maps = cut.extract(images)
    assert torch.equal(cut.classify(tuple(found.clone() for found in maps)), logits)
    every = whole.backbone((images - whole.mean) / whole.scale)
    needed = sorted({stages - 1} | {number for number in reads if number < stages})
    assert len(maps) == len(needed)
    assert all(torch.equal(found, every[number]) for found, number in zip(maps, needed, strict=True))


def test_stages_are_frozen_as_their_modules_are(readers: list[ShardReader], weights: Path, tmp_path: Path) -> None:
    """A run with a number of stages and one that lists the modules, which is not cut: the same bits."""
    train(readers, tmp_path / "stages", config_of(weights, 2))
    train(readers, tmp_path / "modules", config_of(weights, LITE))
    assert_same(tensors(tmp_path / "stages"), tensors(tmp_path / "modules"))
    loaded = torch.load(weights, weights_only=True)
    after = find_checkpoint(tmp_path / "stages").weights(average=False)
    for name, tensor in loaded.items():
        stays = name.startswith(tuple(f"{module}." for module in LITE))
        assert torch.equal(after[f"backbone.{name}"], tensor) == stays, name


def test_what_stages_make_is_kept_and_changes_nothing(
    readers: list[ShardReader], weights: Path, tmp_path: Path
) -> None:
    """None kept; kept by a cold run, used by a warm one, and by one that was stopped and has other weights by then."""
    shared = tmp_path / "shared"
    train(readers, tmp_path / "none", config_of(weights, 2, views=2, feature_cache=0))
    wanted = tensors(tmp_path / "none")
    config = config_of(weights, 2, views=2, feature_folder=str(shared))
    train(readers, tmp_path / "cold", config)
    assert_same(tensors(tmp_path / "cold"), wanted)
    kept = {file: file.stat().st_mtime_ns for file in shared.rglob("*.features")}
    assert len(kept) == 14  # 5 x 2 crops of one dataset and 2 x 2 of the other
    train(readers, tmp_path / "warm", config)
    assert_same(tensors(tmp_path / "warm"), wanted)
    assert train(readers, tmp_path / "stopped", config, progress=Stopper(3)).stopped_by == signal.SIGTERM
    torch.manual_seed(4321)
    train(readers, tmp_path / "stopped", resume=True)
    assert_same(tensors(tmp_path / "stopped"), wanted)
    assert {file: file.stat().st_mtime_ns for file in shared.rglob("*.features")} == kept


def test_other_stages_have_other_features(readers: list[ShardReader], weights: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for number, stages in enumerate((2, 1, 3), start=1):
        config = config_of(weights, stages, views=1, feature_folder=str(shared))
        train(readers, tmp_path / f"run{stages}", config.model_copy(update={"steps": 4}))
        assert len(list(shared.rglob("*.features"))) == 7 * number


def test_what_is_not_frozen_trains(weights: Path) -> None:
    config = config_of(weights, 3, views=2)
    network = build_network((3, 2), config.model).train()
    training = {name for name, module in network.backbone.named_modules() if module.training and name}
    assert {name.split(".")[1] for name in training if name.startswith("_blocks.")} == {"11", "12", "13", "14", "15"}
    optimised = {id(p) for group in make_optimizer(network, config.optim).param_groups for p in group["params"]}
    trained = {name for name, parameter in network.backbone.named_parameters() if id(parameter) in optimised}
    assert {name.split(".")[1] for name in trained if name.startswith("_blocks.")} == set(map(str, range(11, 16)))
    assert all(name.startswith("_blocks.") for name in trained)


@pytest.mark.parametrize("stages", [4, 9])
def test_too_many_stages_are_refused(weights: Path, stages: int) -> None:
    cure = f"has 4 stages, so {stages} cannot be frozen. Give 1 to 3, or backbone for all of it"
    with pytest.raises(ConfigError, match=cure):
        build_network((2,), config_of(weights, stages).model, pretrained=False)


@pytest.mark.usefixtures("backbone")
def test_a_backbone_without_stages_is_refused() -> None:
    config = ModelConfig.model_validate({"backbone": "tiny", "output_stride": 8, "freeze": 1, "weights": "x.pth"})
    with pytest.raises(ConfigError, match=r"the backbone has no stages, of which 1 could be frozen\. Derive its class"):
        build_network((2,), config, pretrained=False)


@pytest.mark.parametrize("given", ["0", "-1", "true", "1.5", "'2'", "[2]", "layer1"])
def test_no_number_of_stages(given: str) -> None:
    what = "none, backbone, a number of stages or a list of modules is needed, such as model.freeze=2 or "
    with pytest.raises(ConfigError, match=what + r"model\.freeze=\[layer1\]"):
        load_config(None, [f"model.freeze={given}", "model.weights=a.pth"])


def test_normalisation_that_was_converted_stays_frozen(weights: Path) -> None:
    """The conversion puts other modules in the place of those that were frozen."""
    network = build_network((3, 2), config_of(weights, 2).model)
    converted: SegmentationNet = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    converted.train()
    norms = {n: m for n, m in converted.backbone.named_modules() if isinstance(m, torch.nn.SyncBatchNorm)}
    frozen = {name for name in norms if name in LITE or name.startswith(tuple(f"{module}." for module in LITE))}
    assert {name for name, module in norms.items() if not module.training} == frozen
    assert sum(module.training for module in norms.values()) > 10


def test_a_number_on_the_command_line() -> None:
    config = load_config(None, ["model.freeze=2", "model.weights=a.pth", "data.views=4", "data.feature_cache=1"])
    assert config.model.freeze == 2
    with pytest.raises(ConfigError, match="would keep random weights"):
        load_config(None, ["model.freeze=2"])
