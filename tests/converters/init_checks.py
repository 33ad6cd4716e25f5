"""What tests of ``labelforge init`` have in common: describe a folder, convert it, and compare the labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelforge.converters import convert
from labelforge.converters.init.describe import Description, describe
from tests.converters.layouts import ANYTHING, Array, Written, label_blocks, picture, read_shards, save
from tests.converters.own_layouts import CLASSES, COLORS

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
BLANK = np.zeros(3, np.uint8)
LISTED = "".join(f"{r} {g} {b} {name}\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
"""The classes with their colours, a line each."""


def init(root: Path) -> Description:
    """Describe a folder, write the file, and a mapping of all its classes."""
    for name in ("dataset.yaml", "mapping.yaml"):
        (root / name).unlink(missing_ok=True)
    found = describe(root)
    (root / "dataset.yaml").write_text(found.text)
    own = found.dataset
    first, *others = own.space.names
    labels = f"  {json.dumps(first)}: road\n" + "".join(f"  {json.dumps(name)}: ignore\n" for name in others)
    kind = "box" if own.kind == "boxes" else "pixel"
    head = f"dataset: {own.name}\ntaxonomy: streets\nsupervision: {kind}\nlabels:\n"
    (root / "mapping.yaml").write_text(head + labels)
    return found


def converted(root: Path, split: str, out: Path) -> dict[str, Array]:
    """Key -> (H, W) labels of the shards: places in `CLASSES`; of other names, the ids."""
    conversion = convert(root / "dataset.yaml", None, out, split=split)
    names = {row.native_id: row.native_name for row in conversion.mapping.rows}
    numbers = {i: CLASSES.index(name) for i, name in names.items() if name in CLASSES}
    found = {}
    for key, (_, ids, _) in read_shards(out).items():
        found[key] = np.array([[numbers.get(i, i) for i in row] for row in ids.tolist()])
    return found


def check(found: Mapping[str, Array], written: Mapping[str, Written]) -> None:
    assert sorted(found) == sorted(written)
    for key, sample in written.items():
        sure = sample.ids != ANYTHING
        assert np.array_equal(found[key][sure], sample.ids[sure]), key


def paint(root: Path, colors: list[tuple[int, int, int]], number: int = 3, place: str = "masks/{}.png") -> list[Array]:
    """Images, and masks of blocks in colours; (20, 30) which colour each pixel has."""
    found = []
    for i in range(number):
        save(root / f"images/{i}.png", picture(i))
        blocks = label_blocks(i, range(len(colors)))
        save(root / place.format(i), np.array(colors, np.uint8)[blocks])
        found.append(blocks)
    return found


def text_of(root: Path) -> str:
    return " ".join(describe(root).text.replace("\n# ", " ").split())
