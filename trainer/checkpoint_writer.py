"""Writes checkpoints: a folder gets its name when all in it is on the disk, so a ``step-*`` folder is always whole.

The best checkpoint is one of them, named by a file of one line (``RUN/best``). That is written when the checkpoint is
there, and what it names is never removed, so whoever reads it finds a whole checkpoint at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from labelforge.errors import CheckpointError
from labelforge.files import write_atomically
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.checkpoint import (
    ABOUT,
    AVERAGE,
    BEST,
    CHECKPOINTS,
    MODEL,
    STATE,
    VERSION,
    CheckpointFile,
    FileRecord,
    Tensors,
    digest_of,
    list_checkpoints,
)
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.description import DatasetRecord


def save_checkpoint(
    run: str | os.PathLike[str],
    *,
    step: int,
    config: TrainConfig,
    layout: LogitLayout,
    mappings: Sequence[LabelMapping],
    samples: Sequence[int],
    weights: Tensors,
    average: Tensors,
    state: Tensors,
    keep: int,
    priors: Sequence[float] | None = None,
) -> Path:
    """Write a checkpoint of a run, atomically, then remove the oldest ones but for the best.

    Args:
        run: Folder of the run.
        step: Steps done.
        config: Configuration of the run.
        layout: Its tree, and where the network's logits are.
        mappings: Label tables of its datasets, in the order of the target table.
        samples: Number of samples of each dataset.
        weights: Parameters and buffers of the network.
        average: Their moving average.
        state: Whatever else resuming needs.
        keep: How many checkpoints to keep; the best one is kept in any case.
        priors: (C,) what the labels taught of how often each choice is right, if that is known.

    Returns:
        Its folder.

    Raises:
        CheckpointError: It cannot be written; earlier checkpoints are unchanged.
    """
    final = _folder_of(run, step)
    if final.exists():
        return final
    try:
        partial = _fresh_folder(final)
        files = _write_tensors(partial, {MODEL: weights, AVERAGE: average, STATE: state})
        about = CheckpointFile(
            version=VERSION,
            step=step,
            config=config,
            taxonomy=layout.taxonomy.to_dict(),
            taxonomy_digest=layout.taxonomy.digest,
            datasets=tuple(
                DatasetRecord(dataset=m.dataset, samples=n, labels=tuple(m.to_records()))
                for m, n in zip(mappings, samples, strict=True)
            ),
            classifiers=tuple(layout.to_records()),
            priors=None if priors is None else tuple(priors),
            files=files,
        )
        (partial / ABOUT).write_text(about.model_dump_json(indent=1), encoding="utf-8")
        _flush((*partial.iterdir(), partial))
        partial.rename(final)
        _flush((final.parent,))
        _prune(run, keep)
    except (OSError, SafetensorError) as fault:
        raise CheckpointError(f"cannot be written ({fault})", where=final, cure=_NO_SPACE) from fault
    return final


def mark_best(run: str | os.PathLike[str], step: int, keep: int) -> None:
    """Make a checkpoint the best one of its run, and remove the one that was, if it is old.

    Args:
        run: Folder of the run.
        step: Step of the checkpoint.
        keep: How many checkpoints to keep besides.

    Raises:
        CheckpointError: There is no checkpoint of this step, or the run's folder cannot be written to.
    """
    folder = _folder_of(run, step)
    if not folder.is_dir():
        raise CheckpointError("no such checkpoint", where=folder, cure="It was removed: validate again.")
    pointer = Path(run) / BEST
    try:
        write_atomically(pointer, f"{CHECKPOINTS}/{folder.name}\n")
        _prune(run, keep)
    except OSError as fault:
        raise CheckpointError(f"cannot be written ({fault})", where=pointer, cure=_NO_SPACE) from fault


def forget_lost_best(run: str | os.PathLike[str]) -> None:
    """Remove what names the best checkpoint if that is gone, say because it was damaged and its folder removed."""
    pointer = Path(run) / BEST
    if pointer.is_file() and not (Path(run) / _best(run)).is_dir():
        pointer.unlink()


_NO_SPACE = "Free some space or get permission to write there."


def _folder_of(run: str | os.PathLike[str], step: int) -> Path:
    return Path(run) / CHECKPOINTS / f"step-{step:07d}"


def _prune(run: str | os.PathLike[str], keep: int) -> None:
    """Remove all but the latest checkpoints and the best."""
    best = _best(run)
    _remove(path for path in list_checkpoints(run)[:-keep] if f"{CHECKPOINTS}/{path.name}" != best)


def _best(run: str | os.PathLike[str]) -> str:
    """What a run's ``best`` says, if there is one; a name that no folder has if it says nothing."""
    pointer = Path(run) / BEST
    said = pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else ""
    return said or f"{CHECKPOINTS}/-"


def _fresh_folder(final: Path) -> Path:
    """An empty folder next to a checkpoint's, cleared of what interrupted saves have left."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for left_over in final.parent.glob(".step-*"):
        shutil.rmtree(left_over)
    partial = final.with_name(f".{final.name}.partial")
    partial.mkdir()
    return partial


def _write_tensors(folder: Path, content: Mapping[str, Tensors]) -> dict[str, FileRecord]:
    records = {}
    for name, tensors in content.items():
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        safetensors.torch.save_file(plain, folder / name)
        records[name] = FileRecord(size=(folder / name).stat().st_size, sha256=digest_of(folder / name))
    return records


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        doomed = folder.with_name(f".{folder.name}.doomed")  # no step-* folder is ever incomplete
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _flush(paths: Iterable[Path]) -> None:
    """Flush files and folders to disk before anything relies on them."""
    if os.name != "posix":
        return
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
