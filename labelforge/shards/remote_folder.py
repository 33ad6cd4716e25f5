"""A folder of shards behind an fsspec URL: ``s3://bucket/shards``, ``gs://...``, ``sftp://...``, ``memory://...``.

A file is first written to a temporary file on this machine, and sent when it is complete; killed before that, nothing
of it is left anywhere. Object stores show an upload when all of it is there, so there it goes straight to its name:
they have no renaming, only copies. Everywhere else it is sent under a temporary name and renamed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, ClassVar, Final

from labelforge.errors import ShardError
from labelforge.leftovers import unmade
from labelforge.shards.folder import Folder, removing, unreadable

_OBJECT_STORES: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"})
"""Protocols behind which an upload is seen whole or not at all."""
_WITH_FOLDERS: Final = frozenset({"local", "sftp", "ssh"})
"""Protocols that have folders apart from files, and never remove one that holds something."""
_UPLOADS: Final = {"s3": {"chunksize": 1 << 23, "max_concurrency": 4}}
"""How large files are sent: s3fs would otherwise hold up to 500 MB in memory."""
_INSTALL: Final = "Install labelforge[s3] for s3://, or else the fsspec package for this kind of URL."


class RemoteFolder(Folder):
    """A folder behind an fsspec URL."""

    _to_write: ClassVar[str] = "Check the URL, the right to write there, and the free space for temporary files here."

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._connect()

    def _connect(self) -> None:
        import fsspec

        try:
            self._fs, self._path = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ShardError(f"cannot be opened ({error})", where=self.url, cure=_INSTALL) from error
        self._pid = os.getpid()
        protocol = (self._fs.protocol,) if isinstance(self._fs.protocol, str) else self._fs.protocol
        self._atomic = not _OBJECT_STORES.isdisjoint(protocol)
        self._has_folders = not _WITH_FOLDERS.isdisjoint(protocol)
        self._upload: dict[str, int] = next((_UPLOADS[name] for name in protocol if name in _UPLOADS), {})

    def __reduce__(self) -> tuple[type[RemoteFolder], tuple[str]]:
        return RemoteFolder, (self.url,)

    @property
    def _files(self) -> Any:
        """The file system; in a process forked from the one that opened it, a new connection."""
        if self._pid != os.getpid():
            self._connect()
        return self._fs

    def _full(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def names(self) -> list[str]:
        """Names of all entries behind the URL, sorted; fetched anew each time."""
        return sorted(self._listing())

    def sizes(self) -> dict[str, int]:
        """Lengths of all files behind the URL, from one listing."""
        return {name: int(entry["size"]) for name, entry in self._listing().items() if entry["type"] == "file"}

    def _listing(self) -> dict[str, dict[str, Any]]:
        try:
            with _any_fault(self.url):
                entries = self._files.ls(self._path, detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        here = self._path.rstrip("/")  # a store may list an object that stands for the folder itself
        paths = {str(entry["name"]).rstrip("/"): entry for entry in entries}
        return {path.rsplit("/", 1)[-1]: entry for path, entry in paths.items() if path != here}

    def size(self, name: str) -> int | None:
        """Length of a file in bytes, as the service states it now."""
        try:
            with _any_fault(self.place(name)):
                self._files.invalidate_cache(self._path)
                return int(self._files.size(self._full(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str, start: int = 0, size: int | None = None) -> memoryview:
        """The bytes asked for, in one request."""
        if size == 0:
            return memoryview(b"")
        try:
            with _any_fault(self.place(name)):
                end = None if size is None else start + size
                return memoryview(self._files.cat_file(self._full(name), start=start or None, end=end))
        except FileNotFoundError as error:
            raise unreadable(self.place(name), error) from error

    def read_several(self, names: Sequence[str]) -> list[memoryview | ShardError]:
        """Several whole files; a service that can answers all at the same time."""
        with _any_fault(self.url):
            found = self._files.cat_ranges([self._full(name) for name in names], None, None, on_error="return")
        return [
            unreadable(self.place(name), content) if isinstance(content, Exception) else memoryview(content)
            for name, content in zip(names, found, strict=True)
        ]

    def remove(self, name: str) -> None:
        """Delete a file behind the URL."""
        with removing(self.place(name)), _any_fault(self.place(name), "removed"):
            self._files.rm_file(self._full(name))

    def create_new(self, name: str, data: bytes) -> bool:
        """Write a small file if there is none of that name; False if there is.

        A service that can writes it only if it is new in one step; others are asked first, and two who ask at the same
        time both write.

        Raises:
            ShardError: It cannot be written.
        """
        if self.size(name) is not None:
            return False
        try:
            self._files.pipe_file(self._full(name), data, mode="create")
        except FileExistsError:
            return False
        except Exception:  # what a file system raises that does not know this, nobody lists
            self.write(name, data)
        return True

    def making(self) -> AbstractContextManager[None]:
        """See `Folder.making`."""
        above = [self._path.rstrip("/")] if self._has_folders else []
        with _any_fault(self.url):
            while above and above[-1] and not self._files.exists(above[-1]):
                above.append(above[-1].rpartition("/")[0])
        return unmade(above[:-1], self._files.rmdir)

    @contextmanager
    def _writing(self, name: str) -> Iterator[IO[bytes]]:
        with _nameless_file() as file:
            yield file
            file.flush()
            with _any_fault(self.place(name), "written", self._to_write):
                self._send(_path_of(file), name)

    def _send(self, file: str, name: str) -> None:
        if self._atomic:
            self._files.put_file(file, self._full(name), **self._upload)
            return
        partial = self._full(self.temporary(name))
        try:
            self._files.makedirs(self._path, exist_ok=True)
            self._files.put_file(file, partial)
            self.remove(name)  # not every service renames onto a file
            self._files.mv(partial, self._full(name))
        except BaseException:
            with suppress(Exception):
                self._files.rm_file(partial)
            raise


_TO_REACH: Final = "Check the URL, the credentials and the network."
_DESCRIPTORS: Final = Path("/proc/self/fd")


def _nameless_file() -> Any:
    """A temporary file, on Linux one that is in no folder, so that nothing is left of it if this process is killed.

    `_path_of` is a name by which it can be opened all the same.
    """
    return tempfile.TemporaryFile() if _DESCRIPTORS.is_dir() else tempfile.NamedTemporaryFile()


def _path_of(file: IO[bytes]) -> str:
    return str(_DESCRIPTORS / str(file.fileno())) if _DESCRIPTORS.is_dir() else file.name


@contextmanager
def _any_fault(place: str, done: str = "read", cure: str = _TO_REACH) -> Iterator[None]:
    """Say it in one line if a service fails; that there is no such file is the caller's to judge.

    Raises:
        FileNotFoundError: There is no such file.
        ShardError: Anything else: packages for services raise errors of their own, of which nothing is known here.
    """
    try:
        yield
    except (FileNotFoundError, ShardError):
        raise
    except Exception as error:
        what = f"cannot be {done} ({getattr(error, 'strerror', None) or error or type(error).__name__})"
        raise ShardError(what, where=place, cure=cure) from error
