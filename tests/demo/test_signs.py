"""The 43 signs: their shapes, their mirror images, and that no two look alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from labelforge.demo.canvas import Canvas, mark
from labelforge.demo.signs import NUM_SIGNS, paint_sign, sign_height, sign_shape
from labelforge.demo.vocabulary import THINGS
from labelforge.taxonomy import Node, Taxonomy


def draw_sign(class_id: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(height, size, 3) RGB of a sign that is ``size`` pixels wide, and (height, size), where its plate is."""
    canvas = Canvas(size, round(size * sign_height(class_id)), (0, 0, 0))
    paint_sign(canvas, class_id, lambda x, y: (x * size, y * size), size, mark("sign front"))
    image, things, _ = canvas.finish()
    return image.astype(np.uint8), things == THINGS["sign front"]


def leaf(class_id: int) -> Node:
    (node,) = (n for n in Taxonomy.load("iv2018").leaves if n.class_id == 65 + class_id)
    return node


def ideal(shape: str, height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) bool: the shape inscribed in a rectangle, from its definition."""
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    inside: dict[str, NDArray[np.bool_]] = {
        "circle": (x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.25,
        "triangle up": np.abs(x - 0.5) <= y / 2,
        "triangle down": np.abs(x - 0.5) <= (1 - y) / 2,
        "diamond": np.abs(x - 0.5) + np.abs(y - 0.5) <= 0.5,
        "octagon": np.abs(x - 0.5) + np.abs(y - 0.5) <= 1 / np.sqrt(2),
    }
    return inside[shape]


@pytest.mark.parametrize("class_id", range(NUM_SIGNS))
def test_a_sign_has_the_shape_that_the_tree_says(class_id: int) -> None:
    shape = sign_shape(class_id)
    assert shape == leaf(class_id).shape
    for size in (16, 64, 200):
        _, mask = draw_sign(class_id, size)
        assert (mask.shape[0] < size) == shape.startswith("triangle")
        expected = ideal(shape, *mask.shape)
        assert (mask & expected).sum() / (mask | expected).sum() > (0.93 if size > 16 else 0.87)


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("class_id", range(NUM_SIGNS))
def test_a_flipped_sign_looks_like_the_one_that_the_tree_says(class_id: int) -> None:
    mirror = leaf(class_id).mirror
    rgb = draw_sign(class_id, 96)[0]
    flipped = rgb[:, ::-1]
    if mirror is None:
        assert difference(rgb, flipped) < 3
        return
    assert difference(rgb, flipped) > 3
    if mirror >= 0:
        partner = Taxonomy.load("iv2018").nodes[mirror].class_id
        assert partner is not None
        assert difference(draw_sign(partner - 65, 96)[0], flipped) < 3


@pytest.mark.parametrize("size", [14, 20])
def test_no_two_signs_look_alike(size: int) -> None:
    """Not even at the smallest size in the demo's GTSDB, 5% of 288 pixels."""
    pictures = [draw_sign(c, size) for c in range(NUM_SIGNS)]
    for (mine, mask), (other, _) in combinations(pictures, 2):
        if other.shape == mine.shape:
            assert difference(mine[mask], other[mask]) > 3.5
