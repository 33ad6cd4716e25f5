"""Pixel counts of a drawing, read from the manifests of converted shards, not from pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.retarget_command import retarget_cure
from labelforge.shards import Manifest, open_folder, stored_mapping
from labelforge.taxonomy import Taxonomy

PixelCounts = Mapping[str, Mapping[str, int]]
"""Pixels by dataset and native name."""


def counted_mappings(
    tree: Taxonomy, folders: Sequence[str | os.PathLike[str]]
) -> tuple[tuple[LabelMapping, ...], PixelCounts]:
    """Label tables and pixel counts of converted splits, from their manifests; splits of one dataset are added up.

    Args:
        tree: The tree that the shards were converted to.
        folders: Shard folders or URLs.

    Returns:
        One label table per dataset, in the order of the folders, with a row for every label of any of its splits; the
        counts.

    Raises:
        ShardError: A manifest is missing or broken, belongs to another tree, or two of one dataset disagree.
    """
    records: dict[str, dict[str, dict[str, Any]]] = {}
    counts: dict[str, dict[str, int]] = {}
    for folder in folders:
        place = open_folder(folder)
        manifest = Manifest.load(place)
        cure = retarget_cure([folder], manifest.dataset, tree)
        if manifest.taxonomy.digest != tree.digest:
            what = f"these shards were made for another tree (taxonomy {manifest.taxonomy.name!r}), not {tree.name!r}"
            raise ShardError(what, where=folder, cure=cure)
        stored_mapping(manifest, tree, place)  # a broken row is found while its file is known
        rows = records.setdefault(manifest.dataset, {})
        pixels = counts.setdefault(manifest.dataset, {})
        for label in manifest.labels:
            record = label.model_dump(exclude={"pixels", "row"})
            if rows.setdefault(label.native_name, record) != record:
                what = f"gives {label.native_name!r} another meaning than the other shards of {manifest.dataset}"
                raise ShardError(what, where=folder, cure=cure)
            pixels[label.native_name] = pixels.get(label.native_name, 0) + label.pixels
    mappings = tuple(
        LabelMapping.from_records(tree, dataset, [record | {"row": row} for row, record in enumerate(rows.values())])
        for dataset, rows in records.items()
    )
    return mappings, counts
