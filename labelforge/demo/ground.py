"""The ground: strips of asphalt, paving and grass, a side street, markings, crosswalks, and lids let into the road."""

from __future__ import annotations

import math
from itertools import pairwise

from labelforge.demo.canvas import HERE, Point, mark, mix, shade
from labelforge.demo.stage import Stage, pick
from labelforge.demo.street import FAR, Side, Strip
from labelforge.palette import Color

__all__ = ["paint_ground"]

_GRASS: tuple[Color, ...] = ((96, 122, 58), (112, 132, 66), (124, 132, 78), (86, 114, 52))
_PAVING: tuple[Color, ...] = ((190, 176, 154), (198, 182, 162), (182, 164, 146), (196, 172, 152))
_BIKE: tuple[Color, ...] = ((136, 76, 66), (128, 70, 62), (108, 104, 104))
_WHITE: Color = (222, 222, 218)


class _Ground:
    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self.stage, self.camera, self.canvas, self.street = stage, stage.camera, stage.canvas, stage.street
        grey = int(rng.integers(84, 112))
        self.asphalt: Color = (grey, grey, grey + int(rng.integers(-2, 5)))
        self.white = shade(_WHITE, rng.uniform(0.88, 1.0))
        grass, paving = pick(rng, _GRASS), pick(rng, _PAVING)
        self.colors: dict[str, Color] = {
            "road": self.asphalt,
            "terrain": grass,
            "sidewalk": paving,
            "pedestrian area": mix(pick(rng, _PAVING), (170, 128, 104), 0.45),
            "curb": shade(mix(paving, (190, 190, 188), 0.7), 1.06),
            "curb cut": shade(paving, 0.9),
            "parking": mix(shade(self.asphalt, 1.16), (150, 132, 120), 0.35),
            "service lane": shade(self.asphalt, 0.86),
            "bike lane": pick(rng, _BIKE),
            "rail track": mix(self.asphalt, (120, 108, 96), 0.7),
        }

    def lay(
        self, name: str, x0: float, x1: float, z0: float = 0.0, z1: float = FAR, color: Color | None = None
    ) -> None:
        """A rectangle of ground."""
        if points := self.camera.strip(x0, x1, z0, z1):
            self.canvas.polygon(points, color or self.colors[name], mark(name))

    def flat(self, value: int, points: list[Point], color: Color) -> None:
        """A polygon on the ground, of points (x, z)."""
        if all(z > self.camera.near for _, z in points):
            self.canvas.polygon([self.camera.at(x, z) for x, z in points], color, value)


def paint_ground(stage: Stage) -> None:
    """Paint everything level, from the horizon to the camera."""
    ground = _Ground(stage)
    street = stage.street
    ground.lay("terrain", -400, 400, z1=4 * FAR)
    left, right = street.sides
    ground.lay("road", left.kerb, right.kerb)
    if street.median:
        _median(ground, street.median)
    for side in street.sides:
        for strip in side.strips:
            ground.lay(strip.name, strip.x0, strip.x1)
            _joints(ground, strip)
    if street.crossing:
        _side_street(ground, *street.crossing)
    _lines(ground)
    if street.crosswalk:
        _crosswalk(ground, *street.crosswalk)
    _arrows(ground)
    _lids(ground)
    _shadows(ground)


def _median(ground: _Ground, median: Strip) -> None:
    ground.lay(median.name, median.x0, median.x1)
    if median.name != "rail track":
        for x in (median.x0, median.x1):
            ground.lay("curb", x - 0.15, x + 0.15)
        return
    middle = (median.x0 + median.x1) / 2
    for z in _steps(ground.camera.near, 30, 0.75):
        ground.lay("rail track", middle - 1.2, middle + 1.2, z, z + 0.25, shade(ground.colors["rail track"], 0.8))
    for x in (middle - 0.72, middle + 0.72):
        ground.lay("rail track", x - 0.06, x + 0.06, color=(168, 168, 172))


def _joints(ground: _Ground, strip: Strip) -> None:
    """Lines between the slabs of a paving, the marks of parking bays, the top of a kerb."""
    stage = ground.stage
    if strip.name in ("sidewalk", "pedestrian area"):
        slab = 0.9 if strip.name == "sidewalk" else 1.6
        dark = shade(ground.colors[strip.name], 0.86)
        for z in _steps(ground.camera.near, 22, slab):
            ground.lay(strip.name, strip.x0, strip.x1, z, z + 0.06, dark)
        for share in (0.33, 0.66):
            x = strip.x0 + (strip.x1 - strip.x0) * share
            ground.lay(strip.name, x, x + 0.05, z1=30, color=dark)
    elif strip.name == "curb":
        inner = strip.x0
        ground.lay("curb", inner, inner + math.copysign(0.09, inner), color=shade(ground.colors["curb"], 0.72))
    elif strip.name == "parking":
        for z in _steps(ground.camera.near + stage.rng.uniform(0, 4), 45, 5.6):
            ground.lay("parking", strip.x0, strip.x1, z, z + 0.1, shade(ground.colors["parking"], 1.2))


def _steps(first: float, last: float, step: float) -> list[float]:
    return [first + step * i for i in range(max(0, math.ceil((last - first) / step)))]


def _side_street(ground: _Ground, z0: float, z1: float) -> None:
    wide = 120.0
    for side in ground.street.sides:
        outer = side.way * wide
        paving = next(s.name for s in side.strips if s.name in ("sidewalk", "pedestrian area"))
        for a, b in ((z0 - 3, z0), (z1, z1 + 3)):
            ground.lay(paving, side.border, outer, a, b)
        ground.lay("road", side.edge, outer, z0, z1)
        for a, b in ((z0 - 0.3, z0), (z1, z1 + 0.3)):
            ground.lay("curb", side.kerb, outer, a, b)


def _lines(ground: _Ground) -> None:
    """Lengthwise lines: dashed between lanes of one direction, dashed or solid between the two, solid at edges."""
    street, rng = ground.street, ground.stage.rng
    middle = ground.camera.near + rng.uniform(0, 5) - 5
    edges = sorted({round(lane.x, 3) for lane in street.lanes})
    for x0, x1 in pairwise(edges):
        if street.median is None or not x0 < street.median.x0 < x1:
            dashed = rng.random() < 0.75
            for z in _steps(middle, 70, 6.0) if dashed else [0.0]:
                _line(ground, "dashed line" if dashed else "solid line", (x0 + x1) / 2, z, z + 3 if dashed else FAR)
    for side in street.sides:
        beside = side.strips[0].name
        if beside == "bike lane" and rng.random() < 0.5:
            for z in _steps(middle, 60, 1.8):
                _line(ground, "dashed line", side.edge, z, z + 0.9)
        elif beside in ("bike lane", "service lane", "terrain") or rng.random() < 0.3:
            _line(ground, "solid line", side.edge - side.way * 0.12, 0.0, FAR)
        if beside == "bike lane":
            x = (side.strips[0].x0 + side.strips[0].x1) / 2
            _bicycle_symbol(ground, x, rng.uniform(5.5, 10))


def _line(ground: _Ground, name: str, x: float, z0: float, z1: float) -> None:
    """A line along the street, interrupted by the side street and by the crosswalk."""
    pieces = [(z0, z1)]
    for gap in (ground.street.crossing, ground.street.crosswalk):
        if gap:
            pieces = [
                p for a, b in pieces for p in ((a, min(b, gap[0] - 0.8)), (max(a, gap[1] + 0.8), b)) if p[1] > p[0]
            ]
    for a, b in pieces:
        ground.lay(name, x - 0.08, x + 0.08, a, b, ground.white)


def _bicycle_symbol(ground: _Ground, x: float, z: float) -> None:
    def loop(cx: float, cz: float) -> list[Point]:
        return [(cx + 0.26 * math.cos(a), cz + 0.5 * math.sin(a)) for a in (math.pi * i / 6 for i in range(13))]

    frame = [(-0.36, 0.0), (-0.12, 1.0), (0.3, 1.0), (0.0, 0.0), (-0.2, 1.3)]
    paths = [loop(-0.36, 0.0), loop(0.36, 0.0), frame, [(0.36, 0.0), (0.26, 1.5), (0.4, 1.5)]]
    for path in paths:
        pixels = [ground.camera.at(x + px, z + pz) for px, pz in path]
        ground.canvas.line(pixels, 0.09 * ground.camera.focal / z, ground.white, mark("bicycle symbol"))


def _crosswalk(ground: _Ground, z0: float, z1: float, zebra: bool) -> None:
    street, stage = ground.street, ground.stage
    left, right = street.sides
    if zebra:
        value = stage.count("zebra crossing")
        island = street.median
        stripes = [
            x
            for x in _steps(left.kerb + 0.3, right.kerb - 0.4, 1.0)
            if island is None or x + 0.52 < island.x0 or x > island.x1
        ]
        for x in stripes:
            ground.canvas.polygon(ground.camera.strip(x, x + 0.52, z0, z1), ground.white, value)
    else:
        paint = shade(mix(ground.asphalt, (156, 116, 104), 0.75), 1.12)
        value = stage.count("crosswalk plain")
        ground.canvas.polygon(ground.camera.strip(left.kerb, right.kerb, z0, z1), paint, value)
    for side in street.sides:
        if any(strip.name == "curb" for strip in side.strips):
            ground.lay("curb cut", side.kerb, side.kerb + side.way * 0.3, z0, z1)
    if stage.rng.random() < 0.6:
        inner = street.median.x1 if street.median else max(-1.7, left.edge)
        ground.lay("stop line", inner + 0.15, right.edge - 0.15, z0 - 1.1, z0 - 0.7, ground.white)


def _arrows(ground: _Ground) -> None:
    rng = ground.stage.rng
    if rng.random() > 0.35:
        return
    kind = ("straight", "left", "right")[int(rng.integers(3))]
    z = float(rng.uniform(6, 11))
    barred = ground.street.crosswalk
    if barred and z + 4 > barred[0] - 1.5:
        return
    value = mark(f"arrow {kind}")
    if kind == "straight":
        ground.flat(value, [(-0.1, z), (0.1, z), (0.1, z + 2.4), (-0.1, z + 2.4)], ground.white)
        ground.flat(value, [(-0.35, z + 2.2), (0.35, z + 2.2), (0.0, z + 4)], ground.white)
        return
    way = 1 if kind == "right" else -1
    bar = [(-0.1, z), (0.1, z), (0.1, z + 1.8), (way * 0.4, z + 2.1), (way * 0.4, z + 2.7), (-way * 0.1, z + 2.4)]
    ground.flat(value, bar, ground.white)
    ground.flat(value, [(way * 0.36, z + 1.5), (way * 0.36, z + 3.3), (way * 0.95, z + 2.4)], ground.white)


def _lids(ground: _Ground) -> None:
    """Manholes in the lanes, catch basins at kerbs, patches and potholes in the asphalt."""
    stage, camera = ground.stage, ground.camera
    rng = stage.rng
    for lane in ground.street.lanes:
        if rng.random() < 0.35:
            _patch(ground, HERE, lane.x + rng.uniform(-1, 1), rng.uniform(6, 20), (1.0, rng.uniform(1, 4)), 0.86)
        if rng.random() < 0.4:
            x, z = lane.x + rng.uniform(-0.9, 0.9), rng.uniform(max(4.0, camera.near + 0.6), 14)
            value = stage.count("manhole")
            for radius, color in ((0.4, (64, 62, 62)), (0.31, (88, 84, 82))):
                ground.flat(value, _round(x, z, radius), color)
        if rng.random() < 0.15:
            x, z = lane.x + rng.uniform(-1, 1), rng.uniform(max(4.5, camera.near + 0.8), 11)
            ground.flat(mark("pothole"), _round(x, z, 0.5, rng.uniform(0.7, 1.2)), (60, 57, 55))
            ground.flat(HERE, _round(x, z - 0.1, 0.32), (48, 46, 45))
    for side in ground.street.sides:
        if not side.country and rng.random() < 0.45:
            x, z = side.kerb - side.way * 0.3, rng.uniform(max(4.0, camera.near + 0.4), 13)
            value = stage.count("catch basin")
            ground.flat(value, _rectangle(x, z, 0.26, 0.26), (58, 58, 60))
            for dz in (-0.12, 0.08):
                ground.flat(HERE, _rectangle(x, z + dz, 0.2, 0.05), (30, 30, 32))
        if not side.country and rng.random() < 0.12:
            x = side.way * (side.walkway[0] + 0.9)
            ground.flat(mark("some ground"), _rectangle(x, rng.uniform(8, 14), 0.7, 0.9), (104, 78, 58))


def _patch(ground: _Ground, value: int, x: float, z: float, size: tuple[float, float], factor: float) -> None:
    ground.flat(value, _rectangle(x, z, size[0] / 2, size[1] / 2), shade(ground.asphalt, factor))


def _rectangle(x: float, z: float, across: float, along: float) -> list[Point]:
    return [(x - across, z - along), (x + across, z - along), (x + across, z + along), (x - across, z + along)]


def _round(x: float, z: float, radius: float, squash: float = 1.0) -> list[Point]:
    return [
        (x + radius * math.cos(a), z + radius * squash * math.sin(a)) for a in (math.pi * i / 10 for i in range(20))
    ]


def _shadows(ground: _Ground) -> None:
    """What the houses on the sunny side throw over the street."""
    stage = ground.stage
    side: Side = ground.street.sides[0 if stage.sun < 0 else 1]
    if side.country or stage.rng.random() < 0.45:
        return
    reach = stage.rng.uniform(0.5, 5.5)
    z = ground.camera.near
    while z < 70:
        deep = stage.rng.uniform(6, 18)
        if stage.street.built(z, z + deep):
            tip = side.border - side.way * reach * stage.rng.uniform(0.8, 1.1)
            if points := ground.camera.strip(side.border, tip, z, z + deep):
                ground.canvas.glaze(points, (12, 16, 30), 0.3)
        z += deep
