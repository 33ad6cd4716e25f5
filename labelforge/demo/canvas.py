"""Painting a picture and its annotation with the same strokes, and the camera that says where.

A :class:`Canvas` holds two pictures of one size: colours, and what is where (thing and instance). A stroke goes to
both, so that picture and annotation agree to the pixel. They are painted at `OVERSAMPLING` times the size; the colours
are averaged down, and of the annotation the sample in the middle of each pixel is kept, since labels have no average.

:class:`Camera` is a pinhole above a level street; :class:`Spot` an upright plane in the street to draw things on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.demo.vocabulary import thing
from labelforge.palette import Color

__all__ = ["HERE", "OVERSAMPLING", "Camera", "Canvas", "Point", "Spot", "mark", "mix", "shade"]

Point = tuple[float, float]

OVERSAMPLING = 3
"""Odd, so that a pixel has a sample in its middle."""

_INSTANCE = 256
_OPAQUE = [0] * 128 + [255] * 128

HERE = -1
"""Instead of an annotation value: what is annotated below stays as it is (shadows, windows, paint on something)."""


def mark(name: str, instance: int = 0) -> int:
    """The annotation value of a thing, or of one instance of it (from 1)."""
    return instance * _INSTANCE + thing(name)


def shade(color: Color, factor: float) -> Color:
    """A colour made darker (below 1) or lighter (above 1)."""
    r, g, b = color
    return min(255, round(r * factor)), min(255, round(g * factor)), min(255, round(b * factor))


def mix(color: Color, other: Color, share: float) -> Color:
    """A colour with a share of another one."""
    (r, g, b), (r1, g1, b1) = color, other
    return round(r + (r1 - r) * share), round(g + (g1 - g) * share), round(b + (b1 - b) * share)


class Canvas:
    """A picture and its annotation; coordinates are pixels of the finished picture.

    Args:
        width: Columns.
        height: Rows.
        haze: Colour of the far distance.
    """

    def __init__(self, width: int, height: int, haze: Color) -> None:
        self.width, self.height = width, height
        self.haze = haze
        self.share = 0.0
        """Share of haze in everything that is painted next, 0-1."""
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self._image = Image.new("RGB", size)
        self._labels = Image.new("I", size)
        self._paint = ImageDraw.Draw(self._image)
        self._glaze = ImageDraw.Draw(self._image, "RGBA")
        self._annotate = ImageDraw.Draw(self._labels)

    def polygon(self, points: Iterable[Point], color: Color, value: int = HERE) -> None:
        """Fill a polygon."""
        pixels = [v * OVERSAMPLING for point in points for v in point]
        self._paint.polygon(pixels, fill=self._hazy(color))
        if value != HERE:
            self._annotate.polygon(pixels, fill=value)

    def ellipse(self, x: float, y: float, across: float, down: float, color: Color, value: int = HERE) -> None:
        """Fill an ellipse, given by its centre and its two radii."""
        box = [(v * OVERSAMPLING) for v in (x - across, y - down, x + across, y + down)]
        self._paint.ellipse(box, fill=self._hazy(color))
        if value != HERE:
            self._annotate.ellipse(box, fill=value)

    def line(
        self, points: Sequence[Point], width: float, color: Color, value: int = HERE, round_ends: bool = False
    ) -> None:
        """Draw a polyline, at least one pixel wide so that it has no gaps in the annotation."""
        pixels = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        thick = max(OVERSAMPLING if value != HERE else 1, round(width * OVERSAMPLING))
        colors = ((self._paint, self._hazy(color)), (self._annotate, value))
        for draw, fill in colors[: 1 if value == HERE else 2]:
            draw.line(pixels, fill=fill, width=thick, joint="curve")
            if round_ends and thick > 3:
                for x, y in (pixels[0], pixels[-1]):
                    draw.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=fill)

    def glaze(self, points: Iterable[Point], color: Color, share: float) -> None:
        """Fill a polygon with a see-through colour: shadows, reflections, dirt. The annotation stays."""
        pixels = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        if pixels:
            self._glaze.polygon(pixels, fill=(*color, round(255 * share)))

    def stamp(self, picture: Image.Image, center: Point, size: Point, tilt: float, light: float, value: int) -> None:
        """Paste an RGBA picture; where it is opaque, it is annotated.

        Args:
            picture: What to paste.
            center: Pixel of its middle.
            size: Width and height in pixels.
            tilt: How far it is turned, in degrees against the clock.
            light: Factor on its colours.
            value: Annotation value.
        """
        wide, tall = (max(1, round(v * OVERSAMPLING)) for v in size)
        scaled = picture.resize((wide, tall), Image.Resampling.BOX)
        turned = scaled.rotate(tilt, Image.Resampling.BILINEAR, expand=True)
        left, top = (round(c * OVERSAMPLING - s / 2) for c, s in zip(center, turned.size, strict=True))
        gain = light * (1 - self.share)
        table = [min(255, round(v * gain + haze * self.share)) for haze in self.haze for v in range(256)]
        colors = turned.convert("RGB").point(table)
        alpha = turned.getchannel("A").point(_OPAQUE)
        self._image.paste(colors, (left, top), alpha)
        self._labels.paste(value, (left, top, left + turned.width, top + turned.height), alpha)

    def background(self, picture: Image.Image, value: int) -> None:
        """Fill the upper rows with an RGB picture as wide as the canvas, and annotate everything as ``value``."""
        size = (picture.width * OVERSAMPLING, picture.height * OVERSAMPLING)
        self._image.paste(picture.resize(size, Image.Resampling.NEAREST))
        self._labels.paste(value, (0, 0, *self._labels.size))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint16]]:
        """The finished picture.

        Returns:
            (H, W, 3) float32 RGB 0-255, (H, W) uint8 things, (H, W) uint16 instances (0 = none).
        """
        image = np.asarray(self._image.reduce(OVERSAMPLING), np.float32)
        middle = OVERSAMPLING // 2
        labels = np.asarray(self._labels)[middle::OVERSAMPLING, middle::OVERSAMPLING]
        return image, (labels % _INSTANCE).astype(np.uint8), (labels // _INSTANCE).astype(np.uint16)

    def _hazy(self, color: Color) -> Color:
        return mix(color, self.haze, self.share) if self.share else color


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a level street that may bend. Metres: x to the right, z ahead, from the camera's foot.

    Attributes:
        width: Columns of the picture.
        height: Rows.
        focal: Focal length in pixels.
        horizon: Row of the horizon.
        above: Height of the camera above the street, in metres.
        center: Column of the direction that the street has at the camera.
        bend: Curvature of the street: a point z metres ahead lies bend * z^2 metres to the right.
    """

    width: int
    height: int
    focal: float
    horizon: float
    above: float
    center: float
    bend: float

    def at(self, x: float, z: float, up: float = 0.0) -> Point:
        """Pixel of a point ``up`` metres above the street, x metres to the right of the street's line, z ahead."""
        scale = self.focal / z
        return self.center + scale * x + self.focal * self.bend * z, self.horizon + scale * (self.above - up)

    @property
    def near(self) -> float:
        """Distance at which the street leaves the picture at the bottom, or a little less."""
        return self.focal * self.above / (self.height - self.horizon) * 0.95

    def strip(self, x0: float, x1: float, z0: float, z1: float) -> list[Point]:
        """A piece of a lane on the street, as a polygon that follows the bend; empty if it is behind the camera."""
        z0 = max(z0, self.near)
        if z1 <= z0:
            return []
        steps = max(1, math.ceil(math.log(z1 / z0) * 4)) if self.bend and z1 > 12 else 1
        depths = [z0 * (z1 / z0) ** (i / steps) for i in range(steps + 1)]
        return [self.at(x0, z) for z in depths] + [self.at(x1, z) for z in reversed(depths)]

    def spot(self, canvas: Canvas, x: float, z: float, flip: bool = False) -> Spot:
        """A place on the street to draw an upright thing at, with left and right exchanged if asked for."""
        column, row = self.at(x, z)
        return Spot(canvas, column, row, self.focal / z, -1 if flip else 1)


@dataclass(frozen=True)
class Spot:
    """An upright plane that faces the camera: (right, up) in metres from a point on the street.

    Attributes:
        canvas: What is painted on.
        column: Column of the point.
        row: Row of the point.
        scale: Pixels per metre.
        way: -1 where left and right are exchanged, else 1.
    """

    canvas: Canvas
    column: float
    row: float
    scale: float
    way: int = 1

    def at(self, right: float, up: float) -> Point:
        """Pixel of a point of the plane."""
        return self.column + self.way * right * self.scale, self.row - up * self.scale

    def polygon(self, points: Iterable[Point], color: Color, value: int = HERE) -> None:
        """Fill a polygon."""
        self.canvas.polygon([self.at(*p) for p in points], color, value)

    def box(self, left: float, bottom: float, right: float, top: float, color: Color, value: int = HERE) -> None:
        """Fill a rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], color, value)

    def disc(self, right: float, up: float, radius: float, color: Color, value: int = HERE) -> None:
        """Fill a circle."""
        x, y = self.at(right, up)
        self.canvas.ellipse(x, y, radius * self.scale, radius * self.scale, color, value)

    def limb(self, points: Sequence[Point], width: float, color: Color, value: int = HERE) -> None:
        """Draw a polyline with round ends, its width in metres."""
        self.canvas.line([self.at(*p) for p in points], width * self.scale, color, value, round_ends=True)

    def mast(self, bottom: float, top: float, width: float, color: Color, value: int, right: float = 0.0) -> None:
        """Draw something upright and thin, lit from one side."""
        self.canvas.line([self.at(right, bottom), self.at(right, top)], width * self.scale, color, value)
        edge = right + width * 0.28
        self.canvas.line([self.at(edge, bottom), self.at(edge, top)], width * 0.4 * self.scale, shade(color, 0.72))

    def shadow(self, left: float, right: float) -> None:
        """A flat soft shadow on the street below a thing."""
        (x0, y), (x1, _) = self.at(left, 0), self.at(right, 0)
        middle, across = (x0 + x1) / 2, abs(x1 - x0) / 2
        for grow, share in ((1.15, 0.22), (0.9, 0.3)):
            ring = [(middle + across * grow * c, y + across * 0.22 * grow * d) for c, d in _CIRCLE]
            self.canvas.glaze(ring, (14, 15, 18), share)


_CIRCLE = [(math.cos(a), math.sin(a)) for a in (math.pi * i / 8 for i in range(16))]
