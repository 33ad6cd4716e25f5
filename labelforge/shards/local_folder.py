"""A folder of shards on the local disk, read through memory maps: slicing a shard copies nothing.

A file is written under a temporary name, flushed to disk and renamed when it is complete.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from labelforge.errors import ShardError
from labelforge.leftovers import missing, unmade
from labelforge.shards.folder import Folder, removing, unreadable

OPEN_MAPS = 64
"""Memory maps that a local folder keeps open; each costs a file descriptor."""


class LocalFolder(Folder):
    """A folder on the local disk."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.path = Path(url.removeprefix("file://"))
        self._maps: OrderedDict[str, memoryview] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": OrderedDict()}

    def names(self) -> list[str]:
        """Names of all entries on the disk, sorted.

        Raises:
            ShardError: The folder is a file, or cannot be read.
        """
        return sorted(entry.name for entry in self._entries())

    def sizes(self) -> dict[str, int]:
        """Lengths of all files on the disk; raises what `names` raises."""
        found = {}
        for entry in self._entries():
            with suppress(FileNotFoundError):  # it has just been removed
                if entry.is_file():
                    found[entry.name] = entry.stat().st_size
        return found

    def _entries(self) -> list[os.DirEntry[str]]:
        if not self.path.is_dir():
            if self.path.exists():
                raise ShardError("is a file, not a folder", where=self.path, cure="Give a folder.")
            return []
        try:
            with os.scandir(self.path) as entries:
                return list(entries)
        except OSError as error:
            raise unreadable(self.url, error) from error

    def size(self, name: str) -> int | None:
        """Length of a file in bytes, as the file system has it."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return None

    def read(self, name: str, start: int = 0, size: int | None = None) -> memoryview:
        """A view of the mapped file: nothing is copied."""
        whole = self._map(name)
        return whole[start : None if size is None else start + size]

    def read_several(self, names: Sequence[str]) -> list[memoryview | ShardError]:
        """Several whole files as they are now: small ones, for which a map does not pay."""
        found: list[memoryview | ShardError] = []
        for name in names:
            try:
                found.append(memoryview((self.path / name).read_bytes()))
            except OSError as error:
                found.append(unreadable(self.place(name), error))
        return found

    def _map(self, name: str) -> memoryview:
        view = self._maps.pop(name, None)
        if view is None:
            try:
                with (self.path / name).open("rb") as file:
                    empty = os.fstat(file.fileno()).st_size == 0  # nothing to map
                    view = memoryview(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            except OSError as error:
                raise unreadable(self.place(name), error) from error
        self._maps[name] = view  # at the end: used last
        if len(self._maps) > OPEN_MAPS:
            self._maps.popitem(last=False)  # arrays that still use it keep it alive
        return view

    def remove(self, name: str) -> None:
        """Delete a file. Arrays that still use it stay valid."""
        self._maps.pop(name, None)
        with removing(self.place(name)):
            (self.path / name).unlink()

    def making(self) -> AbstractContextManager[None]:
        """See `Folder.making`."""
        return unmade(missing(self.path), Path.rmdir)

    @contextmanager
    def _writing(self, name: str) -> Iterator[IO[bytes]]:
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / self.temporary(name)
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            self._publish(partial, name)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise

    def _publish(self, partial: Path, name: str) -> None:
        self._maps.pop(name, None)
        partial.replace(self.path / name)
        if os.name == "posix":  # the rename itself reaches the disk with the folder; Windows has no such call
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
