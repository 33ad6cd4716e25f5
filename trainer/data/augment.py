"""Augmentation: from a stored sample to one training crop.

A :class:`View` is a window of the crop's size laid over the scaled image; only the source pixels under the window are
ever resampled. Where the window extends beyond the image, the crop is padded with :data:`PAD_COLOR` and with the row
"no annotation". Labels are never interpolated, and in a mirrored crop the target table's ``mirror`` maps every row: "go
left" becomes "go right", and a class without a mirror image becomes silent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelforge.trainer.config import DataConfig
from labelforge.trainer.data import authors
from labelforge.trainer.images import Pixels, fit_scale, resize

PAD_COLOR = (124, 116, 104)
"""RGB outside the image: the mean colour of ImageNet, near 0 once a network has normalised its input."""

Rows = npt.NDArray[np.integer]


@dataclass(frozen=True)
class View:
    """A crop as a window over the scaled image.

    Attributes:
        source: Height and width of the stored image.
        scaled: Height and width that the whole image would have after scaling.
        window: Top, left, height and width of the crop in scaled pixels; it may extend beyond the image.
        flip: Whether the crop is mirrored left to right.
    """

    source: tuple[int, int]
    scaled: tuple[int, int]
    window: tuple[int, int, int, int]
    flip: bool

    @property
    def visible(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the part of the window that lies on the image, in scaled pixels."""
        top, left, height, width = self.window
        return max(top, 0), max(left, 0), min(top + height, self.scaled[0]), min(left + width, self.scaled[1])


def draw_view(rng: np.random.Generator, size: tuple[int, int], config: DataConfig, dataset: str = "") -> View:
    """Choose the scale, the place and the mirroring of a crop at random.

    Args:
        rng: Source of randomness; always used for the same number of draws.
        size: Height and width of the stored image.
        config: ``crop``, ``resize``, ``scale``, ``flip`` and ``augmentation`` are used.
        dataset: Name of the label space; the method's authors have sizes of their own for some.
    """
    low, high = config.scale
    zoom, down, right, coin = rng.random(4)
    scale = float(low * (high / low) ** zoom)
    base = size
    if config.augmentation == "authors" and dataset in authors.SIZES:
        base = authors.SIZES[dataset]
    elif config.resize == "fit":
        scale *= fit_scale(size, config.crop)
    height, width = max(1, round(base[0] * scale)), max(1, round(base[1] * scale))
    top = _place(down, height - config.crop[0])
    left = _place(right, width - config.crop[1])
    return View(size, (height, width), (top, left, *config.crop), config.flip and coin < 0.5)


def crop_image(image: Pixels, view: View) -> Pixels:
    """The window's pixels: bilinear, and averaged over the covered area where the image shrinks.

    Args:
        image: (H, W, 3) uint8 RGB, of the size ``view.source``.
        view: What to look at.

    Returns:
        (h, w, 3) uint8, padded with :data:`PAD_COLOR`, mirrored if the view is.
    """
    top, left, bottom, right = view.visible
    fine = resize(image, view.scaled, (top, left, bottom, right))
    height, width = view.window[2:]
    if fine.shape[:2] != (height, width):
        padded = np.empty((height, width, 3), np.uint8)
        padded[...] = PAD_COLOR
        y, x = top - view.window[0], left - view.window[1]
        padded[y : y + fine.shape[0], x : x + fine.shape[1]] = fine
        fine = padded
    return fine[:, ::-1] if view.flip else fine


def crop_rows(rows: Rows, view: View, fill: int) -> Rows:
    """The window's label rows: nearest neighbour, ``fill`` outside the image, mirrored if the view is.

    Rows keep their numbers; the caller sends the rows of a mirrored view through the table's ``mirror``.

    Args:
        rows: (H, W) integers, of the size ``view.source``.
        view: What to look at.
        fill: Row "no annotation" of the same dataset.

    Returns:
        (h, w) of the same dtype.
    """
    top, left, height, width = view.window
    y = _nearest(top, height, view.scaled[0], view.source[0])
    x = _nearest(left, width, view.scaled[1], view.source[1])
    inside_y, inside_x = y >= 0, x >= 0
    out: Rows = rows[np.ix_(np.maximum(y, 0), np.maximum(x, 0))]
    out[~inside_y] = fill
    out[:, ~inside_x] = fill
    return out[:, ::-1] if view.flip else out


def jitter_colors(rng: np.random.Generator, image: Pixels, strength: float) -> Pixels:
    """Scale brightness, contrast and saturation by factors drawn from ``1 - strength .. 1 + strength``.

    Args:
        rng: Source of randomness; three draws.
        image: (H, W, 3) uint8.
        strength: At least 0, below 1.
    """
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    bright = image.astype(np.float32) * brightness
    grey = bright @ np.array([0.299, 0.587, 0.114], np.float32)
    mean = grey.mean()
    colorful = grey[..., None] + (bright - grey[..., None]) * saturation
    out: Pixels = np.clip(mean + (colorful - mean) * contrast, 0, 255).round().astype(np.uint8)
    return out


def augment(
    rng: np.random.Generator,
    image: Pixels,
    rows: Rows,
    config: DataConfig,
    dataset: str = "",
    *,
    global_rows: npt.NDArray[np.int16],
    mirrored_rows: npt.NDArray[np.int16],
) -> tuple[Pixels, npt.NDArray[np.int16]]:
    """One training crop of a sample.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8 RGB.
        rows: (H, W) rows of the sample's own dataset; its row 0 is "no annotation".
        config: What to do.
        dataset: Name of the label space.
        global_rows: (R,) row of the dataset -> global row of the target table.
        mirrored_rows: (R,) row of the dataset -> global row of what it becomes in a mirrored image.

    Returns:
        (h, w, 3) uint8, writable, and (h, w) int16 of global rows.
    """
    pixels, crop, flipped = augment_locally(rng, image, rows, config, dataset)
    return pixels, (mirrored_rows if flipped else global_rows)[crop]


def augment_locally(
    rng: np.random.Generator, image: Pixels, rows: Rows, config: DataConfig, dataset: str = ""
) -> tuple[Pixels, Rows, bool]:
    """The same, with the rows as they are in the dataset's own table.

    Returns:
        (h, w, 3) uint8, writable; (h, w) rows, mirrored if the crop is; and whether it is.
    """
    view = draw_view(rng, (image.shape[0], image.shape[1]), config, dataset)
    pixels = crop_image(image, view)
    if config.jitter:
        pixels = jitter_colors(rng, pixels, config.jitter)
    if config.augmentation == "authors":
        pixels = authors.distort(rng, pixels, dataset)
    return np.require(pixels, requirements=("C", "W")), crop_rows(rows, view, fill=0), view.flip


def _place(draw: float, slack: int) -> int:
    """An offset in 0..slack, or, where the image is the smaller of the two, in slack..0."""
    return int(draw * (slack + 1)) if slack >= 0 else -int(draw * (1 - slack))


def _nearest(start: int, length: int, scaled: int, source: int) -> npt.NDArray[np.int64]:
    """Source index under the centre of each of ``length`` scaled pixels from ``start``; -1 outside."""
    at = np.arange(start, start + length)
    index = np.minimum(((at + 0.5) * (source / scaled)).astype(np.int64), source - 1)
    return np.where((at >= 0) & (at < scaled), index, -1)
