"""The 43 signs: their shapes, their colours, and that no two look alike unless they should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import Polygon

from labelforge.demo import NUM_SIGNS, draw_sign, sign_outline, sign_shape
from labelforge.demo.signs import Shape, sign_picture
from labelforge.label_space import LabelSpace
from labelforge.taxonomy import Node, Taxonomy

SIDE = 64
PROHIBITORY = [*range(6), 7, 8, 9, 10, 15, 16]
DANGER = [11, *range(18, 32)]
MANDATORY = [*range(33, 41)]
ENDS = [6, 32, 41, 42]


def leaf(class_id: int) -> Node:
    (node,) = (n for n in Taxonomy.load("iv2018").leaves if n.class_id == 65 + class_id)
    return node


def ideal(shape: Shape, height: int, width: int) -> NDArray[np.bool_]:
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
    for size in (16, SIDE, 200):
        rgb, mask = draw_sign(class_id, size)
        assert rgb.shape == (*mask.shape, 3)
        assert mask.shape[1] == size
        assert (mask.shape[0] < size) == shape.startswith("triangle")
        assert mask.any(axis=0).sum() >= size - 2 <= mask.any(axis=1).sum() + size - mask.shape[0], "it fills its box"
        expected = ideal(shape, *mask.shape)
        assert (mask & expected).sum() / (mask | expected).sum() > (0.93 if size > 16 else 0.9)


def test_an_outline_is_inside_of_the_one_around_it() -> None:
    for shape in ("circle", "triangle up", "triangle down", "diamond", "octagon"):
        outer, inner = Polygon(sign_outline(shape)), Polygon(sign_outline(shape, 0.1))
        assert outer.is_valid and inner.is_valid
        assert outer.contains(inner)
        # What is between the two is everywhere about a tenth of the width wide (corners, which are round, set aside).
        assert outer.exterior.hausdorff_distance(inner.exterior) < 0.26
        assert outer.exterior.distance(inner.exterior) == pytest.approx(0.1, abs=0.012)
        assert outer.bounds[0] == pytest.approx(0) and outer.bounds[2] == pytest.approx(1)


def share(class_id: int, test: str) -> float:
    """Share of the plate that is clearly of a colour."""
    rgb, mask = draw_sign(class_id, SIDE)
    r, g, b = np.moveaxis(rgb[mask].astype(int), -1, 0)
    found = {
        "red": (r > 150) & (g < 80) & (b < 80),
        "blue": (b > 120) & (r < 60),
        "yellow": (r > 200) & (g > 150) & (b < 60),
        "white": (r > 225) & (g > 225) & (b > 225),
        "dark": r + g + b < 150,
        "grey": (abs(r - b) < 12) & (r > 90) & (r < 170),
    }
    return float(found[test].mean())


@pytest.mark.parametrize("class_id", range(NUM_SIGNS))
def test_a_sign_has_the_colours_of_its_family(class_id: int) -> None:
    red, blue, yellow, white = (share(class_id, c) for c in ("red", "blue", "yellow", "white"))
    if class_id in PROHIBITORY:
        assert red > 0.35 and white > 0.3 and blue == 0
    elif class_id in DANGER:
        assert red > 0.3 and white > 0.25
        assert share(class_id, "dark") > 0.03
    elif class_id in MANDATORY:
        assert blue > 0.55 and white > 0.1 and red == 0
    elif class_id in ENDS:
        assert white > 0.4 and red == blue == 0
        assert share(class_id, "dark") > 0.08
        assert (share(class_id, "grey") > 0.13) == (class_id != 32)
    else:
        assert {12: yellow > 0.3 and white > 0.3, 13: red > 0.3 < white, 14: red > 0.6, 17: red > 0.7 and white > 0.12}[
            class_id
        ]


def test_the_families_are_those_of_the_dataset() -> None:
    names = LabelSpace.load("gtsdb").names
    assert len(names) == NUM_SIGNS
    assert [i for i, name in enumerate(names) if name.startswith("restriction ends")] == ENDS
    assert [i for i, n in enumerate(names) if n.startswith(("go ", "keep ", "roundabout"))] == MANDATORY
    assert {i for i, n in enumerate(names) if n.startswith(("speed limit", "no "))} == {*PROHIBITORY, 17}


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


def test_no_two_signs_look_alike() -> None:
    pictures = [draw_sign(c, 20) for c in range(NUM_SIGNS)]
    for i, (mine, mask) in enumerate(pictures):
        for other, _ in pictures[i + 1 :]:
            if other.shape == mine.shape:
                assert difference(mine[mask], other[mask]) > 3.5


def test_pictures_are_shared_and_therefore_read_only() -> None:
    rgb, mask = draw_sign(3, 30)
    assert draw_sign(3, 30)[0] is rgb
    for array in (rgb, mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
    assert sign_picture(3).mode == "RGBA"


@pytest.mark.parametrize("class_id", [-1, NUM_SIGNS])
def test_there_are_43_classes(class_id: int) -> None:
    with pytest.raises(ValueError, match="0-42"):
        draw_sign(class_id, 10)
