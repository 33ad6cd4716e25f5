"""What lines the street and closes the view: sky, hills, the far end, rows of houses, gardens, fences and trees."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.demo.buildings import paint_house
from labelforge.demo.canvas import Point, mark, shade
from labelforge.demo.stage import Rng, Stage, pick
from labelforge.demo.street import FAR, Side
from labelforge.palette import Color

__all__ = ["hedge", "line_the_street", "paint_distance", "paint_sky", "tree"]

_GREENS: tuple[Color, ...] = ((70, 96, 42), (84, 108, 50), (60, 86, 46), (98, 108, 48), (74, 90, 58))
_AUTUMN: tuple[Color, ...] = ((150, 110, 44), (136, 88, 40), (122, 112, 52))
_HILLS: tuple[Color, ...] = ((74, 96, 92), (88, 104, 84), (96, 108, 116))


def smooth_noise(rng: Rng, size: tuple[int, int], cells: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) float32 noise without corners, about 0 +- 1, from a coarse grid of (across, down) cells."""
    grid = rng.standard_normal((cells[1] + 1, cells[0] + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))


def paint_sky(stage: Stage, cover: float) -> None:
    """The sky: deep above, pale at the horizon, with clouds.

    Args:
        stage: The scene.
        cover: How cloudy it is, 0 (clear) to 1 (overcast).
    """
    rng, canvas = stage.rng, stage.canvas
    size = (canvas.width, math.ceil(stage.camera.horizon) + 1)
    top = np.array([rng.uniform(58, 110), rng.uniform(110, 150), rng.uniform(172, 214)], np.float32)
    top = top * (1 - cover * 0.85) + np.array([186, 190, 196], np.float32) * cover * 0.85
    share = np.linspace(0, 1, size[1], dtype=np.float32)[:, None]
    rows = top + (np.array(canvas.haze, np.float32) - top) * share**1.4
    field = (
        smooth_noise(rng, size, (6, 3))
        + 0.5 * smooth_noise(rng, size, (14, 7))
        + 0.25 * smooth_noise(rng, size, (34, 16))
    )
    cloud = np.clip((field + np.float32(cover * 2.4 - 1.3)) * 0.8, 0, 1) * (0.92 - 0.4 * share)
    shadow = np.clip(field, 0, 2) * np.float32(0.5 + cover)
    lit = np.array([244, 246, 250], np.float32) - shadow[..., None] * np.array([22, 20, 16], np.float32)
    picture = rows[:, None] + (lit - rows[:, None]) * cloud[..., None]
    canvas.background(Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), mark("sky"))


def paint_distance(stage: Stage) -> None:
    """What stands behind the end of the street: hills, rows of trees and roofs."""
    rng, canvas, camera = stage.rng, stage.canvas, stage.camera
    canvas.share = 0.45
    if rng.random() < 0.3:
        _ridge(stage, rng.uniform(14, 30), 9, pick(rng, _HILLS), "mountain")
    canvas.share = stage.haze(FAR * 1.3)
    x = -160.0
    while x < 160:
        wide = rng.uniform(12, 30)
        if rng.random() < 0.55:
            tall, wall = (
                rng.uniform(7, 16),
                pick(rng, ((176, 160, 144), (150, 148, 146), (190, 178, 160), (140, 116, 104))),
            )
            z = FAR * 1.25
            corners = [camera.at(x, z), camera.at(x + wide, z), camera.at(x + wide, z, tall), camera.at(x, z, tall)]
            canvas.polygon(corners, wall, mark("building"))
        x += wide
    canvas.share = stage.haze(FAR)
    _ridge(stage, rng.uniform(3.5, 7.5), 46, pick(rng, _GREENS), "vegetation")


def _ridge(stage: Stage, tall: float, bumps: int, color: Color, name: str) -> None:
    rng, camera = stage.rng, stage.camera
    z = FAR * 1.2
    heights = tall * (0.62 + 0.38 * rng.random(bumps + 1))
    pixels = [camera.at(-150 + 300 * i / bumps, z, float(h)) for i, h in enumerate(heights)]
    outline = _rounded_line(pixels)
    foot = camera.horizon + 2
    stage.canvas.polygon([*outline, (outline[-1][0], foot), (outline[0][0], foot)], color, mark(name))


def _rounded_line(points: list[Point]) -> list[Point]:
    """Corners cut twice (Chaikin), which makes hills out of zigzags."""
    for _ in range(2):
        cut = [points[0]]
        for (x0, y0), (x1, y1) in pairwise(points):
            cut += [(x0 * 0.75 + x1 * 0.25, y0 * 0.75 + y1 * 0.25), (x0 * 0.25 + x1 * 0.75, y0 * 0.25 + y1 * 0.75)]
        points = [*cut, points[-1]]
    return points


def line_the_street(stage: Stage) -> None:
    """Put houses, gardens, fences, walls and trees along both sides."""
    for side in stage.street.sides:
        if side.country:
            _countryside(stage, side)
        else:
            _town(stage, side)
        _street_trees(stage, side)


def _town(stage: Stage, side: Side) -> None:
    rng = stage.rng
    greenery = rng.uniform(0.1, 0.5)
    z = stage.camera.near + rng.uniform(-6, 0)
    while z < FAR:
        deep = rng.uniform(7, 17)
        if stage.street.built(z, z + deep):
            first = max(z, stage.camera.near * 0.9)
            if rng.random() < greenery:
                _garden(stage, side, first, z + deep)
            else:
                paint_house(stage, side, first, z + deep)
        elif stage.street.crossing and z < stage.street.crossing[1] + 3 < z + deep:
            deep = stage.street.crossing[1] + 3 - z + 0.01
        else:
            deep = 2.0
        z += deep


def _garden(stage: Stage, side: Side, z0: float, z1: float) -> None:
    """A gap between houses: a fence, wall or hedge, with trees behind."""
    rng = stage.rng
    x = side.border + side.way * 0.15
    kind = ("fence", "wall", "hedge", "open")[int(rng.integers(4))]
    if kind == "hedge":
        hedge(stage, x, z0, z1, rng.uniform(0.9, 1.7))
    elif kind != "open":
        color = pick(
            rng,
            ((120, 98, 74), (86, 92, 88), (180, 176, 168)) if kind == "fence" else ((158, 148, 136), (146, 104, 84)),
        )
        _barrier(stage, kind, x, (z0, z1), rng.uniform(0.9, 1.4) if kind == "fence" else rng.uniform(1.3, 2.2), color)
    for _ in range(int(rng.integers(2, 5))):
        tree(stage, x + side.way * rng.uniform(2.2, 7), rng.uniform(z0, z1), rng.uniform(4, 8))
    if z1 > 25 and rng.random() < 0.6:
        paint_house(stage, side, z0 + 1, z1 - 1, setback=rng.uniform(9, 14))


def _countryside(stage: Stage, side: Side) -> None:
    rng = stage.rng
    if rng.random() < 0.6:
        start = rng.uniform(stage.camera.near, 12)
        stop = rng.uniform(30, 70)
        _barrier(stage, "guard rail", side.kerb + side.way * 0.7, (start, stop), 0.8, (168, 170, 172))
    elif rng.random() < 0.6:
        _barrier(stage, "fence", side.border, (rng.uniform(5, 12), 60), 1.1, pick(rng, ((126, 104, 78), (104, 96, 84))))
    for _ in range(int(rng.integers(6, 16))):
        far = float(rng.uniform(0, 1)) ** 1.5
        tree(stage, side.border + side.way * rng.uniform(2, 14 + 40 * far), 9 + 80 * far, rng.uniform(4, 10))
    if rng.random() < 0.5:
        z = rng.uniform(25, 70)
        paint_house(stage, side, z, z + rng.uniform(8, 14), setback=rng.uniform(6, 20))


def _barrier(stage: Stage, kind: str, x: float, reach: tuple[float, float], tall: float, color: Color) -> None:
    """A fence, wall or guard rail along the street, panel by panel."""
    z0, stop = reach
    color = shade(color, 1.0 if (x < 0) == (stage.sun > 0) else 0.8)
    panel = 0
    while z0 < stop:
        z1 = min(stop, z0 + 2.4 + z0 * 0.06)
        tint = shade(color, 1 - 0.05 * (panel % 2))
        stage.later(z1, partial(_panel, stage, kind, x, (z0, z1), tall, tint))
        z0, panel = z1, panel + 1


def _panel(stage: Stage, kind: str, x: float, reach: tuple[float, float], tall: float, color: Color) -> None:
    camera, canvas, value = stage.camera, stage.canvas, mark(kind)
    z0, z1 = reach

    def band(low: float, high: float, tint: Color) -> None:
        corners = [camera.at(x, z0, low), camera.at(x, z1, low), camera.at(x, z1, high), camera.at(x, z0, high)]
        canvas.polygon(corners, tint, value)

    if kind == "guard rail":
        canvas.line([camera.at(x, z1), camera.at(x, z1, tall)], 0.12 * camera.focal / z1, shade(color, 0.7), value)
        band(tall - 0.36, tall, color)
        band(tall - 0.22, tall - 0.14, shade(color, 0.72))
        return
    band(0, tall, color)
    if kind == "wall":
        band(tall - 0.14, tall, shade(color, 1.18))
        band(0, 0.2, shade(color, 0.8))
        return
    slats = max(2, round((z1 - z0) / 0.24)) if z1 < 18 else 0
    for i in range(slats):
        z = z0 + (z1 - z0) * (i + 0.5) / slats
        canvas.line([camera.at(x, z, 0.08), camera.at(x, z, tall - 0.1)], 0.07 * camera.focal / z, shade(color, 0.62))
    band(tall - 0.1, tall, shade(color, 1.15))


def _street_trees(stage: Stage, side: Side) -> None:
    rng = stage.rng
    if side.country or rng.random() < 0.5:
        return
    verge = side.middle("terrain")
    x = verge if verge is not None else side.border - side.way * 0.8
    z = rng.uniform(9, 16)
    gap = rng.uniform(8, 15)
    while z < 80:
        if rng.random() < 0.8 and stage.street.built(z - 1, z + 1):
            tree(stage, x, z, rng.uniform(4.5, 7.5))
        z += gap


def hedge(stage: Stage, x: float, z0: float, z1: float, tall: float) -> None:
    """A hedge along the street."""
    color, value = pick(stage.rng, _GREENS), mark("vegetation")
    leaves = 48
    bumps, light = stage.rng.uniform(-1, 1, (2, leaves)).tolist()

    def paint() -> None:
        camera, canvas = stage.camera, stage.canvas
        corners = [camera.at(x, z0), camera.at(x, z1), camera.at(x, z1, tall), camera.at(x, z0, tall)]
        canvas.polygon(corners, shade(color, 0.8), value)
        for i in range(leaves):
            z = z1 - (z1 - z0) * (i + 0.5) / leaves
            column, row = camera.at(x, z, tall * (0.9 + 0.1 * bumps[i]))
            r = 0.2 * tall * camera.focal / z
            canvas.ellipse(column, row, r, r * 0.8, shade(color, 0.98 + 0.14 * light[i]), value)

    stage.later(z1, paint)


def tree(stage: Stage, x: float, z: float, tall: float) -> None:
    """A tree: a trunk and a crown of many leafy blobs, darker below, lighter towards the sun."""
    rng, scale = stage.rng, stage.camera.focal / z
    if z < 6.5:
        return
    crown = tall * rng.uniform(0.26, 0.36)
    color = pick(rng, _AUTUMN if rng.random() < 0.12 else _GREENS)
    blobs = int(min(44, max(7, crown * scale)))
    angle, reach = rng.uniform(0, 2 * math.pi, blobs), rng.random(blobs) ** 0.6
    right, up = np.cos(angle) * reach, np.sin(angle) * reach
    light = 0.9 + 0.2 * up + 0.16 * right * stage.sun + rng.uniform(-0.1, 0.1, blobs)
    size = crown * (0.3 - 0.1 * reach)
    trunk = tall * rng.uniform(0.28, 0.4)
    leaves = np.stack([right * crown * 0.85, trunk + crown * (1.05 + 0.95 * up), size, light], axis=1)
    leaves = leaves[np.argsort(up, kind="stable")]

    def paint() -> None:
        spot, value = stage.spot(x, z), mark("vegetation")
        spot.shadow(-crown * 0.6, crown * 0.6)
        spot.mast(0, trunk + crown, 0.26 * tall / 6, (84, 68, 54), value)
        spot.disc(0, trunk + crown * 1.05, crown * 0.8, shade(color, 0.62), value)
        for leaf in leaves.tolist():
            spot.disc(leaf[0], leaf[1], leaf[2], shade(color, leaf[3]), value)

    stage.put(x, z, (crown * 2.2, tall * 1.15), paint)
