"""Tiny datasets of one's own, each with its ``dataset.yaml`` and mapping, and what is in them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from labelforge.converters import Converter, Source
from labelforge.converters.own.converter import OwnData
from tests.converters.layouts import NOTHING, Array, Written, label_blocks, palette_png, picture, save

CLASSES = ("road", "sky", "car", "person")
COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (220, 20, 60))


def describe(root: Path, text: str, supervision: str = "pixel", classes: tuple[str, ...] = CLASSES) -> Path:
    """Write ``dataset.yaml`` and a mapping of its classes to the nodes of the same names."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.yaml").write_text("name: yard\n" + textwrap.dedent(text))
    labels = "".join(f"  {name}: {name}\n" for name in classes)
    (root / "mapping.yaml").write_text(
        f"dataset: yard\ntaxonomy: streets\nsupervision: {supervision}\nlabels:\n{labels}"
    )
    return root / "dataset.yaml"


def own(root: Path) -> OwnData:
    """The converter of a dataset that was described."""
    return OwnData(root / "dataset.yaml")


def first(converter: Converter, split: str) -> Source:
    """The first sample of a split."""
    return converter.sources(split)[0]


def write_ids(root: Path) -> dict[str, Written]:
    """Grey masks of 16 bits in folders of splits and cities; 999 is void."""
    describe(
        root,
        """\
        title: Our yard
        kind: masks
        format: ids
        images: images/{split}/{key}.jpg
        labels: labels/{split}/{key}_gt.png
        splits: {train: training, val: validation}
        void: 999
        classes: [{id: 300, name: road}, {id: 7, name: sky}, {id: 0, name: car}, {id: 65000, name: person}]
        """,
    )
    found = {}
    for i, key in enumerate(["ulm/a.b_1", "ulm/2", "zoo/2"]):
        image = save(root / "images/training" / f"{key}.jpg", picture(i), quality=95)
        ids = np.array([300, 7, 0, 65000, 999], np.uint16)[label_blocks(i, range(5))]
        save(root / "labels/training" / f"{key}_gt.png", ids)
        found[key] = Written(np.asarray(Image.open(image)), np.where(ids == 999, NOTHING, ids.astype(int)))
    return found


def write_palette(root: Path) -> dict[str, Written]:
    """Palette masks as VOC has them, with a list per split, and 255 for void."""
    describe(
        root,
        """\
        kind: masks
        format: palette
        images: JPEGImages/{key}.jpg
        labels: SegmentationClass/{key}.png
        splits: {train: ImageSets/train.txt, val: ImageSets/val.txt}
        void: 255
        classes: [road, sky, car, person]
        """,
    )
    found = {}
    for i in range(4):
        key = f"2007_{i:06d}"
        image = save(root / "JPEGImages" / f"{key}.jpg", picture(i), quality=95)
        ids = np.array([0, 1, 2, 3, 255], np.uint8)[label_blocks(i, range(5))]
        palette_png(
            root / "SegmentationClass" / f"{key}.png", ids, np.random.default_rng(i).integers(0, 256, 768).tolist()
        )
        if i != 2:
            found[key] = Written(np.asarray(Image.open(image)), np.where(ids == 255, NOTHING, ids.astype(int)))
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("".join(f"{key}\n" for key in found))
    (root / "ImageSets/val.txt").write_text("JPEGImages/2007_000002.jpg SegmentationClass/2007_000002.png\n")
    return found


def write_colors(root: Path, mode: str = "RGBA") -> dict[str, Written]:
    """Masks in colours beside the images, black for void, all in one split."""
    listed = "".join(
        f"  - {{name: {n}, color: [{r}, {g}, {b}]}}\n" for n, (r, g, b) in zip(CLASSES, COLORS, strict=True)
    )
    describe(
        root,
        "kind: masks\nformat: rgb\nimages: '{key}.png'\nlabels: '{key}_mask.png'\nvoid: '#000000'\nclasses:\n" + listed,
    )
    found = {}
    for i, key in enumerate(["a", "b", "sub/a"]):
        save(root / f"{key}.png", picture(i))
        ids = label_blocks(i, range(5))
        mask = Image.fromarray(np.array([*COLORS, (0, 0, 0)], np.uint8)[ids]).convert(mode)
        mask.save(root / f"{key}_mask.png")
        found[key] = Written(picture(i), np.where(ids == 4, NOTHING, ids.astype(int)))
    return found


class OwnLayout:
    """How to make a tiny dataset of one's own.

    Args:
        write: Makes it below a root and says what is in it.
        split: A split with labels.
    """

    def __init__(self, write: Callable[[Path], dict[str, Written]], split: str = "all") -> None:
        self.write, self.split = write, split


OWN = {
    "ids": OwnLayout(write_ids, "train"),
    "palette": OwnLayout(write_palette, "train"),
    "rgb": OwnLayout(write_colors),
}


def inside(points: list[tuple[float, float]], height: int = 20, width: int = 30) -> Array:
    """(H, W) bool: the pixels whose centre is inside a polygon, by the even-odd rule, one by one."""
    found = np.zeros((height, width), dtype=bool)
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    found[row, column] ^= True
    return found
