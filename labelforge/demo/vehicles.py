"""Vehicles with four wheels or more: solids made by drawing a side view out sideways, along the street.

Each edge of the side view becomes a face across the vehicle, lit by where it faces. Drawings of flank, back and front
(see :mod:`labelforge.demo.shapes`), with their windows, wheels and lamps, are laid on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from labelforge.demo.canvas import Point, shade
from labelforge.demo.shapes import draw, shapes
from labelforge.demo.stage import Stage, pick
from labelforge.palette import Color

_CAR_PAINT: tuple[Color, ...] = (
    (200, 202, 206), (58, 60, 66), (150, 28, 32), (34, 62, 118), (228, 228, 226), (92, 100, 92), (184, 160, 100),
)  # fmt: skip
_LORRY_PAINT: tuple[Color, ...] = ((222, 222, 216), (74, 110, 150), (178, 50, 44), (206, 170, 50), (60, 110, 92))
_INKS: dict[str, Color] = {
    "glass": (70, 82, 94), "tyre": (26, 26, 28), "rim": (136, 138, 140), "red": (184, 22, 26), "lamp": (240, 238, 214),
    "plate": (226, 226, 220), "dark": (50, 52, 56),
}  # fmt: skip


class _Body(NamedTuple):
    """A solid: side view, width, colors, wheels (their radius, then where they are), and drawings of its sides.

    The side view goes from the low end of the back over the roof to the low end of the front, (along, up) in metres.
    """

    view: str
    width: float
    colors: tuple[Color, ...]
    wheels: str
    flank: str
    back: str
    front: str


# fmt: off
_HATCHBACK = _Body(
    "-2,.28 -2.02,.7 -1.95,.92 -1.6,1.44 .3,1.47 1.05,.98 1.85,.84 2,.6 2,.28", 1.76, _CAR_PAINT, ".31 -1.25 1.25",
    "poly glass -1.55,.95 -1.4,1.36 -.75,1.38 -.75,.95 poly glass -.65,.95 -.65,1.38 .2,1.38 .82,.98",
    "poly glass -.74,.97 .74,.97 .62,1.39 -.62,1.39 both box red .52,.6 .84,.8 box plate -.26,.42 .26,.54",
    "poly glass -.76,1.01 .76,1.01 .64,1.42 -.64,1.42 both box lamp .5,.58 .82,.74 box dark -.4,.54 .4,.68",
)
_TALL_CAR = _Body(
    "-2.2,.35 -2.22,.95 -2.1,1.15 -1.85,1.72 .35,1.75 1.05,1.15 2,1.02 2.2,.75 2.2,.35", 1.88, _CAR_PAINT,
    ".37 -1.35 1.4", "poly glass -1.75,1.15 -1.62,1.62 -.6,1.65 -.6,1.15 poly glass -.5,1.15 -.5,1.65 .25,1.65 .8,1.2",
    "poly glass -.78,1.18 .78,1.18 .68,1.64 -.68,1.64 both box red .62,.75 .88,1.08 box plate -.26,.6 .26,.72",
    "poly glass -.8,1.2 .8,1.2 .68,1.68 -.68,1.68 both box lamp .54,.72 .88,.9 box dark -.46,.62 .46,.8",
)
_VAN = _Body(
    "-2.6,.35 -2.6,2 -2.45,2.12 1.1,2.12 1.9,1.25 2.45,1 2.5,.35", 1.95, _LORRY_PAINT, ".35 -1.6 1.6",
    "poly glass .35,1.3 .35,1.9 1.05,1.9 1.6,1.3",
    "box dark -.02,.45 .02,2 both box glass .12,1.3 .78,1.85 both box red .8,.8 .95,1.15 box plate -.26,.5 .26,.62",
    "poly glass -.85,1.3 .85,1.3 .75,2.0 -.75,2.0 both box lamp .55,.75 .9,.95 box dark -.5,.6 .5,.8",
)
_BOX = _Body(
    "-3.6,.75 -3.6,3.35 1.5,3.35 1.5,.75", 2.45, _LORRY_PAINT, ".48 -2.3 -1.2", "box paint*.85 -3.6,3.2 1.5,3.3",
    "box dark -.03,.9 .03,3.2 both box red .85,.6 1.15,.8 box plate -.26,.6 .26,.74 box dark -1.2,.75 1.2,.85", "",
)
_CAB = _Body(
    "1.65,.45 1.65,2.55 1.9,2.75 3.2,2.7 3.5,1.5 3.55,.45", 2.35, _CAR_PAINT, ".48 2.7",
    "poly glass 2.3,1.5 2.3,2.35 3.05,2.35 3.25,1.5", "",
    "poly glass -1,1.55 1,1.55 .95,2.5 -.95,2.5 both box lamp .75,.65 1.1,.85 box dark -.6,.7 .6,1.2",
)
_BUS = _Body(
    "-5.6,.35 -5.6,2.9 -5.4,3.05 5.4,3.05 5.58,2.8 5.6,.35", 2.5, _LORRY_PAINT, ".48 -3.2 3.4",
    " ".join(f"box glass {1.3 * i - 5.14:.2f},1.25 {1.3 * i - 3.96:.2f},2.45" for i in range(8)),
    "box glass -1.05,1.5 1.05,2.5 both box red .95,.7 1.15,1.05 box plate -.26,.6 .26,.74",
    "box glass -1.15,1.1 1.15,2.5 box dark -.9,2.6 .9,2.85 both box lamp .8,.6 1.1,.8",
)
# fmt: on

# Kind -> its makes; each consists of one body or more, from the back to the front.
KINDS = {"car": ((_HATCHBACK,), (_TALL_CAR,), (_VAN,)), "truck": ((_BOX, _CAB),), "bus": ((_BUS,),)}


def put_vehicle(stage: Stage, kind: str, x: float, z: float, oncoming: bool) -> float:
    """Put a vehicle on the street, unless it would hide a sign or reach behind the camera; return its length."""
    bodies, value = KINDS[kind][int(stage.rng.integers(len(KINDS[kind])))], stage.count(kind)
    solids = [_Solid(stage, body, pick(stage.rng, body.colors), x, z, -1 if oncoming else 1, value) for body in bodies]
    outline = [point for solid in solids for point in solid.profile]
    back, front, tall = min(outline)[0], max(outline)[0], max(up for _, up in outline)
    near, half = z - (front - back) / 2, bodies[0].width / 2
    edges = [(x + side * half, end) for side in (-1, 1) for end in (max(near, 1), z + (front - back) / 2)]
    corners = [stage.camera.at(*edge, up) for edge in edges for up in (0, tall)]
    if near > max(3.2, stage.camera.near * 0.8) and not stage.hides(corners, near):
        for solid in solids if oncoming else solids[::-1]:
            stage.later(z - (front - back) / 4, solid.paint)
    return front - back


@dataclass(frozen=True)
class _Solid:
    """A body at its place on the street; ``way`` is 1 if it drives away from the camera, -1 if towards it."""

    stage: Stage
    body: _Body
    color: Color
    x: float
    z: float
    way: int
    value: int

    @property
    def profile(self) -> tuple[Point, ...]:
        return shapes(f"poly paint {self.body.view}")[0].points

    def at(self, along: float, across: float, up: float) -> Point:
        """Pixel of a point of the body."""
        return self.stage.camera.at(self.x + self.way * across, max(self.z + self.way * along, 1.5), up)

    def paint(self) -> None:
        """Paint the shadow, the end and the flank that are seen, and the drawings on them."""
        canvas, profile, half = self.stage.canvas, self.profile, self.body.width / 2
        (first, low), (last, _) = profile[0], profile[-1]
        corners = ((first, -half), (first, half), (last, half), (last, -half))
        canvas.glaze([self.at(along * 1.04, across * 1.08, 0) for along, across in corners], (10, 10, 14), 0.5)
        end = profile if self.way > 0 else profile[::-1]
        roof = max(range(len(end)), key=lambda i: end[i][1])
        for (a, up), (b, top) in reversed(list(pairwise(end))):
            level = abs(b - a) / math.hypot(b - a, top - up)
            if top > up or (top + up) / 2 < self.stage.camera.above:  # not the far end, nor a roof seen from below
                face = [self.at(*c) for c in ((a, -half, up), (a, half, up), (b, half, top), (b, -half, top))]
                canvas.polygon(face, shade(self.color, 0.78 + 0.3 * level), self.value)
        along, heights = zip(*end[: roof + 1], strict=True)
        treads = f"both box tyre {half - 0.24},0 {half - 0.02},{low + 0.06}"
        drawing = f"{treads} {self.body.back if self.way > 0 else self.body.front}"
        paint = partial(draw, canvas, scale=1, inks={**_INKS, "paint": self.color}, values={"": self.value})
        paint(drawing, at=lambda x, y: self.at(float(np.interp(y, heights, along)), x, y))
        aside = (self.stage.camera.at(self.x, self.z)[0] - self.stage.camera.center) * self.z / self.stage.camera.focal
        side = -math.copysign(half, aside) * self.way
        if abs(aside) > half:
            canvas.polygon([self.at(a, side, up) for a, up in profile], shade(self.color, 0.9), self.value)
            radius, *wheels = map(float, self.body.wheels.split())
            discs = [f"disc tyre {a},{radius} {radius} disc rim {a},{radius} {radius * 0.55}" for a in wheels]
            flank = [f"box paint*.6 {first},{low} {last},{low + 0.14}", self.body.flank, *discs]
            paint(" ".join(flank), at=lambda x, y: self.at(x, side, y))
