"""Boxes of a sample: turned ones, those without area, those that mark what nobody labelled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelforge.converters.labels.boxes import SHAPES, draw_boxes
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes, set_values
from labelforge.errors import DatasetError

SIZE = (24, 30)


@given(
    st.sampled_from(sorted(SHAPES)),
    st.floats(4, 26),
    st.floats(4, 20),
    st.floats(1.5, 16),
    st.floats(1.5, 16),
    st.floats(-180, 180),
)
def test_a_turned_box_holds_the_pixels_whose_turned_centres_are_in_its_shape(
    shape: str, x: float, y: float, wide: float, high: float, angle: float
) -> None:
    assume(angle)
    drawn = draw_boxes([[x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]], [shape], [7], SIZE, angles=[angle])
    found = 0
    for row, column in np.ndindex(SIZE):
        # Turn the pixel against the box: clockwise as seen, with y downwards, is from x to y.
        across, down = column + 0.5 - x, row + 0.5 - y
        length, direction = math.hypot(across, down), math.atan2(down, across) - math.radians(angle)
        p, q = 2 * length * math.cos(direction) / wide, 2 * length * math.sin(direction) / high
        inside = bool(SHAPES[shape](np.array([p]), np.array([q]))[0]) and abs(p) <= 1 and abs(q) <= 1
        margin = min(abs(1 - abs(p)), abs(1 - abs(q)), _slack(shape, p, q))
        if margin > 1e-9:
            assert (drawn[row, column] == 7) == inside or (not found and drawn[row, column] == 7)
        found += drawn[row, column] == 7
    assert found  # an object never vanishes


def _slack(shape: str, p: float, q: float) -> float:
    """How far a point is from the shape's slanted border."""
    return {
        "rectangle": math.inf,
        "circle": abs(1 - p * p - q * q),
        "triangle up": abs(1 + q - 2 * abs(p)),
        "triangle down": abs(1 - q - 2 * abs(p)),
        "diamond": abs(1 - abs(p) - abs(q)),
        "octagon": abs(1.5 - abs(p) - abs(q)),
    }[shape]


def test_a_box_turned_by_a_right_angle_is_the_box_with_its_sides_changed() -> None:
    for angle in (90, -90, 270):
        turned = draw_boxes([[4, 9, 14, 13]], ["rectangle"], [7], SIZE, angles=[angle])
        assert np.array_equal(turned, draw_boxes([[7, 6, 11, 16]], ["rectangle"], [7], SIZE))


def test_boxes_over_the_border_without_area_and_that_mark_a_crowd() -> None:
    boxes = [
        Box(1, -5, -5, 3, 3),
        Box(2, 5, 5, 5, 9),  # no area
        Box(3, 9, 9, 8, 12),  # turned inside out
        Box(NO_ANNOTATION, 1, 1, 10, 10),  # larger than the first: below it
        Box(NO_ANNOTATION, 2, 2, 3, 3),  # smaller: on top
    ]
    want = np.full(SIZE, NO_ANNOTATION)
    want[:3, :3] = 1
    want[2, 2] = NO_ANNOTATION
    assert np.array_equal(LabeledBoxes(boxes).draw(SIZE, SIZE, np.asarray), want)
    # Where overlaps are ignored, or become sets, a marked region takes the pixels of every box in it.
    want[1:3, 1:3] = NO_ANNOTATION
    for overlaps in ("ignore", "set"):
        values = set_values([boxes])
        assert values == {}
        labels = LabeledBoxes(boxes, overlaps=overlaps, sets=values)
        assert np.array_equal(labels.draw(SIZE, SIZE, np.asarray), want)


def test_sets_are_of_boxes_that_overlap_turned_ones_too() -> None:
    crossed = [Box(1, 0, 9, 20, 11), Box(2, 0, 9, 20, 11, angle=90), Box(3, 25, 20, 28, 22)]
    assert set_values([crossed, [Box(3, 0, 0, 2, 2), Box(2, 1, 1, 4, 4)]]) == {
        frozenset({1, 2}): -1,
        frozenset({2, 3}): -2,
    }
    labels = LabeledBoxes(crossed, overlaps="set", sets=set_values([crossed]))
    drawn = labels.draw(SIZE, SIZE, np.asarray)
    assert (drawn == -1).sum() == 4  # the middle of the cross
    assert (drawn == 1).sum() == (drawn == 2).sum() == 36


@pytest.mark.parametrize("number", [math.nan, math.inf, -1e9])
def test_numbers_that_are_no_place_are_a_fault(number: float) -> None:
    assert Box(1, 0, 0, number, 4).fault and "no place in an image" in str(Box(1, number, 0, 3, 4).fault)
    assert Box(1, 0, 0, 3, 4).fault is None


def test_a_million_boxes_on_an_image_are_refused_at_once() -> None:
    many = [Box(i % 50, 0, 0, 20, 20) for i in range(1_000_000)]
    with pytest.raises(DatasetError, match="has 1,000,000 boxes on one image, more than 20,000"):
        LabeledBoxes(many).draw(SIZE, SIZE, np.asarray)
    with pytest.raises(DatasetError, match="its boxes overlap in more than 20,000 places"):
        set_values([many[:1000]])
