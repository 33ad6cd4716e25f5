"""Painting a picture and its annotation with the same strokes.

A :class:`Canvas` holds two pictures of the same size: RGB, and what is where (thing and instance). Every stroke goes to
both, so image and labels agree to the pixel. Both are painted at twice the size; the image is averaged down, and of the
annotation one sample per pixel is kept, since labels cannot be averaged.

:class:`Camera` is a pinhole above a flat street: it turns metres into pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.palette import Color

__all__ = ["Camera", "Canvas", "Spot"]

Point = tuple[float, float]

OVERSAMPLING = 2
INSTANCE = 256
"""In the annotation picture a pixel is ``instance * INSTANCE + thing``."""


class Canvas:
    """An RGB picture and its annotation; coordinates are pixels of the finished picture.

    Args:
        width: Columns.
        height: Rows.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self._image = Image.new("RGB", size)
        self._labels = Image.new("I", size)
        self._paint = ImageDraw.Draw(self._image)
        self._mark = ImageDraw.Draw(self._labels)

    def polygon(self, points: Sequence[Point], color: Color, value: int) -> None:
        """Fill a polygon. ``value`` is ``instance * INSTANCE + thing``."""
        pixels = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self._paint.polygon(pixels, fill=color)
        self._mark.polygon(pixels, fill=value)

    def ellipse(self, left: float, top: float, right: float, bottom: float, color: Color, value: int | None) -> None:
        """Fill an ellipse given by its bounding box; a ``value`` of None leaves the annotation as it is."""
        box = [v * OVERSAMPLING for v in (left, top, max(right, left), max(bottom, top))]
        self._paint.ellipse(box, fill=color)
        if value is not None:
            self._mark.ellipse(box, fill=value)

    def line(self, points: Sequence[Point], width: float, color: Color, value: int) -> None:
        """Draw a polyline."""
        pixels = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        thick = max(1, round(width * OVERSAMPLING))
        self._paint.line(pixels, fill=color, width=thick, joint="curve")
        self._mark.line(pixels, fill=value, width=thick, joint="curve")

    def stamp(self, rgb: NDArray[np.uint8], mask: NDArray[np.bool_], left: float, top: float, value: int) -> None:
        """Paste a picture where its mask is set; the picture is in oversampled pixels."""
        at = (round(left * OVERSAMPLING), round(top * OVERSAMPLING))
        stencil = Image.fromarray(mask.astype(np.uint8) * 255)
        self._image.paste(Image.fromarray(np.ascontiguousarray(rgb)), at, stencil)
        self._labels.paste(value, (*at, at[0] + mask.shape[1], at[1] + mask.shape[0]), stencil)

    def background(self, rows: NDArray[np.uint8], value: int) -> None:
        """Fill everything with one colour per row: (height, 3) uint8."""
        column = Image.fromarray(np.repeat(rows[:, None], 1, axis=1))
        self._image.paste(column.resize(self._image.size, Image.Resampling.BILINEAR))
        self._labels.paste(value, (0, 0, *self._labels.size))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint16]]:
        """The finished picture: (H, W, 3) float32 RGB 0-255, (H, W) uint8 things, (H, W) uint16 instances."""
        image = np.asarray(self._image.resize((self.width, self.height), Image.Resampling.BOX), np.float32)
        half = OVERSAMPLING // 2
        labels = np.asarray(self._labels)[half::OVERSAMPLING, half::OVERSAMPLING]
        return image, (labels % INSTANCE).astype(np.uint8), (labels // INSTANCE).astype(np.uint16)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along a straight, flat street. Metres: x to the right, z ahead.

    Attributes:
        width: Columns of the picture.
        height: Rows.
        focal: Focal length in pixels.
        horizon: Row of the horizon.
        above: Height of the camera above the street, in metres.
        center: Column of the vanishing point.
    """

    width: int
    height: int
    focal: float
    horizon: float
    above: float
    center: float

    def at(self, x: float, z: float, up: float = 0.0) -> Point:
        """Pixel of a point ``up`` metres above the street."""
        return self.center + self.focal * x / z, self.horizon + self.focal * (self.above - up) / z

    def strip(self, x0: float, x1: float, z0: float, z1: float) -> list[Point]:
        """A rectangle on the street, as a polygon."""
        return [self.at(x0, z0), self.at(x1, z0), self.at(x1, z1), self.at(x0, z1)]

    def spot(self, canvas: Canvas, x: float, z: float) -> Spot:
        """A place on the street to draw an upright object at."""
        column, row = self.at(x, z)
        return Spot(canvas, column, row, self.focal / z)


@dataclass(frozen=True)
class Spot:
    """An upright plane that faces the camera: (right, up) in metres from a point on the street.

    Attributes:
        canvas: What is painted on.
        column: Column of the point.
        row: Row of the point.
        scale: Pixels per metre.
    """

    canvas: Canvas
    column: float
    row: float
    scale: float

    def at(self, right: float, up: float) -> Point:
        """Pixel of a point of the plane."""
        return self.column + right * self.scale, self.row - up * self.scale

    def polygon(self, points: Sequence[Point], color: Color, value: int) -> None:
        """Fill a polygon."""
        self.canvas.polygon([self.at(*p) for p in points], color, value)

    def box(self, left: float, bottom: float, right: float, top: float, color: Color, value: int) -> None:
        """Fill a rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], color, value)

    def disc(self, right: float, up: float, radius: float, color: Color, value: int) -> None:
        """Fill a circle."""
        x, y = self.at(right, up)
        r = radius * self.scale
        self.canvas.ellipse(x - r, y - r, x + r, y + r, color, value)

    def line(self, points: Sequence[Point], width: float, color: Color, value: int) -> None:
        """Draw a polyline, its width in metres."""
        self.canvas.line([self.at(*p) for p in points], width * self.scale, color, value)

    def shadow(self, left: float, right: float) -> None:
        """A flat shadow below an object; what it falls on keeps its label."""
        x0, y = self.at(left, 0)
        x1, _ = self.at(right, 0)
        depth = 0.12 * self.scale
        self.canvas.ellipse(x0, y - depth, x1, y + depth, (48, 48, 52), None)
