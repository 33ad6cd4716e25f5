"""Checkpoints that explain themselves.

    RUN/checkpoints/step-0002000/
        checkpoint.json       step, configuration, taxonomy, label tables of all datasets, digests of the files
        model.safetensors     the trained weights
        average.safetensors   their exponential moving average: what evaluation and prediction use
        state.safetensors     momentum and random state: what only resuming needs

    RUN/best                  a line of text: the folder of the checkpoint that validation found best

Nothing is pickled. A folder gets its name when it is complete, so every ``step-*`` folder is a whole checkpoint; sizes
and SHA-256 digests detect files that were truncated or damaged later, say while being copied.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from torch import nn

from labelforge.errors import CheckpointError, ConfigError, counted, shortened
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.description import Described, NetworkDescription, Record

CHECKPOINTS = "checkpoints"
"""Folder of checkpoints within a run."""

BEST = "best"
"""The file within a run that names its best checkpoint: unlike a link, it survives every way of copying a run."""

VERSION = 2
"""Of the format."""
ABOUT = "checkpoint.json"
"""The file that describes a checkpoint; those with the weights:"""
MODEL, AVERAGE, STATE = "model.safetensors", "average.safetensors", "state.safetensors"
_NAME = re.compile(r"^step-(\d{7,})$")

Tensors = Mapping[str, torch.Tensor]


class FileRecord(Record):
    """One file of a checkpoint."""

    size: int = Field(description="Length in bytes.")
    sha256: str = Field(description="Hex digest of the content.")


class CheckpointFile(NetworkDescription):
    """``checkpoint.json``."""

    files: dict[str, FileRecord] = Field(description="The other files.")


_LOST = "Copy the checkpoint again, or remove its folder to continue from the one before."


@dataclass(frozen=True)
class Checkpoint(Described):
    """An opened checkpoint; tensors are read on demand.

        >>> from labelforge.trainer import Checkpoint
        >>> checkpoint = Checkpoint.open("runs/first/checkpoints/step-0000001")
        >>> checkpoint.step, checkpoint.taxonomy.name, [mapping.dataset for mapping in checkpoint.mappings]
        (1, 'iv2018', ['cityscapes', 'gtsdb'])

    Attributes:
        folder: Its folder.
        about: The content of ``checkpoint.json``.
    """

    folder: Path
    about: CheckpointFile
    lost = _LOST

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Checkpoint:
        """Open one checkpoint's folder.

        Raises:
            CheckpointError: A file is missing, cut short, or of another version.
        """
        place = Path(folder) / ABOUT
        try:
            content = place.read_bytes()
            _check_version(content, place)
            about = CheckpointFile.model_validate_json(content)
        except FileNotFoundError:
            raise CheckpointError("no such file", where=place, cure=_LOST) from None
        except (OSError, ValidationError, ValueError) as fault:
            detail = fault.errors()[0]["msg"] if isinstance(fault, ValidationError) else str(fault)
            raise CheckpointError(f"not readable ({detail})", where=place, cure=_LOST) from None
        for name, record in about.files.items():
            file = Path(folder) / name
            size = file.stat().st_size if file.is_file() else None
            if size is None:
                raise CheckpointError("no such file", where=file, cure=_LOST)
            if size != record.size:
                raise CheckpointError(f"cut short: {size} bytes of {record.size}", where=file, cure=_LOST)
        return cls(Path(folder), about)

    def __repr__(self) -> str:
        names = [record.dataset for record in self.about.datasets]
        datasets = ", ".join(names) if len(names) < 3 else counted(len(names), "dataset")
        return f"<Checkpoint {shortened(self.folder)}: {self.about.taxonomy.get('name')}, {datasets}>"

    @property
    def place(self) -> Path:
        """Its folder."""
        return self.folder

    @property
    def described_in(self) -> Path:
        """``checkpoint.json``."""
        return self.folder / ABOUT

    def check_same_run(self, config: TrainConfig, layout: LogitLayout, mappings: Sequence[LabelMapping]) -> None:
        """Check that a run continues with the network, seed, optimiser, tree and label tables that it started with.

        Raises:
            ConfigError: The network, the seed, the optimiser or what boxes train differs.
            CheckpointError: The tree or the label tables differ.
        """
        taxonomy = layout.taxonomy
        for key in ("model", "seed", "optim.optimizer"):
            before, now = attrgetter(key)(self.config), attrgetter(key)(config)
            if before != now:
                raise ConfigError(
                    f"the run was started with {key} {_short(before)}, not {_short(now)}",
                    where=self.folder,
                    cure=f"Set {key} back, or start a new run.",
                )
        before, now = self.config.loss.boxes, config.loss.boxes
        if before != now and "drop" in (before, now):
            raise ConfigError(
                f"the run was started with loss.boxes={_short(before)}, not {_short(now)}",
                where=self.folder,
                cure="Set loss.boxes back, or start a new run.",
            )
        if self.taxonomy.digest != taxonomy.digest:
            raise CheckpointError(
                f"the run was started with taxonomy {self.taxonomy.tag}, but the shards have {taxonomy.tag}",
                where=self.folder,
                cure=f"Retarget the shards to {self.taxonomy.name} as it was, or start a new run.",
            )
        if [m.digest for m in self.mappings] != [m.digest for m in mappings]:
            before = ", ".join(m.dataset for m in self.mappings)
            raise CheckpointError(
                f"the run was started with other datasets or label tables (its datasets: {before})",
                where=self.folder,
                cure="Give the same shards as before, or start a new run.",
            )
        if _choices(self.layout) != _choices(layout):
            raise ConfigError(
                f"the run was started with loss.boxes={_short(self.config.loss.boxes)} and loss.lone_boxes="
                f"{_short(self.config.loss.lone_boxes)}, so with other classifiers",
                where=self.folder,
                cure="Set them back, or start a new run.",
            )

    def load_into(self, network: nn.Module, *, average: bool) -> None:
        """Put the weights into a network.

        Args:
            network: The network that the configuration describes.
            average: The moving average instead of the trained weights.

        Raises:
            CheckpointError: The file is damaged, or belongs to another network.
        """
        try:
            network.load_state_dict(self.weights(average=average))
        except RuntimeError as fault:
            raise CheckpointError(
                f"its weights belong to another network ({str(fault).splitlines()[-1].strip()})",
                where=self.folder,
                cure="Use the labelforge version that wrote it, and do not edit its checkpoint.json.",
            ) from None

    def weights(self, *, average: bool) -> dict[str, torch.Tensor]:
        """Parameters and buffers of the network, on the CPU.

        Args:
            average: The moving average instead of the trained weights.

        Raises:
            CheckpointError: The file is damaged.
        """
        return self._read(AVERAGE if average else MODEL)

    def state(self) -> dict[str, torch.Tensor]:
        """What was given as ``state`` when it was saved."""
        return self._read(STATE)

    def _read(self, name: str) -> dict[str, torch.Tensor]:
        file = self.folder / name
        if name not in self.about.files:
            raise CheckpointError(f"does not list {name}", where=self.folder / ABOUT, cure=_LOST)
        if digest_of(file) != self.about.files[name].sha256:
            raise CheckpointError(
                "its content has changed since it was saved (SHA-256 differs)", where=file, cure=_LOST
            )
        try:
            return safetensors.torch.load_file(file)
        except (SafetensorError, OSError) as fault:
            raise CheckpointError(f"not readable ({fault})", where=file, cure=_LOST) from None


def _check_version(content: bytes, place: Path) -> None:
    """Refuse another format before anything else is asked of the file: what it lacks is no fault in it."""
    match json.loads(content):
        case {"version": int(version)} if version != VERSION:
            wrote = "labelforge 0.1.0" if version == 1 else "the labelforge that wrote it"
            cure = f"Use {wrote}, or train again; this one reads version {VERSION}."
            raise CheckpointError(f"checkpoint of format version {version}", where=place, cure=cure)


def list_checkpoints(run: str | os.PathLike[str]) -> list[Path]:
    """Folders of all checkpoints of a run, oldest first."""
    folder = Path(run) / CHECKPOINTS
    found = [path for path in folder.iterdir() if _NAME.match(path.name)] if folder.is_dir() else []
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def find_checkpoint(place: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint that a path means: a checkpoint's own folder, the latest of a run, or a run's ``best``.

        >>> from labelforge.trainer import find_checkpoint
        >>> find_checkpoint("runs/first").folder.name
        'step-0000001'

    Raises:
        CheckpointError: There is none, or it is broken.
    """
    path = Path(place)
    if (path / ABOUT).is_file() or _NAME.match(path.name):
        return Checkpoint.open(path)
    if path.name == BEST and not path.is_dir():
        return Checkpoint.open(_named_by(path))
    found = list_checkpoints(path)
    if not found:
        missing = "is a file, not a folder" if path.exists() else "no such folder"
        what = "no checkpoint in this folder" if path.is_dir() else missing
        raise CheckpointError(what, where=path, cure="Give the --out folder of 'labelforge train', or a step-* folder.")
    return Checkpoint.open(found[-1])


def best_checkpoint(run: str | os.PathLike[str]) -> Path | None:
    """Folder of the checkpoint that validation found best; None if nothing was validated.

    Raises:
        CheckpointError: The run's ``best`` names none.
    """
    pointer = Path(run) / BEST
    return _named_by(pointer) if pointer.is_file() else None


def _named_by(pointer: Path) -> Path:
    """The checkpoint that a run's ``best`` names."""
    if not pointer.is_file():
        cure = "Train with --val SHARDS, or give the run's folder for its latest checkpoint."
        raise CheckpointError("no such file: nothing was validated in this run", where=pointer, cure=cure)
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    folder = pointer.parent / name
    if not re.fullmatch(rf"{CHECKPOINTS}/step-\d{{7,}}", name):
        cure = "Name a step-* folder instead, or validate again with --resume."
        raise CheckpointError("does not name a checkpoint", where=pointer, cure=cure)
    if not folder.is_dir():
        cure = f"Copy {CHECKPOINTS} too: the whole folder of the run, or that one checkpoint's folder."
        raise CheckpointError(f"names {name}, which is not here", where=pointer, cure=cure)
    return folder


def _choices(layout: LogitLayout) -> list[dict[str, Any]]:
    """The classifiers and what they choose from; what teaches them follows from the labels."""
    return [{key: value for key, value in record.items() if key != "boxes_alone"} for record in layout.to_records()]


def _short(value: object) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{key}={item}" for key, item in value.model_dump(exclude_defaults=True).items()) or "defaults"
    if isinstance(value, bool):
        return str(value).lower()
    return "empty" if value is None else str(value)


def digest_of(file: Path) -> str:
    """Hex SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
