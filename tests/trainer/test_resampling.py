"""Resizing windows against Pillow, with the kernel and without it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelforge.trainer import resampling
from labelforge.trainer.images import resize
from labelforge.trainer.resampling import Pixels, Window, resample

SIDES = st.integers(1, 40)
PLACES = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)


@pytest.fixture(params=["kernel", "pillow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "pillow":
        monkeypatch.setattr(resampling, "_kernel", lambda taps: None)
    else:
        pytest.importorskip("numba")
    yield


def pillow(image: Pixels, window: Window, size: tuple[int, int]) -> Pixels:
    top, left, bottom, right = window
    resized = Image.fromarray(image).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )
    return np.asarray(resized)


def without_kernel(image: Pixels, window: Window, size: tuple[int, int]) -> Pixels:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "_kernel", lambda taps: None)
        return resample(image, window, size)


@settings(max_examples=150)
@given(SIDES, SIDES, PLACES, PLACES, SIDES, SIDES, st.booleans(), st.integers(0, 2**32))
def test_any_window_is_pillows_to_a_grey_level_and_the_same_with_and_without_the_kernel(
    height: int, width: int, down: list[float], along: list[float], h: int, w: int, stark: bool, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if stark:
        image = np.where(image > 127, 255, 0).astype(np.uint8)
    window = (down[0] * height, along[0] * width, down[1] * height, along[1] * width)
    got = resample(image, window, (h, w))
    assert np.abs(got.astype(int) - pillow(image, window, (h, w))).max() <= 1
    np.testing.assert_array_equal(got, without_kernel(image, window, (h, w)))


@pytest.mark.parametrize("size", [(3, 4), (40, 60), (90, 77), (200, 301), (512, 706)])
@pytest.mark.usefixtures("way")
def test_a_whole_image_is_pillows_to_a_grey_level(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (123, 211, 3), np.uint8)
    got = resize(image, size)
    assert got.shape == (*size, 3)
    assert np.abs(got.astype(int) - pillow(image, (0, 0, 123, 211), size)).max() <= 1


@pytest.mark.usefixtures("way")
def test_only_what_is_under_the_window_is_touched() -> None:
    """Whatever is further away than the filter reaches does not change the result; and the view may be read-only."""
    image = np.random.default_rng(2).integers(0, 256, (100, 160, 3), np.uint8)
    other = np.random.default_rng(3).integers(0, 256, (100, 160, 3), np.uint8)
    other[36:74, 46:104] = image[36:74, 46:104]
    other.flags.writeable = False
    window = (40.3, 50.7, 70.1, 99.2)
    np.testing.assert_array_equal(resample(image, window, (20, 33)), resample(other, window, (20, 33)))
    steps = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[::2, ::2]  # not side by side in memory
    np.testing.assert_array_equal(resample(steps, window, (20, 33)), resample(image, window, (20, 33)))


@pytest.mark.usefixtures("way")
def test_an_extent_that_ends_in_a_fraction_of_a_pixel_keeps_its_scale() -> None:
    """A picture of 33 columns decoded at half its size has 17, the last of which counts half."""
    ramp = np.repeat(np.arange(0, 34, 2, dtype=np.uint8)[None, :, None] * 7 + 7, 3, axis=2)  # mean of each pair
    ramp = np.repeat(ramp, 40, axis=0)
    got = resize(ramp, (10, 11), extent=(40, 16.5))
    expected = (np.arange(11) + 0.5) * 3 * 7  # the ramp rises by 7 for each of the 33 columns
    assert np.abs(got[5, 1:-1, 0] - expected[1:-1]).max() <= 1
