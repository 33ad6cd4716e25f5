"""German traffic signs, drawn from polygons and strokes: all 43 classes of GTSDB.

A sign is drawn once, large, and scaled to the size that is asked for. No font is used, so that the pictures are the
same on every machine.

Source of shapes, colours and symbols: the German road traffic regulations (StVO, annexes 1-3), as seen in GTSDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.demo import symbols as s
from labelforge.demo.pen import Pen, Point, arc
from labelforge.demo.symbols import BLACK, BLUE, GREY, RED, WHITE, YELLOW, Symbol
from labelforge.palette import Color

__all__ = ["NUM_SIGNS", "Shape", "draw_sign", "sign_outline", "sign_picture", "sign_shape"]

NUM_SIGNS = 43
"""Classes of GTSDB, numbered from 0 as in its ``gt.txt``."""

Shape = Literal["circle", "triangle up", "triangle down", "diamond", "octagon"]

_WIDTH = 288
"""Width in pixels of the large picture."""
_TRIANGLE = 0.88
"""Height of a triangular plate with its rounded corners, in widths."""


@dataclass(frozen=True)
class _Design:
    shape: Shape
    symbol: Symbol
    layers: tuple[tuple[float, Color], ...]  # from the outside: inset as a share of the width, colour
    ended: bool = False  # crossed out by diagonal lines


def _prohibition(symbol: Symbol) -> _Design:
    return _Design("circle", symbol, ((0, RED), (0.115, WHITE)))


def _end(symbol: Symbol) -> _Design:
    return _Design("circle", symbol, ((0, WHITE), (0.02, BLACK), (0.045, WHITE)), ended=True)


def _danger(symbol: Symbol) -> _Design:
    return _Design("triangle up", symbol, ((0, RED), (0.078, WHITE)))


def _mandatory(*paths: Sequence[Point]) -> _Design:
    return _Design("circle", s.arrows(*paths), ((0, WHITE), (0.022, BLUE)))


def _stop(pen: Pen) -> None:
    pen.text("STOP", WHITE, (0.5, 0.5), 0.78, 0.32, 0.068)


_SIGNS: tuple[_Design, ...] = (
    *(_prohibition(s.number(n)) for n in ("20", "30", "50", "60", "70", "80")),
    _end(s.number("80", GREY)),
    *(_prohibition(s.number(n)) for n in ("100", "120")),
    _prohibition(s.overtaking(False, RED, BLACK)),
    _prohibition(s.overtaking(True, RED, BLACK)),
    _danger(s.priority_next),
    _Design("diamond", s.nothing, ((0, BLACK), (0.02, WHITE), (0.125, YELLOW))),
    _Design("triangle down", s.nothing, ((0, RED), (0.085, WHITE))),
    _Design("octagon", _stop, ((0, WHITE), (0.03, RED))),
    _prohibition(s.nothing),
    _prohibition(s.truck_side),
    _Design("circle", lambda pen: pen.box(0.13, 0.405, 0.87, 0.595, WHITE), ((0, WHITE), (0.02, RED))),
    _danger(s.exclamation),
    _danger(s.bend(-1)),
    _danger(s.bend(1)),
    _danger(s.double_bend),
    _danger(s.uneven),
    _danger(s.slippery),
    _danger(s.narrows),
    _danger(s.construction),
    _danger(s.traffic_signal),
    _danger(s.pedestrian_crossing),
    _danger(s.school_crossing),
    _danger(s.bicycle),
    _danger(s.snowflake),
    _danger(s.deer),
    _end(s.nothing),
    _mandatory(s.TURN),
    _mandatory(s.mirrored(s.TURN)),
    _mandatory(s.STRAIGHT),
    _mandatory(s.FORK_STRAIGHT, s.FORK_TURN),
    _mandatory(s.mirrored(s.FORK_STRAIGHT), s.mirrored(s.FORK_TURN)),
    _mandatory(s.KEEP),
    _mandatory(s.mirrored(s.KEEP)),
    _Design("circle", s.roundabout, ((0, WHITE), (0.022, BLUE))),
    _end(s.overtaking(False, GREY, GREY)),
    _end(s.overtaking(True, GREY, GREY)),
)


def sign_shape(class_id: int) -> Shape:
    """The shape of a sign's plate.

    Args:
        class_id: Class of GTSDB, 0-42.

    Raises:
        ValueError: No such class.
    """
    if not 0 <= class_id < NUM_SIGNS:
        raise ValueError(f"GTSDB has classes 0-{NUM_SIGNS - 1}, not {class_id}")
    return _SIGNS[class_id].shape


def sign_outline(shape: Shape, inset: float = 0.0) -> list[Point]:
    """The edge of a plate of width 1, as a polygon around (0.5, 0.5), or, of a triangle, (0.5, 0.44).

    Args:
        shape: Shape of the plate.
        inset: How far inside of the plate's edge, in widths.
    """
    if shape == "circle":
        return arc((0.5, 0.5), 0.5 - inset, 0, 360)[:-1]
    if shape == "octagon":
        return [(0.5 + (0.5 - inset) * x, 0.5 + (0.5 - inset) * y) for x, y in _OCTAGON]
    if shape == "diamond":
        reach = 0.5 - inset * 2**0.5
        return _rounded([(0.5, 0.5 - reach), (0.5 + reach, 0.5), (0.5, 0.5 + reach), (0.5 - reach, 0.5)], 0.02)
    # An equilateral triangle shrinks towards its centre, two thirds down.
    size = 1 - inset / (_TRIANGLE / 3)
    corner = 0.022 if inset == 0 else 0.014
    points = _rounded([(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)], corner)
    placed = [(0.5 + (x - 0.5) * size, _TRIANGLE * (2 / 3 + (y - 2 / 3) * size)) for x, y in points]
    return placed if shape == "triangle up" else [(x, _TRIANGLE - y) for x, y in placed]


_HALF = 2**0.5 - 1
_OCTAGON = [(_HALF, -1), (1, -_HALF), (1, _HALF), (_HALF, 1), (-_HALF, 1), (-1, _HALF), (-1, -_HALF), (-_HALF, -1)]


def _rounded(corners: Sequence[Point], share: float) -> list[Point]:
    """A polygon with rounded corners, stretched back to the corners' bounding box."""
    points: list[Point] = []
    for i, (x, y) in enumerate(corners):
        before, after = corners[i - 1], corners[(i + 1) % len(corners)]
        first = (x + (before[0] - x) * share * 2, y + (before[1] - y) * share * 2)
        last = (x + (after[0] - x) * share * 2, y + (after[1] - y) * share * 2)
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):  # a quadratic Bezier curve around the corner
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            points.append((a * first[0] + b * x + c * last[0], a * first[1] + b * y + c * last[1]))
    for axis in (0, 1):
        low, high = min(p[axis] for p in points), max(p[axis] for p in points)
        lowest, highest = min(p[axis] for p in corners), max(p[axis] for p in corners)
        scale = (highest - lowest) / (high - low)
        moved = [lowest + (p[axis] - low) * scale for p in points]
        points = [(m, p[1]) if axis == 0 else (p[0], m) for m, p in zip(moved, points, strict=True)]
    return points


def _polygon(outline: Sequence[Point]) -> list[Point]:
    return [(x * _WIDTH, y * _WIDTH) for x, y in outline]


@lru_cache(maxsize=NUM_SIGNS)
def sign_picture(class_id: int) -> Image.Image:
    """The large picture of a sign: RGBA, cut to its plate.

    Args:
        class_id: Class of GTSDB, 0-42.

    Raises:
        ValueError: No such class.
    """
    shape, design = sign_shape(class_id), _SIGNS[class_id]
    base = Image.new("RGB", (_WIDTH, _WIDTH), design.layers[0][1])
    pen = Pen(base)
    for inset, color in design.layers[1:]:
        pen.polygon(sign_outline(shape, inset), color)
    if design.ended:
        _cross_out(base, design)
    else:
        design.symbol(pen)
    alpha = Image.new("L", base.size, 0)
    ImageDraw.Draw(alpha).polygon(_polygon(sign_outline(shape)), fill=255)
    base.putalpha(alpha)
    tall = round(_WIDTH * _TRIANGLE) if shape.startswith("triangle") else _WIDTH
    return base.crop((0, 0, _WIDTH, tall))


def _cross_out(base: Image.Image, design: _Design) -> None:
    """A symbol below diagonal lines, both cut off at the plate's rim."""
    inner = Image.new("RGB", base.size, design.layers[-1][1])
    pen = Pen(inner)
    design.symbol(pen)
    # Fewer lines than on the road where there is a symbol below, or nothing of it would be left at 20 pixels.
    for shift in (-0.13, -0.065, 0.0, 0.065, 0.13) if design.symbol is s.nothing else (-0.06, 0.0, 0.06):
        pen.stroke([(0.1 + shift, 0.9 + shift), (0.9 + shift, 0.1 + shift)], 0.024, BLACK)
    inside = Image.new("L", base.size, 0)
    ImageDraw.Draw(inside).polygon(_polygon(sign_outline(design.shape, design.layers[-1][0])), fill=255)
    base.paste(inner, (0, 0), inside)


@lru_cache(maxsize=1024)
def draw_sign(class_id: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a sign.

    Args:
        class_id: Class of GTSDB, 0-42.
        size: Width in pixels, at least 1; a triangle is less tall than wide.

    Returns:
        (height, size, 3) uint8 RGB and (height, size) bool, where the plate is; read-only.

    Raises:
        ValueError: No such class.
    """
    picture = sign_picture(class_id)
    height = max(1, round(size * picture.height / picture.width))
    scaled = np.asarray(picture.resize((size, height), Image.Resampling.BOX))
    rgb, mask = scaled[..., :3].copy(), scaled[..., 3] >= 128
    rgb.setflags(write=False)
    mask.setflags(write=False)
    return rgb, mask
