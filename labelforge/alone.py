"""A folder that one process at a time may write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from labelforge.errors import ConfigError


@contextmanager
def alone_in(folder: Path, name: str, doing: str, cure: str) -> Iterator[None]:
    """For the length of a block hold a folder's lock, which only one process can; it ends with the process, too.

    Where the file system knows no locks, nothing is held.

    Args:
        folder: The folder, which is there.
        name: Name of the lock's file in it; gone after the block.
        doing: What the other process does, before "this folder".
        cure: What to do then.

    Raises:
        ConfigError: Another process holds it.
    """
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"another process is {doing} this folder", where=folder, cure=cure) from None
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # removed while it is held: nobody can hold the file that others find
            (folder / name).unlink()
        lock.release()
