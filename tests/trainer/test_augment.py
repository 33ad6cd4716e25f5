"""Augmentation against other ways of computing the same crop."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from labelforge.shards import Sample
from labelforge.shards.fast_jpeg import decode_jpeg, reduction
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import PAD_COLOR, View, crop_image, crop_rows, cut, draw_view
from labelforge.trainer.images import Pixels

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (37, 61, 3), np.uint8)
ROWS = RNG.integers(1, 9, (37, 61), np.uint16)

VIEWS = [
    View((37, 61), (37, 61), (3, 5, 20, 30), False),
    View((37, 61), (74, 122), (11, 40, 32, 48), False),
    View((37, 61), (19, 31), (0, 2, 16, 24), True),
    View((37, 61), (25, 41), (-5, -7, 40, 64), False),  # the image is smaller than the crop: padded on all sides
    View((37, 61), (50, 82), (30, -3, 40, 50), True),  # over the left and lower edges
]


def crop_of(seed: int, image: Pixels, rows: npt.NDArray[Any], config: DataConfig) -> tuple[Pixels, npt.NDArray[Any]]:
    """A drawn crop, as the data set makes it; its rows are not mirrored."""
    rng = np.random.default_rng(seed)
    view = draw_view(rng, (image.shape[0], image.shape[1]), config)
    found = cut(rng, Sample("a", image, rows, {}), view, config)
    return found.pixels, found.local_rows


@pytest.mark.parametrize("view", VIEWS)
def test_a_crop_is_a_cut_out_of_the_scaled_and_padded_image(view: View) -> None:
    height, width = view.scaled
    whole = np.asarray(Image.fromarray(IMAGE).resize((width, height), Image.Resampling.BILINEAR))
    margin = 100
    padded = np.full((height + 2 * margin, width + 2 * margin, 3), PAD_COLOR, np.uint8)
    padded[margin : margin + height, margin : margin + width] = whole
    top, left, h, w = view.window
    expected = padded[margin + top : margin + top + h, margin + left : margin + left + w]
    got = crop_image(IMAGE, view)
    got = got[:, ::-1] if view.flip else got
    assert got.shape == (h, w, 3)
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("view", VIEWS)
def test_labels_are_the_source_pixels_under_each_centre(view: View) -> None:
    top, left, h, w = view.window
    expected = np.zeros((h, w), np.uint16)
    for y in range(h):
        for x in range(w):
            sy, sx = top + y, left + x
            if 0 <= sy < view.scaled[0] and 0 <= sx < view.scaled[1]:
                source_y = int((sy + 0.5) * 37 / view.scaled[0])
                source_x = int((sx + 0.5) * 61 / view.scaled[1])
                expected[y, x] = ROWS[source_y, source_x]
    got = crop_rows(ROWS, view, fill=0)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got[:, ::-1] if view.flip else got, expected)


def test_image_and_labels_stay_aligned_at_any_scale() -> None:
    """A picture that is its own label: after augmentation the two must still agree away from edges of regions."""
    label = np.kron(RNG.integers(0, 2, (6, 8)), np.ones((32, 32), int)).astype(np.uint8)
    image = np.repeat(label[..., None] * 255, 3, axis=2)
    config = DataConfig(crop=(64, 96), scale=(0.5, 2.0), resize="fit", jitter=0)
    for seed in range(20):
        pixels, rows = crop_of(seed, image, label + 1, config)
        sure = (pixels.max(axis=2) <= 10) | (pixels.min(axis=2) >= 245)
        sure &= rows > 0
        assert sure.mean() > 0.3
        np.testing.assert_array_equal(pixels[..., 0][sure] > 127, rows[sure] == 2)
        assert (pixels[rows == 0] == PAD_COLOR).all()


def test_a_drawn_view_covers_the_crop_when_the_scale_is_at_least_one() -> None:
    config = DataConfig(crop=(48, 40), scale=(1.0, 2.0))
    for seed in range(200):
        view = draw_view(np.random.default_rng(seed), (37, 61), config)
        top, left, h, w = view.window
        assert top >= 0 and top + h <= view.scaled[0]
        assert left >= 0 and left + w <= view.scaled[1]


def test_scales_fill_their_range_evenly_and_half_the_crops_are_mirrored() -> None:
    config = DataConfig(crop=(512, 706), scale=(1.0, 4.0))
    views = [draw_view(np.random.default_rng(seed), (1024, 2048), config) for seed in range(2000)]
    # fit: Cityscapes' 1024x2048 becomes 512x1024, as in the paper
    scales = np.array([view.scaled[0] / 512 for view in views])
    assert scales.min() == pytest.approx(1, abs=0.01)
    assert scales.max() == pytest.approx(4, abs=0.01)
    assert (scales < 2).mean() == pytest.approx(0.5, abs=0.05)
    assert np.mean([view.flip for view in views]) == pytest.approx(0.5, abs=0.05)
    fixed = DataConfig(crop=(512, 706), scale=(1.0, 4.0), flip=False)
    unflipped = [draw_view(np.random.default_rng(seed), (1024, 2048), fixed) for seed in range(20)]
    assert [v.window for v in unflipped] == [v.window for v in views[:20]]
    assert not any(v.flip for v in unflipped)


def test_without_fitting_the_scale_is_of_stored_pixels() -> None:
    config = DataConfig(crop=(16, 16), resize="none", scale=(1.0, 1.0), flip=False)
    view = draw_view(np.random.default_rng(0), (37, 61), config)
    assert view.scaled == (37, 61)
    top, left, _, _ = view.window
    np.testing.assert_array_equal(crop_image(IMAGE, view), IMAGE[top : top + 16, left : left + 16])


def test_padding_is_no_annotation() -> None:
    config = DataConfig(crop=(64, 64), resize="none", scale=(0.5, 0.5))
    _, got = crop_of(1, IMAGE, ROWS, config)
    assert (got == 0).sum() == 64 * 64 - round(37 / 2) * round(61 / 2)
    assert set(np.unique(got)) <= set(range(9))


def test_a_jpeg_decoded_smaller_gives_nearly_the_same_crop() -> None:
    """The bound is a fraction of a grey level in the mean, where a shift by half a source pixel would give several."""
    small = Image.fromarray(RNG.integers(0, 256, (30, 45, 3), np.uint8))
    picture = np.asarray(small.resize((611, 403), Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0)
    whole, factors = decode_jpeg(buffer.getvalue()), set()
    for scaled in ((200, 303), (100, 152), (95, 140), (50, 76), (25, 38), (20, 31)):
        view = View((403, 611), scaled, (-3, 5, 60, 80), flip=True)
        factor = reduction(view.source, view.least)
        crop = crop_image(decode_jpeg(buffer.getvalue(), factor), view, factor)
        assert np.abs(crop.astype(int) - crop_image(whole, view)).mean() < 0.8
        factors.add(factor)
    assert factors == {1, 2, 4, 8}
