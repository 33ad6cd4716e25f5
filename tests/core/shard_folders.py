"""Small shard folders made by hand: encoded samples in, a folder with a manifest out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.mapping import LabelMapping
from labelforge.shards import (
    EncodedSample,
    LabelRecord,
    Manifest,
    ShardIndex,
    ShardRecord,
    TaxonomyRecord,
    Totals,
    encode_image,
    encode_label,
    escape_key,
    open_folder,
    write_shard,
)
from labelforge.shards.codec import ImageSuffix
from labelforge.taxonomy import Taxonomy

Array = NDArray[Any]
TREE = Taxonomy.parse("name: toy\ntree:\n  scene:\n    flat: [road, sidewalk]\n    car:\n")


def mapping(labels: int) -> LabelMapping:
    """A label table of ``labels`` native labels (ids 0, 1, ...) and row 0; they mean road, sidewalk and car in turn."""
    meanings = ["road", "sidewalk", "car"]
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "(no annotation)", "target": "ignore", "supervision": "pixel"}
    ]
    records += [
        {
            "row": i + 1,
            "native_id": i,
            "native_name": f"label {i}",
            "target": meanings[i % 3],
            "supervision": "pixel",
        }
        for i in range(labels)
    ]
    return LabelMapping.from_records(TREE, "toy-labels", records)


def encoded(
    key: str, image: Array, label: Array, palette: Sequence[tuple[int, int, int]], suffix: ImageSuffix = "png"
) -> EncodedSample:
    """A sample as the writer takes it."""
    counts = np.bincount(label.ravel())
    members = (
        (suffix, encode_image(image, suffix)),
        ("label.png", encode_label(label, palette)),
        ("json", json.dumps({"name": key}).encode()),
    )
    pixels = {i: int(n) for i, n in enumerate(counts) if n}
    height, width = label.shape
    return EncodedSample(escape_key(key), members, height, width, pixels)


def write(folder: str | Path, shards: Sequence[Sequence[EncodedSample]], table: LabelMapping) -> Manifest:
    """Shards, indexes and manifest."""
    place = open_folder(folder)
    indexes = [write_shard(place, i, samples, options={}, inputs="") for i, samples in enumerate(shards)]
    manifest = manifest_of(indexes, table)
    manifest.write(place)
    return manifest


def manifest_of(indexes: Sequence[ShardIndex], table: LabelMapping) -> Manifest:
    """The manifest of finished shards."""
    samples = [sample for index in indexes for sample in index.samples]
    pixels = {row.row: sum(sample.pixels.get(row.row, 0) for sample in samples) for row in table.rows}
    total = sum(pixels.values())
    return Manifest(
        version=1,
        dataset=table.dataset,
        split="train",
        taxonomy=TaxonomyRecord(name=TREE.name, digest=TREE.digest, definition=TREE.to_dict()),
        mapping_digest=table.digest,
        labels=tuple(LabelRecord(**record, pixels=pixels[record["row"]]) for record in table.to_records()),
        options={},
        shards=tuple(ShardRecord(name=i.name, sha256=i.sha256, size=i.size, samples=len(i.samples)) for i in indexes),
        totals=Totals(samples=len(samples), pixels=total, used=total - pixels[0], ignored=0, unannotated=pixels[0]),
    )
