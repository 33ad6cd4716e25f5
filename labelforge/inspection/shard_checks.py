"""Checks one shard: its length, its digest, its members, and every sample in it."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.errors import LabelforgeError, listed
from labelforge.inspection.problems import Findings
from labelforge.inspection.tar_members import check_members
from labelforge.shards import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIX,
    Folder,
    ShardIndex,
    ShardRecord,
    escape_key,
    open_folder,
)
from labelforge.shards.codec import decode_image, decode_label
from labelforge.shards.index import SampleRecord
from labelforge.shards.records import COPY_AGAIN

_CHUNK: Final = 1 << 24
_PIECE: Final = 1 << 20  # pixels counted at once
_CONVERT_AGAIN: Final = "Run convert again with --overwrite."
_UNDECODABLE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    MemoryError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class ShardTask:
    """What a process needs to know to check a shard. Picklable.

    Attributes:
        url: The folder.
        record: What the manifest says of the shard.
        labels: How many rows the label table has.
        quick: Leave out all that needs the content of members.
    """

    url: str
    record: ShardRecord
    labels: int
    quick: bool

    def run(self, advance: Callable[[int], None] | None = None) -> Findings:
        """Check the shard. That it or its index is missing is for the folder's checks to say.

        Args:
            advance: Called with the number of samples done since the last call.
        """
        folder = open_folder(self.url)
        findings = Findings(folder.place(self.record.name))
        size = folder.size(self.record.name)
        try:
            if size is not None:
                self._check(folder, size, findings, advance or (lambda _: None))
        except LabelforgeError as fault:
            findings.add(fault.what, fault.cure or COPY_AGAIN, where=fault.where)
        return findings

    def _check(self, folder: Folder, size: int, findings: Findings, advance: Callable[[int], None]) -> None:
        record = self.record
        if size != record.size:
            fault = "cut short" if size < record.size else "longer than it was written"
            findings.add(f"{fault}: {size} bytes instead of {record.size}", COPY_AGAIN)
        elif not self.quick and _digest(folder, record.name, size) != record.sha256:
            findings.add("its content has changed since it was written (SHA-256 differs)", COPY_AGAIN)
        try:
            index = ShardIndex.load(folder, record.name)
        except LabelforgeError:  # the folder's checks say so
            advance(record.samples)
            return
        if index.name != record.name:
            advance(record.samples)
            return
        whole = check_members(folder, index, size, findings)
        for sample in index.samples:
            if sample.key in whole and not self.quick:
                for what, cure in check_sample(folder, record.name, sample, self.labels):
                    findings.add(what, cure, sample=sample.key)
            advance(1)


def _digest(folder: Folder, name: str, size: int) -> str:
    sha256 = hashlib.sha256()
    for start in range(0, size, _CHUNK):
        sha256.update(folder.read(name, start, _CHUNK))
    return sha256.hexdigest()


def check_sample(folder: Folder, shard: str, sample: SampleRecord, labels: int) -> list[tuple[str, str]]:
    """What is wrong with the members of one sample: (what, cure) each.

    Args:
        folder: Where the shard is.
        shard: Its name.
        sample: What the index says.
        labels: How many rows the label table has.
    """
    suffixes = [member.suffix for member in sample.members]
    members = {m.suffix: folder.read(shard, m.offset, m.size) for m in sample.members}
    images = [suffix for suffix in suffixes if suffix in IMAGE_SUFFIXES]
    found = []
    if len(images) != 1:
        which = "no image" if not images else f"{len(images)} images ({', '.join(images)})"
        found.append((f"has {which}", _CONVERT_AGAIN))
    found += [
        (f"has {suffixes.count(suffix) or 'no'} members {suffix}", _CONVERT_AGAIN)
        for suffix in (LABEL_SUFFIX, "json")
        if suffixes.count(suffix) != 1
    ]
    if len(images) == 1:
        found += _check_image(members[images[0]], images[0], sample)
    if LABEL_SUFFIX in members:
        found += _check_label(members[LABEL_SUFFIX], sample, labels)
    if "json" in members:
        found += _check_meta(members["json"], sample)
    return found


def _check_image(data: memoryview, suffix: str, sample: SampleRecord) -> list[tuple[str, str]]:
    size = (sample.height, sample.width)
    try:
        stated = _stated_size(data, suffix)  # decoded is only what has the right size: a header can claim gigabytes
        if stated is None or stated == size:
            stated = decode_image(data, suffix).shape[:2]
    except _UNDECODABLE as error:
        return [(f"its image cannot be decoded ({error})", COPY_AGAIN)]
    return [] if stated == size else [(f"its image is {_shown(stated)}, and its index says {_shown(size)}", COPY_AGAIN)]


def _check_label(data: memoryview, sample: SampleRecord, labels: int) -> list[tuple[str, str]]:
    size = (sample.height, sample.width)
    try:
        stated = _stated_size(data, "png")
        rows = decode_label(data) if stated == size else None
    except _UNDECODABLE as error:
        return [(f"its label map cannot be decoded ({error})", COPY_AGAIN)]
    if rows is None or rows.shape != size:
        shape = stated if rows is None else rows.shape
        return [(f"its label map is {_shown(shape)}, and its index says {_shown(size)}", COPY_AGAIN)]
    counts = _count(rows)
    found = []
    beyond = {value: count for value, count in counts.items() if value >= labels}
    if beyond:
        which = listed(f"{value} ({count} pixels)" for value, count in beyond.items())
        found.append(
            (f"its label map has values above {labels - 1}, the last of the label table: {which}", _CONVERT_AGAIN)
        )
    if counts != sample.pixels:
        differ = sorted(value for value in counts | sample.pixels if counts.get(value) != sample.pixels.get(value))
        which = listed(f"{v}: {counts.get(v, 0)}, not {sample.pixels.get(v, 0)}" for v in differ)
        found.append((f"its label map has other pixel counts than its index says (row {which})", _CONVERT_AGAIN))
    flat = rows.reshape(-1)
    astray = [row for row, places in sample.positions.items() if any(p >= flat.size or flat[p] != row for p in places)]
    if astray:
        found.append((f"its index names pixels that do not show their label (row {listed(astray)})", _CONVERT_AGAIN))
    return found


def _check_meta(data: memoryview, sample: SampleRecord) -> list[tuple[str, str]]:
    try:
        meta = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        return [(f"its json is no JSON ({error})", COPY_AGAIN)]
    if not isinstance(meta, dict):
        return [("its json is no JSON object", COPY_AGAIN)]
    found = []
    key, size = meta.get("key"), meta.get("size")
    if isinstance(key, str) and escape_key(key) != sample.key:
        found.append((f"its json belongs to another sample, {key}", COPY_AGAIN))
    if isinstance(size, list) and size != [sample.height, sample.width]:
        found.append((f"its json says {_shown(tuple(size))}, and its index {sample.width}x{sample.height}", COPY_AGAIN))
    return found


def _stated_size(data: memoryview, suffix: str) -> tuple[int, int] | None:
    """(height, width) by the header of a JPEG or PNG; None for npy, which claims no more than is there."""
    if suffix == "npy":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the index says that so large is right
        with Image.open(io.BytesIO(data), formats=["PNG" if suffix == "png" else "JPEG"]) as picture:
            return picture.height, picture.width


def _count(rows: NDArray[Any]) -> dict[int, int]:
    """Pixels per value, a part of the picture at a time."""
    counts = np.zeros(1 << 16, np.int64)
    flat = rows.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        part = np.bincount(flat[start : start + _PIECE])
        counts[: len(part)] += part
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _shown(size: tuple[Any, ...] | None) -> str:
    """A (height, width) as people write it."""
    return "x".join(str(side) for side in reversed(size or ()))
