"""Painting a picture and its annotation with the same strokes.

A :class:`Canvas` holds two pictures of one size: colors, and what is where (thing and instance). A stroke goes to both,
so that picture and annotation agree to the pixel. They are painted at `OVERSAMPLING` times the size; the colors are
averaged down, and of the annotation the sample in the middle of each pixel is kept, since labels have no average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.demo.vocabulary import THINGS
from labelforge.palette import Color

Point = tuple[float, float]

OVERSAMPLING = 3  # odd, so that a pixel has a sample in its middle
HERE = -1  # instead of an annotation value: what is annotated below stays as it is
INSTANCE = 256  # an annotation value is the thing, and this times the number of its instance


def mark(name: str, instance: int = 0) -> int:
    """The annotation value of a thing, or of one instance of it (from 1)."""
    return instance * INSTANCE + THINGS[name]


def shade(color: Color, factor: float) -> Color:
    """A color made darker (below 1) or lighter (above 1)."""
    r, g, b = color
    return min(255, round(r * factor)), min(255, round(g * factor)), min(255, round(b * factor))


def mix(color: Color, other: Color, share: float) -> Color:
    """A color with a share of another one."""
    (r, g, b), (r1, g1, b1) = color, other
    return round(r + (r1 - r) * share), round(g + (g1 - g) * share), round(b + (b1 - b) * share)


class Canvas:
    """A picture and its annotation, in pixels of the finished picture; ``haze`` is the color of the far distance."""

    def __init__(self, width: int, height: int, haze: Color) -> None:
        self.width, self.height, self.haze = width, height, haze
        self.share = 0.0
        """Share of haze in everything that is painted next, 0-1."""
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self._image, self._labels = Image.new("RGB", size), Image.new("I", size)
        self._paint, self._annotate = ImageDraw.Draw(self._image), ImageDraw.Draw(self._labels)
        self._glaze = ImageDraw.Draw(self._image, "RGBA")

    def polygon(self, points: Iterable[Point], color: Color, value: int = HERE) -> None:
        """Fill a polygon."""
        pixels = [v * OVERSAMPLING for point in points for v in point]
        self._paint.polygon(pixels, fill=self._hazy(color))
        if value != HERE:
            self._annotate.polygon(pixels, fill=value)

    def line(self, points: Sequence[Point], width: float, color: Color, value: int = HERE) -> None:
        """Draw a polyline with round ends, at least one pixel wide so that it has no gaps in the annotation."""
        pixels = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        thick = max(OVERSAMPLING if value != HERE else 1, round(width * OVERSAMPLING))
        for draw, fill in ((self._paint, self._hazy(color)), (self._annotate, value))[: 1 + (value != HERE)]:
            draw.line(pixels, fill=fill, width=thick, joint="curve")
            if thick > OVERSAMPLING:
                for x, y in (pixels[0], pixels[-1]):
                    draw.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=fill)

    def glaze(self, points: Iterable[Point], color: Color, share: float) -> None:
        """Fill a polygon with a see-through color, as shadows are. The annotation stays."""
        self._glaze.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points], (*color, round(255 * share)))

    def background(self, picture: Image.Image, value: int) -> None:
        """Fill the upper rows with an RGB picture as wide as the canvas, and annotate everything as ``value``."""
        size = (picture.width * OVERSAMPLING, picture.height * OVERSAMPLING)
        self._image.paste(picture.resize(size, Image.Resampling.NEAREST))
        self._labels.paste(value, (0, 0, *self._labels.size))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint16]]:
        """The picture, (H, W, 3) float32 RGB 0-255; (H, W) uint8 things; (H, W) uint16 instances (0 = none)."""
        image = np.asarray(self._image.reduce(OVERSAMPLING), np.float32)
        middle = OVERSAMPLING // 2
        labels = np.asarray(self._labels)[middle::OVERSAMPLING, middle::OVERSAMPLING]
        return image, (labels % INSTANCE).astype(np.uint8), (labels // INSTANCE).astype(np.uint16)

    def _hazy(self, color: Color) -> Color:
        return mix(color, self.haze, self.share) if self.share else color
