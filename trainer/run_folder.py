"""The folder of a run: what is in it, and whether a run may start or resume there.

RUN/config.yaml         the whole configuration; 'labelforge train --config' reads it
RUN/environment.json    versions and machine
RUN/metrics.jsonl       one line per log_every steps; TensorBoard events are next to it
RUN/checkpoints/        see labelforge.trainer.checkpoint
RUN/best                with --val: names the best checkpoint
RUN/validation.jsonl    with --val: one line per validation; RUN/validation/ has pictures of the best and the latest
RUN/features/           maps of fixed crops by what is frozen (labelforge.trainer.features), until the run ends
RUN/report.html         curves, written when the run ends or is stopped
RUN/.train.lock         held by the one process that may write
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

import labelforge
from labelforge.alone import alone_in
from labelforge.errors import ConfigError
from labelforge.files import json_text, write_atomically, writing_into
from labelforge.leftovers import NewFolder, missing, nothing_left, unmade
from labelforge.trainer.checkpoint import CHECKPOINTS, Checkpoint, find_checkpoint, list_checkpoints
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.features import FOLDER as FEATURES
from labelforge.trainer.log import LOG_NAME, read_log

CONFIG_NAME = "config.yaml"

_LOCK = ".train.lock"

_OWN = (
    *(CONFIG_NAME, "environment.json", LOG_NAME, "events.out.tfevents.*", CHECKPOINTS, "best"),
    *("validation.jsonl", "validation", FEATURES, "report.html", _LOCK),
)
"""What a run makes in its folder."""

_PACKAGES = ("numpy", "pillow", "pydantic", "safetensors", "tensorboard")


@dataclass(frozen=True)
class RunStart:
    """Where a run begins.

    Attributes:
        folder: Its folder.
        config_file: The configuration of a resumed run; None for a new one.
        checkpoint: Where it resumes; None for a run that starts from its first step.
        new: What a new run makes, if its folder is missing or empty.
    """

    folder: Path
    config_file: Path | None = None
    checkpoint: Checkpoint | None = None
    new: NewFolder | None = None

    @property
    def step(self) -> int:
        """Steps done before."""
        return 0 if self.checkpoint is None else self.checkpoint.step


def open_run(out: str | os.PathLike[str], *, resume: bool) -> RunStart:
    """Decide where a run begins. Nothing is written.

    Args:
        out: Folder of the run.
        resume: Continue the run in it, from its latest checkpoint (from the start if it has none).

    Raises:
        ConfigError: A new run would overwrite another, or there is no run to resume.
        CheckpointError: The latest checkpoint is broken.
    """
    folder = Path(out)
    holds_run = (folder / CONFIG_NAME).is_file() or (folder / CHECKPOINTS).is_dir()
    if folder.exists() and not folder.is_dir():
        raise ConfigError("not a folder", where=folder, cure="Name a new folder for the run.")
    if holds_run and not resume:
        cure = "Add --resume to continue it, or name another folder."
        raise ConfigError("this folder already holds a run", where=folder, cure=cure)
    if not resume:
        return RunStart(folder, new=NewFolder.at(folder))
    if not holds_run:
        raise ConfigError("there is no run to resume", where=folder, cure="Check the path, or drop --resume.")
    checkpoint = find_checkpoint(folder) if list_checkpoints(folder) else None
    return RunStart(folder, folder / CONFIG_NAME, checkpoint)


@contextmanager
def training_alone(start: RunStart) -> Iterator[None]:
    """For the length of a block, no other process trains in the run's folder.

    Raises:
        ConfigError: Another one does, or has since it was decided where this one begins.
    """
    folder, cure = start.folder, "Wait for it, or name another folder."
    with unmade(missing(folder), Path.rmdir), ExitStack() as held:
        with writing_into(folder):
            held.enter_context(alone_in(folder, _LOCK, "training in", cure))
        latest = list_checkpoints(folder)[-1:]
        if start.new is None and latest != ([] if start.checkpoint is None else [start.checkpoint.folder]):
            raise ConfigError("another process has trained in this folder meanwhile", where=folder, cure="Try again.")
        yield


def leaving_nothing(start: RunStart, config: TrainConfig) -> AbstractContextManager[None]:
    """While a new run, whose folder this process has claimed, is trained: nothing is left of one that comes to nothing.

    What fails without a checkpoint or a line in its log is removed, if the folder was missing or empty before.

    Args:
        start: Where it began; what is resumed stays as it is.
        config: Its configuration. Features in a folder that this names stay, as others share it.
    """
    own = [name for name in _OWN if name != FEATURES or config.data.feature_folder is None]

    def kept() -> str | None:
        if found := list_checkpoints(start.folder):
            return f"{found[-1]} is kept: --resume goes on from there."
        return f"Its log is kept: {start.folder / LOG_NAME}." if read_log(start.folder) else None

    return nothing_left(start.new, own, kept)


def finished_note(start: RunStart, config: TrainConfig) -> str | None:
    """What to say about a run that has done all its steps before; None if there are steps left.

    Args:
        start: Where it would begin.
        config: Its configuration now.

    Raises:
        ConfigError: It is finished, and settings were changed that can no longer do anything.
    """
    if start.checkpoint is None or start.step < config.steps:
        return None
    changed = [key for key, value in _dotted(config).items() if _dotted(start.checkpoint.config)[key] != value]
    cure = f"To train on, set steps to more: --set steps={2 * start.step}."
    if changed:
        what = f"the run already has {start.step} steps, so {', '.join(changed)} would change nothing"
        raise ConfigError(what, where=start.folder, cure=cure)
    return f"already finished, with {start.step} steps. {cure}"


def _dotted(config: TrainConfig) -> dict[str, Any]:
    """The settings by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in config.model_dump().items():
        flat.update(
            {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
        )
    return flat


def write_description(start: RunStart, config: TrainConfig, device: torch.device) -> None:
    """Write ``config.yaml`` and ``environment.json``. The first claims the folder for a new run.

    Raises:
        ConfigError: The folder cannot be written to, or another run was begun in it meanwhile.
    """
    folder, text = start.folder, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with writing_into(folder):
        if start.config_file is None:
            try:
                (folder / CONFIG_NAME).open("x").close()
            except FileExistsError:
                cure = "Name another folder."
                raise ConfigError("another run was begun in this folder", where=folder, cure=cure) from None
        write_atomically(folder / CONFIG_NAME, text)
        write_atomically(folder / "environment.json", json_text(describe_environment(device)))


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine, as far as they can change a result."""
    cuda = device.type == "cuda"
    return {
        "labelforge": labelforge.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        # torch itself names its build (2.13.0+cu130), which the metadata of its package may leave out.
        "packages": {"torch": str(torch.__version__)}
        | {name: found for name in _PACKAGES if (found := _version(name)) is not None},
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
