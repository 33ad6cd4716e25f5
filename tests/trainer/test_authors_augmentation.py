"""The augmentation of the method's authors, pixel by pixel against its definitions."""

from __future__ import annotations

import colorsys
import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest

from labelforge.trainer.config import DataConfig
from labelforge.trainer.data import authors
from labelforge.trainer.data.augment import draw_view

IMAGE = np.random.default_rng(1).random((7, 9, 3), np.float32)
IMAGE[0, 0], IMAGE[0, 1], IMAGE[1, 1], IMAGE[2, 2] = 0, 0.5, (1, 0, 0), (0.3, 0.3, 0.9)
FIXED = DataConfig(crop=(512, 706), scale=(1, 1), flip=False, jitter=0, augmentation="authors")


def in_hsv(change: Callable[[float, float, float], tuple[float, float, float]]) -> np.ndarray:
    rows = [[colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in row] for row in IMAGE.tolist()]
    return np.array(rows)


@pytest.mark.parametrize("delta", [-0.1, 0.0, 0.04, 0.1])
def test_hue(delta: float) -> None:
    wanted = in_hsv(lambda h, s, v: ((h + delta) % 1, s, v))
    np.testing.assert_allclose(authors.shift_hue(IMAGE, delta), wanted, atol=2e-6)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2, 5.0])
def test_saturation(factor: float) -> None:
    wanted = in_hsv(lambda h, s, v: (h, min(1.0, factor * s), v))
    np.testing.assert_allclose(authors.scale_saturation(IMAGE, factor), wanted, atol=2e-6)


def test_brightness_and_contrast() -> None:
    np.testing.assert_allclose(authors.shift_brightness(IMAGE, -0.05), IMAGE - 0.05, atol=1e-6)
    changed = authors.scale_contrast(IMAGE, 1.2)
    for channel in range(3):
        values = [float(v) for v in IMAGE[..., channel].flat]
        mean = statistics.fmean(values)
        wanted = [1.2 * (v - mean) + mean for v in values]
        assert changed[..., channel].ravel().tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("side", [1, 3])
def test_median_blur(side: int) -> None:
    got = authors.median_blur(IMAGE, side)
    height, width, _ = IMAGE.shape
    reach = range(-(side // 2), side // 2 + 1)
    for y, x, c in np.ndindex(IMAGE.shape):
        near = [
            math.floor(float(IMAGE[min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1), c] * np.float32(255)))
            for i in reach
            for j in reach
        ]
        assert got[y, x, c] == np.float32(statistics.median(near)) / np.float32(255)


def test_bilateral_blur() -> None:
    """OpenCV's definition, with its two oddities: the window is never smaller than 3, and it is round."""
    got = authors.bilateral_blur(IMAGE)
    height, width, _ = IMAGE.shape

    def mirrored(i: int, n: int) -> int:
        return -i if i < 0 else 2 * n - 2 - i if i >= n else i

    for y, x in np.ndindex(height, width):
        total, weights = np.zeros(3), 0.0
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                if math.hypot(i, j) <= 1:
                    other = IMAGE[mirrored(y + i, height), mirrored(x + j, width)].astype(float)
                    distance = np.abs(other - IMAGE[y, x]).sum()
                    weight = math.exp(-(i * i + j * j) / (2 * 35**2)) * math.exp(-(distance**2) / (2 * 35**2))
                    total, weights = total + weight * other, weights + weight
        np.testing.assert_allclose(got[y, x], total / weights, atol=1e-6)


def test_half_keep_their_colours_and_half_their_sharpness() -> None:
    """Blur does nothing to a crop of one colour; of others, a quarter stay as they are."""
    flat = np.full((4, 4, 3), (90, 120, 60), np.uint8)
    board = np.random.default_rng(0).integers(40, 200, (12, 12, 3), np.uint8)
    seeds = range(2000)

    def unchanged(image: np.ndarray) -> float:
        same = [np.array_equal(authors.distort(np.random.default_rng(s), image, "gtsdb"), image) for s in seeds]
        return sum(same) / len(same)

    assert unchanged(flat) == pytest.approx(0.5, abs=0.04)
    # Of the blurs, a median with a window of 1 does nothing: one in eight.
    assert unchanged(board) == pytest.approx(0.5 * (0.5 + 1 / 8), abs=0.04)


@pytest.mark.parametrize("dataset", ["mapillary-vistas-1.2", "camvid"])
def test_other_datasets_are_left_alone(dataset: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    rng = np.random.default_rng(0)
    assert authors.distort(rng, image, dataset) is image
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    ("dataset", "stored", "scaled"),
    [
        ("cityscapes", (1024, 2048), (512, 1024)),
        ("gtsdb", (800, 1360), (512, 850)),
        ("mapillary-vistas-1.2", (2448, 3264), (530, 706)),  # the crop just fits: 706 wide
        ("mapillary-vistas-1.2", (1080, 1920), (512, 910)),  # 512 high
    ],
)
def test_images_are_brought_to_the_authors_sizes(
    dataset: str, stored: tuple[int, int], scaled: tuple[int, int]
) -> None:
    views = [draw_view(np.random.default_rng(seed), stored, FIXED, dataset) for seed in range(300)]
    assert {view.scaled for view in views} == {scaled}
    assert not any(view.flip for view in views)
    slack = scaled[0] - 512, scaled[1] - 706
    for axis in range(2):
        places = [view.window[axis] for view in views]
        assert min(places) >= 0 and max(places) <= slack[axis]
        if slack[axis]:
            assert statistics.fmean(places) == pytest.approx(slack[axis] / 2, rel=0.15)
