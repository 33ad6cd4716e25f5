"""A command that fails leaves nothing of its own behind, unless that is worth keeping; then the error says so.

What was there before is never touched: a folder that held something stays as it is, one that was empty is emptied
again, and one that did not exist is removed, with those above it that did not exist either. A command says what it
makes there: where anything else is in the folder by then, nothing is removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from labelforge.errors import LabelforgeError

Place = TypeVar("Place")


def missing(folder: str | os.PathLike[str]) -> list[Path]:
    """A folder and those above it that do not exist, from the inside out, as absolute paths without ``..``."""
    folder = Path(folder).resolve()
    return [place for place in (folder, *folder.parents) if not os.path.lexists(place)]


@contextmanager
def unmade(made: Sequence[Place], remove: Callable[[Place], object]) -> Iterator[None]:
    """For the length of a block that makes files or folders: if it fails, they are removed again.

    Args:
        made: What the block makes, in the order of removal; the first that cannot be removed ends it.
        remove: Removes one of them; of folders, only an empty one.
    """
    try:
        yield
    except BaseException:
        for place in made:
            try:
                remove(place)
            except Exception:  # it was never made, or holds something; services have errors of their own
                break
        raise


@contextmanager
def nothing_left(
    folder: str | os.PathLike[str], own: Sequence[str], kept: Callable[[], str | None] = lambda: None
) -> Iterator[None]:
    """For the length of a block that fills a folder: if it fails, what it made is removed again.

    Args:
        folder: The folder; if it holds something already, nothing is removed and nothing said.
        own: Patterns of the names of what the block makes in it. If anything else is there, nothing is removed.
        kept: Asked then whether something in it is worth keeping: None if not, so that all is removed; else a sentence
            that says what stays, which may be empty.
    """
    new, folder = missing(folder), Path(folder).resolve()
    if not new and not _is_empty(folder):
        yield
        return
    with unmade(new, Path.rmdir):
        try:
            yield
        except BaseException as fault:
            said = kept()
            if said is None:
                remove_own(folder, own)
            elif isinstance(fault, LabelforgeError):
                fault.advise(said)
            raise


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # a file, or nothing that may be read: it is not ours
        return False


def remove_own(folder: Path, own: Sequence[str]) -> None:
    """Empty a folder of what has one of these names (patterns), unless anything else is in it."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    if not all(any(fnmatchcase(path.name, pattern) for pattern in own) for path in found):
        return
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
