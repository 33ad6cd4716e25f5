"""Writes one shard: a plain tar file of encoded samples, and then its index.

The bytes depend only on the samples: no times, owners or facts about the machine are stored, and the index is written
last. Every member's content starts at a multiple of 512 bytes, uncompressed, as in any plain tar file.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO, Any
from urllib.parse import quote

from labelforge.shards.folder import Folder
from labelforge.shards.index import Member, SampleRecord, ShardIndex, SkippedSample, index_name, shard_name
from labelforge.shards.records import VERSION

_BLOCK = tarfile.BLOCKSIZE
_COPY = 1 << 22  # bytes written at once: the content of most members


@dataclass(frozen=True)
class EncodedSample:
    """A sample ready to be stored.

    Attributes:
        key: Its key, escaped (`escape_key`).
        members: (suffix, content) in the order of storage: image, label map, json.
        height: Rows of image and label map.
        width: Columns of both.
        pixels: Row of the label table -> number of pixels, rows without pixels left out.
        positions: Row of the label table -> numbers ``y * width + x`` of a few of its pixels.
    """

    key: str
    members: tuple[tuple[str, bytes], ...]
    height: int
    width: int
    pixels: Mapping[int, int]
    positions: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


def escape_key(key: str) -> str:
    """A sample's name as the key of its members: percent-encoded where tar or webdataset would misread it.

    WebDataset takes everything before the first dot as the key, so dots become ``%2E``. All other characters but ASCII
    letters, digits, ``_``, ``-``, ``~`` and ``/`` are encoded too, as are slashes that would make an absolute or empty
    name.
    Different names always give different keys; `urllib.parse.unquote` gives the name back.
    """
    parts = [quote(part, safe="~").replace(".", "%2E") for part in key.split("/")]
    escaped = parts[0]
    for before, part in pairwise(parts):
        escaped += ("/" if before and part else "%2F") + part
    return escaped


class _HashingFile:
    """Passes writes on and tracks their SHA-256 and length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size


def write_shard(
    folder: Folder,
    number: int,
    samples: Iterable[EncodedSample | SkippedSample],
    *,
    options: Mapping[str, Any],
    inputs: str,
) -> ShardIndex:
    """Write ``shard-<number>.tar`` and its index, replacing older ones.

    Args:
        folder: Where to.
        number: The shard's number, from 0.
        samples: Its samples in order; they are taken one at a time. Skipped ones are only listed.
        options: What the conversion was asked for; kept in the index.
        inputs: Digest of all that decides the shard's bytes; kept in the index.

    Returns:
        The index, as written.

    Raises:
        ShardError: The folder cannot be written to. Whatever ``samples`` raises passes through; no file is left then.
    """
    name = shard_name(number)
    folder.remove(index_name(name))  # before its shard changes: an index always describes the shard that is there
    records: list[SampleRecord] = []
    skipped: list[SkippedSample] = []
    with folder.create(name) as file:
        out = _HashingFile(file)
        with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_COPY) as tar:  # type: ignore[arg-type]
            for sample in samples:
                if isinstance(sample, SkippedSample):
                    skipped.append(sample)
                else:
                    records.append(_add(tar, sample))
    index = ShardIndex(
        version=VERSION,
        name=name,
        sha256=out.sha256.hexdigest(),
        size=out.size,
        options=dict(options),
        inputs=inputs,
        samples=tuple(records),
        skipped=tuple(skipped),
    )
    folder.write(index_name(name), (index.model_dump_json() + "\n").encode())
    return index


def _add(tar: tarfile.TarFile, sample: EncodedSample) -> SampleRecord:
    members = []
    for suffix, content in sample.members:
        info = tarfile.TarInfo(f"{sample.key}.{suffix}")  # mtime 0, owner 0, mode 0644: the same on every machine
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        stored = -(-len(content) // _BLOCK) * _BLOCK
        members.append(Member(suffix=suffix, offset=tar.offset - stored, size=len(content)))
    return SampleRecord(
        key=sample.key,
        height=sample.height,
        width=sample.width,
        members=tuple(members),
        pixels={row: sample.pixels[row] for row in sorted(sample.pixels)},
        positions={row: sample.positions[row] for row in sorted(sample.positions)},
    )
