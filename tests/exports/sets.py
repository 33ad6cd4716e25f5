"""Shard sets made by hand or from tiny datasets, and oracles that know nothing of how exports are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters import convert
from labelforge.mapping import LabelMapping
from labelforge.shards import EncodedSample, Manifest, encode_image, encode_label, escape_key, open_folder, write_shard
from labelforge.shards.codec import ImageSuffix
from labelforge.taxonomy import Node, Taxonomy
from tests.converters.layouts import write_cityscapes, write_gtsdb, write_vistas
from tests.core.random_trees import leaf_names

Array = NDArray[Any]
TREE = Taxonomy.parse(
    "name: toy\ntree:\n  scene:\n    flat: [road, sidewalk]\n    vehicle: [car, truck]\n    sky:\nnodes:\n"
    "  road: {color: [128, 64, 128]}\n"
)
LABELS = {"road": "road", "ground": "flat", "car": "car", "movable": {"any": ["vehicle", "sky"]}, "dirt": "ignore"}
"""Labels of the hand-made dataset and what they mean in `TREE`."""


def table(labels: dict[str, Any] = LABELS, dataset: str = "toy-labels", tree: Taxonomy = TREE) -> LabelMapping:
    """A label table; native ids count from 0."""
    first = {"row": 0, "native_id": None, "native_name": "(none)", "target": "ignore", "supervision": "pixel"}
    rows = [
        {"row": i, "native_id": i - 1, "native_name": name, "target": target, "supervision": "pixel"}
        for i, (name, target) in enumerate(labels.items(), start=1)
    ]
    return LabelMapping.from_records(tree, dataset, [first, *rows])


def write_set(
    folder: Path,
    samples: dict[str, tuple[Array, ImageSuffix]],
    mapping: LabelMapping,
    tree: Taxonomy = TREE,
    split: str = "train",
) -> Path:
    """Shards of label maps by key; the images are noise."""
    encoded = []
    for number, (key, (rows, suffix)) in enumerate(samples.items()):
        image = np.random.default_rng(number).integers(0, 256, (*rows.shape, 3), dtype=np.uint8)
        counts = np.bincount(rows.ravel())
        members = (
            (suffix, encode_image(image, suffix)),
            ("label.png", encode_label(rows, [(0, 0, 0)] * len(mapping.rows))),
            ("json", json.dumps({"key": key}).encode()),
        )
        pixels = {row: int(count) for row, count in enumerate(counts) if count}
        encoded.append(EncodedSample(escape_key(key), members, rows.shape[0], rows.shape[1], pixels))
    place = open_folder(folder)
    index = write_shard(place, 0, encoded, options={}, inputs="")
    Manifest.build(tree, mapping, split, [index]).write(place)
    return folder


def toy_rows(seed: int = 0, height: int = 9, width: int = 13) -> Array:
    """(H, W) uint8 rows of `table()`, in blocks."""
    rng = np.random.default_rng(seed)
    rows: Array = rng.integers(0, 1 + len(LABELS), (height, width)).astype(np.uint8)
    return rows


def street_shards(folder: Path) -> list[Path]:
    """Cityscapes, Vistas (JPEG) and GTSDB (boxes), all for the tree streets."""
    write_cityscapes(folder / "cityscapes")
    write_vistas(folder / "vistas")
    write_gtsdb(folder / "gtsdb")
    for name, split in (("cityscapes", "train"), ("vistas", "validation"), ("gtsdb", "train")):
        dataset = "mapillary-vistas" if name == "vistas" else name
        convert(dataset, folder / name, folder / f"{name}-shards", split=split, taxonomy="streets")
    return [folder / f"{name}-shards" for name in ("cityscapes", "vistas", "gtsdb")]


@st.composite
def antichains(draw: st.DrawFn, tree: Taxonomy) -> list[Node]:
    """Some nodes of a tree, none of which lies below another."""
    chosen: list[Node] = []
    for node in draw(st.permutations(tree.nodes)):
        apart = all(set(node.leaves).isdisjoint(other.leaves) for other in chosen)
        if apart and draw(st.booleans()):
            chosen.append(node)
    return chosen or [tree.root]


def expected_class(tree: Taxonomy, meaning: set[str], nodes: Sequence[Node]) -> int | None:
    """The position of the node that holds all leaves that a label means, by walking the tree."""
    holding = [i for i, node in enumerate(nodes) if meaning and meaning <= leaf_names(tree, node)]
    return holding[0] if holding else None


def read_ids(path: Path) -> Array:
    """A label map as any program reads it."""
    with Image.open(path) as picture:
        return np.asarray(picture)
