"""What is around the street: the sky, woods at its end, and along its sides houses, gardens, barriers and trees."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image

from labelforge.demo.canvas import mark, mix, shade
from labelforge.demo.shapes import arc
from labelforge.demo.stage import Range, Stage, pick
from labelforge.demo.street import FAR, Side
from labelforge.palette import Color

_CLOUDS = ((1.0, (3, 6)), (0.5, (7, 14)), (0.25, (16, 34)))  # weight; rows and columns of a coarse grid
_LEAVES: tuple[Color, ...] = ((70, 96, 42), (84, 108, 50), (60, 86, 46), (98, 108, 48), (136, 96, 42))
_WALLS: tuple[Color, ...] = (
    (204, 192, 172), (186, 172, 150), (168, 128, 104), (196, 184, 176), (150, 104, 84), (214, 202, 164),
    (176, 176, 172), (198, 158, 124), (222, 216, 206), (182, 190, 186),
)  # fmt: skip
_ROOFS: tuple[Color, ...] = ((124, 66, 50), (104, 72, 60), (72, 74, 80), (92, 84, 78))
_TRIMS: tuple[Color, ...] = ((232, 230, 224), (96, 84, 76), (210, 204, 192))
_SHOPS: tuple[Color, ...] = ((176, 40, 44), (32, 92, 148), (222, 182, 44), (40, 118, 78), (232, 232, 228), (60, 50, 70))
_BARRIERS: dict[str, tuple[tuple[Color, ...], float, float]] = {  # colors, from how low to how high
    "fence": (((120, 98, 74), (86, 92, 88), (180, 176, 168)), 0.0, 1.1),
    "wall": (((158, 148, 136), (146, 104, 84)), 0.0, 1.7),
    "guard rail": (((168, 170, 172),), 0.45, 0.8),
}
_FLOOR = 3.0  # metres


def paint_sky(stage: Stage, cover: float) -> None:
    """The sky: deep above, pale at the horizon, with clouds; ``cover`` is 0 if it is clear, 1 if it is overcast."""
    rng, canvas = stage.rng, stage.canvas
    size = (canvas.width, math.ceil(stage.camera.horizon) + 1)
    clear = rng.uniform((58, 110, 172), (110, 150, 214))
    top = clear + (np.array([186, 190, 196]) - clear) * cover * 0.85
    share, field = np.linspace(0, 1, size[1])[:, None], np.zeros(size[::-1])
    for weight, cells in _CLOUDS:
        grid = Image.fromarray(rng.standard_normal(cells).astype(np.float32))
        field += weight * np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
    cloud = np.clip((field + cover * 2.4 - 1.3) * 0.8, 0, 1) * (0.92 - 0.4 * share)
    lit = np.array([244, 246, 250]) - (np.clip(field, 0, 2) * (0.5 + cover))[..., None] * np.array([22, 20, 16])
    rows = (top + (np.array(canvas.haze) - top) * share**1.4)[:, None]
    picture = np.clip(rows + (lit - rows) * cloud[..., None], 0, 255).astype(np.uint8)
    canvas.background(Image.fromarray(picture), mark("sky"))


def paint_distance(stage: Stage) -> None:
    """The round tops of woods, and sometimes of mountains behind them."""
    rng, camera, x = stage.rng, stage.camera, np.linspace(-150, 150, 80)
    stage.canvas.share = 1 - math.exp(-FAR / stage.visibility)
    ridges = (("mountain", 22, 0.05, (88, 104, 96)), ("vegetation", 6, 0.35, (74, 98, 48)))
    for name, tall, pace, color in ridges[rng.random() < 0.7 :]:
        waves = np.sin(np.outer(x, pace * np.array([0.4, 1, 2.3])) + rng.uniform(0, 6, 3)).sum(axis=1)
        outline = [*zip(x, tall * (0.8 + 0.12 * waves), strict=True), (150, -1), (-150, -1)]
        stage.canvas.polygon([camera.at(right, FAR * 1.2, up) for right, up in outline], color, mark(name))


def line_street(stage: Stage) -> None:
    """Put houses, gardens, barriers and trees along both sides."""
    rng = stage.rng
    for side in stage.street.sides:
        z, greenery = stage.camera.near * 0.9, 0.9 if side.country else rng.uniform(0.1, 0.5)
        while z < FAR:
            deep = rng.uniform(7, 17)
            if rng.random() < greenery:
                _put_garden(stage, side, (z, z + deep))
            else:
                _put_house(stage, side, (z, z + deep))
            z += deep
        x, row = side.middle("terrain") or side.border - side.way * 0.8, not side.country and rng.random() < 0.5
        for place in np.arange(rng.uniform(9, 16), 80, rng.uniform(8, 15)).tolist() if row else []:
            _put_tree(stage, x, place, rng.uniform(4.5, 7.5))


def _put_garden(stage: Stage, side: Side, z: Range) -> None:
    """A gap between houses: a barrier perhaps, and trees."""
    rng, kind = stage.rng, str(stage.rng.choice(["fence", "wall", "guard rail", "open"]))
    if kind in _BARRIERS:
        colors, low, high = _BARRIERS[kind]
        color = shade(pick(rng, colors), 1.0 if side.way != stage.sun else 0.8)
        for near, far in pairwise(np.geomspace(*z, 2 + int(8 * math.log(z[1] / z[0]))).tolist()):
            stage.later(far, partial(_paint_panel, stage, mark(kind), side.border, (near, far), (low, high), color))
    for _ in range(int(rng.integers(2, 5))):
        _put_tree(stage, side.border + side.way * rng.uniform(2.2, 9), rng.uniform(*z), rng.uniform(4, 9))


def _paint_panel(stage: Stage, value: int, x: float, z: Range, up: Range, color: Color) -> None:
    """A piece of a barrier, with its post."""
    post = [stage.camera.at(x, z[1]), stage.camera.at(x, z[1], up[1])]
    stage.canvas.line(post, 0.12 * stage.camera.focal / z[1], shade(color, 0.7), value)
    stage.wall(x, z, up, color, value)
    stage.wall(x, z, (up[0], up[0] + 0.12), shade(color, 0.75))
    stage.wall(x, z, (up[1] - 0.12, up[1]), shade(color, 1.16))


def _put_tree(stage: Stage, x: float, z: float, tall: float) -> None:
    """A tree: a crown of leafy blobs, darker below, lighter towards the sun."""
    rng, scale, at = stage.rng, stage.camera.focal / z, stage.camera.at
    crown, trunk, color = tall * rng.uniform(0.26, 0.36), tall * 0.34, pick(rng, _LEAVES)
    blobs = int(np.clip(crown * scale, 7, 44))
    angle, reach = rng.uniform(0, 2 * math.pi, blobs), rng.random(blobs) ** 0.6
    right, up = np.cos(angle) * reach, np.sin(angle) * reach
    light = 0.9 + 0.2 * up + 0.16 * right * stage.sun + rng.uniform(-0.1, 0.1, blobs)
    columns = [right * crown * 0.85, trunk + crown * (1.05 + 0.95 * up), crown * (0.3 - 0.1 * reach), light]
    leaves = np.stack(columns, axis=1)[np.argsort(up, kind="stable")].tolist()
    corners = [at(x + side * crown * 1.1, z, height) for side in (-1, 1) for height in (0.0, tall * 1.15)]
    if z < 6.5 or stage.hides(corners, z):
        return

    def paint() -> None:
        value, core = mark("vegetation"), trunk + crown * 1.05
        stage.shadow(x, z, crown * 0.6)
        stage.canvas.line([at(x, z), at(x, z, core)], 0.043 * tall * scale, (84, 68, 54), value)
        for right, up, radius, light in [(0.0, core, crown * 0.8, 0.62), *leaves]:
            stage.canvas.polygon(arc(*at(x + right, z, up), radius * scale, 0, 350), shade(color, light), value)

    stage.later(z, paint)


def _put_house(stage: Stage, side: Side, z: Range) -> None:
    """A house: the walls that are seen, a roof, windows, and a door or a shop."""
    rng, at, value = stage.rng, stage.camera.at, mark("building")
    x = side.border + side.way * rng.uniform(0.05, 1.2)
    floors, middle, back = int(rng.integers(2, 6)), x + side.way * 5.5, x + side.way * 11
    tall, light = floors * _FLOOR + 0.8, 1.0 if side.way != stage.sun else 0.74
    top = tall + rng.uniform(2, 4) * (rng.random() < 0.65)
    wall, trim, roof, sign = (pick(rng, colors) for colors in (_WALLS, _TRIMS, _ROOFS, _SHOPS))
    shop = stage.count("billboard") if rng.random() < 0.4 else 0

    def paint() -> None:
        slope = [at(x, z[0], tall), at(x, z[1], tall), at(middle, z[1], top), at(middle, z[0], top)]
        end = [at(x, z[0]), at(back, z[0]), at(back, z[0], tall), at(middle, z[0], top), at(x, z[0], tall)]
        stage.canvas.polygon(slope, shade(roof, 0.85 + 0.25 * light), value)
        stage.canvas.polygon(end, shade(wall, 0.7), value)
        for up, factor in (((0, tall), 1.0), ((0, 0.5), 0.78), ((tall - 0.25, tall), 1.14)):
            stage.wall(x, z, up, shade(wall, light * factor), value)
        _paint_windows(stage, x, z, floors, shade(trim, light))
        if shop:
            stage.wall(x, (z[0] + 0.5, z[1] - 0.5), (0.3, 2.5), shade((52, 56, 62), 0.8 + 0.3 * light))
            stage.wall(x, (z[0] + 0.5, z[1] - 0.5), (2.62, 3.25), shade(sign, light), shop)

    stage.later(z[1], paint)


def _paint_windows(stage: Stage, x: float, z: Range, floors: int, trim: Color) -> None:
    """Windows, and a door in the middle."""
    columns = max(1, round((z[1] - z[0]) / 2.6))
    if abs(stage.camera.at(x, z[0])[0] - stage.camera.at(x, z[1])[0]) < 2.2 * columns:
        columns = 1  # too far away for its windows to be seen one by one
    step, glass = (z[1] - z[0]) / columns, mix((66, 76, 88), stage.canvas.haze, 0.16)
    for floor, i in np.ndindex(floors, columns):
        low, a, b = 1.0 + floor * _FLOOR, z[0] + step * (i + 0.22), z[0] + step * (i + 0.78)
        if floor == 0 and i == columns // 2:
            stage.wall(x, (a, b), (0.05, 2.2), (88, 62, 46))
            continue
        stage.wall(x, (a - step * 0.04, b + step * 0.04), (low - 0.12, low + 1.62), trim)
        stage.wall(x, (a, b), (low, low + 1.5), shade(glass, 0.7 + 0.1 * ((floor * 31 + i * 7) % 5)))
