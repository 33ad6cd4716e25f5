"""The symbols on German traffic signs, simplified to what is legible at 16 pixels.

Every symbol is a function of a pen. Those of danger signs fill the inner triangle, whose baseline is at 0.76; those of
round signs are centred on (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from labelforge.demo.pen import Pen, Point, arc
from labelforge.palette import Color

__all__ = ["BLACK", "BLUE", "GREEN", "GREY", "RED", "WHITE", "YELLOW", "Symbol"]

Symbol = Callable[[Pen], None]

RED: Color = (200, 22, 30)
BLUE: Color = (8, 82, 166)
YELLOW: Color = (250, 192, 0)
GREEN: Color = (16, 146, 74)
WHITE: Color = (247, 247, 245)
BLACK: Color = (20, 20, 22)
GREY: Color = (132, 134, 136)


def nothing(_: Pen) -> None:
    """No symbol at all."""


def number(text: str, color: Color = BLACK) -> Symbol:
    """A speed."""
    width, weight = (0.56, 0.088) if len(text) == 2 else (0.66, 0.076)
    height = 0.42 if len(text) == 2 else 0.36
    return lambda pen: pen.text(text, color, (0.5, 0.5), width, height, weight)


def _placed(points: Sequence[Point], at: Point, size: float) -> list[Point]:
    return [(at[0] + x * size, at[1] + y * size) for x, y in points]


def car(pen: Pen, x: float, color: Color, size: float = 1.0) -> None:
    """A car from behind, a quarter of the plate wide."""
    at = (x, 0.5)
    body = [(-0.14, 0.09), (-0.14, 0.0), (-0.09, -0.1), (0.09, -0.1), (0.14, 0.0), (0.14, 0.09)]
    pen.polygon(_placed(body, at, size), color)
    for side in (-0.1, 0.1):
        pen.polygon(
            _placed([(side - 0.035, 0.08), (side + 0.035, 0.08), (side + 0.035, 0.14), (side - 0.035, 0.14)], at, size),
            color,
        )
    glass = [(-0.09, -0.01), (-0.06, -0.07), (0.06, -0.07), (0.09, -0.01)]
    pen.polygon(_placed(glass, at, size), WHITE)


def truck_rear(pen: Pen, x: float, color: Color) -> None:
    """A truck from behind, a quarter of the plate wide."""
    pen.box(x - 0.14, 0.3, x + 0.14, 0.58, color)
    pen.box(x - 0.1, 0.335, x - 0.012, 0.52, WHITE)
    pen.box(x + 0.012, 0.335, x + 0.1, 0.52, WHITE)
    for side in (-0.1, 0.1):
        pen.box(x + side - 0.035, 0.57, x + side + 0.035, 0.65, color)


def truck_side(pen: Pen) -> None:
    """A truck from the side."""
    pen.box(0.2, 0.36, 0.55, 0.6, BLACK)
    pen.polygon([(0.57, 0.6), (0.57, 0.41), (0.7, 0.41), (0.79, 0.51), (0.79, 0.6)], BLACK)
    pen.polygon([(0.63, 0.44), (0.685, 0.44), (0.74, 0.51), (0.63, 0.51)], WHITE)
    for x in (0.31, 0.68):
        pen.disc((x, 0.61), 0.072, WHITE)
        pen.disc((x, 0.61), 0.054, BLACK)


def overtaking(truck: bool, left: Color, right: Color) -> Symbol:
    """Two vehicles beside each other, the left one a truck if asked for."""

    def draw(pen: Pen) -> None:
        (truck_rear if truck else car)(pen, 0.335, left)
        car(pen, 0.665, right)

    return draw


def walker(pen: Pen, x: float, feet: float, size: float, way: int = 1) -> None:
    """A walking figure of the given size that goes right (1) or left (-1)."""

    def at(*points: Point) -> list[Point]:
        return [(x + way * px * size, feet - py * size) for px, py in points]

    pen.disc(at((0.04, 0.9))[0], 0.1 * size, BLACK)
    pen.stroke(at((0.02, 0.7), (-0.02, 0.44)), 0.19 * size, BLACK)
    pen.stroke(at((0.0, 0.42), (0.17, 0.24), (0.17, 0.04)), 0.11 * size, BLACK)
    pen.stroke(at((-0.02, 0.42), (-0.08, 0.22), (-0.24, 0.05)), 0.11 * size, BLACK)
    pen.stroke(at((0.04, 0.74), (0.17, 0.56), (0.29, 0.56)), 0.08 * size, BLACK)
    pen.stroke(at((0.0, 0.74), (-0.16, 0.58), (-0.2, 0.46)), 0.08 * size, BLACK)


def priority_next(pen: Pen) -> None:
    """A broad arrow across a narrow bar."""
    pen.stroke([(0.33, 0.62), (0.67, 0.62)], 0.06, BLACK, square=True)
    pen.arrow([(0.5, 0.77), (0.5, 0.29)], 0.1, BLACK, 0.15)


def exclamation(pen: Pen) -> None:
    """An exclamation mark."""
    pen.polygon([(0.452, 0.34), (0.548, 0.34), (0.532, 0.61), (0.468, 0.61)], BLACK)
    pen.disc((0.5, 0.34), 0.048, BLACK)
    pen.disc((0.5, 0.7), 0.05, BLACK)


def bend(way: int) -> Symbol:
    """An arrow that turns right (1) or left (-1)."""
    path = [(-0.1, 0.77), (-0.1, 0.64), (-0.07, 0.56), (0.0, 0.48), (0.1, 0.4)]
    return lambda pen: pen.arrow([(0.5 + way * x, y) for x, y in path], 0.085, BLACK, 0.14)


def double_bend(pen: Pen) -> None:
    """An arrow that turns left, then right."""
    pen.arrow([(0.6, 0.77), (0.6, 0.69), (0.4, 0.58), (0.4, 0.5), (0.53, 0.38)], 0.08, BLACK, 0.13)


def uneven(pen: Pen) -> None:
    """Two bumps."""
    for x in (0.38, 0.62):
        pen.polygon(arc((x, 0.71), 0.12, -90, 90, 1.1), BLACK)
    pen.box(0.22, 0.7, 0.78, 0.76, BLACK)


def slippery(pen: Pen) -> None:
    """A car that slides, and its tracks."""
    body = [(0.4, 0.5), (0.43, 0.38), (0.58, 0.36), (0.64, 0.46), (0.65, 0.55), (0.41, 0.59)]
    pen.polygon(body, BLACK)
    pen.polygon([(0.455, 0.47), (0.47, 0.415), (0.56, 0.405), (0.59, 0.455)], WHITE)
    for x in (0.4, 0.58):
        pen.stroke([(x, 0.6), (x + 0.05, 0.65), (x - 0.02, 0.7), (x + 0.03, 0.76)], 0.045, BLACK)


def narrows(pen: Pen) -> None:
    """A straight edge on the left, and one on the right that comes closer."""
    pen.stroke([(0.38, 0.77), (0.38, 0.4)], 0.07, BLACK, square=True)
    pen.stroke([(0.66, 0.77), (0.66, 0.66), (0.55, 0.55), (0.55, 0.4)], 0.07, BLACK, square=True)


def construction(pen: Pen) -> None:
    """Somebody who shovels."""
    pen.disc((0.47, 0.37), 0.05, BLACK)
    pen.stroke([(0.44, 0.46), (0.4, 0.56)], 0.1, BLACK)
    pen.stroke([(0.41, 0.56), (0.48, 0.65), (0.46, 0.75)], 0.055, BLACK)
    pen.stroke([(0.39, 0.56), (0.35, 0.66), (0.29, 0.75)], 0.055, BLACK)
    pen.stroke([(0.46, 0.45), (0.54, 0.54), (0.6, 0.54)], 0.045, BLACK)
    pen.stroke([(0.46, 0.5), (0.66, 0.68)], 0.03, BLACK)
    pen.polygon([(0.55, 0.77), (0.62, 0.67), (0.68, 0.64), (0.8, 0.77)], BLACK)


def traffic_signal(pen: Pen) -> None:
    """Red, yellow, green."""
    pen.box(0.425, 0.3, 0.575, 0.765, BLACK)
    for y, color in ((0.378, (236, 30, 36)), (0.53, YELLOW), (0.685, GREEN)):
        pen.disc((0.5, y), 0.062, color)


def pedestrian_crossing(pen: Pen) -> None:
    """Somebody on a zebra crossing."""
    walker(pen, 0.5, 0.71, 0.44, way=-1)
    for i in range(5):
        x = 0.24 + i * 0.13
        pen.polygon([(x + 0.02, 0.7), (x + 0.075, 0.7), (x + 0.055, 0.77), (x - 0.02, 0.77)], BLACK)


def school_crossing(pen: Pen) -> None:
    """Two children who run."""
    walker(pen, 0.39, 0.77, 0.45)
    walker(pen, 0.61, 0.77, 0.36)


def bicycle(pen: Pen) -> None:
    """A bicycle from the side."""
    for x in (0.345, 0.655):
        pen.stroke(arc((x, 0.66), 0.095, 0, 360), 0.036, BLACK)
    pen.stroke([(0.345, 0.66), (0.43, 0.52), (0.595, 0.52), (0.49, 0.66), (0.345, 0.66)], 0.034, BLACK)
    pen.stroke([(0.49, 0.66), (0.42, 0.47)], 0.034, BLACK)
    pen.stroke([(0.655, 0.66), (0.585, 0.44), (0.65, 0.43)], 0.034, BLACK)
    pen.stroke([(0.37, 0.465), (0.46, 0.465)], 0.04, BLACK)


def snowflake(pen: Pen) -> None:
    """A snowflake."""
    center = (0.5, 0.575)
    for turn in range(6):
        a = math.radians(60 * turn)

        def at(r: float, side: float, a: float = a) -> Point:
            return center[0] + r * math.sin(a) + side * math.cos(a), center[1] - r * math.cos(a) + side * math.sin(a)

        pen.stroke([center, at(0.19, 0)], 0.042, BLACK)
        pen.stroke([at(0.165, 0.055), at(0.11, 0), at(0.165, -0.055)], 0.032, BLACK)


def deer(pen: Pen) -> None:
    """A deer that leaps."""
    pen.polygon([(0.31, 0.56), (0.42, 0.5), (0.57, 0.5), (0.6, 0.56), (0.55, 0.62), (0.4, 0.62), (0.34, 0.66)], BLACK)
    pen.stroke([(0.57, 0.54), (0.63, 0.42), (0.71, 0.44)], 0.055, BLACK)
    pen.stroke([(0.62, 0.42), (0.56, 0.36), (0.56, 0.31)], 0.025, BLACK)
    pen.stroke([(0.57, 0.36), (0.51, 0.37)], 0.022, BLACK)
    pen.stroke([(0.56, 0.58), (0.67, 0.61), (0.64, 0.69)], 0.038, BLACK)
    pen.stroke([(0.54, 0.59), (0.61, 0.68), (0.57, 0.75)], 0.038, BLACK)
    pen.stroke([(0.35, 0.6), (0.31, 0.68), (0.23, 0.72)], 0.042, BLACK)
    pen.stroke([(0.38, 0.61), (0.38, 0.69), (0.3, 0.75)], 0.038, BLACK)


def arrows(*paths: Sequence[Point]) -> Symbol:
    """White arrows."""

    def draw(pen: Pen) -> None:
        for path in paths:
            pen.arrow(path, 0.125, WHITE, 0.2)

    return draw


def mirrored(path: Sequence[Point]) -> list[Point]:
    """The same path with left and right exchanged."""
    return [(1 - x, y) for x, y in path]


STRAIGHT: list[Point] = [(0.5, 0.86), (0.5, 0.12)]
TURN: list[Point] = [(0.33, 0.84), (0.33, 0.6), *arc((0.46, 0.58), 0.13, -90, -10), (0.87, 0.45)]
FORK_STRAIGHT: list[Point] = [(0.41, 0.86), (0.41, 0.1)]
FORK_TURN: list[Point] = [(0.41, 0.74), (0.43, 0.6), (0.5, 0.54), (0.88, 0.54)]
KEEP: list[Point] = [(0.24, 0.24), (0.8, 0.8)]


def roundabout(pen: Pen) -> None:
    """Three arrows after one another in a circle, against the clock."""
    for start in (10, 130, 250):
        curve = arc((0.5, 0.5), 0.27, start, start - 78)
        tip = arc((0.5, 0.5), 0.27, start, start - 104)[-1]
        pen.arrow([*curve, tip], 0.1, WHITE, 0.15)
