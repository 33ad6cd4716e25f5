"""Small shard folders made by hand: encoded samples in, a folder with a manifest out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.shards import (
    EncodedSample,
    Manifest,
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


def write(
    folder: str | Path,
    shards: Sequence[Sequence[EncodedSample]],
    table: LabelMapping,
    tree: Taxonomy = TREE,
    protocol: Protocol | None = None,
) -> Manifest:
    """Shards, indexes and manifest."""
    place = open_folder(folder)
    indexes = [write_shard(place, i, samples, options={}, inputs="") for i, samples in enumerate(shards)]
    manifest = Manifest.build(tree, table, "train", indexes, protocol=protocol)
    manifest.write(place)
    return manifest
