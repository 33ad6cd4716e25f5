"""The drawn boxes against the 600 masks that the method's authors published for the training images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from labelforge import LabelMapping, Taxonomy
from labelforge.converters.datasets.gtsdb import Sign, SignBoxes, read_signs
from labelforge.converters.labels.contract import NO_ANNOTATION

MASK_ZERO = 2000  # the masks hold 2000 + class id
MARGIN = 2  # pixels around a box that its comparison looks at

SHAPES = dict.fromkeys(range(43), "circle")
SHAPES |= dict.fromkeys([11, *range(18, 32)], "triangle up")
SHAPES |= {12: "diamond", 13: "triangle down", 14: "octagon"}


@dataclass
class Overlap:
    """One box: its shape and its IoU with the mask, drawn by shape and drawn as a rectangle."""

    shape: str
    shaped: float
    rectangle: float


def compare(path: Path, signs: tuple[Sign, ...], file: Path) -> Iterator[Overlap]:
    with Image.open(path) as picture:
        mask = np.array(picture)
    size = (mask.shape[0], mask.shape[1])
    shaped, rectangles = (
        SignBoxes(signs, shapes, "smallest", {}, path.name, file).draw(size, size, np.asarray)
        for shapes in (SHAPES, {})
    )
    windows = [
        np.s_[max(s.top - MARGIN, 0) : s.bottom + 1 + MARGIN, max(s.left - MARGIN, 0) : s.right + 1 + MARGIN]
        for s in signs
    ]
    for sign, window in zip(signs, windows, strict=True):
        published = mask[window] == MASK_ZERO + sign.class_id
        ious = [
            float((published & drawn).sum() / (published | drawn).sum())
            for drawn in (shaped[window] == sign.class_id, rectangles[window] == sign.class_id)
        ]
        yield Overlap(SHAPES[sign.class_id], *ious)
    for window in windows:
        mask[window], shaped[window] = 0, NO_ANNOTATION
    # Nothing of the mask, and nothing drawn, has escaped the comparison.
    assert not mask.any()
    assert shaped.max() == shaped.min() == NO_ANNOTATION


def test_shapes_agree_with_the_published_masks(shared_data: Path) -> None:
    file = shared_data / "gtsdb" / "FullIJCNN2013" / "gt.txt"
    signs = read_signs(file)
    masks = sorted((shared_data / "gtsdb" / "reference_masks" / "train").glob("*_labelIds.png"))
    assert len(masks) == 600
    boxes = [box for path in masks for box in compare(path, signs.get(int(path.name[:5]), ()), file)]
    by_shape = {shape: [box.shaped for box in boxes if box.shape == shape] for shape in set(SHAPES.values())}
    assert {shape: len(ious) for shape, ious in by_shape.items()} == {
        "circle": 568,
        "triangle up": 156,
        "triangle down": 52,
        "diamond": 54,
        "octagon": 22,
    }
    means = {shape: np.mean(ious) for shape, ious in by_shape.items()}
    assert means["circle"] > 0.965
    assert means["triangle up"] > 0.976
    assert means["triangle down"] > 0.979
    assert means["diamond"] > 0.978
    assert means["octagon"] > 0.986
    assert np.mean([box.shaped for box in boxes]) > 0.969
    assert min(box.shaped for box in boxes) > 0.8
    # What makes the shapes worth their while.
    assert 0.69 < np.mean([box.rectangle for box in boxes]) < 0.72


def test_the_shapes_of_the_shipped_tree_are_these() -> None:
    tree = Taxonomy.load("iv2018")
    rows = LabelMapping.load(tree, "gtsdb").rows[1:]
    assert {row.native_id: row.shape(tree) for row in rows} == SHAPES
