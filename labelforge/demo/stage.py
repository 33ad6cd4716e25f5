"""What all painters of one scene share: the canvas and camera, the light, the order of painting, and who stands where.

Things are painted from far to near. Signs that face the camera are given their places first; whatever would stand
before one of them is not put up, so that every sign is seen whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from labelforge.demo.canvas import Camera, Canvas, Point, Spot, mark
from labelforge.demo.street import Street
from labelforge.palette import Color

__all__ = ["Rng", "Stage", "pick"]

Rng = np.random.Generator


def pick(rng: Rng, colors: tuple[Color, ...]) -> Color:
    """One of several colours, a little lighter or darker."""
    r, g, b = colors[int(rng.integers(len(colors)))]
    step = int(rng.integers(-10, 11))
    return max(0, min(255, r + step)), max(0, min(255, g + step)), max(0, min(255, b + step))


@dataclass
class Stage:
    """One scene while it is being painted.

    Attributes:
        rng: Source of everything random.
        canvas: What is painted on.
        camera: What is seen.
        street: The plan of the ground.
        sun: Side from which the sun shines: -1 left, 1 right.
        visibility: Distance in metres at which the haze has taken two thirds.
    """

    rng: Rng
    canvas: Canvas
    camera: Camera
    street: Street
    sun: int
    visibility: float
    _queue: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _reserved: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    _instances: int = 0

    def count(self, name: str) -> int:
        """The annotation value of a new instance of a thing."""
        self._instances += 1
        return mark(name, self._instances)

    def spot(self, x: float, z: float, flip: bool = False) -> Spot:
        """A place on the street."""
        return self.camera.spot(self.canvas, x, z, flip)

    def haze(self, z: float) -> float:
        """Share of haze at a distance."""
        return 1 - math.exp(-z / self.visibility)

    def later(self, z: float, paint: Callable[[], None]) -> None:
        """Paint something when its turn comes, which is after everything farther away."""
        self._queue.append((z, paint))

    def put(self, x: float, z: float, size: tuple[float, float], paint: Callable[[], None]) -> bool:
        """Paint something later, unless it would hide a sign.

        Args:
            x: Its middle.
            z: Its near end.
            size: Width and height in metres.
            paint: Paints it.

        Returns:
            Whether it will be painted.
        """
        corners = [self.camera.at(x + side * size[0] / 2, z, up) for side in (-1, 1) for up in (0.0, size[1])]
        if self.hides(corners, z):
            return False
        self.later(z, paint)
        return True

    def reserve(self, corners: Iterable[Point], z: float) -> None:
        """Keep the bounding box of some pixels free from anything nearer than ``z``."""
        self._reserved.append((*_bounds(corners), z))

    def hides(self, corners: Iterable[Point], z: float) -> bool:
        """Whether something at ``z``, with these pixels, would hide a sign."""
        left, top, right, bottom = _bounds(corners)
        return any(
            z < far and left < right1 and left1 < right and top < bottom1 and top1 < bottom
            for left1, top1, right1, bottom1, far in self._reserved
        )

    def paint(self) -> None:
        """Paint everything that was put off, from far to near."""
        for z, draw in sorted(self._queue, key=lambda entry: -entry[0]):
            self.canvas.share = self.haze(z)
            draw()
        self._queue.clear()


def _bounds(corners: Iterable[Point]) -> tuple[float, float, float, float]:
    columns, rows = zip(*corners, strict=True)
    return min(columns) - 1, min(rows) - 1, max(columns) + 1, max(rows) + 1
