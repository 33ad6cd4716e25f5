"""The shapes of vehicles, as data: a side view, a width, and where windows and wheels are.

A side view is written like the points of an SVG polygon, in metres: along the vehicle (the front at positive values),
then up, beginning at the lower end of the back and going over the roof to the lower end of the front.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelforge.demo.canvas import Point
from labelforge.palette import Color

__all__ = ["KINDS", "Body"]

_PAINT: tuple[Color, ...] = (
    (200, 202, 206), (58, 60, 66), (150, 28, 32), (34, 62, 118), (228, 228, 226), (92, 100, 92), (30, 32, 36),
    (128, 132, 138), (184, 160, 100), (70, 104, 138),
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """A solid on wheels.

    Attributes:
        profile: Side view, (along, up) in metres.
        width: In metres.
        windows: Side windows, polygons on the profile.
        screens: Edges of the profile that are panes, by number.
        wheels: Where the wheels are, along.
        radius: Radius of the wheels.
        colors: What it may be painted like.
        doors: Whether the back has two doors instead of a pane.
    """

    profile: tuple[Point, ...]
    width: float
    windows: tuple[tuple[Point, ...], ...] = ()
    screens: tuple[int, ...] = ()
    wheels: tuple[float, ...] = ()
    radius: float = 0.31
    colors: tuple[Color, ...] = _PAINT
    doors: bool = False

    @property
    def height(self) -> float:
        """Height in metres."""
        return max(up for _, up in self.profile)


def _points(text: str) -> tuple[Point, ...]:
    along, up = ([float(pair.split(",")[axis]) for pair in text.split()] for axis in (0, 1))
    return tuple(zip(along, up, strict=True))


def _panes(first: float, last: float, low: float, high: float, number: int) -> tuple[tuple[Point, ...], ...]:
    """A row of equal windows."""
    step = (last - first) / number
    spans = [(first + step * i + 0.06, first + step * (i + 1) - 0.06) for i in range(number)]
    return tuple(((a, low), (b, low), (b, high), (a, high)) for a, b in spans)


_HATCHBACK = Body(
    _points("-2,0.28 -2.02,0.7 -1.95,0.92 -1.6,1.44 0.3,1.47 1.05,0.98 1.85,0.84 2,0.6 2,0.28"),
    1.76,
    windows=(
        _points("-1.55,0.95 -1.4,1.36 -0.75,1.38 -0.75,0.95"),
        _points("-0.65,0.95 -0.65,1.38 0.2,1.38 0.82,0.98"),
    ),
    screens=(2, 4),
    wheels=(-1.25, 1.25),
)
_SALOON = Body(
    _points("-2.3,0.28 -2.32,0.68 -2.25,0.9 -1.62,0.96 -1,1.4 0.35,1.43 1.1,0.96 2.1,0.82 2.25,0.58 2.25,0.28"),
    1.8,
    windows=(
        _points("-1.35,0.97 -0.95,1.32 -0.4,1.34 -0.4,0.97"),
        _points("-0.3,0.97 -0.3,1.34 0.25,1.34 0.85,0.97"),
    ),
    screens=(3, 5),
    wheels=(-1.4, 1.4),
)
_TALL_CAR = Body(
    _points("-2.2,0.35 -2.22,0.95 -2.1,1.15 -1.85,1.72 0.35,1.75 1.05,1.15 2,1.02 2.2,0.75 2.2,0.35"),
    1.88,
    windows=(
        _points("-1.75,1.15 -1.62,1.62 -0.6,1.65 -0.6,1.15"),
        _points("-0.5,1.15 -0.5,1.65 0.25,1.65 0.8,1.17"),
    ),
    screens=(2, 4),
    wheels=(-1.35, 1.4),
    radius=0.37,
)
_VAN = Body(
    _points("-2.6,0.35 -2.6,2 -2.45,2.12 1.1,2.12 1.9,1.25 2.45,1 2.5,0.35"),
    1.95,
    windows=(_points("0.35,1.3 0.35,1.9 1.05,1.9 1.6,1.3"),),
    screens=(3,),
    wheels=(-1.6, 1.6),
    radius=0.35,
    colors=((232, 232, 228), (214, 214, 210), (190, 150, 40), (70, 100, 150), (120, 122, 124)),
    doors=True,
)
_BOX = Body(
    _points("-3.6,0.75 -3.6,3.35 1.5,3.35 1.5,0.75"),
    2.45,
    wheels=(-2.3, -1.2),
    radius=0.48,
    colors=((222, 222, 216), (74, 110, 150), (168, 62, 44), (124, 132, 98), (206, 170, 60), (196, 198, 200)),
    doors=True,
)
_CAB = Body(
    _points("1.65,0.45 1.65,2.55 1.9,2.75 3.2,2.7 3.5,1.5 3.55,0.45"),
    2.35,
    windows=(_points("2.3,1.5 2.3,2.35 3.05,2.35 3.25,1.5"),),
    screens=(3,),
    wheels=(2.7,),
    radius=0.48,
    colors=((196, 198, 200), (150, 34, 34), (40, 70, 120), (232, 232, 228)),
)
_BUS = Body(
    _points("-5.6,0.35 -5.6,2.9 -5.4,3.05 5.4,3.05 5.58,2.8 5.6,0.35"),
    2.5,
    windows=_panes(-5.2, 5.2, 1.25, 2.45, 8),
    screens=(0, 4),
    wheels=(-3.2, 3.4),
    radius=0.48,
    colors=((214, 172, 34), (178, 40, 38), (232, 232, 228), (44, 112, 92), (60, 92, 150)),
)
_TRAM = Body(
    _points("-8.5,0.25 -8.6,1.2 -8.2,3.3 8.2,3.3 8.6,1.2 8.5,0.25"),
    2.35,
    windows=_panes(-7.6, 7.6, 1.3, 2.6, 9),
    screens=(1, 3),
    colors=((206, 46, 40), (236, 220, 150), (60, 122, 110), (224, 224, 220)),
)
_CARAVAN = Body(
    _points("-2.4,0.45 -2.5,1.4 -2.3,2.45 2.2,2.45 2.5,1.3 2.4,0.45"),
    2.2,
    windows=_panes(-1.7, -0.4, 1.25, 1.9, 1) + _panes(0.5, 1.7, 1.25, 1.9, 1),
    screens=(1, 3),
    wheels=(-0.2,),
    colors=((236, 234, 226), (222, 218, 206)),
)
_TRAILER = Body(
    _points("-1.3,0.4 -1.3,1.05 1.3,1.05 1.3,0.4"),
    1.6,
    wheels=(0.0,),
    colors=((110, 114, 112), (92, 104, 118), (140, 122, 96)),
    doors=True,
)

KINDS: dict[str, tuple[tuple[Body, ...], ...]] = {
    "car": ((_HATCHBACK,), (_SALOON,), (_TALL_CAR,), (_VAN,)),
    "truck": ((_BOX, _CAB),),
    "bus": ((_BUS,),),
    "tram": ((_TRAM,),),
    "caravan": ((_CARAVAN,),),
    "trailer": ((_TRAILER,),),
}
"""Kind -> its makes; each consists of one body or more."""
