"""Shards for the tests of the gallery page: known frames, several datasets of one tree, and hostile names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from labelforge.mapping import LabelMapping
from labelforge.shards import EncodedSample, Manifest, ShardReader, open_folder, write_shard
from labelforge.taxonomy import Taxonomy
from tests.core import shard_folders
from tests.core.drawing_samples import CLOSING, HOSTILE

TREE = Taxonomy.parse(
    """
name: toy
tree:
  scene:
    flat: [road, path]
    sign: [stop, give way]
    car:
nodes:
  road: {color: [128, 64, 128]}
  path: {color: [0, 200, 0]}
  stop: {color: [255, 0, 0]}
  give way: {color: [0, 0, 255]}
  car: {color: [0, 0, 142]}
"""
)
FIRST = {"street": "road", "board": "stop", "vehicle": "car", "junk": {"ignore": "of no use"}, "nowhere": "path"}
SECOND = {"ground": {"any": ["road", "path"]}, "yield": "give way", "wide": {"any": ["stop", "car"]}}
NASTY = (*HOSTILE, CLOSING, "two\nlines\ttab", "\u202eright to left\u202c", "\x1b[31mred\x00", "x" * 300)
"""Names that mean something to HTML, JSON, JavaScript, terminals or the direction of text."""


def table(dataset: str, meanings: dict[str, Any]) -> LabelMapping:
    first = {"row": 0, "native_id": None, "native_name": "(none)", "target": "ignore", "supervision": "pixel"}
    rest = [
        {"row": i + 1, "native_id": i, "native_name": name, "target": target, "supervision": "pixel"}
        for i, (name, target) in enumerate(meanings.items())
    ]
    return LabelMapping.from_records(TREE, dataset, [first, *rest])


def frame(key: str, amounts: dict[int, int], side: int = 40) -> EncodedSample:
    """A square frame; row -> how many pixels, the rest is row 1. Rows follow each other from the top left."""
    label = np.ones(side * side, np.uint8)
    at = 0
    for row, amount in amounts.items():
        label[at : at + amount] = row
        at += amount
    image = np.full((side, side, 3), 90, np.uint8)
    return shard_folders.encoded(key, image, label.reshape(side, side), [(0, 0, 0)] * 20)


def write(path: Path, samples: list[EncodedSample], mapping: LabelMapping, split: str = "train") -> ShardReader:
    place = open_folder(path)
    index = write_shard(place, 0, samples, options={}, inputs="")
    Manifest.build(TREE, mapping, split, [index]).write(place)
    return ShardReader(path)


def three(path: Path) -> list[ShardReader]:
    """Two splits of one dataset, and another dataset of the same tree. Frame ``f<n>`` has n pixels of "board"."""
    first = table("first", FIRST)
    return [
        write(path / "train", [frame(f"f{n:02d}", {2: n, 3: 100, 4: 50}) for n in range(10)], first),
        write(path / "val", [frame(f"f{n:02d}", {2: n, 0: 30}) for n in (10, 11, 12)], first, "val"),
        write(path / "other", [frame(f"g{n}", {2: 5 * n, 3: 7}) for n in range(1, 4)], table("second", SECOND)),
    ]


def nasty(path: Path) -> list[ShardReader]:
    """Everything that has a name has a hostile one."""
    nodes = ("road", "path", "stop", "give way", "car", "sign")
    meanings = {name: nodes[i % len(nodes)] for i, name in enumerate(NASTY)} | {"junk": {"ignore": CLOSING}}
    samples = [
        frame("<img src=x onerror=alert(3)>", dict.fromkeys(range(2, 8), 40)),
        frame(CLOSING, dict.fromkeys(range(8, 14), 40)),
    ]
    return [write(path, samples, table(CLOSING, meanings), "<b>split</b>")]
