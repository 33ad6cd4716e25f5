"""The folder of a run: what is in it, and whose it is.

RUN/config.yaml         the whole configuration; 'labelforge train --config' reads it
RUN/environment.json    versions and machine
RUN/metrics.jsonl       one line per log_every steps; TensorBoard events lie beside it
RUN/checkpoints/        see labelforge.trainer.checkpoint
RUN/report.html         curves, written when the run ends or is stopped
"""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

import labelforge
from labelforge.errors import ConfigError
from labelforge.files import write_atomically
from labelforge.trainer.checkpoint import CHECKPOINTS
from labelforge.trainer.config import TrainConfig

__all__ = ["CONFIG_NAME", "check_folder", "describe_environment", "write_description"]

CONFIG_NAME = "config.yaml"

_PACKAGES = ("torch", "numpy", "pillow", "pydantic", "safetensors", "tensorboard")


def check_folder(out: str | os.PathLike[str], *, resume: bool) -> Path:
    """The folder of a run, if it may be used so.

    Raises:
        ConfigError: A new run is to go where one is, or none is where one is to be resumed.
    """
    folder = Path(out)
    holds_run = (folder / CONFIG_NAME).is_file() or (folder / CHECKPOINTS).is_dir()
    if folder.exists() and not folder.is_dir():
        raise ConfigError("not a folder", where=folder, cure="Name a new folder for the run.")
    if holds_run and not resume:
        cure = "Add --resume to go on with it, or name another folder."
        raise ConfigError("this folder holds a run already", where=folder, cure=cure)
    if resume and not holds_run:
        raise ConfigError("there is no run to resume", where=folder, cure="Check the path, or leave --resume out.")
    return folder


def write_description(folder: Path, config: TrainConfig, device: torch.device) -> None:
    """Write ``config.yaml`` and ``environment.json``.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    environment = json.dumps(describe_environment(device), indent=1) + "\n"
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "environment.json", environment)
        write_atomically(folder / CONFIG_NAME, text)
    except OSError as fault:
        cure = "Name a folder that you may write to."
        raise ConfigError(f"cannot be written ({fault.strerror})", where=folder, cure=cure) from fault


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine, as far as they can change a result."""
    cuda = device.type == "cuda"
    return {
        "labelforge": labelforge.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
