"""Run lengths and polygons of COCO's annotations: what pycocotools draws, and what it must not be given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from labelforge.converters.annotations.coco_json import checked_segmentation
from labelforge.converters.labels.coco_masks import check_runs, draw_segmentation
from tests.converters.coco_layouts import compressed, runs
from tests.converters.pictures import Array


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_of_any_mask_pass_and_are_drawn_as_it(mask: Array) -> None:
    for segmentation in (compressed(mask), {"size": list(mask.shape), "counts": runs(mask)}):
        check_runs(segmentation, mask.shape)
        assert np.array_equal(draw_segmentation(segmentation, mask.shape, mask.shape), mask)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30))
def test_compressed_run_lengths_are_read_as_pycocotools_reads_them(lengths: list[int]) -> None:
    size = (sum(lengths), 1)
    if not sum(lengths):
        return
    encoded = coco_mask.frPyObjects({"size": list(size), "counts": lengths}, *size)
    text = encoded["counts"].decode()
    check_runs({"size": size, "counts": text}, size)
    with pytest.raises(ValueError, match=rf"are of {sum(lengths)} pixels, but the image has {sum(lengths) + 1}"):
        check_runs({"size": (size[0] + 1, 1), "counts": text}, (size[0] + 1, 1))


@pytest.mark.parametrize(
    "counts",
    [[5, 5], [0, 10**7], [5, -5, 600], [5.5, 594.5], [True] * 600, [], [[600]], [2**63, 2], [2**62] * 4 + [600], None,
     "", "zzzz", "0" * 50 + "P", "é", "oooooo", "P" * 40 + "0", "~~~", " 00", 7],
)  # fmt: skip
def test_run_lengths_that_are_none_of_the_image(counts: Any) -> None:
    """pycocotools draws most of these, with whatever is in memory behind them."""
    with pytest.raises(ValueError, match="run length"):
        checked_segmentation({"size": [20, 30], "counts": counts}, (20, 30))


def test_run_lengths_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"have size \(30, 20\), but the image has \(20, 30\)"):
        checked_segmentation({"size": [30, 20], "counts": [600]}, (20, 30))


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ([[1, 1, 5, 1, 5]], "5 numbers, which are no pairs"),
        ([[1, 1, 5, 1, 5, float("nan")]], "the coordinate nan is no place in an image"),
        ([[1, 1, 5, 1, 5, 1e300]], r"the coordinate 1e\+300 is no place in an image"),
        ([[1, 1, 5, 1, 9_000_000, 9]], "an outline of 17999998 pixels is none of an image of 30 x 20"),
        ([[0, 0, 29, 0, 0, 0, 29, 19] * 10_000], "an outline of 1160000 pixels is none of an image of 30 x 20"),
        ([["a", 1, 2, 2, 3, 3]], "could not convert string to float"),
        ("polygon", "neither polygons nor run lengths"),
        (None, "neither polygons nor run lengths"),
    ],
)
def test_polygons_that_are_none(polygons: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        checked_segmentation(polygons, (20, 30))


def test_polygons_without_area_are_left_out() -> None:
    """pycocotools takes four numbers for a box, and fails where there is no polygon."""
    assert checked_segmentation([], (20, 30)) is None
    assert checked_segmentation([[1, 1, 5, 5], [3, 3]], (20, 30)) is None
    triangle = [1.5, 1.0, 5.0, 1.0, 5.0, 7.25]
    assert checked_segmentation([[1, 1, 5, 5], triangle], (20, 30)) == [triangle]


def test_polygons_that_leave_the_image_are_cut_off() -> None:
    polygon = [-20.0, -20.0, 10.0, -20.0, 10.0, 10.0, -20.0, 10.0]
    drawn = draw_segmentation(checked_segmentation([polygon], (20, 30)) or [], (20, 30), (20, 30))
    expected = np.zeros((20, 30), bool)
    expected[:10, :10] = True
    assert np.array_equal(drawn, expected)
