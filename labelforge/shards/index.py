"""``shard-00000.index.json`` as validated data: what one shard holds, and where each member of each sample is.

An index is written when its shard is complete. A whole folder of them is large (some hundred bytes per label and
sample), so what must be kept of a shard while others are made is a `ShardSummary`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field, NonNegativeInt, PositiveInt

from labelforge.errors import ShardError
from labelforge.shards.folder import Folder
from labelforge.shards.records import Record, parse

_AT_ONCE: Final = 32
"""Indexes that are read together: enough to wait for a service seldom, few enough to keep in memory."""


class Member(Record):
    """One file inside a shard."""

    suffix: str = Field(min_length=1, description="Its name after the key and a dot: jpg, label.png, json.")
    offset: NonNegativeInt = Field(multiple_of=512, description="First byte of its content in the tar file.")
    size: NonNegativeInt = Field(description="Length of its content in bytes.")


class SampleRecord(Record):
    """One sample of a shard."""

    key: str = Field(min_length=1, description="Name of its members up to the first dot.")
    height: PositiveInt = Field(description="Rows of the image and of the label map.")
    width: PositiveInt = Field(description="Columns of both.")
    members: tuple[Member, ...] = Field(description="Image, label map and json, in the order of the tar file.")
    pixels: dict[NonNegativeInt, PositiveInt] = Field(
        description="Pixels per row of the label table; rows without pixels are left out."
    )
    positions: dict[PositiveInt, tuple[NonNegativeInt, ...]] = Field(
        default_factory=dict,
        description="A few pixels of each row but row 0, drawn at random: their numbers y * width + x.",
    )


class SkippedSample(Record):
    """A source sample that was left out because it is broken."""

    key: str = Field(description="Its name in the dataset.")
    reason: str = Field(description="What is wrong, where, and the cure.")


@dataclass(frozen=True)
class ShardSummary:
    """What the manifest needs to know of a shard.

    Attributes:
        name: File name.
        sha256: Hex digest of the file.
        size: Its length in bytes.
        samples: Number of samples in it.
        pixels: Pixels per row of the label table, over its samples.
        skipped: Source samples that were left out.
    """

    name: str
    sha256: str
    size: int
    samples: int
    pixels: Mapping[int, int]
    skipped: tuple[SkippedSample, ...]


class ShardIndex(Record):
    """``shard-00000.index.json``: what one shard holds."""

    version: int = Field(description="Version of the format.")
    name: str = Field(description="The shard's file name.")
    sha256: str = Field(description="Hex digest of the tar file.")
    size: PositiveInt = Field(description="Length of the tar file in bytes.")
    options: dict[str, Any] = Field(description="What the conversion was asked for.")
    inputs: str = Field(
        description="Hex digest of the options, the source files' boxes, names and sizes, and the palette."
    )
    samples: tuple[SampleRecord, ...] = Field(description="In the order of the tar file.")
    skipped: tuple[SkippedSample, ...] = Field((), description="Source samples that were left out.")

    @classmethod
    def load(cls, folder: Folder, name: str) -> ShardIndex:
        """Read the index of a shard.

        Raises:
            ShardError: The file is missing, damaged or of another version.
        """
        file = index_name(name)
        return parse(cls, folder.read(file), folder.place(file))

    @classmethod
    def load_all(cls, folder: Folder, names: Sequence[str]) -> Iterator[ShardIndex | ShardError]:
        """Read the indexes of many shards, some at a time; for one that cannot be read, its error is given.

        Args:
            folder: Where they are.
            names: File names of the shards.
        """
        for start in range(0, len(names), _AT_ONCE):
            files = [index_name(name) for name in names[start : start + _AT_ONCE]]
            for file, content in zip(files, folder.read_several(files), strict=True):
                if isinstance(content, ShardError):
                    yield content
                    continue
                try:
                    yield parse(cls, content, folder.place(file))
                except ShardError as error:
                    yield error

    def summary(self) -> ShardSummary:
        """What the manifest needs to know of it."""
        pixels: Counter[int] = Counter()
        for sample in self.samples:
            pixels.update(sample.pixels)
        return ShardSummary(self.name, self.sha256, self.size, len(self.samples), dict(pixels), self.skipped)


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.tar"


def index_name(shard: str) -> str:
    """File name of a shard's index."""
    return shard.removesuffix(".tar") + ".index.json"
