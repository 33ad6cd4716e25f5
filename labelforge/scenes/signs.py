"""German traffic signs, drawn from polygons and strokes: all 43 classes of GTSDB.

A sign is drawn once, large, on the unit square ((0, 0) top left, (1, 1) bottom right), and scaled to the size asked
for. No font is used: digits are strokes, so the pictures are the same on every machine.

Source of the shapes, colours and symbols: the German road traffic regulations (StVO), as photographed in GTSDB; the
symbols are simplified to what is legible at 16 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.palette import Color

__all__ = ["NUM_SIGNS", "draw_sign", "sign_outline"]

NUM_SIGNS = 43
"""Classes of GTSDB, numbered from 0 as in its ``gt.txt``."""

Point = tuple[float, float]
Symbol = Callable[["Pen"], None]

RED: Color = (196, 22, 28)
BLUE: Color = (10, 80, 168)
YELLOW: Color = (252, 200, 0)
WHITE: Color = (246, 246, 244)
BLACK: Color = (22, 22, 24)
GREY: Color = (120, 122, 124)

_CANVAS = 256


class Pen:
    """Draws on the unit square of one sign."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._size = image.width

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(p) for p in points], fill=color)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """A filled circle."""
        (x, y), r = self._at(center), radius * self._size
        self._draw.ellipse([x - r, y - r, x + r, y + r], fill=color)

    def stroke(self, points: Sequence[Point], width: float, color: Color) -> None:
        """A polyline with round ends and joints."""
        pixels = [self._at(p) for p in points]
        self._draw.line(pixels, fill=color, width=max(1, round(width * self._size)), joint="curve")
        for point in points:
            self.disc(point, width / 2, color)

    def arrow(self, points: Sequence[Point], width: float, color: Color, head: float = 0.15) -> None:
        """A polyline that ends in an arrow head at its last point."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - ux * head, y1 - uy * head)
        self.stroke([*points[:-1], neck], width, color)
        side = head * 0.95
        self.polygon(
            [(x1, y1), (neck[0] - uy * side, neck[1] + ux * side), (neck[0] + uy * side, neck[1] - ux * side)], color
        )

    def number(self, text: str, color: Color, center: Point = (0.5, 0.5), height: float = 0.4) -> None:
        """A number, its digits drawn as strokes."""
        width = height * (0.56 if len(text) < 3 else 0.38)
        gap = width * 0.36
        left = center[0] - (len(text) * width + (len(text) - 1) * gap) / 2
        for i, digit in enumerate(text):
            x = left + i * (width + gap)
            for line in _DIGITS[digit]:
                points = [(x + px * width, center[1] + (py - 0.5) * height) for px, py in line]
                self.stroke(points, height * 0.19, color)

    def _at(self, point: Point) -> Point:
        return point[0] * self._size, point[1] * self._size


def _ring(x: float, y: float, rx: float, ry: float) -> list[Point]:
    return [(x + rx * math.sin(a), y - ry * math.cos(a)) for a in np.linspace(0, 2 * math.pi, 25)]


_DIGITS: dict[str, list[list[Point]]] = {
    "0": [_ring(0.5, 0.5, 0.45, 0.5)],
    "1": [[(0.25, 0.2), (0.6, 0.0), (0.6, 1.0)]],
    "2": [[(0.08, 0.25), (0.25, 0.03), (0.7, 0.03), (0.9, 0.25), (0.8, 0.48), (0.08, 1.0), (0.95, 1.0)]],
    "3": [[(0.1, 0.1), (0.5, 0.0), (0.85, 0.15), (0.82, 0.38), (0.45, 0.47)],
          [(0.45, 0.47), (0.88, 0.6), (0.88, 0.86), (0.5, 1.0), (0.08, 0.92)]],
    "5": [[(0.88, 0.0), (0.2, 0.0), (0.15, 0.45), (0.55, 0.38), (0.88, 0.55), (0.88, 0.82), (0.5, 1.0), (0.08, 0.9)]],
    "6": [[(0.75, 0.0), (0.3, 0.25), (0.1, 0.68)], _ring(0.5, 0.71, 0.4, 0.29)],
    "7": [[(0.05, 0.0), (0.95, 0.0), (0.4, 1.0)]],
    "8": [_ring(0.5, 0.25, 0.36, 0.25), _ring(0.5, 0.74, 0.44, 0.26)],
}  # fmt: skip


def sign_outline(class_id: int) -> list[Point]:
    """The outer edge of a sign on the unit square, as a polygon (circles have 72 corners)."""
    if class_id == 12:
        return [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)]
    if class_id == 13:
        return [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)]
    if class_id == 14:
        c = 1 - 1 / math.sqrt(2)
        return [(c, 0), (1 - c, 0), (1, c), (1, 1 - c), (1 - c, 1), (c, 1), (0, 1 - c), (0, c)]
    if class_id == 11 or 18 <= class_id <= 31:
        return [(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)]
    return [(0.5 + 0.5 * math.sin(a), 0.5 - 0.5 * math.cos(a)) for a in np.linspace(0, 2 * math.pi, 72, endpoint=False)]


@lru_cache(maxsize=NUM_SIGNS)
def _large(class_id: int) -> Image.Image:
    image = Image.new("RGBA", (_CANVAS, _CANVAS), (0, 0, 0, 0))
    base = Image.new("RGB", (_CANVAS, _CANVAS), GREY)
    _SIGNS[class_id](Pen(base))
    outline = Image.new("L", (_CANVAS, _CANVAS), 0)
    ImageDraw.Draw(outline).polygon([(x * _CANVAS, y * _CANVAS) for x, y in sign_outline(class_id)], fill=255)
    image.paste(base, (0, 0))
    image.putalpha(outline)
    return image


@lru_cache(maxsize=4096)
def draw_sign(class_id: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a sign.

    Args:
        class_id: Class of GTSDB, 0-42.
        size: Height and width in pixels, at least 1.

    Returns:
        (size, size, 3) uint8 RGB and (size, size) bool, where the sign is. The arrays are shared: do not write to them.

    Raises:
        ValueError: No such class.
    """
    if not 0 <= class_id < NUM_SIGNS:
        raise ValueError(f"GTSDB has classes 0-{NUM_SIGNS - 1}, not {class_id}")
    scaled = np.asarray(_large(class_id).resize((size, size), Image.Resampling.BOX))
    return scaled[..., :3], scaled[..., 3] >= 128


def _prohibition(symbol: Symbol) -> Symbol:
    def draw(pen: Pen) -> None:
        pen.disc((0.5, 0.5), 0.5, RED)
        pen.disc((0.5, 0.5), 0.36, WHITE)
        symbol(pen)

    return draw


def _end(symbol: Symbol) -> Symbol:
    def draw(pen: Pen) -> None:
        pen.disc((0.5, 0.5), 0.5, GREY)
        pen.disc((0.5, 0.5), 0.45, WHITE)
        symbol(pen)
        for shift in (-0.1, -0.035, 0.035, 0.1):
            pen.stroke([(0.22 + shift, 0.78 + shift), (0.78 + shift, 0.22 + shift)], 0.035, BLACK)

    return draw


def _danger(symbol: Symbol) -> Symbol:
    def draw(pen: Pen) -> None:
        pen.polygon([(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)], RED)
        pen.polygon([(0.5, 0.25), (0.84, 0.9), (0.16, 0.9)], WHITE)
        symbol(pen)

    return draw


def _mandatory(symbol: Symbol) -> Symbol:
    def draw(pen: Pen) -> None:
        pen.disc((0.5, 0.5), 0.5, WHITE)
        pen.disc((0.5, 0.5), 0.47, BLUE)
        symbol(pen)

    return draw


def _number(text: str) -> Symbol:
    return lambda pen: pen.number(text, BLACK)


def _car(pen: Pen, x: float, color: Color) -> None:
    pen.polygon(
        [(x - 0.13, 0.6), (x - 0.13, 0.5), (x - 0.08, 0.4), (x + 0.08, 0.4), (x + 0.13, 0.5), (x + 0.13, 0.6)], color
    )
    pen.disc((x - 0.09, 0.61), 0.035, color)
    pen.disc((x + 0.09, 0.61), 0.035, color)


def _truck(pen: Pen, x: float, color: Color, scale: float = 1.0) -> None:
    def at(px: float, py: float) -> Point:
        return x + px * scale, 0.5 + py * scale

    pen.polygon([at(-0.18, 0.08), at(-0.18, -0.14), at(0.06, -0.14), at(0.06, 0.08)], color)
    pen.polygon([at(0.08, 0.08), at(0.08, -0.06), at(0.16, -0.06), at(0.2, 0.02), at(0.2, 0.08)], color)
    for wheel in (-0.1, 0.12):
        pen.disc(at(wheel, 0.11), 0.045 * scale, color)


def _overtaking(truck: bool, left: Color, right: Color) -> Symbol:
    def draw(pen: Pen) -> None:
        if truck:
            _truck(pen, 0.36, left, 0.75)
        else:
            _car(pen, 0.35, left)
        _car(pen, 0.66, right)

    return draw


def _walker(pen: Pen, x: float, y: float, size: float, color: Color = BLACK) -> None:
    """A walking figure; ``y`` is its feet, ``size`` its height."""

    def at(px: float, py: float) -> Point:
        return x + px * size, y - py * size

    pen.disc(at(0.02, 0.9), 0.1 * size, color)
    pen.stroke([at(0.0, 0.72), at(0.0, 0.42)], 0.18 * size, color)
    pen.stroke([at(0.0, 0.42), at(-0.2, 0.04)], 0.1 * size, color)
    pen.stroke([at(0.0, 0.42), at(0.2, 0.04)], 0.1 * size, color)
    pen.stroke([at(0.0, 0.7), at(0.22, 0.5)], 0.08 * size, color)
    pen.stroke([at(0.0, 0.7), at(-0.2, 0.52)], 0.08 * size, color)


def _priority_next(pen: Pen) -> None:
    pen.arrow([(0.5, 0.86), (0.5, 0.4)], 0.1, BLACK, 0.12)
    pen.stroke([(0.36, 0.7), (0.64, 0.7)], 0.05, BLACK)


def _priority_road(pen: Pen) -> None:
    pen.polygon([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)], WHITE)
    pen.polygon([(0.5, 0.17), (0.83, 0.5), (0.5, 0.83), (0.17, 0.5)], YELLOW)


def _give_way(pen: Pen) -> None:
    pen.polygon([(0, 0), (1, 0), (0.5, 1)], RED)
    pen.polygon([(0.18, 0.11), (0.82, 0.11), (0.5, 0.74)], WHITE)


def _stop(pen: Pen) -> None:
    pen.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], RED)
    w, y0, y1 = 0.055, 0.37, 0.63
    ym = (y0 + y1) / 2
    pen.stroke([(0.26, y0), (0.14, y0), (0.14, ym), (0.26, ym), (0.26, y1), (0.14, y1)], w, WHITE)
    pen.stroke([(0.32, y0), (0.48, y0)], w, WHITE)
    pen.stroke([(0.4, y0), (0.4, y1)], w, WHITE)
    pen.stroke([(0.54, y0), (0.66, y0), (0.66, y1), (0.54, y1), (0.54, y0)], w, WHITE)
    pen.stroke([(0.74, y1), (0.74, y0), (0.87, y0), (0.87, ym), (0.74, ym)], w, WHITE)


def _no_entry(pen: Pen) -> None:
    pen.disc((0.5, 0.5), 0.5, RED)
    pen.polygon([(0.14, 0.41), (0.86, 0.41), (0.86, 0.59), (0.14, 0.59)], WHITE)


def _exclamation(pen: Pen) -> None:
    pen.stroke([(0.5, 0.42), (0.5, 0.66)], 0.1, BLACK)
    pen.disc((0.5, 0.81), 0.055, BLACK)


def _bend(points: Sequence[Point]) -> Symbol:
    return lambda pen: pen.arrow(points, 0.09, BLACK, 0.1)


def _uneven(pen: Pen) -> None:
    pen.stroke([(0.24, 0.84), (0.76, 0.84)], 0.05, BLACK)
    pen.disc((0.38, 0.79), 0.1, BLACK)
    pen.disc((0.62, 0.79), 0.1, BLACK)


def _slippery(pen: Pen) -> None:
    pen.polygon([(0.36, 0.62), (0.42, 0.48), (0.6, 0.46), (0.68, 0.58), (0.66, 0.66), (0.38, 0.7)], BLACK)
    pen.stroke([(0.4, 0.86), (0.34, 0.8), (0.42, 0.74)], 0.04, BLACK)
    pen.stroke([(0.66, 0.86), (0.58, 0.8), (0.66, 0.72)], 0.04, BLACK)


def _narrows(pen: Pen) -> None:
    pen.stroke([(0.4, 0.86), (0.4, 0.46)], 0.07, BLACK)
    pen.stroke([(0.66, 0.86), (0.66, 0.72), (0.55, 0.6), (0.55, 0.46)], 0.07, BLACK)


def _construction(pen: Pen) -> None:
    _walker(pen, 0.42, 0.87, 0.46)
    pen.polygon([(0.54, 0.87), (0.66, 0.7), (0.76, 0.87)], BLACK)
    pen.stroke([(0.46, 0.62), (0.62, 0.72)], 0.03, BLACK)


def _lights(pen: Pen) -> None:
    for y, color in ((0.46, RED), (0.62, YELLOW), (0.78, (20, 140, 60))):
        pen.disc((0.5, y), 0.085, color)


def _pedestrians(pen: Pen) -> None:
    _walker(pen, 0.5, 0.85, 0.46)
    for x in (0.28, 0.42, 0.58, 0.72):
        pen.stroke([(x - 0.04, 0.88), (x + 0.03, 0.88)], 0.035, BLACK)


def _school(pen: Pen) -> None:
    _walker(pen, 0.4, 0.87, 0.46)
    _walker(pen, 0.62, 0.87, 0.36)


def _bicycle(pen: Pen) -> None:
    for x in (0.34, 0.66):
        pen.disc((x, 0.76), 0.12, BLACK)
        pen.disc((x, 0.76), 0.075, WHITE)
    pen.stroke([(0.34, 0.76), (0.44, 0.58), (0.6, 0.58), (0.5, 0.76), (0.34, 0.76)], 0.035, BLACK)
    pen.stroke([(0.66, 0.76), (0.58, 0.5), (0.66, 0.5)], 0.035, BLACK)
    pen.stroke([(0.4, 0.52), (0.48, 0.52)], 0.035, BLACK)


def _snow(pen: Pen) -> None:
    for angle in (0, 60, 120):
        dx, dy = 0.19 * math.cos(math.radians(angle)), 0.19 * math.sin(math.radians(angle))
        pen.stroke([(0.5 - dx, 0.65 - dy), (0.5 + dx, 0.65 + dy)], 0.05, BLACK)


def _deer(pen: Pen) -> None:
    pen.polygon([(0.32, 0.62), (0.6, 0.54), (0.66, 0.62), (0.4, 0.72)], BLACK)
    pen.stroke([(0.62, 0.58), (0.7, 0.44)], 0.06, BLACK)
    pen.stroke([(0.7, 0.44), (0.66, 0.34)], 0.03, BLACK)
    pen.stroke([(0.36, 0.68), (0.26, 0.82)], 0.045, BLACK)
    pen.stroke([(0.6, 0.62), (0.76, 0.76)], 0.045, BLACK)


def _arrows(*lines: Sequence[Point]) -> Symbol:
    def draw(pen: Pen) -> None:
        for points in lines:
            pen.arrow(points, 0.12, WHITE, 0.18)

    return draw


def _roundabout(pen: Pen) -> None:
    for start in (0, 120, 240):
        angles = [math.radians(start + a) for a in (0, -25, -50, -75, -95)]
        pen.arrow([(0.5 + 0.27 * math.cos(a), 0.5 + 0.27 * math.sin(a)) for a in angles], 0.09, WHITE, 0.13)


def _nothing(_: Pen) -> None:
    return


_STRAIGHT: list[Point] = [(0.5, 0.84), (0.5, 0.14)]
_SIGNS: tuple[Symbol, ...] = (
    *(_prohibition(_number(n)) for n in ("20", "30", "50", "60", "70", "80")),
    _end(lambda pen: pen.number("80", GREY)),
    *(_prohibition(_number(n)) for n in ("100", "120")),
    _prohibition(_overtaking(False, RED, BLACK)),
    _prohibition(_overtaking(True, RED, BLACK)),
    _danger(_priority_next),
    _priority_road,
    _give_way,
    _stop,
    _prohibition(_nothing),
    _prohibition(lambda pen: _truck(pen, 0.49, BLACK)),
    _no_entry,
    _danger(_exclamation),
    _danger(_bend([(0.6, 0.86), (0.6, 0.62), (0.4, 0.48)])),
    _danger(_bend([(0.4, 0.86), (0.4, 0.62), (0.6, 0.48)])),
    _danger(_bend([(0.56, 0.86), (0.42, 0.74), (0.58, 0.6), (0.46, 0.42)])),
    _danger(_uneven),
    _danger(_slippery),
    _danger(_narrows),
    _danger(_construction),
    _danger(_lights),
    _danger(_pedestrians),
    _danger(_school),
    _danger(_bicycle),
    _danger(_snow),
    _danger(_deer),
    _end(_nothing),
    _mandatory(_arrows([(0.34, 0.82), (0.34, 0.5), (0.86, 0.5)])),
    _mandatory(_arrows([(0.66, 0.82), (0.66, 0.5), (0.14, 0.5)])),
    _mandatory(_arrows(_STRAIGHT)),
    _mandatory(_arrows([(0.38, 0.84), (0.38, 0.14)], [(0.38, 0.56), (0.86, 0.56)])),
    _mandatory(_arrows([(0.62, 0.84), (0.62, 0.14)], [(0.62, 0.56), (0.14, 0.56)])),
    _mandatory(_arrows([(0.26, 0.26), (0.78, 0.78)])),
    _mandatory(_arrows([(0.74, 0.26), (0.22, 0.78)])),
    _mandatory(_roundabout),
    _end(_overtaking(False, GREY, GREY)),
    _end(_overtaking(True, GREY, GREY)),
)
