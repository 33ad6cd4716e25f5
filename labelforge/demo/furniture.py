"""What stands on sidewalks: lights, poles, traffic lights, bins, benches, boxes, boards and the backs of signs."""

from __future__ import annotations

from collections.abc import Callable

from labelforge.demo.canvas import Spot, shade
from labelforge.demo.figures import bicycle
from labelforge.demo.signs import Shape, sign_outline
from labelforge.demo.stage import Stage, pick
from labelforge.palette import Color

__all__ = ["FURNITURE", "METAL", "sign_back", "street_light", "traffic_light", "utility_pole"]

METAL: Color = (138, 142, 144)
_DARK: Color = (66, 72, 72)


def street_light(stage: Stage, x: float, z: float, way: int) -> None:
    """A street light whose arm reaches over the road, to the ``way`` (-1 left, 1 right)."""
    tall = stage.rng.uniform(5.2, 7.5)
    pole, lamp = stage.count("pole"), stage.count("street light")

    def paint() -> None:
        spot = stage.spot(x, z, flip=way < 0)
        spot.mast(0, tall, 0.15, (104, 110, 110), pole)
        spot.limb([(0, tall - 0.05), (0.5, tall + 0.25), (1.1, tall + 0.3)], 0.09, (104, 110, 110), pole)
        spot.polygon(
            [(0.9, tall + 0.22), (1.75, tall + 0.24), (1.7, tall + 0.42), (1.0, tall + 0.45)], (188, 190, 184), lamp
        )
        spot.polygon([(0.98, tall + 0.2), (1.7, tall + 0.22), (1.65, tall + 0.3), (1.0, tall + 0.29)], (232, 230, 206))

    stage.put(x + way * 0.8, z, (2.0, tall + 0.5), paint)


def utility_pole(stage: Stage, x: float, z: float) -> None:
    """A wooden pole for wires."""
    value, tall = stage.count("utility pole"), stage.rng.uniform(7, 9)

    def paint() -> None:
        spot = stage.spot(x, z)
        spot.mast(0, tall, 0.24, (112, 88, 66), value)
        for up in (tall - 0.5, tall - 1.1):
            spot.limb([(-0.9, up), (0.9, up)], 0.13, (98, 78, 60), value)
            for right in (-0.8, -0.4, 0.4, 0.8):
                spot.mast(up, up + 0.25, 0.08, (200, 204, 204), value, right)

    stage.put(x, z, (1.9, tall), paint)


def traffic_light(stage: Stage, x: float, z: float) -> None:
    """A traffic light on a pole."""
    pole, value, lit = stage.count("pole"), stage.count("traffic light"), int(stage.rng.integers(3))

    def paint() -> None:
        spot = stage.spot(x, z)
        spot.mast(0, 3.5, 0.13, METAL, pole)
        spot.box(-0.24, 2.5, 0.24, 3.62, (32, 36, 36), value)
        for i, color in enumerate(((236, 36, 30), (246, 188, 30), (40, 206, 110))):
            up = 3.42 - i * 0.36
            spot.disc(0, up, 0.15, color if i == lit else shade(color, 0.25))
            if i == lit:
                spot.disc(0, up, 0.08, shade(color, 1.35))

    stage.put(x, z, (0.6, 3.7), paint)


def sign_back(stage: Stage, x: float, z: float, shape: Shape) -> None:
    """A sign that faces the other way: bare metal with two bars, behind its pole."""
    size, foot = stage.rng.uniform(0.75, 1.05), stage.rng.uniform(1.9, 2.4)
    value, pole = stage.count("sign back"), stage.count("pole")
    grey = shade((150, 154, 156), stage.rng.uniform(0.85, 1.1))

    def paint() -> None:
        spot = stage.spot(x, z)
        outline = [((px - 0.5) * size, foot + (1 - py) * size) for px, py in sign_outline(shape)]
        spot.polygon(outline, shade(grey, 0.72), value)
        middle = foot + (0.56 if shape.startswith("triangle") else 0.5) * size
        spot.polygon([(px * 0.9, middle + (py - middle) * 0.9) for px, py in outline], grey, value)
        for up in (middle - 0.16 * size, middle + 0.16 * size):
            spot.box(-0.26 * size, up - 0.025, 0.26 * size, up + 0.025, shade(grey, 0.7))
        spot.mast(0, middle + 0.2 * size, 0.09, METAL, pole)

    stage.put(x, z, (size, foot + size), paint)


def _trash_can(spot: Spot, color: Color, value: int) -> None:
    spot.polygon([(-0.24, 0.08), (0.24, 0.08), (0.3, 0.9), (-0.3, 0.9)], color, value)
    spot.box(-0.33, 0.86, 0.33, 1.0, shade(color, 0.65), value)
    spot.box(-0.14, 0.62, 0.14, 0.76, shade(color, 0.4))


def _bench(spot: Spot, color: Color, value: int) -> None:
    for side in (-0.7, 0.7):
        spot.box(side - 0.05, 0, side + 0.05, 0.92, (56, 58, 60), value)
    for up in (0.4, 0.54, 0.68, 0.82):
        spot.box(-0.9, up, 0.9, up + 0.1, shade(color, 1.0 + (up - 0.6) * 0.4), value)


def _hydrant(spot: Spot, color: Color, value: int) -> None:
    spot.box(-0.15, 0, 0.15, 0.62, color, value)
    spot.box(-0.24, 0.36, 0.24, 0.5, shade(color, 0.8), value)
    spot.disc(0, 0.62, 0.15, shade(color, 1.15), value)


def _mailbox(spot: Spot, color: Color, value: int) -> None:
    spot.box(-0.07, 0, 0.07, 0.6, (80, 80, 78), value)
    spot.box(-0.32, 0.55, 0.32, 1.3, color, value)
    spot.box(-0.22, 1.08, 0.22, 1.15, (50, 44, 20))
    spot.box(-0.2, 0.72, 0.2, 0.92, (60, 54, 40))


def _junction_box(spot: Spot, color: Color, value: int) -> None:
    spot.box(-0.55, 0, 0.55, 1.15, color, value)
    spot.box(-0.58, 1.1, 0.58, 1.2, shade(color, 1.15), value)
    spot.box(-0.02, 0.1, 0.02, 1.05, shade(color, 0.6))


def _phone_booth(spot: Spot, color: Color, value: int) -> None:
    spot.box(-0.5, 0, 0.5, 2.35, color, value)
    spot.box(-0.38, 0.25, 0.38, 1.95, (120, 138, 146))
    spot.box(-0.38, 0.95, 0.38, 1.05, color)
    spot.box(-0.03, 0.25, 0.03, 1.95, color)


def _bike_rack(spot: Spot, color: Color, value: int) -> None:
    for right in (-0.9, -0.3, 0.3, 0.9):
        spot.limb([(right, 0), (right, 0.72), (right + 0.36, 0.72), (right + 0.36, 0)], 0.08, color, value)


def _billboard(spot: Spot, color: Color, value: int) -> None:
    for side in (-1.0, 1.0):
        spot.box(side - 0.06, 0, side + 0.06, 0.8, (80, 82, 84), value)
    spot.box(-1.4, 0.7, 1.4, 2.7, (90, 92, 94), value)
    spot.box(-1.28, 0.82, 1.28, 2.58, color, value)
    spot.disc(-0.55, 1.75, 0.52, shade(color, 1.35))
    for i, up in enumerate((2.15, 1.8, 1.45)):
        spot.box(0.15, up, 1.1 - 0.18 * i, up + 0.18, shade(color, 0.55))


def _some_object(spot: Spot, color: Color, value: int) -> None:
    """A planter, which no dataset has a class for."""
    spot.polygon([(-0.4, 0), (0.4, 0), (0.48, 0.5), (-0.48, 0.5)], color, value)
    for right, up in ((-0.25, 0.6), (0.0, 0.7), (0.25, 0.6)):
        spot.disc(right, up, 0.22, (96, 116, 64), value)


def _camera(spot: Spot, color: Color, value: int) -> None:
    spot.box(-0.06, 0, 0.06, 3.0, color, value)
    spot.polygon([(-0.06, 3.0), (0.7, 2.85), (0.76, 3.1), (-0.06, 3.25)], shade(color, 1.2), value)
    spot.disc(0.7, 2.98, 0.11, (30, 32, 36))


_Drawer = Callable[[Spot, Color, int], None]
_DRAWERS: dict[str, tuple[_Drawer, tuple[float, float], tuple[Color, ...]]] = {
    "trash can": (_trash_can, (0.7, 1.0), ((62, 96, 78), (70, 74, 78), (190, 110, 40))),
    "bench": (_bench, (1.8, 0.95), ((142, 98, 60), (112, 84, 62), (60, 104, 76))),
    "fire hydrant": (_hydrant, (0.5, 0.8), ((186, 40, 36), (206, 160, 40))),
    "mailbox": (_mailbox, (0.7, 1.3), ((238, 194, 30), (230, 184, 40))),
    "junction box": (_junction_box, (1.2, 1.2), ((150, 152, 146), (120, 128, 120))),
    "phone booth": (_phone_booth, (1.0, 2.4), ((216, 36, 112), (196, 40, 40), (208, 170, 40))),
    "bike rack": (_bike_rack, (2.4, 0.8), (METAL, _DARK)),
    "billboard": (_billboard, (2.8, 2.8), ((176, 60, 52), (52, 110, 160), (206, 170, 62), (72, 140, 90))),
    "cctv camera": (_camera, (0.9, 3.3), ((196, 198, 200),)),
    "some object": (_some_object, (1.0, 0.9), ((150, 110, 84), (140, 138, 134))),
}


def _put(name: str) -> Callable[[Stage, float, float], None]:
    drawer, size, colors = _DRAWERS[name]

    def put(stage: Stage, x: float, z: float) -> None:
        color, value = pick(stage.rng, colors), stage.count(name)
        parked = stage.count("bicycle") if name == "bike rack" else None
        frame = pick(stage.rng, ((160, 40, 44), (44, 84, 140), (50, 54, 56)))

        def paint() -> None:
            spot = stage.spot(x, z)
            spot.shadow(-size[0] / 2, size[0] / 2)
            drawer(spot, color, value)
            if parked is not None:
                bicycle(
                    Spot(spot.canvas, spot.column + 0.2 * spot.scale, spot.row + 0.06 * spot.scale, spot.scale),
                    frame,
                    parked,
                )

        stage.put(x, z, size, paint)

    return put


FURNITURE: dict[str, Callable[[Stage, float, float], None]] = {name: _put(name) for name in _DRAWERS}
"""Thing -> puts one at (x, z) metres, if there is room."""
