"""Houses along the street: a facade in perspective, the end wall, a roof, windows, doors, shops and their signs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labelforge.demo.canvas import HERE, Point, mark, mix, shade
from labelforge.demo.stage import Stage, pick
from labelforge.demo.street import Side
from labelforge.palette import Color

__all__ = ["paint_house"]

_WALLS: tuple[Color, ...] = (
    (204, 192, 172), (186, 172, 150), (168, 128, 104), (196, 184, 176), (150, 104, 84), (214, 202, 164),
    (176, 176, 172), (198, 158, 124), (160, 154, 142), (222, 216, 206), (182, 190, 186),
)  # fmt: skip
_ROOFS: tuple[Color, ...] = ((124, 66, 50), (104, 72, 60), (72, 74, 80), (92, 84, 78))
_SHOP_SIGNS: tuple[Color, ...] = (
    (176, 40, 44),
    (32, 92, 148),
    (222, 182, 44),
    (40, 118, 78),
    (232, 232, 228),
    (60, 50, 70),
)
_FLOOR = 3.0


@dataclass(frozen=True)
class _House:
    x: float  # the wall to the street
    back: float  # x of the wall behind
    z0: float
    z1: float
    tall: float  # height of the eaves
    ridge: float  # height of the ridge above the eaves; 0 = flat roof
    wall: Color
    roof: Color
    lit: float  # brightness of the wall to the street
    shop: Literal["", "plain", "awning"]


def paint_house(stage: Stage, side: Side, z0: float, z1: float, setback: float | None = None) -> None:
    """Put up a house between two distances.

    Args:
        stage: The scene.
        side: Side of the street.
        z0: Its near end.
        z1: Its far end.
        setback: Distance from the border in metres; default: next to it.
    """
    rng = stage.rng
    x = side.border + side.way * (rng.uniform(0.05, 1.2) if setback is None else setback)
    floors = int(rng.integers(2, 6)) if setback is None else int(rng.integers(1, 4))
    house = _House(
        x=x,
        back=x + side.way * rng.uniform(9, 13),
        z0=z0,
        z1=z1,
        tall=floors * _FLOOR + rng.uniform(0.5, 1.2),
        ridge=rng.uniform(2, 4) if rng.random() < 0.65 else 0.0,
        wall=pick(rng, _WALLS),
        roof=pick(rng, _ROOFS),
        lit=1.0 if side.way != stage.sun else 0.74,
        shop="" if setback is not None or rng.random() > 0.4 else "awning" if rng.random() < 0.3 else "plain",
    )
    glass = rng.uniform(0.6, 1.15, 256)
    trims = (pick(rng, ((232, 230, 224), (96, 84, 76), (210, 204, 192))), pick(rng, _SHOP_SIGNS))
    banner = stage.count("banner") if setback is None and rng.random() < 0.08 else None
    shop = stage.count("store sign") if house.shop else None

    def paint() -> None:
        _shell(stage, house)
        _facade(stage, house, trims[0], glass)
        if shop is not None:
            _shop(stage, house, trims[1], shop)
        if banner is not None:
            _banner(stage, house, trims[1], banner)

    stage.later(z1, paint)


def _shell(stage: Stage, house: _House) -> None:
    at, canvas, value = stage.camera.at, stage.canvas, mark("building")
    x, back, z0, z1, tall = house.x, house.back, house.z0, house.z1, house.tall
    middle = (x + back) / 2
    end: list[Point] = [at(x, z0), at(back, z0), at(back, z0, tall), at(x, z0, tall)]
    if house.ridge:
        end.insert(3, at(middle, z0, tall + house.ridge))
        slope = [
            at(x, z0, tall),
            at(x, z1, tall),
            at(middle, z1, tall + house.ridge),
            at(middle, z0, tall + house.ridge),
        ]
        canvas.polygon(slope, shade(house.roof, 0.85 + 0.25 * house.lit), value)
    canvas.polygon(end, shade(house.wall, 0.7), value)
    if z0 < 45:
        way = 1 if back > x else -1
        for floor in range(int(tall / _FLOOR)):
            for a in (1.6, 5.0):
                low = 1.1 + floor * _FLOOR
                near, far = x + way * a, x + way * (a + 1.2)
                pane = [at(near, z0, low), at(far, z0, low), at(far, z0, low + 1.4), at(near, z0, low + 1.4)]
                canvas.polygon(pane, shade((70, 80, 90), 0.9))
    canvas.polygon([at(x, z0), at(x, z1), at(x, z1, tall), at(x, z0, tall)], shade(house.wall, house.lit), value)


def _panel(
    stage: Stage, x: float, z0: float, z1: float, low: float, high: float, color: Color, value: int = HERE
) -> None:
    """A rectangle on a wall along the street."""
    at = stage.camera.at
    stage.canvas.polygon([at(x, z0, low), at(x, z1, low), at(x, z1, high), at(x, z0, high)], color, value)


def _facade(stage: Stage, house: _House, trim: Color, glass: NDArray[np.float64]) -> None:
    """Plinth, cornice, windows and a door."""
    z0, z1 = house.z0, house.z1
    wall = shade(house.wall, house.lit)
    panel = partial(_panel, stage, house.x)
    panel(z0, z1, 0, 0.5, shade(wall, 0.78))
    panel(z0, z1, house.tall - 0.25, house.tall, shade(wall, 1.14))
    columns = max(1, round((z1 - z0) / 2.6))
    step = (z1 - z0) / columns
    near, far = (stage.camera.at(house.x, z)[0] for z in (z0, z1))
    if abs(near - far) < 2.2 * columns:  # too far away for its windows to be seen one by one
        columns, step = 1, z1 - z0
    door = columns // 2
    for floor in range(int(house.tall / _FLOOR)):
        low = 1.0 + floor * _FLOOR
        for i in range(columns):
            a, b = z0 + step * (i + 0.22), z0 + step * (i + 0.78)
            if floor == 0 and (house.shop or i == door):
                if not house.shop:
                    panel(a, b, 0.05, 2.2, shade((88, 62, 46), house.lit))
                continue
            tint = float(glass[(floor * 31 + i * 7) % 256])
            panel(a - step * 0.04, b + step * 0.04, low - 0.12, low + 1.62, shade(trim, house.lit))
            panel(
                a, b, low, low + 1.5, shade(mix((66, 76, 88), stage.canvas.haze, 0.16), tint * (0.8 + 0.3 * house.lit))
            )
            if b - a > 0.6 and house.z0 < 40:
                panel((a + b) / 2 - 0.05, (a + b) / 2 + 0.05, low, low + 1.5, shade(trim, house.lit * 0.95))


def _shop(stage: Stage, house: _House, color: Color, value: int) -> None:
    """A shop window, the sign above it, and perhaps an awning, which no dataset has a class for."""
    at, x = stage.camera.at, house.x
    z0, z1 = house.z0 + 0.5, house.z1 - 0.5
    panel = partial(_panel, stage, x)
    panel(z0, z1, 0.3, 2.5, shade((52, 56, 62), 0.8 + 0.3 * house.lit))
    step = max(1.6, (z1 - z0) / 6)
    z = z0
    while z < z1:
        panel(z, min(z1, z + 0.14), 0.3, 2.5, shade((186, 180, 170), house.lit))
        z += step
    panel(z0, z1, 2.62, 3.25, shade(color, house.lit), value)
    light = (236, 234, 226) if sum(color) < 480 else (40, 44, 60)
    if house.shop == "awning":
        way = -1 if x > 0 else 1
        cloth = [at(x, z0, 2.6), at(x, z1, 2.6), at(x + way * 1.1, z1, 2.2), at(x + way * 1.1, z0, 2.2)]
        stage.canvas.polygon(cloth, shade(color, 0.9 * house.lit), mark("void"))
    for i in range(5):  # letters, too small to be read
        a = z0 + (z1 - z0) * (0.28 + 0.09 * i)
        panel(a, a + (z1 - z0) * 0.055, 2.78, 3.1, shade(light, house.lit))


def _banner(stage: Stage, house: _House, color: Color, value: int) -> None:
    """A cloth that hangs from a pole on the wall, across the sidewalk."""
    z = house.z0 + (house.z1 - house.z0) * 0.4
    way = -1 if house.x > 0 else 1
    a, b = house.x + way * 0.15, house.x + way * 0.95
    at = stage.camera.at
    stage.canvas.polygon([at(a, z, 3.5), at(b, z, 3.5), at(b, z, 5.6), at(a, z, 5.6)], color, value)
    stage.canvas.polygon([at(a, z, 4.4), at(b, z, 4.4), at(b, z, 4.8), at(a, z, 4.8)], (236, 236, 232))
