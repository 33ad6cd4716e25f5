"""Sizes and augmentation as in the code of the method's authors; ``data.augmentation: authors``.

Source: ``input_cityscapes_mapillary_gtsdb/input_pipeline.py`` and ``preprocess_augmentation_1.py`` of
https://github.com/pmeletis/IV2018-hierarchical-semantic-segmentation-for-heterogeneous-datasets. Cityscapes and GTSDB
are brought to a fixed size, and their crops change colour and sharpness at random; crops of Vistas, and here of every
other dataset, do not. The colours are those of TensorFlow's ``tf.image.random_*``, the blurs those of OpenCV, in NumPy
and Pillow. Values are in [0, 1] until the end, where the crop becomes 8 bit again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from labelforge.trainer.images import Pixels

SIZES: Final = {"cityscapes": (512, 1024), "gtsdb": (512, 850)}
"""Height and width that they bring images to, which makes GTSDB's 2 % narrower. Elsewhere the crop just fits."""

Colors = npt.NDArray[np.floating]

_BRIGHTNESS, _FACTORS, _HUE = 16 / 255, (0.8, 1.2), 0.1
_SIGMA = 35  # of OpenCV's bilateral filter, in colour and in space


def distort(rng: np.random.Generator, image: Pixels, dataset: str) -> Pixels:
    """Change the colours of half of the crops of Cityscapes and GTSDB, and blur half of them.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8 RGB.
        dataset: Name of the label space.

    Returns:
        (H, W, 3) uint8.
    """
    if dataset not in SIZES:
        return image
    colors: Colors = image.astype(np.float32) / np.float32(255)
    order = int(rng.integers(8))
    if order < len(_ORDERS):
        for change in _ORDERS[order]:
            colors = change(rng, colors)
        colors = np.clip(colors, 0, 1)
    blur = int(rng.integers(4))
    if blur < 2:
        side = 2 * int(rng.integers(2)) + 1
        colors = median_blur(colors, side) if blur == 0 else bilateral_blur(colors)
    out: Pixels = (np.clip(colors, 0, 1) * 255).round().astype(np.uint8)
    return out


def shift_brightness(colors: Colors, delta: float) -> Colors:
    """Add ``delta`` to all values."""
    return colors + np.float32(delta)


def scale_contrast(colors: Colors, factor: float) -> Colors:
    """Move all values of a channel away from, or towards, the channel's mean over the image."""
    mean = colors.mean(axis=(0, 1), keepdims=True)
    changed: Colors = (colors - mean) * np.float32(factor) + mean
    return changed


def scale_saturation(colors: Colors, factor: float) -> Colors:
    """Multiply the saturation S of HSV, to at most 1; hue and value stay."""
    value, span = _value_and_span(colors)
    saturation = _saturation(value, span)
    wanted = np.clip(saturation * np.float32(factor), 0, 1)
    ratio = np.divide(wanted, saturation, out=np.zeros_like(wanted), where=saturation > 0)
    changed: Colors = value[..., None] - (value[..., None] - colors) * ratio[..., None]
    return changed


def shift_hue(colors: Colors, delta: float) -> Colors:
    """Add ``delta`` to the hue H of HSV, 1 being the whole circle; saturation and value stay."""
    value, span = _value_and_span(colors)
    red, green, blue = np.moveaxis(colors, 2, 0)
    divisor = np.where(span > 0, span, np.float32(1))  # without a span there is no hue, and none is needed
    around = np.select(
        [value == red, value == green],
        [(green - blue) / divisor, 2 + (blue - red) / divisor],
        4 + (red - green) / divisor,
    )
    sixths = around + np.float32(6 * delta)
    chroma = value * _saturation(value, span)
    channels = []
    for start in (5, 3, 1):  # how far a channel is below the value, around the circle
        place = (start + sixths) % 6
        channels.append(value - chroma * np.clip(np.minimum(place, 4 - place), 0, 1))
    return np.stack(channels, axis=2).astype(np.float32)


def median_blur(colors: Colors, side: int) -> Colors:
    """OpenCV's ``medianBlur`` of the values cut to 8 bit: per channel, with the border repeated.

    Args:
        colors: (H, W, 3) in [0, 1].
        side: Side of the window: 1, which only cuts the values, or 3.
    """
    cut = Image.fromarray((colors * 255).astype(np.uint8))
    return np.asarray(cut.filter(ImageFilter.MedianFilter(side)), np.float32) / np.float32(255)


def bilateral_blur(colors: Colors) -> Colors:
    """OpenCV's ``bilateralFilter`` with both sigmas 35: each pixel and its four neighbours, the border mirrored.

    OpenCV gives a window of side 1 and one of side 3 the same radius, 1, and leaves its corners out. Colours in [0, 1]
    differ by little beside a sigma of 35, so this is nearly the mean of the five.
    """
    padded = np.pad(colors, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    total: Colors = colors.copy()
    weights: Colors = np.ones((*colors.shape[:2], 1), np.float32)
    near = np.exp(np.float32(-0.5 / _SIGMA**2))
    height, width = colors.shape[:2]
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        other = padded[y : y + height, x : x + width]
        distance = np.abs(other - colors).sum(axis=2, keepdims=True)
        weight = near * np.exp(distance**2 * np.float32(-0.5 / _SIGMA**2))
        total += weight * other
        weights += weight
    return total / weights


def _value_and_span(colors: Colors) -> tuple[Colors, Colors]:
    """(H, W) the largest channel, and how far it is above the smallest."""
    red, green, blue = np.moveaxis(colors, 2, 0)  # NumPy is slow at reducing an axis of three
    value = np.maximum(np.maximum(red, green), blue)
    return value, value - np.minimum(np.minimum(red, green), blue)


def _saturation(value: Colors, span: Colors) -> Colors:
    """(H, W) S of HSV: 0 for black and below."""
    found: Colors = np.divide(span, value, out=np.zeros_like(value), where=value > 0)
    return found


def _brightness(rng: np.random.Generator, colors: Colors) -> Colors:
    return shift_brightness(colors, rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))


def _saturate(rng: np.random.Generator, colors: Colors) -> Colors:
    return scale_saturation(colors, rng.uniform(*_FACTORS))


def _hue(rng: np.random.Generator, colors: Colors) -> Colors:
    return shift_hue(colors, rng.uniform(-_HUE, _HUE))


def _contrast(rng: np.random.Generator, colors: Colors) -> Colors:
    return scale_contrast(colors, rng.uniform(*_FACTORS))


_ORDERS: Final[tuple[tuple[Callable[[np.random.Generator, Colors], Colors], ...], ...]] = (
    (_brightness, _saturate, _hue, _contrast),
    (_saturate, _brightness, _contrast, _hue),
    (_contrast, _hue, _brightness, _saturate),
    (_hue, _saturate, _contrast, _brightness),
)
"""The four orders of ``distort_color``; with as many chances, a crop keeps its colours."""
