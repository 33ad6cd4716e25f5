"""Vehicles with four wheels or more: solids made by drawing a side view out sideways, in any direction on the street.

Each edge of the side view becomes a face across the vehicle; faces turned away are left out, the others are painted
from far to near, lit by where they face; then the flank, windows, wheels and lamps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labelforge.demo.bodies import KINDS, Body
from labelforge.demo.canvas import HERE, Point, mix, shade
from labelforge.demo.stage import Stage, pick
from labelforge.palette import Color

__all__ = ["vehicle"]

_Part = Callable[[float, float, float, float, Color], None]

_GLASS: Color = (54, 66, 78)
_TYRE: Color = (26, 26, 28)
_RED: Color = (184, 22, 26)
_LAMP: Color = (240, 238, 214)


def vehicle(stage: Stage, kind: str, x: float, z: float, heading: float) -> float:
    """Put a vehicle on the street, unless it would hide a sign or reach behind the camera.

    Args:
        stage: The scene.
        kind: One of `KINDS`.
        x: Middle of the vehicle.
        z: Middle of the vehicle.
        heading: Where it drives to: 0 = away from the camera, pi = towards it, pi / 2 = to the right.

    Returns:
        Its length in metres, also if it was not put there.
    """
    rng = stage.rng
    makes = KINDS[kind]
    bodies = makes[int(rng.integers(len(makes)))]
    paints = [pick(rng, body.colors) for body in bodies]
    length = max(p[0] for b in bodies for p in b.profile) - min(p[0] for b in bodies for p in b.profile)
    half = (abs(math.cos(heading)) * length + abs(math.sin(heading)) * bodies[0].width) / 2
    across = (abs(math.sin(heading)) * length + abs(math.cos(heading)) * bodies[0].width) / 2
    tall = max(body.height for body in bodies)
    if z - half < max(3.2, stage.camera.near * 0.8):
        return length
    ends = [(x + s * across, z + e * half) for s in (-1, 1) for e in (-1, 1)]
    if stage.hides([stage.camera.at(a, b, up) for a, b in ends for up in (0, tall)], z - half):
        return length
    value = stage.count(kind)
    painters = [_Painter(stage, body, paint, x, z, heading, value) for body, paint in zip(bodies, paints, strict=True)]

    def paint() -> None:
        for painter in sorted(painters, key=lambda p: -p.distance()):
            painter.paint()

    stage.later(z - half * 0.5, paint)
    return length


@dataclass(frozen=True)
class _Painter:
    stage: Stage
    body: Body
    paint_color: Color
    x: float
    z: float
    heading: float
    value: int

    def world(self, along: float, across: float) -> Point:
        """(x, z) of a point of the vehicle."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        return self.x + along * sin + across * cos, self.z + along * cos - across * sin

    def at(self, along: float, across: float, up: float) -> Point:
        """Pixel of a point of the vehicle."""
        x, z = self.world(along, across)
        return self.stage.camera.at(x, max(z, 1.5), up)

    def distance(self) -> float:
        """Distance of the middle of this body."""
        middle = sum(p[0] for p in self.body.profile) / len(self.body.profile)
        return self.world(middle, 0)[1]

    def seen(self, along: float, across: float, up: float, normal: tuple[float, float, float]) -> bool:
        """Whether a face through a point, with this outward normal (along, across, up), faces the camera."""
        camera, (x, z) = self.stage.camera, self.world(along, across)
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        nx, nz = normal[0] * sin + normal[1] * cos, normal[0] * cos - normal[1] * sin
        bent = x + camera.bend * z * z
        return nx * bent + nz * z + normal[2] * (up - camera.above) < 0

    def paint(self) -> None:
        """Paint the body, its wheels and its shadow."""
        canvas, body = self.stage.canvas, self.body
        half = body.width / 2
        ends = (body.profile[0][0] - 0.1, body.profile[-1][0] + 0.1)
        foot = [self.at(a, c, 0) for a, c in ((ends[0], -half), (ends[1], -half), (ends[1], half), (ends[0], half))]
        canvas.glaze([(c + (c - self._center(foot)[0]) * 0.08, r) for c, r in foot], (10, 10, 14), 0.5)
        self._wheels_below()
        faces = []
        for i, (first, last) in enumerate(zip(body.profile, body.profile[1:], strict=False)):
            along, up = last[0] - first[0], last[1] - first[1]
            size = math.hypot(along, up) or 1.0
            normal = (-up / size, 0.0, along / size)
            middle = ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
            if self.seen(middle[0], 0, middle[1], normal):
                faces.append((self.world(middle[0], 0)[1], i, normal[2], first, last))
        for _, i, level, first, last in sorted(faces, key=lambda f: -f[0]):
            self._face(i, level, first, last)
        for side in (-1, 1):
            if self.seen(0, side * half, 1.0, (0.0, float(side), 0.0)):
                self._flank(side)

    @staticmethod
    def _center(points: Sequence[Point]) -> Point:
        return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)

    def _wheels_below(self) -> None:
        """Wheels as seen below the near end."""
        radius, half = self.body.radius, self.body.width / 2
        for wheel in self.body.wheels:
            for side in (-1, 1):
                outer, inner = side * half * 0.98, side * (half - 0.24)
                corners = [
                    (wheel, outer, 0),
                    (wheel, inner, 0),
                    (wheel, inner, radius * 1.4),
                    (wheel, outer, radius * 1.4),
                ]
                self.stage.canvas.polygon([self.at(*c) for c in corners], _TYRE, self.value)

    def _face(self, number: int, level: float, first: Point, last: Point) -> None:
        """One face across the vehicle; ``level`` is how far it faces upwards."""
        canvas, body = self.stage.canvas, self.body
        half = body.width / 2

        def part(a: float, b: float, c: float, d: float, tint: Color, value: int = HERE) -> None:
            """From share a to b along the edge, from c to d across (-1 to 1)."""
            spots = []
            for share, across in ((a, c), (a, d), (b, d), (b, c)):
                along, up = (first[j] + (last[j] - first[j]) * share for j in (0, 1))
                spots.append(self.at(along, across * half, up))
            canvas.polygon(spots, tint, value)

        color = shade(self.paint_color, 0.78 + 0.3 * max(0.0, level))
        part(0, 1, -1, 1, color, self.value)
        if number in body.screens:
            low, high = (0.1, 0.92) if body.height < 2 else (0.42, 0.9)
            part(low, high, -0.86, 0.86, mix(_GLASS, self.stage.canvas.haze, 0.12 + 0.2 * max(0.0, level)))
        if abs(level) < 0.5 and abs(last[1] - first[1]) > 0.15:
            self._lamps(number, first, last, part)

    def _lamps(self, number: int, first: Point, last: Point, part: _Part) -> None:
        """Lamps, a number plate and doors on an upright end of the vehicle."""
        body, paint = self.body, self.paint_color
        back = last[1] > first[1]
        low, high = min(first[1], last[1]), max(first[1], last[1])

        def share(up: float) -> float:
            return (up - first[1]) / (last[1] - first[1])

        if body.doors and back and high > 1.0:
            part(share(low + 0.1), share(high - 0.1), -0.02, 0.02, shade(paint, 0.5))
            part(share(low + 0.05), share(low + 0.12), -0.96, 0.96, shade(paint, 0.5))
        lamp = 0.6 if body.height < 2 else low + 0.25
        if low < lamp < high or number in (0, len(body.profile) - 2):
            lamp = min(max(lamp, low + 0.12), high - 0.05)
            for side in (-1, 1):
                inner, outer = side * 0.62, side * 0.95
                part(share(lamp - 0.1), share(min(high, lamp + 0.12)), inner, outer, _RED if back else _LAMP)
            if low + 0.1 < lamp - 0.06:
                part(share(lamp - 0.2), share(lamp - 0.06), -0.26, 0.26, (226, 226, 220))

    def _flank(self, side: int) -> None:
        """One side: the profile, its windows and the wheels."""
        canvas, body = self.stage.canvas, self.body
        across = side * body.width / 2
        (x0, _), (x1, _) = self.world(0, 0), self.world(0, side)
        sunny = (x1 - x0) * self.stage.sun
        color = shade(self.paint_color, 0.84 + 0.16 * sunny)
        canvas.polygon([self.at(a, across, u) for a, u in body.profile], color, self.value)
        low = body.profile[0][1]
        sill = [
            (body.profile[0][0], low),
            (body.profile[-1][0], low),
            (body.profile[-1][0], low + 0.14),
            (body.profile[0][0], low + 0.14),
        ]
        canvas.polygon([self.at(a, across, u) for a, u in sill], shade(color, 0.6))
        for window in body.windows:
            canvas.polygon(
                [self.at(a, across, u) for a, u in window], mix(_GLASS, canvas.haze, 0.1 + 0.1 * max(0, sunny))
            )
        for wheel in body.wheels:
            for radius, tint in (
                (body.radius, _TYRE),
                (body.radius * 0.58, (136, 138, 140)),
                (body.radius * 0.2, (70, 72, 74)),
            ):
                ring = [(wheel + radius * math.cos(a), body.radius + radius * math.sin(a)) for a in _TURN]
                canvas.polygon([self.at(a, across, u) for a, u in ring], tint, self.value)


_TURN = [math.pi * i / 9 for i in range(18)]
