"""Drawing on the plate of a sign: strokes with round ends, arrows and digits, without any font.

Coordinates are shares of the plate's width: x and y from 0 to 1, y downwards. A digit is a few strokes, so a picture is
the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from labelforge.palette import Color

__all__ = ["Pen", "Point", "arc"]

Point = tuple[float, float]


def arc(center: Point, radius: float, first: float, last: float, squash: float = 1.0) -> list[Point]:
    """Points on an arc, a corner every ten degrees at least.

    Args:
        center: Its centre.
        radius: Its radius across.
        first: Angle of the first point in degrees, clockwise from 12 o'clock.
        last: Angle of the last point.
        squash: Height of the ellipse in relation to its width.
    """
    steps = max(2, math.ceil(abs(last - first) / 10))
    angles = [math.radians(first + (last - first) * i / steps) for i in range(steps + 1)]
    return [(center[0] + radius * math.sin(a), center[1] - radius * squash * math.cos(a)) for a in angles]


_DIGITS: dict[str, list[list[Point]]] = {  # each on a square that is stretched to the digit's width and height
    "0": [arc((0.5, 0.5), 0.5, 0, 360)],
    "1": [[(0.1, 0.22), (0.55, 0.0), (0.55, 1.0)]],
    "2": [[*arc((0.5, 0.28), 0.46, -80, 125, 0.6), (0.02, 1.0), (1.0, 1.0)]],
    "3": [[*arc((0.46, 0.25), 0.45, -75, 170, 0.55), (0.42, 0.46), *arc((0.46, 0.72), 0.52, 10, 250, 0.54)]],
    "5": [[(0.9, 0.0), (0.16, 0.0), (0.08, 0.46), *arc((0.46, 0.67), 0.52, -40, 240, 0.63)]],
    "6": [[(0.78, 0.0), (0.3, 0.28), (0.04, 0.66)], arc((0.5, 0.68), 0.5, 0, 360, 0.64)],
    "7": [[(0.0, 0.0), (1.0, 0.0), (0.36, 1.0)]],
    "8": [arc((0.5, 0.25), 0.42, 0, 360, 0.59), arc((0.5, 0.74), 0.5, 0, 360, 0.53)],
    "S": [[*arc((0.5, 0.25), 0.45, 70, -90, 0.55), (0.14, 0.4), (0.86, 0.6), *arc((0.5, 0.75), 0.45, 90, 250, 0.55)]],
    "T": [[(0.0, 0.0), (1.0, 0.0)], [(0.5, 0.0), (0.5, 1.0)]],
    "P": [[(0.08, 1.0), (0.08, 0.0), *arc((0.56, 0.27), 0.42, 0, 180, 0.64), (0.08, 0.54)]],
}
_DIGITS["O"] = _DIGITS["0"]


class Pen:
    """Draws on one plate.

    Args:
        image: The picture to draw on; its width is 1.
    """

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._unit = image.width

    def polygon(self, points: Iterable[Point], color: Color) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(p) for p in points], fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """A filled rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """A filled circle."""
        (x, y), r = self._at(center), radius * self._unit
        self._draw.ellipse([x - r, y - r, x + r, y + r], fill=color)

    def stroke(self, points: Sequence[Point], width: float, color: Color, square: bool = False) -> None:
        """A polyline; its joints are round, and so are its ends unless they are to be square."""
        self._draw.line([self._at(p) for p in points], fill=color, width=max(1, round(width * self._unit)))
        for point in points[1:-1] if square else points:
            self.disc(point, width / 2, color)

    def arrow(self, points: Sequence[Point], width: float, color: Color, head: float) -> None:
        """A polyline that ends in an arrow head of the given length at its last point."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - ux * head, y1 - uy * head)
        self.stroke([*points[:-1], neck], width, color, square=True)
        side = max(head * 0.8, width)
        barbs = [(neck[0] + s * uy * side, neck[1] - s * ux * side) for s in (-1, 1)]
        self.polygon([(x1, y1), *barbs], color)

    def text(self, text: str, color: Color, center: Point, width: float, height: float, weight: float) -> None:
        """Digits (and the letters S, T, O, P) as strokes.

        Args:
            text: What to write.
            color: Its colour.
            center: Its middle.
            width: Of the whole text, to the outer edges of the strokes.
            height: Of the text, to the outer edges of the strokes.
            weight: Thickness of the strokes.
        """
        gap = weight * 0.75
        each = (width - gap * (len(text) - 1)) / len(text)
        for i, sign in enumerate(text):
            left = center[0] - width / 2 + i * (each + gap) + weight / 2
            top = center[1] - height / 2 + weight / 2
            for line in _DIGITS[sign]:
                path = [(left + x * (each - weight), top + y * (height - weight)) for x, y in line]
                self.stroke(path, weight, color)

    def _at(self, point: Point) -> Point:
        return point[0] * self._unit, point[1] * self._unit
