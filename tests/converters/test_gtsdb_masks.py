"""The drawn boxes against the 600 masks that the method's authors published for the training images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge import LabelMapping, Taxonomy
from labelforge.converters.gtsdb import Sign, SignBoxes, read_signs

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


@pytest.fixture(scope="module")
def overlaps(shared_data: Path) -> list[Overlap]:
    file = shared_data / "gtsdb" / "FullIJCNN2013" / "gt.txt"
    signs = read_signs(file)
    masks = sorted((shared_data / "gtsdb" / "reference_masks" / "train").glob("*_labelIds.png"))
    assert len(masks) == 600
    return [overlap for path in masks for overlap in compare(path, signs.get(int(path.name[:5]), ()), file)]


def compare(path: Path, signs: tuple[Sign, ...], file: Path) -> Iterator[Overlap]:
    with Image.open(path) as picture:
        mask = np.asarray(picture).astype(np.int32)
    shaped = SignBoxes(signs, SHAPES, "smallest", {}, path.name, file).draw(mask.shape, mask.shape)
    rectangles = SignBoxes(signs, {}, "smallest", {}, path.name, file).draw(mask.shape, mask.shape)
    outside = np.ones(mask.shape, dtype=bool)
    for sign in signs:
        window = np.s_[
            max(sign.top - MARGIN, 0) : sign.bottom + 1 + MARGIN, max(sign.left - MARGIN, 0) : sign.right + 1 + MARGIN
        ]
        outside[window] = False
        published = mask[window] == MASK_ZERO + sign.class_id
        ious = [
            float((published & drawn).sum() / (published | drawn).sum())
            for drawn in (shaped[window] == sign.class_id, rectangles[window] == sign.class_id)
        ]
        yield Overlap(SHAPES[sign.class_id], *ious)
    # Nothing of the mask, and nothing drawn, has escaped the comparison.
    assert not mask[outside].any()
    assert (shaped[outside] < 0).all()


def test_shapes_agree_with_the_published_masks(overlaps: list[Overlap]) -> None:
    assert len(overlaps) == 852
    assert np.mean([box.shaped for box in overlaps]) > 0.969
    assert min(box.shaped for box in overlaps) > 0.8


@pytest.mark.parametrize(
    ("shape", "boxes", "least"),
    [
        ("circle", 568, 0.965),
        ("triangle up", 156, 0.976),
        ("triangle down", 52, 0.979),
        ("diamond", 54, 0.978),
        ("octagon", 22, 0.986),
    ],
)
def test_every_shape_agrees(overlaps: list[Overlap], shape: str, boxes: int, least: float) -> None:
    ious = [box.shaped for box in overlaps if box.shape == shape]
    assert len(ious) == boxes
    assert np.mean(ious) >= least


def test_plain_rectangles_would_not(overlaps: list[Overlap]) -> None:
    # The figure that makes the shapes worth their while: a rectangle overlaps a sign's mask by 0.70.
    assert 0.69 < np.mean([box.rectangle for box in overlaps]) < 0.72


def test_the_shapes_of_the_shipped_tree_are_these() -> None:
    tree = Taxonomy.load("iv2018")
    rows = LabelMapping.load(tree, "gtsdb").rows[1:]
    assert {row.native_id: tree.node(str(row.target.expression)).shape for row in rows} == SHAPES
