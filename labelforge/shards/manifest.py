"""The two JSON files of a shard folder, as validated data.

``manifest.json`` describes the whole: the tree, the table that gives the rows of the label maps their meaning, the
shards and the totals. ``shard-00000.index.json`` describes one shard: where each member of each sample is. An index is
written when its shard is complete, the manifest when all are; so a folder with a manifest is whole, and one without can
be resumed from its indexes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.shards.storage import Folder
from labelforge.taxonomy import Taxonomy

VERSION: Final = 1
"""Version of the shard format that this code writes and reads."""
MANIFEST_NAME: Final = "manifest.json"
COPY_AGAIN: Final = "Copy it again, or run convert again with --overwrite."
"""What to do about a damaged file in a folder of shards."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Record):
    """One file inside a shard."""

    suffix: str = Field(min_length=1, description="Its name after the key and a dot: jpg, label.png, json.")
    offset: NonNegativeInt = Field(multiple_of=512, description="First byte of its content in the tar file.")
    size: NonNegativeInt = Field(description="Length of its content in bytes.")


class SampleRecord(_Record):
    """One sample of a shard."""

    key: str = Field(min_length=1, description="Name of its members up to the first dot.")
    height: PositiveInt = Field(description="Rows of the image and of the label map.")
    width: PositiveInt = Field(description="Columns of both.")
    members: tuple[Member, ...] = Field(description="Image, label map and json, in the order of the tar file.")
    pixels: dict[NonNegativeInt, PositiveInt] = Field(
        description="Pixels per row of the label table; rows without pixels are left out."
    )


class SkippedSample(_Record):
    """A source sample that was left out because it is broken."""

    key: str = Field(description="Its name in the dataset.")
    reason: str = Field(description="What is wrong, where, and the cure.")


class ShardIndex(_Record):
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
        return _load(cls, folder, index_name(name))


class TaxonomyRecord(_Record):
    """The tree that the targets refer to."""

    name: str = Field(description="The tree's name.")
    digest: str = Field(description="Hex digest of all that decides its targets and class ids.")
    definition: dict[str, Any] = Field(description="The whole tree, in the form of tree.yaml.")

    @classmethod
    def of(cls, tree: Taxonomy) -> TaxonomyRecord:
        """The record of a tree."""
        return cls(name=tree.name, digest=tree.digest, definition=tree.to_dict())


class LabelRecord(_Record):
    """One row of the label table: what a value in the label maps means."""

    row: NonNegativeInt = Field(description="The value in the label maps.")
    native_id: int | None = Field(description="The value in the dataset's own files; null for 'no annotation'.")
    native_name: str = Field(description="The label's name in the dataset.")
    target: str | dict[str, Any] = Field(description="The label expression: a node, a union, or ignore.")
    supervision: Literal["pixel", "box"] = Field(description="What kind of annotation it comes from.")
    pixels: NonNegativeInt = Field(description="How many pixels of the label maps have this value.")


class ShardRecord(_Record):
    """One shard of the list."""

    name: str = Field(pattern=r"^shard-\d{5,}\.tar$", description="File name.")
    sha256: str = Field(description="Hex digest of the file.")
    size: PositiveInt = Field(description="Length of the file in bytes.")
    samples: NonNegativeInt = Field(description="Number of samples in it.")


class Totals(_Record):
    """Sums over all shards."""

    samples: NonNegativeInt = Field(description="Samples written.")
    pixels: NonNegativeInt = Field(description="Pixels of their label maps.")
    used: NonNegativeInt = Field(description="Pixels whose label means something in the tree.")
    ignored: NonNegativeInt = Field(description="Pixels that are annotated, with a label that the tree ignores.")
    unannotated: NonNegativeInt = Field(description="Pixels without annotation.")
    skipped: tuple[SkippedSample, ...] = Field((), description="Source samples that were left out, with the reason.")


class Manifest(_Record):
    """``manifest.json``: what a folder of shards holds and what its label maps mean."""

    version: int = Field(description="Version of the format.")
    dataset: str = Field(description="Name of the label space.")
    split: str = Field(description="The dataset's own name of the split.")
    taxonomy: TaxonomyRecord = Field(description="The tree that the targets refer to.")
    mapping_digest: str = Field(description="Hex digest of the label table's meaning.")
    labels: tuple[LabelRecord, ...] = Field(min_length=1, description="The label table; row 0 = no annotation.")
    protocol: Protocol | None = Field(None, description="How the dataset's benchmark scores, from its label space.")
    options: dict[str, Any] = Field(description="What the conversion was asked for.")
    shards: tuple[ShardRecord, ...] = Field(description="The shards, in order.")
    totals: Totals = Field(description="Sums over all shards.")

    @classmethod
    def build(
        cls,
        tree: Taxonomy,
        mapping: LabelMapping,
        split: str,
        indexes: Sequence[ShardIndex],
        *,
        protocol: Protocol | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """The manifest of finished shards, with the pixels of every label and the totals.

        Args:
            tree: The tree that the labels are mapped to.
            mapping: The label table behind the label maps.
            split: The dataset's own name of the split.
            indexes: The indexes of all shards, in order.
            protocol: How the dataset's benchmark scores.
            options: What the conversion was asked for.
        """
        samples = [sample for index in indexes for sample in index.samples]
        counts: Counter[int] = Counter()
        for sample in samples:
            counts.update(sample.pixels)
        pixels = [counts[row.row] for row in mapping.rows]
        return cls(
            version=VERSION,
            dataset=mapping.dataset,
            split=split,
            taxonomy=TaxonomyRecord.of(tree),
            mapping_digest=mapping.digest,
            labels=_labels(mapping, pixels),
            protocol=protocol,
            options=dict(options or {}),
            shards=tuple(
                ShardRecord(name=i.name, sha256=i.sha256, size=i.size, samples=len(i.samples)) for i in indexes
            ),
            totals=Totals(
                samples=len(samples),
                pixels=sum(pixels),
                skipped=tuple(skipped for index in indexes for skipped in index.skipped),
                **_uses(mapping, pixels),
            ),
        )

    def retargeted(self, tree: Taxonomy, mapping: LabelMapping, protocol: Protocol | None) -> Manifest:
        """The manifest of the same shards for another tree.

        Args:
            tree: The other tree.
            mapping: A label table that maps to it, with as many rows as this one.
            protocol: How the dataset's benchmark scores.
        """
        pixels = [record.pixels for record in self.labels]
        return self.model_copy(
            update={
                "taxonomy": TaxonomyRecord.of(tree),
                "mapping_digest": mapping.digest,
                "labels": _labels(mapping, pixels),
                "protocol": protocol,
                "totals": self.totals.model_copy(update=_uses(mapping, pixels)),
            }
        )

    @classmethod
    def load(cls, folder: Folder) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            ShardError: There is none, or it is damaged or of another version.
        """
        if folder.size(MANIFEST_NAME) is None:
            raise ShardError(
                f"holds no {MANIFEST_NAME}: it has no shards, or their conversion did not finish",
                where=folder.url,
                cure="Give a folder that labelforge convert wrote, or run the same convert command again to resume it.",
            )
        return _load(cls, folder, MANIFEST_NAME)

    def write(self, folder: Folder) -> None:
        """Write ``manifest.json``, atomically."""
        folder.write(MANIFEST_NAME, (self.model_dump_json(indent=1) + "\n").encode())


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.tar"


def index_name(shard: str) -> str:
    """File name of a shard's index."""
    return shard.removesuffix(".tar") + ".index.json"


def _labels(mapping: LabelMapping, pixels: Sequence[int]) -> tuple[LabelRecord, ...]:
    """The label table with the number of pixels of each of its rows."""
    rows = zip(mapping.to_records(), pixels, strict=True)
    return tuple(LabelRecord(**record, pixels=count) for record, count in rows)


def _uses(mapping: LabelMapping, pixels: Sequence[int]) -> dict[str, int]:
    """How many of the pixels of all rows are used, ignored and not annotated."""
    ignored = sum(pixels[row.row] for row in mapping.rows[1:] if row.target.ignored)
    return {"used": sum(pixels) - pixels[0] - ignored, "ignored": ignored, "unannotated": pixels[0]}


Model = TypeVar("Model", Manifest, ShardIndex)


def _load(model: type[Model], folder: Folder, name: str) -> Model:
    place = folder.place(name)
    try:
        content = json.loads(bytes(folder.read(name)))
    except (ValueError, RecursionError) as error:
        raise ShardError(f"is not JSON ({error}): damaged or cut short", where=place, cure=COPY_AGAIN) from error
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise ShardError("is not a labelforge file: it states no version", where=place, cure=COPY_AGAIN)
    if version != VERSION:
        cure = "Update labelforge." if version > VERSION else "Convert the dataset again."
        raise ShardError(f"has format version {version}; this labelforge reads {VERSION}", where=place, cure=cure)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise ShardError(f"{at}: {first['msg']}", where=place, cure=COPY_AGAIN) from error
