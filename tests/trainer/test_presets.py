"""The preset `authors` against the table of their settings, and what a run with it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import BaseModel
from torch import nn

from labelforge.converters import convert
from labelforge.errors import ConfigError
from labelforge.trainer.config import OptimConfig, TrainConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.features import reuses_features
from labelforge.trainer.models.network import build_network
from labelforge.trainer.optim import learning_rate, make_optimizer
from labelforge.trainer.presets import PRESETS
from labelforge.trainer.remarks import remarks
from labelforge.trainer.settings import load_config
from tests.converters.layouts import write_cityscapes, write_gtsdb

LITE = "efficientnet-lite0"
# What the authors' code does, as read in it; one line per line of its argument defaults and of what is written into it.
TABLE: dict[str, Any] = {
    "steps": 17 * (18_000 // 2),
    "model.backbone": "resnet50",
    "model.output_stride": 8,
    "model.decoder": "none",
    "model.decoder_stride": 4,
    "model.head": "hierarchical",
    "model.features": 256,
    "model.bottleneck": 256,
    "model.context_dilation": 0,
    "model.bottlenecks": "each",
    "model.upsampling": "hybrid",
    "model.logits": "separate",
    "model.start": "variance-scaling",
    "model.normalisation": "symmetric",
    "model.freeze_batch_norm": False,
    "model.freeze": "none",
    "data.views": 0,
    "data.crop": (512, 706),
    "data.resize": "fit",
    "data.scale": (1.0, 1.0),
    "data.flip": False,
    "data.jitter": 0.0,
    "data.augmentation": "authors",
    "optim.optimizer": "sgd",
    "optim.backbone_lr": 1.0,
    "optim.lr": 0.01,
    "optim.momentum": 0.9,
    "optim.weight_decay": 0.00017,
    "optim.schedule": "steps",
    "optim.cuts": (8 / 17, 15 / 17),
    "optim.cut": 0.5,
    "optim.warmup": 0,
    "loss.mean": "classifier",
    "loss.box_weight": 0.1,
    "loss.root": 1.0,
    "loss.others": 0.1,
    "loss.stride": 1,
    "loss.gate": "parent",
    "loss.boxes": "own",
    "loss.lone_boxes": False,
    "loss.balance": "pixels",
    "loss.class_weights": "none",
    "ema.decay": 0.9,
}
# What a preset leaves to the user or to the machine, and what only names of datasets and nodes can say.
LEFT_OPEN = {
    *("preset", "seed", "device", "precision", "compile", "cuda_graph", "taxonomy", "start_from"),
    *("log_every", "checkpoint_every", "keep_checkpoints"),
    *("validation.every", "validation.metric", "validation.patience", "validation.images"),
    *("model.weights", "model.decoder_channels", "data.batch", "data.workers", "loss.nodes"),
    *("data.feature_cache", "data.feature_folder"),
}


def dotted(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        found |= dotted(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {prefix + name: value}
    return found


def test_authors_is_the_table_and_every_value_has_a_source() -> None:
    config = dotted(TrainConfig(preset="authors"))
    assert {key: value for key, value in config.items() if key not in LEFT_OPEN} == TABLE
    assert sorted(setting.key for setting in PRESETS["authors"]) == sorted(TABLE)  # each of them once
    assert all(".py" in setting.source for setting in PRESETS["authors"])


def test_light_is_a_pretrained_network_with_strides_and_a_decoder() -> None:
    config = TrainConfig(preset="light").model
    assert (config.backbone, config.weights, config.output_stride, config.decoder) == (LITE, "imagenet", 32, "fpn")
    assert all(setting.source for setting in PRESETS["light"])
    network = build_network((53, 10, 3, 2, 43), config, pretrained=False)
    assert network.scaling == network.backbone.scaling
    images = torch.zeros(1, 3, 101, 67, dtype=torch.uint8)
    assert network.eval()(images).shape == (1, 111, 26, 17)


def test_a_run_from_before_a_preset_had_a_setting_keeps_its_default() -> None:
    for name in PRESETS:
        whole = TrainConfig.model_validate({"preset": name}).model_dump(mode="json")
        del whole["model"]["logits"], whole["loss"]["mean"], whole["loss"]["box_weight"]
        read = TrainConfig.model_validate(whole)
        assert (read.model.logits, read.loss.mean, read.loss.box_weight) == ("separate", "classifier", 0.1)
        assert read.preset == name
    few = TrainConfig.model_validate({"preset": "light", "loss": {"stride": 2}, "model": {"features": 32}})
    assert (few.model.logits, few.loss.mean, few.loss.stride) == ("joined", "pixel", 2)


def test_light_computes_the_features_of_its_crops_once() -> None:
    config = TrainConfig(preset="light")
    assert reuses_features(config)
    trained = load_config(None, ["preset=light", "model.freeze=none", "data.views=0", "optim.backbone_lr=0.1"])
    assert not reuses_features(trained)
    with pytest.raises(ConfigError, match=r"optim\.backbone_lr would do nothing"):
        load_config(None, ["preset=light", "optim.backbone_lr=0.1"])


def test_the_rate_halves_after_epochs_8_and_15() -> None:
    config = TrainConfig(preset="authors")
    epoch = 9000
    rates = [learning_rate(e * epoch + d, config.steps, config.optim) for e in (0, 8, 15, 17) for d in (-1, 0)]
    assert rates[1:] == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.0025]


def test_what_labelforge_does_anyway_is_theirs_too() -> None:
    """No Nesterov momentum, decay on weights alone, batch statistics with decay 0.9, one image of a new dataset."""
    config = TrainConfig(preset="authors")
    network = build_network((53, 10, 3, 2, 43), config.model)
    optimizer = make_optimizer(network, config.optim)
    assert not any(group["nesterov"] for group in optimizer.param_groups)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        weights = parameter.ndim == 4
        assert decay[id(parameter)] == (0.00017 if weights else 0), name
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {layer.momentum for layer in norms} == {0.1}
    assert network.mean.flatten().tolist() == network.scale.flatten().tolist() == [127.5] * 3


def test_imagenet_weights_do_not_change_how_the_authors_scale_images() -> None:
    assert load_config(None, ["preset=authors", "model.weights=some.pth"]).model.normalisation == "symmetric"


def test_everything_else_lies_over_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("optim: {lr: 0.5}\n")
    config = load_config(file, ["ema.decay=0.5", "preset=authors"])
    assert (config.optim.lr, config.ema.decay, config.optim.weight_decay) == (0.5, 0.5, 0.00017)
    file.write_text("preset: authors\nsteps: 3\n")
    assert load_config(file) == TrainConfig(preset="authors", steps=3)
    typed = TrainConfig(preset="authors", optim=OptimConfig(lr=0.5))
    assert (typed.optim.lr, typed.optim.cut) == (0.5, 0.5)


def test_a_dumped_configuration_with_a_preset_reads_back_equal(tmp_path: Path) -> None:
    config = TrainConfig(preset="authors", optim={"cut": 0.3})
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    assert load_config(file) == load_config(file, ["preset=authors"]) == config


def test_a_preset_below_a_whole_configuration_is_refused(tmp_path: Path) -> None:
    """As when a run is resumed: its own configuration sets everything."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(TrainConfig().model_dump(mode="json")))
    for source in (file, TrainConfig()):
        with pytest.raises(ConfigError, match=r"^--set preset=authors: this would change nothing: .* Start a new run"):
            load_config(source, ["preset=authors"])


def test_a_run_is_told_what_differs_from_the_authors(tmp_path: Path) -> None:
    write_gtsdb(tmp_path / "gtsdb")
    write_cityscapes(tmp_path / "cityscapes")
    for name, options in (("shapes", {}), ("whole", {"fill": "rectangle"})):
        convert("gtsdb", tmp_path / "gtsdb", tmp_path / name, split="train", options=options)
    convert("cityscapes", tmp_path / "cityscapes", tmp_path / "streets", split="train")

    def told(shards: str, **settings: Any) -> list[str]:
        config = TrainConfig.model_validate(settings)
        return list(remarks(config, TrainingBatches.open([tmp_path / shards, tmp_path / "streets"], config)))

    given: dict[str, Any] = {"preset": "authors", "model": {"weights": "resnet50.pth"}}
    (fixed,) = told("whole", data={"views": 4})
    assert "4 fixed crops" in fixed and "--set data.views=0" in fixed
    assert told("whole", data={"views": 4}, model={"weights": "w.pth", "freeze": "backbone"}) == []
    assert told("shapes") == told("whole", **given) == []
    (weights,) = told("whole", preset="authors")
    assert "starts from random ones" in weights
    assert "--set model.weights=" in weights
    (shapes,) = told("shapes", **given)
    assert shapes == (
        f"preset authors trains on whole boxes of GTSDB, but {tmp_path / 'shapes'} holds shapes. "
        "Convert it with --option fill=rectangle."
    )
