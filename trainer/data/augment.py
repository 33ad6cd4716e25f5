"""Augmentation: from a stored sample to one training crop.

A :class:`View` is a window of the crop's size laid over the scaled image. Only the source pixels under the window are
ever resampled, and a JPEG is decoded smaller where the view needs no more (:attr:`View.least`). Where the window is
beyond the image, the crop is padded with :data:`PAD_COLOR` and with the row "no annotation". Labels are never
interpolated, and in a mirrored crop the target table's ``mirror`` maps every row: "go left" becomes "go right", and a
class without a mirror image becomes silent. How colours change is only drawn here; it happens where the crop is used
(:mod:`labelforge.trainer.data.colors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from labelforge.shards import Sample
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data import authors
from labelforge.trainer.data.colors import draw_colors, jitter_colors
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

    @property
    def least(self) -> tuple[int, int]:
        """Height and width that the image must have: twice those of the scaled one, which leaves the filter enough."""
        return 2 * self.scaled[0], 2 * self.scaled[1]


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


def crop_image(image: Pixels, view: View, reduced: int = 1) -> Pixels:
    """The window's pixels: bilinear, and averaged over the covered area where the image shrinks.

    Args:
        image: (H, W, 3) uint8 RGB, of the size ``view.source`` divided by ``reduced`` and rounded up.
        view: What to look at.
        reduced: How many times smaller the image was decoded.

    Returns:
        (h, w, 3) uint8, writable, padded with :data:`PAD_COLOR`, mirrored if the view is.
    """
    top, left, bottom, right = view.visible
    extent = view.source[0] / reduced, view.source[1] / reduced
    fine = resize(image, view.scaled, (top, left, bottom, right), extent)
    height, width = view.window[2:]
    if fine.shape[:2] != (height, width):
        padded = np.empty((height, width, 3), np.uint8)
        padded[...] = PAD_COLOR
        y, x = top - view.window[0], left - view.window[1]
        padded[y : y + fine.shape[0], x : x + fine.shape[1]] = fine
        fine = padded
    fine = np.require(fine, requirements=("C", "W"))
    # NumPy takes twenty times as long to reverse triples of bytes.
    return torch.from_numpy(fine).flip(1).numpy() if view.flip else fine


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
    if view.flip:
        x = x[::-1]
    out: Rows = rows.take(np.maximum(y, 0), axis=0).take(np.maximum(x, 0), axis=1)
    out[y < 0] = fill
    out[:, x < 0] = fill
    return out


class Cut(NamedTuple):
    """One crop of a sample."""

    pixels: Pixels
    """(h, w, 3) uint8 RGB, writable, before its colours change."""
    local_rows: Rows
    """(h, w) rows of the dataset's own table; those of a mirrored crop are yet to be mirrored."""
    colors: torch.Tensor | None
    """(3,) float32: how its colours change (:func:`jitter_colors`); None if they do not, or have."""


def cut(rng: np.random.Generator, sample: Sample, view: View, config: DataConfig, dataset: str = "") -> Cut:
    """A view of a sample, and the rest that is random about a crop.

    Args:
        rng: Source of randomness, after :func:`draw_view`.
        sample: The sample; its image may have been decoded smaller. Row 0 is "no annotation".
        view: What to look at.
        config: ``jitter`` and ``augmentation`` are used.
        dataset: Name of the label space; the method's authors change some in ways of their own.
    """
    pixels = crop_image(sample.image, view, sample.reduced)
    colors = draw_colors(rng, config.jitter) if config.jitter else None
    if config.augmentation == "authors":
        if colors is not None:  # now, since the authors' changes come after
            image = torch.from_numpy(pixels).permute(2, 0, 1)
            pixels, colors = jitter_colors(image[None], colors[None])[0].permute(1, 2, 0).numpy(), None
        pixels = authors.distort(rng, pixels, dataset)
    return Cut(pixels, crop_rows(sample.local_rows, view, fill=0), colors)


def _place(draw: float, slack: int) -> int:
    """An offset in 0..slack, or, where the image is the smaller of the two, in slack..0."""
    return int(draw * (slack + 1)) if slack >= 0 else -int(draw * (1 - slack))


def _nearest(start: int, length: int, scaled: int, source: int) -> npt.NDArray[np.int64]:
    """Source index under the centre of each of ``length`` scaled pixels from ``start``; -1 outside."""
    at = np.arange(start, start + length)
    index = np.minimum(((at + 0.5) * (source / scaled)).astype(np.int64), source - 1)
    return np.where((at >= 0) & (at < scaled), index, -1)
