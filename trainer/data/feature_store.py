"""Features of fixed crops on disk, computed once: a bounded folder that several runs may share at the same time.

    FOLDER/ab/abcdef....features      one crop: its maps and label rows (safetensors), then four bytes of CRC-32
    FOLDER/total, FOLDER/lock         bytes in all files, and the lock under which it changes

A file's name is a digest of everything that decides its content, so nothing is ever stale, and it gets this name when
it is whole. It is not flushed to the disk: what a crash has torn fails its CRC and is computed again. When the folder
is full, or the disk is, nothing more is added; nothing is thrown out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from filelock import FileLock
from safetensors import SafetensorError

from labelforge.files import writing_into

_SUFFIX = ".features"
_CRC = 4


class StoredCrop(NamedTuple):
    """What is kept of one crop."""

    maps: tuple[torch.Tensor, ...]
    """(C, h, w) float16 each: the backbone's maps."""
    local_rows: torch.Tensor
    """(H, W) uint8 or uint16 rows of the dataset's own label table, mirrored if the crop is."""
    flipped: bool
    """Whether the crop is mirrored."""


class FeatureStore:
    """Reads crops by name, and adds them while there is room. It can be pickled, for the workers that read.

    Args:
        folder: The folder; made if it is not there.
        recipe: Digest of what is the same for all crops of a run: the network, the augmentation.
        limit: Most bytes that all files of the folder may have together, whoever wrote them.

    Attributes:
        full: Whether nothing is added any more.

    Raises:
        ConfigError: The folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], recipe: str, limit: int) -> None:
        self.folder = Path(folder)
        self.full = False
        self._recipe = recipe
        self._limit = limit
        with writing_into(self.folder), self._lock():
            self._recount()

    def name(self, dataset: str, shard: str, key: str, view: int) -> str:
        """The name of a crop's file.

        Args:
            dataset: Name of the label space, which augmentation may depend on.
            shard: SHA-256 of the shard that holds the sample.
            key: The sample's key in it.
            view: Number of the view.
        """
        return hashlib.sha256("\n".join((self._recipe, dataset, shard, key, str(view))).encode()).hexdigest()

    def read(self, name: str) -> StoredCrop | None:
        """A stored crop; None if it is not there or is damaged."""
        try:
            data = self._file(name).read_bytes()
        except OSError:
            return None
        content, crc = data[:-_CRC], data[-_CRC:]
        if _crc(content) != crc:
            return None
        try:
            tensors = safetensors.torch.load(content)
            maps = tuple(tensors[f"map{number}"] for number in range(len(tensors) - 2))
            return StoredCrop(maps, tensors["rows"], bool(tensors["flipped"]))
        except (SafetensorError, KeyError):
            return None

    def add(self, name: str, crop: StoredCrop) -> str | None:
        """Store a crop if there is room; where a file of this name was damaged, this one takes its place.

        Returns:
            Why nothing is added from now on, once; else None.
        """
        if self.full:
            return None
        tensors = {f"map{number}": values.contiguous() for number, values in enumerate(crop.maps)}
        tensors |= {"rows": crop.local_rows.contiguous(), "flipped": torch.tensor(crop.flipped)}
        content = safetensors.torch.save(tensors)
        try:
            with self._lock():
                refusal = self._put(self._file(name), content + _crc(content))
        except OSError as fault:
            refusal = f"cannot be written to ({fault.strerror or fault})"
        self.full = refusal is not None
        return refusal

    def remove(self) -> None:
        """Remove the whole folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, file: Path, data: bytes) -> str | None:
        before = file.stat().st_size if file.exists() else 0
        total = self._total() + len(data) - before
        if total > self._limit:
            return f"is full: {self._total() / 1e9:.2f} of {self._limit / 1e9:.2f} GB"
        partial = file.with_name(f".{file.name}.partial")
        try:
            file.parent.mkdir(exist_ok=True)
            partial.write_bytes(data)
            partial.replace(file)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        self._write_total(total)
        return None

    def _recount(self) -> None:
        """Count the files; while this process has the lock, nobody is writing a partial one."""
        total = 0
        for file in self.folder.glob(f"??/*{_SUFFIX}*"):
            if file.name.endswith(_SUFFIX):
                total += file.stat().st_size
            else:
                file.unlink(missing_ok=True)
        self._write_total(total)

    def _total(self) -> int:
        return int((self.folder / "total").read_text())

    def _write_total(self, total: int) -> None:
        partial = self.folder / ".total.partial"
        partial.write_text(str(total))
        partial.replace(self.folder / "total")

    def _file(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}{_SUFFIX}"

    def _lock(self) -> FileLock:
        return FileLock(self.folder / "lock")


def _crc(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CRC, "little")
