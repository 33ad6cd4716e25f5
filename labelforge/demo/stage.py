"""What all painters of one scene share: canvas, camera and light, the order of painting, and who stands where.

Things are painted from far to near. Signs that face the camera are given their places first; whatever would stand
before one of them is not put up, so that every sign is seen whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from labelforge.demo.canvas import HERE, Canvas, Point, mark
from labelforge.demo.shapes import arc
from labelforge.demo.street import Street
from labelforge.palette import Color

Rng = np.random.Generator
Range = tuple[float, float]
Rectangle = tuple[float, float, float, float]  # first column, first row, last column, last row


def pick(rng: Rng, colors: tuple[Color, ...]) -> Color:
    """One of several colors, a little lighter or darker."""
    step = int(rng.integers(-10, 11))
    r, g, b = (max(0, min(255, channel + step)) for channel in colors[int(rng.integers(len(colors)))])
    return r, g, b


@dataclass(frozen=True)
class Camera:
    """A pinhole camera ``above`` a level street, in metres: x to the right, z ahead, from the camera's foot.

    Its picture has ``width`` x ``height`` pixels; ``focal`` is in pixels, ``horizon`` a row, and ``center`` the column
    where the street points to at the camera. A point of the street z metres ahead lies ``bend`` * z^2 to the right.
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

    def strip(self, x: Range, z: Range) -> list[Point]:
        """A piece of a lane on the street, as a polygon that follows the bend; empty if it is behind the camera."""
        first, last = max(z[0], self.near), z[1]
        if last <= first:
            return []
        depths = np.geomspace(first, last, 2 + int(4 * math.log(last / first)) * bool(self.bend)).tolist()
        return [self.at(x[0], d) for d in depths] + [self.at(x[1], d) for d in reversed(depths)]


@dataclass
class Stage:
    """One scene while it is being painted.

    The ``sun`` shines from the left (-1) or the right (1); at a distance of ``visibility`` metres the haze has taken
    two thirds. ``reserved`` are the pixels and distances of signs, to be kept free.
    """

    rng: Rng
    canvas: Canvas
    camera: Camera
    street: Street
    sun: int
    visibility: float
    _queue: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    reserved: list[tuple[Rectangle, float]] = field(default_factory=list)
    _instances: int = 0

    def count(self, name: str) -> int:
        """The annotation value of a new instance of a thing."""
        self._instances += 1
        return mark(name, self._instances)

    def later(self, z: float, paint: Callable[[], None]) -> None:
        """Paint something when its turn comes, which is after everything farther away."""
        self._queue.append((z, paint))

    def paint(self) -> None:
        """Paint everything that was put off, from far to near."""
        for z, draw in sorted(self._queue, key=lambda entry: -entry[0]):
            self.canvas.share = 1 - math.exp(-z / self.visibility)
            draw()

    def hides(self, corners: Iterable[Point], z: float) -> bool:
        """Whether something at ``z``, with these pixels, would hide a sign."""
        columns, rows = zip(*corners, strict=True)
        left, top, right, bottom = min(columns) - 1, min(rows) - 1, max(columns) + 1, max(rows) + 1
        return any(z < far and left < c and a < right and top < d and b < bottom for (a, b, c, d), far in self.reserved)

    def wall(self, x: float, z: Range, up: Range, color: Color, value: int = HERE) -> None:
        """Paint an upright rectangle that runs along the street at ``x``."""
        places = ((z[0], up[0]), (z[1], up[0]), (z[1], up[1]), (z[0], up[1]))
        self.canvas.polygon([self.camera.at(x, *place) for place in places], color, value)

    def shadow(self, x: float, z: float, half: float) -> None:
        """Paint a flat soft shadow on the street, ``half`` metres to either side."""
        column, row = self.camera.at(x, z)
        for grow, share in ((1.15, 0.22), (0.9, 0.3)):
            ring = arc(column, row, half * grow * self.camera.focal / z, 0, 350, 0.22)
            self.canvas.glaze(ring, (14, 15, 18), share)
