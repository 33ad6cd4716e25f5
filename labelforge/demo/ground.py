"""The ground: strips of asphalt, paving and grass, with markings, crosswalks and manholes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from labelforge.demo.canvas import Point, mark, mix, shade
from labelforge.demo.shapes import draw
from labelforge.demo.stage import Range, Stage, pick
from labelforge.demo.street import FAR, Strip
from labelforge.palette import Color

_GRASS: tuple[Color, ...] = ((96, 122, 58), (112, 132, 66), (124, 132, 78), (86, 114, 52))
_PAVING: tuple[Color, ...] = ((190, 176, 154), (198, 182, 162), (182, 164, 146), (196, 172, 152))
_ARROWS = (
    "box white -.1,0 .1,2.4 poly white -.35,2.2 .35,2.2 0,4",
    "poly white -.1,0 .1,0 .1,1.8 .4,2.1 .4,2.7 -.1,2.4 poly white .36,1.5 .36,3.3 .95,2.4",
    "poly white .1,0 -.1,0 -.1,1.8 -.4,2.1 -.4,2.7 .1,2.4 poly white -.36,1.5 -.36,3.3 -.95,2.4",
)
_BICYCLE = """both limb white .08 ~.36,0,.26,0,360,1.9 limb white .08 -.36,0 -.12,1 .3,1 0,0 -.2,1.3
    limb white .08 .36,0 .26,1.5 .4,1.5"""
_MANHOLE = "disc iron 0,0 .4 disc iron*1.35 0,0 .31"


class _Ground:
    """The stage, and what its ground looks like."""

    def __init__(self, stage: Stage) -> None:
        self.stage, rng = stage, stage.rng
        grey = int(rng.integers(84, 112))
        asphalt, paving = (grey, grey, grey + int(rng.integers(-2, 5))), pick(rng, _PAVING)
        self.colors: dict[str, Color] = {
            "road": asphalt,
            "lane marking": shade((206, 206, 202), rng.uniform(0.95, 1.08)),
            "terrain": pick(rng, _GRASS),
            "sidewalk": paving,
            "pedestrian area": mix(pick(rng, _PAVING), (170, 128, 104), 0.45),
            "curb": shade(mix(paving, (190, 190, 188), 0.7), 1.06),
            "parking": mix(shade(asphalt, 1.16), (150, 132, 120), 0.35),
            "service lane": shade(asphalt, 0.86),
            "bike lane": pick(rng, ((136, 76, 66), (128, 70, 62), (108, 104, 104))),
            "rail track": mix(asphalt, (120, 108, 96), 0.7),
            "crosswalk plain": shade(mix(asphalt, (156, 116, 104), 0.75), 1.12),
        }

    def lay(self, name: str, x: Range, z: Range = (0, FAR), light: float = 1.0, value: int | None = None) -> None:
        """A rectangle of ground; its annotation is ``value``, or that of the thing that gives it its color."""
        if points := self.stage.camera.strip(x, z):
            self.stage.canvas.polygon(points, shade(self.colors[name], light), mark(name) if value is None else value)

    def put(self, drawing: str, value: int, x: float, z: float) -> None:
        """A drawing that lies on the ground."""
        camera = self.stage.camera
        inks: dict[str, Color] = {"white": self.colors["lane marking"], "iron": (64, 62, 62)}

        def at(right: float, ahead: float) -> Point:
            return camera.at(x + right, max(camera.near, z + ahead))

        draw(self.stage.canvas, drawing, at, camera.focal / z, inks, {"": value})


def paint_ground(stage: Stage) -> None:
    """Paint everything level, from the horizon to the camera."""
    ground, rng, (left, right), crosswalk = _Ground(stage), stage.rng, stage.street.sides, stage.street.crosswalk
    ground.lay("terrain", (-400, 400), (0, 4 * FAR))
    ground.lay("road", (left.kerb, right.kerb))
    for strip in (*left.strips, *right.strips):
        _paint_strip(ground, strip)
    _paint_lines(ground)
    if crosswalk and rng.random() < 0.65:
        value = stage.count("zebra crossing")
        for x in np.arange(left.kerb + 0.3, right.kerb - 0.4, 1.0).tolist():
            ground.lay("lane marking", (x, x + 0.52), crosswalk, value=value)
    elif crosswalk:
        ground.lay("crosswalk plain", (left.kerb, right.kerb), crosswalk, value=stage.count("crosswalk plain"))
    if crosswalk and rng.random() < 0.6:
        stop = (max(-1.55, left.strips[0].x0 + 0.15), right.strips[0].x0 - 0.15)
        ground.lay("lane marking", stop, (crosswalk[0] - 1.1, crosswalk[0] - 0.7))
    if rng.random() < 0.35 and (not crosswalk or crosswalk[0] > 15):
        ground.put(_ARROWS[int(rng.integers(3))], mark("lane marking"), 0, rng.uniform(6, 10))
    for middle, _ in stage.street.lanes:
        if rng.random() < 0.45:
            x, z = middle + rng.uniform(-1, 1), rng.uniform(stage.camera.near + 0.6, 14)
            ground.put(_MANHOLE, stage.count("manhole"), x, z)


def _paint_strip(ground: _Ground, strip: Strip) -> None:
    """A strip, with the joints of its slabs or the marks of its bays, the face of its kerb or its rails."""
    (name, x0, x1), near = strip, ground.stage.camera.near
    ground.lay(name, (x0, x1))
    joints = {"sidewalk": (14, 1.2, 0.86), "pedestrian area": (14, 1.2, 0.86), "parking": (45, 5.6, 1.25)}
    last, step, light = joints.get(name, (0, 1, 1))
    for z in np.arange(near + ground.stage.rng.uniform(0, step), last, step).tolist():
        ground.lay(name, (x0, x1), (z, z + 0.08), light)
    if name == "curb":
        ground.lay(name, (x0, x0 * 0.7 + x1 * 0.3), light=0.72)
    elif name == "rail track":
        for x in ((x0 + x1) / 2 - 0.72, (x0 + x1) / 2 + 0.72):
            ground.lay(name, (x - 0.08, x + 0.08), light=1.5)


def _paint_lines(ground: _Ground) -> None:
    """Lengthwise lines: dashed or solid between lanes, solid at edges, dashed beside bike lanes."""
    street, rng = ground.stage.street, ground.stage.rng
    for x0, x1 in pairwise(sorted(x for x, _ in street.lanes)):
        _paint_line(ground, (x0 + x1) / 2, *((6.0, 3.0) if rng.random() < 0.75 else (FAR, FAR)))
    for side in street.sides:
        name, x0, x1 = side.strips[0]
        if name == "bike lane":
            _paint_line(ground, x0, *((1.8, 0.9) if rng.random() < 0.5 else (FAR, FAR)))
            ground.put(_BICYCLE, mark("lane marking"), (x0 + x1) / 2, rng.uniform(5.5, 10))
        elif name in ("service lane", "terrain") or rng.random() < 0.3:
            _paint_line(ground, x0 - side.way * 0.12, FAR, FAR)


def _paint_line(ground: _Ground, x: float, step: float, dash: float) -> None:
    """A line along the street, interrupted by the crosswalk."""
    gap = ground.stage.street.crosswalk or (FAR, FAR)
    for z in np.arange(ground.stage.camera.near - 2, 80, step).tolist():
        ground.lay("lane marking", (x - 0.08, x + 0.08), (z, min(z + dash, gap[0] - 0.8)))
        ground.lay("lane marking", (x - 0.08, x + 0.08), (max(z, gap[1] + 0.8), z + dash))
