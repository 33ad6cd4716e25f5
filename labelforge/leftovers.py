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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class NewFolder:
    """A folder that a command will fill, which is missing or empty before.

    Attributes:
        path: The folder, absolute.
        missing: It and those above it, as far as they do not exist, from the inside out.
    """

    path: Path
    missing: tuple[Path, ...]

    @classmethod
    def at(cls, folder: str | os.PathLike[str]) -> NewFolder | None:
        """What is to be made at a path; None if something is there already."""
        new, path = missing(folder), Path(folder).resolve()
        return cls(path, tuple(new)) if new or _is_empty(path) else None


@contextmanager
def nothing_left(
    new: NewFolder | None, own: Sequence[str], kept: Callable[[], str | None] = lambda: None
) -> Iterator[None]:
    """For the length of a block that fills a folder: if it fails, what it made is removed again.

    Args:
        new: The folder as it was before; None if it held something: then nothing is removed and nothing said.
        own: Patterns of the names of what the block makes in it. If anything else is there, nothing is removed.
        kept: Asked then whether something in it is worth keeping: None if not, so that all is removed; else a sentence
            that says what stays, which may be empty.
    """
    if new is None:
        yield
        return
    with unmade(new.missing, Path.rmdir):
        try:
            yield
        except BaseException as fault:
            said = kept()
            if said is None:
                _remove_own(new.path, own)
            elif isinstance(fault, LabelforgeError):
                fault.advise(said)
            raise


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # a file, or nothing that may be read: it is not ours
        return False


def _remove_own(folder: Path, own: Sequence[str]) -> None:
    """Empty a folder of what has one of these names (patterns), unless anything else is in it."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    if not all(any(fnmatchcase(path.name, pattern) for pattern in own) for path in found):
        return
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
