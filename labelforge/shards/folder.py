"""What a folder of shards can do, wherever it is: on the local disk (`local_folder`) or behind a URL (`remote_folder`).

A final name never means a partial file: a file gets its name when it is complete.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import IO, ClassVar

from labelforge.errors import ShardError

FETCH_AGAIN = "Copy it again, or run the same convert command again."
"""What to do about a missing or truncated file in a folder of shards."""


class Folder(ABC):
    """A flat folder of files. Picklable: a worker process gets its own connection.

    Attributes:
        url: Path or URL, as given.
    """

    _to_write: ClassVar[str] = "Give an output folder that you may write to, on a disk with free space."

    def __init__(self, url: str) -> None:
        self.url = url

    def place(self, name: str) -> str:
        """Path or URL of a file in it, for messages."""
        return f"{self.url.rstrip('/')}/{name}"

    @staticmethod
    def temporary(name: str) -> str:
        """A name for a file while it is being written: another one each time, as two workers may make one shard."""
        return f".{name}.{secrets.token_hex(4)}.partial"

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all files and folders in it, sorted; empty where it does not exist."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Lengths of all files in it in bytes, by name; empty where it does not exist."""

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
    def read_several(self, names: Sequence[str]) -> list[memoryview | ShardError]:
        """Several whole small files as they are now; for a file that cannot be read, the error."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file; a missing one is no error.

        Raises:
            ShardError: It cannot be deleted.
        """

    @abstractmethod
    def making(self) -> AbstractContextManager[None]:
        """For the length of a block that makes the folder: if it fails, the folder is removed again, if it is empty.

        So are those above it that did not exist before. Behind a URL, only where removing spares what is not empty.
        """

    @abstractmethod
    def _writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file for writing that gets its name when the block ends, and leaves nothing if that raises an exception."""

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file: it gets its name when the block ends without an exception, and leaves nothing behind otherwise.

        Raises:
            ShardError: The folder cannot be written to.
        """
        try:
            with self._writing(name) as file:
                yield file
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            raise ShardError(what, where=self.place(name), cure=self._to_write) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file, which has its name only once it is complete; raises what `create` raises."""
        with self.create(name) as file:
            file.write(data)


@contextmanager
def removing(place: str) -> Iterator[None]:
    """Say it in one line if a file cannot be deleted; a missing one is no error.

    Raises:
        ShardError: It cannot be deleted.
    """
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


def unreadable(place: str, error: Exception) -> ShardError:
    """The error about a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return ShardError("no such file", where=place, cure=FETCH_AGAIN)
    what = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return ShardError(what, where=place, cure="Check the disk or connection.")
