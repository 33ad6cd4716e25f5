"""An output folder that holds a whole export or none.

    OUT/incomplete-export/   everything, while it is written; its name says so if that was interrupted
    OUT/...                  the same, moved up when all is there; classes.json last
    OUT/.export.lock         held by the one process that may write

So nothing partial ever has its final name, and a folder with ``classes.json`` is whole. What an interrupted run has
left is removed by the next one, which begins anew. Nothing that labelforge did not write is ever removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from labelforge.alone import alone_in
from labelforge.errors import ConfigError, listed
from labelforge.files import writing_into
from labelforge.shards import MANIFEST_NAME

MARKER: Final = "classes.json"
"""The file that a whole export has; it lists what else is there under ``contents``."""
STAGING: Final = "incomplete-export"
_LOCK: Final = ".export.lock"
_MOVING: Final = ".moving.json"  # in STAGING: what is being moved up
_OTHER: Final = "Give a new or empty folder."


@contextmanager
def whole_export(out: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """A folder to write into; what it holds becomes the content of ``out`` when the block ends without an exception.

    Args:
        out: The output folder: new, empty, left behind by an interrupted export, or with ``overwrite`` an export.
        overwrite: Replace an export that is there.

    Yields:
        The folder to write into; `MARKER` must be in it at the end.

    Raises:
        ConfigError: ``out`` holds something else, is being written by another process, or cannot be written.
    """
    if "://" in os.fspath(out):
        raise ConfigError(
            "is a URL", where=out, cure="Exports are written to a local folder: copy it there afterwards."
        )
    folder = Path(out)
    elsewhere = "Wait for it, or give another folder."
    with writing_into(folder), alone_in(folder, _LOCK, "exporting into", elsewhere):
        _check(folder, overwrite=overwrite)
        _clear_interrupted(folder)
        staging = folder / STAGING
        staging.mkdir()
        try:
            yield staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        _publish(folder, staging)
        shutil.rmtree(staging)


def _check(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is not ours to write."""
    there = {path.name for path in folder.iterdir()} - {_LOCK, STAGING}
    foreign = sorted(there - _ours(folder))
    if foreign:
        cure = (
            "These are shards: the last folder that is named is the one to write to."
            if MANIFEST_NAME in there
            else _OTHER
        )
        raise ConfigError(f"holds files that are no export: {listed(foreign)}", where=folder, cure=cure)
    if MARKER in there and not overwrite:
        cure = "Give another folder, or add --overwrite to replace it."
        raise ConfigError("holds an export already", where=folder, cure=cure)


def _ours(folder: Path) -> set[str]:
    """Names at the top of the folder that an export wrote there, or an interrupted one was moving there."""
    found: set[str] = set()
    for file, key in ((folder / MARKER, "contents"), (folder / STAGING / _MOVING, "moving")):
        try:
            content = json.loads(file.read_bytes())
            found |= set(map(str, content[key])) if content["labelforge"] else set()
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _clear_interrupted(folder: Path) -> None:
    """Remove what an interrupted export has left: its staging folder, and what it had already moved up."""
    if (folder / STAGING).exists() and not (folder / MARKER).exists():
        _remove(folder, _ours(folder))
    if (folder / STAGING).exists():
        shutil.rmtree(folder / STAGING)


def _remove(folder: Path, names: set[str]) -> None:
    """Remove entries of a folder, `MARKER` first; names that are no entries of it are passed over."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name != MARKER):
        if path.name in names:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _publish(folder: Path, staging: Path) -> None:
    """Move everything up, `MARKER` last; an older export goes first."""
    if hasattr(os, "sync"):
        os.sync()  # once, instead of for each of many thousand files
    names = {path.name for path in staging.iterdir()}
    old = _ours(folder)
    moving = {"labelforge": True, "moving": sorted(names | old)}
    (staging / _MOVING).write_text(json.dumps(moving), encoding="utf-8")
    _remove(folder, old)
    for name in sorted(names, key=lambda name: (name == MARKER, name)):
        (staging / name).rename(folder / name)
