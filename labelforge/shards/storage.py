"""A folder of shards, on the local disk or behind any fsspec URL.

Both kinds write a file under a temporary name and rename it when it is complete, so that a final name never means a
partial file. The local kind also flushes to disk before it renames, and reads through memory maps: slicing a shard
copies nothing.
"""

from __future__ import annotations

import mmap
import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from labelforge.errors import ShardError

FETCH_AGAIN = "Copy it again, or run the same convert command again."
"""What to do about a missing or truncated file in a folder of shards."""
OPEN_MAPS = 64
"""Memory maps that a local folder keeps open; each costs a file descriptor."""


class Folder(ABC):
    """A flat folder of files. Picklable: a worker process gets its own connection.

    Attributes:
        url: Path or URL, as given.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def place(self, name: str) -> str:
        """Path or URL of a file in it, for messages."""
        return f"{self.url.rstrip('/')}/{name}"

    @staticmethod
    def temporary(name: str) -> str:
        """The name of a file while it is being written."""
        return f".{name}.partial"

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all files and folders in it, sorted; empty where it does not exist."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Length of a file in bytes; None where it does not exist."""

    @abstractmethod
    def read(self, name: str, start: int = 0, size: int | None = None) -> memoryview:
        """Part of a file; a view of the mapped file where that is possible.

        Args:
            name: The file.
            start: First byte.
            size: Number of bytes; default: to the end. Fewer are returned if the file ends earlier.

        Raises:
            ShardError: The file is missing or cannot be read.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file; a missing one is no error.

        Raises:
            ShardError: It cannot be deleted.
        """

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """A file for writing under exactly this name."""

    @staticmethod
    def _flush(file: IO[bytes]) -> None:
        """Make sure that everything written is safe before the file is closed and named."""
        file.flush()

    @abstractmethod
    def _publish(self, partial: str, name: str) -> None:
        """Give a complete file its final name."""

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file: it gets its name when the block ends without an exception, and leaves nothing behind otherwise.

        Raises:
            ShardError: The folder cannot be written to.
        """
        partial = self.temporary(name)
        try:
            try:
                with self._open(partial) as file:
                    yield file
                    self._flush(file)
                self._publish(partial, name)
            except OSError as error:
                raise ShardError(
                    f"cannot be written ({error.strerror or error})",
                    where=self.place(name),
                    cure="Give an output folder that you may write to, on a disk with free space.",
                ) from error
        except BaseException:
            with suppress(ShardError):
                self.remove(partial)
            raise

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file, which has its name only once it is complete; raises what `create` raises."""
        with self.create(name) as file:
            file.write(data)


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
        if not self.path.is_dir():
            if self.path.exists():
                raise ShardError("is a file, not a folder", where=self.path, cure="Give a folder.")
            return []
        try:
            return sorted(entry.name for entry in self.path.iterdir())
        except OSError as error:
            raise _unreadable(self.url, error) from error

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

    def _map(self, name: str) -> memoryview:
        view = self._maps.pop(name, None)
        if view is None:
            try:
                with (self.path / name).open("rb") as file:
                    empty = os.fstat(file.fileno()).st_size == 0  # nothing to map
                    view = memoryview(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            except OSError as error:
                raise _unreadable(self.place(name), error) from error
        self._maps[name] = view  # at the end: used last
        if len(self._maps) > OPEN_MAPS:
            self._maps.popitem(last=False)  # arrays that still use it keep it alive
        return view

    def remove(self, name: str) -> None:
        """Delete a file. Arrays that still use it stay valid."""
        self._maps.pop(name, None)
        with _removing(self.place(name)):
            (self.path / name).unlink()

    def _open(self, name: str) -> IO[bytes]:
        self.path.mkdir(parents=True, exist_ok=True)
        return (self.path / name).open("wb")

    @staticmethod
    def _flush(file: IO[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())

    def _publish(self, partial: str, name: str) -> None:
        self._maps.pop(name, None)
        (self.path / partial).replace(self.path / name)
        if os.name == "posix":  # the rename itself reaches the disk with the folder; Windows has no such call
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class RemoteFolder(Folder):
    """A folder behind an fsspec URL (``s3://bucket/shards``, ``memory://shards``)."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import fsspec

        try:
            self._fs, self._path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ShardError(
                f"cannot be opened ({error})", where=url, cure="Install the fsspec package for this kind of URL."
            ) from error

    def _full(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def names(self) -> list[str]:
        """Names of all entries behind the URL, sorted; fetched anew each time."""
        try:
            entries = self._fs.ls(self._path, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self.url, error) from error
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)

    def size(self, name: str) -> int | None:
        """Length of a file in bytes, as the service states it."""
        try:
            return int(self._fs.size(self._full(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str, start: int = 0, size: int | None = None) -> memoryview:
        """The bytes asked for, in one request."""
        try:
            end = None if size is None else start + size
            return memoryview(self._fs.cat_file(self._full(name), start=start, end=end))
        except OSError as error:
            raise _unreadable(self.place(name), error) from error

    def remove(self, name: str) -> None:
        """Delete a file behind the URL."""
        with _removing(self.place(name)):
            self._fs.rm_file(self._full(name))

    def _open(self, name: str) -> IO[bytes]:
        self._fs.makedirs(self._path, exist_ok=True)
        file: IO[bytes] = self._fs.open(self._full(name), "wb")
        return file

    def _publish(self, partial: str, name: str) -> None:
        self.remove(name)
        self._fs.mv(self._full(partial), self._full(name))


def open_folder(url: str | os.PathLike[str]) -> Folder:
    """The folder at a path or an fsspec URL; it need not exist yet.

    Raises:
        ShardError: The URL is empty, or its protocol is unknown or its package not installed.
    """
    text = os.fspath(url)
    if not text:
        raise ShardError("the name of the shard folder is empty", cure="Give a name; '.' is the current folder.")
    return LocalFolder(text) if "://" not in text or text.startswith("file://") else RemoteFolder(text)


@contextmanager
def _removing(place: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ShardError(
            f"cannot be removed ({error.strerror or error})",
            where=place,
            cure="Give an output folder that you may write to.",
        ) from error


def _unreadable(place: str, error: OSError) -> ShardError:
    if isinstance(error, FileNotFoundError):
        return ShardError("no such file", where=place, cure=FETCH_AGAIN)
    return ShardError(f"cannot be read ({error.strerror or error})", where=place, cure="Check the disk or connection.")
