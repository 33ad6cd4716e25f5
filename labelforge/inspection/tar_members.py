"""Whether a shard's tar file holds the members that its index lists, where it says, and nothing else."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Final

from labelforge.inspection.problems import Findings
from labelforge.shards import Folder, ShardIndex
from labelforge.shards.records import COPY_AGAIN

_BUFFER: Final = 1 << 14
_CHUNK: Final = 1 << 20
_NOT_OURS: Final = f"Another program changed it, or the index belongs to another shard. {COPY_AGAIN}"


class _StoredFile(io.RawIOBase):
    """A file of a folder as a binary file for reading, without a copy of it in memory."""

    def __init__(self, folder: Folder, name: str, size: int) -> None:
        self._folder, self._name, self._size, self._at = folder, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        piece = self._folder.read(self._name, self._at, min(len(buffer), self._size - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def check_members(folder: Folder, index: ShardIndex, size: int, findings: Findings) -> set[str]:
    """Compare a tar file's headers with an index; no content is read.

    Args:
        folder: Where the shard is.
        index: What should be in it.
        size: Length of the tar file.
        findings: Takes what is wrong.

    Returns:
        Keys of the samples whose members are all there.
    """
    stored: dict[tuple[str, int, int], int] = {}
    for info in _headers(folder, index.name, size, findings):
        stored[info.name, info.offset_data, info.size] = stored.get((info.name, info.offset_data, info.size), 0) + 1
    whole = set()
    for sample in index.samples:
        names = [(f"{sample.key}.{member.suffix}", member.offset, member.size) for member in sample.members]
        absent = [name for name in names if not stored.pop(name, 0)]
        if not absent:
            whole.add(sample.key)
        for name, offset, length in absent:
            what = f"the tar file has no member {name} of {length} bytes at byte {offset}, as its index says"
            findings.add(what, _NOT_OURS, sample=sample.key)
    for name, offset, _ in stored:
        findings.add(f"the tar file has a member {name} at byte {offset} that its index does not list", _NOT_OURS)
    return whole


def _headers(folder: Folder, name: str, size: int, findings: Findings) -> Iterator[tarfile.TarInfo]:
    """The regular members of a tar file one after the other; what lies between and behind them is noted.

    A header that cannot be read is passed over, so that one damaged byte does not hide all that follows.
    """
    end = 0  # of the member before
    file = io.BufferedReader(_StoredFile(folder, name, size), _BUFFER)
    try:
        with tarfile.open(fileobj=file, mode="r:", ignore_zeros=True) as tar:
            for info in tar:
                if info.offset < end:
                    findings.add(f"the tar file's header at byte {info.offset} lies inside another member", COPY_AGAIN)
                    return
                if info.offset > end:
                    what = f"the tar file's bytes {end} to {info.offset} are no member: a header is damaged"
                    findings.add(what, COPY_AGAIN)
                end = info.offset_data + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if info.isreg():
                    yield info
                else:
                    findings.add(f"the tar file's member {info.name} is no regular file", _NOT_OURS)
    except (tarfile.TarError, ValueError, OSError, EOFError, OverflowError) as error:
        findings.add(f"the tar file cannot be read from byte {end} on ({error})", COPY_AGAIN)
        return
    whole = -(-(end + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
    if any(any(folder.read(name, start, _CHUNK)) for start in range(end, size, _CHUNK)):
        findings.add(f"the tar file goes on after its last member, at byte {end}", COPY_AGAIN)
    elif size != whole:
        findings.add(f"the tar file has {size} bytes; with these members it would have {whole}", COPY_AGAIN)
