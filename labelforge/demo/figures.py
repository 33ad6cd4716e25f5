"""People, riders on two wheels, and animals: limbs and joints on an upright plane that faces the camera.

Lengths are metres for somebody 1.75 m tall. Figures seen from the side look to the right; the spot may flip them.
"""

from __future__ import annotations

import math

from labelforge.demo.canvas import Point, Spot, shade
from labelforge.demo.stage import Rng, Stage, pick
from labelforge.palette import Color

__all__ = ["bicycle", "bird", "dog", "person", "rider", "stroller"]

_SKIN: tuple[Color, ...] = ((232, 192, 164), (200, 152, 118), (140, 98, 72), (98, 68, 52))
_HAIR: tuple[Color, ...] = ((48, 36, 28), (96, 66, 40), (168, 130, 72), (30, 28, 28), (150, 148, 146))
_CLOTHES: tuple[Color, ...] = (
    (44, 50, 72), (152, 44, 46), (60, 98, 74), (204, 186, 152), (98, 64, 108), (222, 220, 214), (62, 110, 158),
    (40, 40, 44), (206, 150, 60), (120, 124, 128),
)  # fmt: skip
_TROUSERS: tuple[Color, ...] = ((42, 50, 70), (36, 36, 40), (88, 80, 70), (70, 84, 104), (110, 96, 78))
_FRAME: tuple[Color, ...] = ((170, 36, 40), (40, 80, 140), (40, 44, 48), (70, 120, 80), (190, 190, 192))
_TYRE: Color = (28, 28, 30)


def person(stage: Stage, x: float, z: float) -> bool:
    """Somebody who walks along or across the street, or stands. Returns whether there was room."""
    rng = stage.rng
    tall = float(rng.uniform(0.9, 1.07)) if rng.random() < 0.88 else float(rng.uniform(0.62, 0.75))
    looks = _Looks.draw(rng)
    aside, stride, flip, bag = (
        rng.random() < 0.5,
        float(rng.uniform(0.1, 0.32)),
        bool(rng.random() < 0.5),
        rng.random() < 0.2,
    )
    value = stage.count("person")
    bag_value = stage.count("some moving object")

    def paint() -> None:
        spot = stage.spot(x, z, flip)
        body = Spot(spot.canvas, spot.column, spot.row, spot.scale * tall, spot.way)
        body.shadow(-0.34, 0.34)
        (_walker if aside else _stander)(body, looks, stride, value)
        if bag:
            body.box(0.3, 0.28, 0.56, 0.62, looks.other, bag_value)

    return stage.put(x, z, (0.8, 1.85 * tall), paint)


class _Looks:
    """What somebody looks like."""

    def __init__(self, skin: Color, hair: Color, top: Color, legs: Color, other: Color) -> None:
        self.skin, self.hair, self.top, self.legs, self.other = skin, hair, top, legs, other

    @classmethod
    def draw(cls, rng: Rng) -> _Looks:
        """Somebody at random."""
        return cls(pick(rng, _SKIN), pick(rng, _HAIR), pick(rng, _CLOTHES), pick(rng, _TROUSERS), pick(rng, _CLOTHES))


def _head(spot: Spot, right: float, up: float, looks: _Looks, value: int, helmet: Color | None = None) -> None:
    spot.disc(right, up + 0.02, 0.135, helmet or looks.hair, value)
    spot.disc(right + 0.02, up - 0.025, 0.105, looks.skin, value)
    if helmet:
        spot.polygon(
            [(right - 0.14, up + 0.02), (right + 0.14, up + 0.02), (right + 0.1, up + 0.13), (right - 0.1, up + 0.13)],
            helmet,
            value,
        )


def _stander(spot: Spot, looks: _Looks, stride: float, value: int) -> None:
    """Seen from the front or from behind."""
    dark = shade(looks.legs, 0.85)
    spot.limb([(0.09, 0.88), (0.1 + stride * 0.2, 0.06)], 0.17, looks.legs, value)
    spot.limb([(-0.09, 0.88), (-0.1 - stride * 0.1, 0.06)], 0.17, dark, value)
    for foot in (0.12 + stride * 0.2, -0.13 - stride * 0.1):
        spot.limb([(foot - 0.04, 0.04), (foot + 0.06, 0.04)], 0.1, (38, 34, 32), value)
    spot.limb([(0.24, 1.36), (0.31, 1.08), (0.28 + stride * 0.2, 0.84)], 0.11, shade(looks.top, 0.86), value)
    spot.limb([(-0.24, 1.36), (-0.31, 1.08), (-0.29, 0.84)], 0.11, shade(looks.top, 0.8), value)
    spot.polygon(
        [
            (-0.19, 0.8),
            (0.19, 0.8),
            (0.21, 1.12),
            (0.25, 1.4),
            (0.12, 1.48),
            (-0.12, 1.48),
            (-0.25, 1.4),
            (-0.21, 1.12),
        ],
        looks.top,
        value,
    )
    spot.limb([(0, 1.45), (0, 1.54)], 0.11, shade(looks.skin, 0.85), value)
    _head(spot, 0, 1.63, looks, value)


def _walker(spot: Spot, looks: _Looks, stride: float, value: int) -> None:
    """Seen from the side."""
    spot.limb(
        [(-0.03, 1.36), (-0.1 - stride * 0.5, 1.1), (-0.06 - stride * 0.8, 0.88)], 0.1, shade(looks.top, 0.78), value
    )
    spot.limb([(-0.02, 0.88), (-0.04 - stride * 0.2, 0.48), (-stride * 1.1, 0.1)], 0.16, shade(looks.legs, 0.8), value)
    spot.limb([(-stride * 1.1, 0.08), (0.1 - stride * 1.1, 0.04)], 0.09, (34, 30, 30), value)
    spot.limb([(0.02, 0.88), (stride * 0.7, 0.5), (stride, 0.08)], 0.17, looks.legs, value)
    spot.limb([(stride, 0.06), (0.13 + stride, 0.04)], 0.09, (40, 36, 34), value)
    spot.polygon(
        [(-0.14, 0.82), (0.14, 0.82), (0.16, 1.2), (0.12, 1.42), (0.0, 1.48), (-0.12, 1.42), (-0.15, 1.15)],
        looks.top,
        value,
    )
    spot.limb(
        [(0.0, 1.37), (0.08 + stride * 0.4, 1.12), (0.16 + stride * 0.6, 0.94)], 0.11, shade(looks.top, 0.9), value
    )
    spot.limb([(0.02, 1.45), (0.03, 1.54)], 0.11, shade(looks.skin, 0.85), value)
    _head(spot, 0.04, 1.63, looks, value)


def _wheel(spot: Spot, right: float, radius: float, tyre: float, value: int) -> None:
    """A wheel from the side: the tyre, and thin spokes that one can look through."""
    ring = [
        (right + radius * math.cos(a), radius + radius * math.sin(a)) for a in (math.pi * i / 12 for i in range(25))
    ]
    spot.limb(ring, tyre, _TYRE, value)
    for a in (0.3, 1.35, 2.4):
        arm = (radius * math.cos(a), radius * math.sin(a))
        spot.canvas.line(
            [spot.at(right - arm[0], radius - arm[1]), spot.at(right + arm[0], radius + arm[1])],
            0.02 * spot.scale,
            (120, 122, 124),
        )


def bicycle(spot: Spot, color: Color, value: int) -> None:
    """A bicycle from the side."""
    for right in (-0.53, 0.53):
        _wheel(spot, right, 0.34, 0.055, value)
    spot.limb([(-0.53, 0.34), (-0.2, 0.86), (0.38, 0.84), (-0.04, 0.34), (-0.53, 0.34)], 0.055, color, value)
    spot.limb([(-0.04, 0.34), (-0.23, 0.96)], 0.055, color, value)
    spot.limb([(0.53, 0.34), (0.36, 1.02), (0.46, 1.08)], 0.055, shade(color, 0.8), value)
    spot.limb([(-0.34, 0.98), (-0.12, 0.98)], 0.07, (34, 32, 32), value)


def _motorcycle(spot: Spot, color: Color, value: int) -> None:
    """A motorcycle from the side."""
    for right in (-0.66, 0.7):
        spot.disc(right, 0.33, 0.33, _TYRE, value)
        spot.disc(right, 0.33, 0.17, (120, 122, 126), value)
    spot.polygon([(-0.3, 0.25), (0.3, 0.25), (0.38, 0.6), (-0.4, 0.62)], (60, 60, 64), value)
    spot.limb([(-0.66, 0.34), (-0.2, 0.4)], 0.1, (110, 112, 116), value)
    spot.polygon(
        [(-0.85, 0.82), (-0.4, 0.6), (0.05, 0.6), (0.45, 0.72), (0.4, 1.0), (0.05, 1.02), (-0.1, 0.82), (-0.5, 0.84)],
        color,
        value,
    )
    spot.limb([(0.7, 0.34), (0.46, 0.98), (0.28, 1.12)], 0.08, (90, 92, 96), value)
    spot.disc(0.54, 0.88, 0.1, (238, 234, 208), value)


def _along(spot: Spot, motor: bool, color: Color, value: int, oncoming: bool) -> None:
    """The vehicle of a rider who comes or goes: seen from its narrow side."""
    wide = 0.17 if motor else 0.06
    spot.limb([(0, wide / 2), (0, 0.62)], wide, _TYRE, value)
    if motor:
        spot.polygon([(-0.22, 0.45), (0.22, 0.45), (0.26, 0.8), (0.16, 1.0), (-0.16, 1.0), (-0.26, 0.8)], color, value)
        spot.disc(0, 0.82, 0.09, (238, 234, 208) if oncoming else (190, 24, 28), value)
    else:
        spot.limb([(0, 0.6), (0, 0.95)], 0.06, color, value)
        spot.limb([(-0.12, 0.96), (0.12, 0.96)], 0.08, (36, 34, 34), value)
    bar = 1.05 if motor else 1.04
    spot.limb([(-0.34, bar), (-0.12, bar + 0.02), (0.12, bar + 0.02), (0.34, bar)], 0.06, (60, 60, 64), value)


def rider(stage: Stage, x: float, z: float, motor: bool, across: bool, oncoming: bool) -> bool:
    """Somebody on a bicycle or motorcycle. Returns whether there was room.

    Args:
        stage: The scene.
        x: Where, to the right.
        z: Where, ahead.
        motor: On a motorcycle.
        across: Seen from the side, crossing the street.
        oncoming: Towards the camera (if not across).
    """
    rng = stage.rng
    looks, color, flip = _Looks.draw(rng), pick(rng, _FRAME), bool(rng.random() < 0.5)
    machine, human = (
        stage.count("motorcycle" if motor else "bicycle"),
        stage.count("motorcyclist" if motor else "bicyclist"),
    )
    helmet = pick(rng, _FRAME) if motor or rng.random() < 0.4 else None

    def paint() -> None:
        spot = stage.spot(x, z, flip)
        spot.shadow(-0.9 if across else -0.35, 0.9 if across else 0.35)
        if across:
            (_motorcycle if motor else bicycle)(spot, color, machine)
            _side_rider(spot, looks, motor, helmet, human)
            return
        _along(spot, motor, color, machine, oncoming)
        _end_rider(spot, looks, motor, helmet, human)

    return stage.put(x, z, (2.0 if across else 0.9, 1.9), paint)


def _side_rider(spot: Spot, looks: _Looks, motor: bool, helmet: Color | None, value: int) -> None:
    if motor:
        legs: list[Point] = [(-0.2, 0.9), (0.18, 0.72), (0.02, 0.36)]
        body = [(-0.36, 0.88), (-0.06, 0.88), (0.16, 1.34), (0.08, 1.46), (-0.1, 1.46), (-0.28, 1.25)]
        arm: list[Point] = [(0.04, 1.36), (0.14, 1.12), (0.3, 1.1)]
    else:
        legs = [(-0.2, 0.98), (0.16, 0.72), (0.0, 0.3)]
        body = [(-0.34, 0.96), (-0.08, 0.96), (0.2, 1.38), (0.12, 1.5), (-0.04, 1.5), (-0.22, 1.32)]
        arm = [(0.1, 1.42), (0.2, 1.2), (0.42, 1.08)]
        spot.limb([(-0.2, 0.98), (0.02, 0.66), (-0.1, 0.36)], 0.14, shade(looks.legs, 0.75), value)
    spot.limb(legs, 0.17, looks.legs, value)
    spot.limb([legs[-1], (legs[-1][0] + 0.12, legs[-1][1] - 0.02)], 0.09, (36, 32, 32), value)
    spot.polygon(body, looks.top, value)
    spot.limb(arm, 0.11, shade(looks.top, 0.85), value)
    _head(spot, 0.14 if not motor else 0.1, 1.64 if not motor else 1.6, looks, value, helmet)


def _end_rider(spot: Spot, looks: _Looks, motor: bool, helmet: Color | None, value: int) -> None:
    wide = 0.26 if motor else 0.15
    for side in (-1, 1):
        spot.limb(
            [(side * 0.1, 0.92), (side * wide, 0.7), (side * wide * 0.8, 0.32)],
            0.14,
            shade(looks.legs, 1.0 if side > 0 else 0.85),
            value,
        )
        spot.limb([(side * 0.2, 1.38), (side * 0.34, 1.2), (side * 0.32, 1.08)], 0.1, shade(looks.top, 0.84), value)
    spot.polygon(
        [(-0.18, 0.86), (0.18, 0.86), (0.24, 1.36), (0.12, 1.47), (-0.12, 1.47), (-0.24, 1.36)], looks.top, value
    )
    _head(spot, 0, 1.62, looks, value, helmet)


def dog(stage: Stage, x: float, z: float) -> None:
    """A dog."""
    color, flip = pick(stage.rng, ((96, 70, 48), (50, 46, 44), (190, 164, 128))), bool(stage.rng.random() < 0.5)
    value = stage.count("dog")

    def paint() -> None:
        spot = stage.spot(x, z, flip)
        spot.shadow(-0.4, 0.4)
        for right in (-0.28, -0.2, 0.2, 0.28):
            spot.limb([(right, 0.3), (right + 0.03, 0.05)], 0.08, shade(color, 0.85), value)
        spot.limb([(-0.27, 0.42), (0.26, 0.44)], 0.24, color, value)
        spot.limb([(0.3, 0.5), (0.42, 0.64), (0.56, 0.6)], 0.15, color, value)
        spot.limb([(-0.34, 0.48), (-0.5, 0.64)], 0.06, color, value)

    stage.put(x, z, (1.1, 0.8), paint)


def stroller(stage: Stage, x: float, z: float) -> None:
    """A pram."""
    color, value = pick(stage.rng, _CLOTHES), stage.count("stroller")

    def paint() -> None:
        spot = stage.spot(x, z)
        spot.shadow(-0.4, 0.4)
        for right in (-0.28, 0.28):
            _wheel(spot, right, 0.14, 0.05, value)
        spot.polygon([(-0.42, 0.5), (0.36, 0.5), (0.28, 0.26), (-0.3, 0.26)], color, value)
        spot.polygon([(-0.42, 0.5), (-0.36, 0.85), (-0.1, 0.95), (0.0, 0.5)], shade(color, 0.8), value)
        spot.limb([(0.34, 0.5), (0.6, 0.98)], 0.04, (60, 60, 62), value)

    stage.put(x, z, (1.2, 1.1), paint)


def bird(stage: Stage, column: float, row: float, size: float) -> None:
    """A bird in the sky, at a pixel, its wings ``size`` pixels long."""
    value = stage.count("bird")
    lift = stage.rng.uniform(0.2, 0.6)
    points = [(column - size, row - size * lift), (column - size * 0.4, row - size * 0.1), (column, row)]
    points += [(2 * column - x, y) for x, y in reversed(points[:-1])]
    stage.canvas.share = 0.15
    stage.canvas.line(points, size * 0.3, (46, 46, 50), value)
    stage.canvas.ellipse(column, row, size * 0.3, size * 0.2, (40, 40, 44), value)
