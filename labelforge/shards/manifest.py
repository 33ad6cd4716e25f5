"""``manifest.json`` as validated data: what the whole of a shard folder holds.

It has the tree, the table that gives the rows of the label maps their meaning, the shards and the totals. It is written
when all shards are complete, each with an index of its own (`labelforge.shards.index`); so a folder with a manifest is
whole, and one without can be resumed from its indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.shards.folder import Folder
from labelforge.shards.index import ShardIndex, ShardSummary, SkippedSample
from labelforge.shards.records import VERSION, Record, parse
from labelforge.taxonomy import Taxonomy

MANIFEST_NAME: Final = "manifest.json"


class TaxonomyRecord(Record):
    """The tree that the targets refer to."""

    name: str = Field(description="The tree's name.")
    digest: str = Field(description="Hex digest of all that decides its targets and class ids.")
    definition: dict[str, Any] = Field(description="The whole tree, in the form of tree.yaml.")

    @classmethod
    def of(cls, tree: Taxonomy) -> TaxonomyRecord:
        """The record of a tree."""
        return cls(name=tree.name, digest=tree.digest, definition=tree.to_dict())


class LabelRecord(Record):
    """One row of the label table: what a value in the label maps means."""

    row: NonNegativeInt = Field(description="The value in the label maps.")
    native_id: int | None = Field(description="The value in the dataset's own files; null for 'no annotation'.")
    native_name: str = Field(description="The label's name in the dataset.")
    target: str | dict[str, Any] = Field(description="The label expression: a node, a union, or ignore.")
    supervision: Literal["pixel", "box"] = Field(description="What kind of annotation it comes from.")
    pixels: NonNegativeInt = Field(description="How many pixels of the label maps have this value.")


class ShardRecord(Record):
    """One shard of the list."""

    name: str = Field(pattern=r"^shard-\d{5,}\.tar$", description="File name.")
    sha256: str = Field(description="Hex digest of the file.")
    size: PositiveInt = Field(description="Length of the file in bytes.")
    samples: NonNegativeInt = Field(description="Number of samples in it.")


class Totals(Record):
    """Sums over all shards."""

    samples: NonNegativeInt = Field(description="Samples written.")
    pixels: NonNegativeInt = Field(description="Pixels of their label maps.")
    used: NonNegativeInt = Field(description="Pixels whose label means something in the tree.")
    ignored: NonNegativeInt = Field(description="Pixels that are annotated, with a label that the tree ignores.")
    unannotated: NonNegativeInt = Field(description="Pixels without annotation.")
    skipped: tuple[SkippedSample, ...] = Field((), description="Source samples that were left out, with the reason.")
    remarks: dict[str, PositiveInt] = Field(
        default_factory=dict, description="What was done to samples that the user should know -> to how many."
    )


class Manifest(Record):
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
        indexes: Iterable[ShardIndex | ShardSummary],
        *,
        protocol: Protocol | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """The manifest of finished shards, with the pixels of every label and the totals.

        Args:
            tree: The tree that the labels are mapped to.
            mapping: The label table behind the label maps.
            split: The dataset's own name of the split.
            indexes: The indexes of all shards, or what matters of them, in order.
            protocol: How the dataset's benchmark scores.
            options: What the conversion was asked for.
        """
        shards = [index if isinstance(index, ShardSummary) else index.summary() for index in indexes]
        counts: Counter[int] = Counter()
        remarks: Counter[str] = Counter()
        for shard in shards:
            counts.update(shard.pixels)
            remarks.update(shard.remarks)
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
                ShardRecord(name=shard.name, sha256=shard.sha256, size=shard.size, samples=shard.samples)
                for shard in shards
            ),
            totals=Totals(
                samples=sum(shard.samples for shard in shards),
                pixels=sum(pixels),
                skipped=tuple(skipped for shard in shards for skipped in shard.skipped),
                remarks=dict(sorted(remarks.items())),
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
            if not folder.names():
                cure = "Give a folder that labelforge convert wrote."
                raise ShardError("no such folder, or an empty one", where=folder.url, cure=cure)
            raise ShardError(
                f"holds no {MANIFEST_NAME}: it has no shards, or their conversion did not finish",
                where=folder.url,
                cure="Give a folder that labelforge convert wrote, or run the same convert command again to resume it.",
            )
        return parse(cls, folder.read(MANIFEST_NAME), folder.place(MANIFEST_NAME))

    def write(self, folder: Folder) -> None:
        """Write ``manifest.json``, atomically."""
        folder.write(MANIFEST_NAME, (self.model_dump_json(indent=1) + "\n").encode())


def _labels(mapping: LabelMapping, pixels: Sequence[int]) -> tuple[LabelRecord, ...]:
    """The label table with the number of pixels of each of its rows."""
    rows = zip(mapping.to_records(), pixels, strict=True)
    return tuple(LabelRecord(**record, pixels=count) for record, count in rows)


def _uses(mapping: LabelMapping, pixels: Sequence[int]) -> dict[str, int]:
    """How many of the pixels of all rows are used, ignored and not annotated."""
    ignored = sum(pixels[row.row] for row in mapping.rows[1:] if row.target.ignored)
    return {"used": sum(pixels) - pixels[0] - ignored, "ignored": ignored, "unannotated": pixels[0]}
