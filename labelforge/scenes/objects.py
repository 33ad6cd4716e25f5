"""Things that stand on the street: each is drawn from a few polygons, in metres, facing the camera.

Every function takes the spot to draw at, a generator for its looks, and, where the thing is countable, its instance.
"""

from __future__ import annotations

import numpy as np

from labelforge.palette import Color
from labelforge.scenes.canvas import INSTANCE, OVERSAMPLING, Spot
from labelforge.scenes.signs import draw_sign, sign_outline
from labelforge.scenes.vocabulary import thing

__all__ = [
    "bench",
    "bus",
    "car",
    "person",
    "rider",
    "sign_back",
    "sign_front",
    "street_light",
    "traffic_light",
    "trash_can",
    "tree",
    "truck",
]

Rng = np.random.Generator

GLASS: Color = (62, 78, 92)
TYRE: Color = (24, 24, 26)
METAL: Color = (132, 134, 136)
SKIN: tuple[Color, ...] = ((236, 200, 172), (198, 150, 116), (128, 86, 62), (92, 60, 44))
PAINT: tuple[Color, ...] = (
    (196, 198, 202), (60, 62, 66), (150, 24, 28), (28, 66, 128), (232, 232, 230), (88, 96, 84), (178, 146, 70),
)  # fmt: skip
CLOTHES: tuple[Color, ...] = (
    (40, 44, 60), (150, 40, 44), (56, 96, 70), (206, 186, 150), (96, 60, 110), (220, 220, 220), (60, 110, 160),
)  # fmt: skip


def _pick(rng: Rng, colors: tuple[Color, ...]) -> Color:
    return colors[int(rng.integers(len(colors)))]


def shade(color: Color, factor: float) -> Color:
    """A colour made darker (below 1) or lighter (above 1)."""
    r, g, b = (min(255, max(0, round(c * factor))) for c in color)
    return r, g, b


def car(spot: Spot, rng: Rng, instance: int) -> None:
    """A car from behind or from the front, 1.8 m wide."""
    value = instance * INSTANCE + thing("car")
    paint, front = _pick(rng, PAINT), rng.random() < 0.4
    spot.shadow(-1.0, 1.0)
    for side in (-0.74, 0.74):
        spot.box(side - 0.13, 0, side + 0.13, 0.5, TYRE, value)
    spot.polygon([(-0.9, 0.25), (0.9, 0.25), (0.92, 0.75), (0.84, 0.95), (-0.84, 0.95), (-0.92, 0.75)], paint, value)
    spot.polygon([(-0.84, 0.93), (0.84, 0.93), (0.62, 1.45), (-0.62, 1.45)], shade(paint, 0.9), value)
    spot.polygon([(-0.72, 0.97), (0.72, 0.97), (0.55, 1.36), (-0.55, 1.36)], GLASS, value)
    lamp: Color = (240, 236, 200) if front else (190, 24, 22)
    for side in (-0.72, 0.72):
        spot.box(side - 0.14, 0.62, side + 0.14, 0.78, lamp, value)
    spot.box(-0.26, 0.4, 0.26, 0.52, (236, 236, 236), value)


def truck(spot: Spot, rng: Rng, instance: int) -> None:
    """A box truck from behind, 2.4 m wide."""
    value = instance * INSTANCE + thing("truck")
    paint = _pick(rng, ((214, 214, 208), (70, 110, 150), (168, 60, 40), (120, 130, 96)))
    spot.shadow(-1.3, 1.3)
    for side in (-0.9, 0.9):
        spot.box(side - 0.25, 0, side + 0.25, 0.8, TYRE, value)
    spot.box(-1.2, 0.6, 1.2, 3.2, paint, value)
    spot.box(-1.1, 0.75, -0.04, 3.08, shade(paint, 0.92), value)
    spot.box(0.04, 0.75, 1.1, 3.08, shade(paint, 0.92), value)
    for side in (-1.0, 1.0):
        spot.box(side - 0.12, 0.6, side + 0.12, 0.72, (190, 24, 22), value)


def bus(spot: Spot, rng: Rng, instance: int) -> None:
    """A city bus from the front, 2.5 m wide."""
    value = instance * INSTANCE + thing("bus")
    paint = _pick(rng, ((214, 170, 30), (190, 40, 36), (236, 236, 232), (40, 110, 90)))
    spot.shadow(-1.35, 1.35)
    for side in (-0.95, 0.95):
        spot.box(side - 0.2, 0, side + 0.2, 0.6, TYRE, value)
    spot.box(-1.25, 0.3, 1.25, 3.0, paint, value)
    spot.box(-1.1, 1.15, 1.1, 2.45, GLASS, value)
    spot.box(-0.7, 2.55, 0.7, 2.85, (30, 30, 30), value)
    for side in (-0.95, 0.95):
        spot.disc(side, 0.72, 0.15, (240, 236, 200), value)


def person(spot: Spot, rng: Rng, instance: int, value: int | None = None, lift: float = 0.0) -> None:
    """Somebody standing or walking, about 1.75 m tall; ``lift`` raises the feet."""
    value = instance * INSTANCE + thing("person") if value is None else value
    tall, top, legs = rng.uniform(0.9, 1.06), _pick(rng, CLOTHES), _pick(rng, CLOTHES)
    step = rng.uniform(0.04, 0.22)

    def at(right: float, up: float) -> tuple[float, float]:
        return right, lift + up * tall

    if lift == 0:
        spot.shadow(-0.3, 0.3)
    spot.line([at(0.06, 0.85), at(step, 0.04)], 0.17, legs, value)
    spot.line([at(-0.06, 0.85), at(-step, 0.04)], 0.17, shade(legs, 0.85), value)
    spot.polygon([at(-0.2, 0.8), at(0.2, 0.8), at(0.23, 1.45), at(-0.23, 1.45)], top, value)
    spot.line([at(0.24, 1.4), at(0.3 + step / 2, 0.85)], 0.11, shade(top, 0.85), value)
    spot.line([at(-0.24, 1.4), at(-0.3 - step / 2, 0.85)], 0.11, shade(top, 0.85), value)
    spot.disc(0, lift + 1.62 * tall, 0.13, _pick(rng, SKIN), value)


def rider(spot: Spot, rng: Rng, instance: int, motor: bool) -> None:
    """A rider on a bicycle or a motorcycle, seen from the side; two instances, ``instance`` and ``instance + 1``."""
    machine = (instance + 1) * INSTANCE + thing("motorcycle" if motor else "bicycle")
    human = instance * INSTANCE + thing("motorcyclist" if motor else "bicyclist")
    paint, way = _pick(rng, PAINT), 1 if rng.random() < 0.5 else -1
    spot.shadow(-0.8, 0.8)
    for wheel in (-0.55, 0.55):
        spot.disc(wheel, 0.34, 0.34, TYRE, machine)
        spot.disc(wheel, 0.34, 0.24 if not motor else 0.16, METAL, machine)
    if motor:
        spot.polygon([(-0.6 * way, 0.4), (0.5 * way, 0.4), (0.45 * way, 0.95), (-0.75 * way, 0.85)], paint, machine)
    frame = [(-0.55 * way, 0.34), (-0.2 * way, 0.85), (0.4 * way, 0.85), (0.0, 0.34), (-0.2 * way, 0.85)]
    spot.line(frame, 0.09 if not motor else 0.14, paint, machine)
    spot.line([(0.55 * way, 0.34), (0.38 * way, 1.08), (0.22 * way, 1.12)], 0.09, shade(paint, 0.8), machine)
    top, legs = _pick(rng, CLOTHES), _pick(rng, CLOTHES)
    spot.line([(-0.18 * way, 0.95), (0.12 * way, 0.62), (0.04 * way, 0.26)], 0.18, legs, human)
    spot.polygon([(-0.34 * way, 0.9), (-0.02 * way, 0.9), (0.24 * way, 1.5), (-0.08 * way, 1.56)], top, human)
    spot.line([(0.1 * way, 1.42), (0.32 * way, 1.14)], 0.12, shade(top, 0.85), human)
    head: Color = (30, 30, 34) if motor else _pick(rng, SKIN)
    spot.disc(0.14 * way, 1.68, 0.16 if motor else 0.14, head, human)


def tree(spot: Spot, rng: Rng) -> None:
    """A tree, four to seven metres tall."""
    value = thing("vegetation")
    tall, wide = rng.uniform(4.0, 7.0), rng.uniform(1.1, 1.9)
    green = (int(rng.integers(50, 96)), int(rng.integers(92, 134)), int(rng.integers(34, 62)))
    spot.box(-0.14, 0, 0.14, tall * 0.5, (92, 70, 50), value)
    for _ in range(9):
        right, up = rng.uniform(-0.6, 0.6) * wide, tall * rng.uniform(0.5, 0.92)
        spot.disc(right, up, rng.uniform(0.45, 0.8) * wide, shade(green, rng.uniform(0.75, 1.2)), value)


def _pole(spot: Spot, height: float) -> None:
    spot.box(-0.05, 0, 0.05, height, METAL, thing("pole"))


def sign_front(spot: Spot, classes: list[int], values: list[int], plate: float, height: float) -> None:
    """A pole with one or two signs that face the camera.

    Args:
        spot: Foot of the pole.
        classes: GTSDB classes of the signs, from the top.
        values: Annotation values of the plates.
        plate: Width and height of a plate in metres.
        height: Height of the lowest plate's lower edge in metres.
    """
    _pole(spot, height + plate * len(classes))
    for i, (class_id, value) in enumerate(zip(reversed(classes), reversed(values), strict=True)):
        left, top = spot.at(-plate / 2, height + plate * (i + 1) + 0.03 * i)
        size = max(2, round(plate * spot.scale * OVERSAMPLING))
        rgb, mask = draw_sign(class_id, size)
        spot.canvas.stamp(rgb, mask, left, top, value)


def sign_back(spot: Spot, class_id: int, plate: float, height: float) -> None:
    """A pole with a sign seen from behind: its outline in bare metal."""
    outline = [(x * plate - plate / 2, height + (1 - y) * plate) for x, y in sign_outline(class_id)]
    spot.polygon(outline, (158, 160, 164), thing("sign back"))
    inner = [(x * 0.86, height + plate / 2 + (y - height - plate / 2) * 0.86) for x, y in outline]
    spot.polygon(inner, (142, 144, 148), thing("sign back"))
    _pole(spot, height + plate * 0.9)


def street_light(spot: Spot, way: int) -> None:
    """A street light whose arm reaches over the road."""
    spot.box(-0.07, 0, 0.07, 5.6, (98, 102, 104), thing("pole"))
    spot.line([(0, 5.5), (0.9 * way, 5.8)], 0.12, (98, 102, 104), thing("street light"))
    left, right = sorted((0.6 * way, 1.5 * way))
    spot.box(left, 5.68, right, 5.95, (214, 214, 200), thing("street light"))


def traffic_light(spot: Spot, rng: Rng) -> None:
    """A traffic light on a pole."""
    spot.box(-0.06, 0, 0.06, 3.4, METAL, thing("pole"))
    value, lit = thing("traffic light"), int(rng.integers(3))
    spot.box(-0.2, 2.5, 0.2, 3.6, (30, 34, 32), value)
    for i, color in enumerate(((226, 30, 24), (240, 190, 20), (30, 190, 90))):
        spot.disc(0, 3.4 - i * 0.34, 0.13, color if i == lit else shade(color, 0.3), value)


def trash_can(spot: Spot) -> None:
    """A street bin."""
    spot.box(-0.28, 0, 0.28, 0.95, (64, 92, 76), thing("trash can"))
    spot.box(-0.31, 0.88, 0.31, 1.0, (40, 60, 50), thing("trash can"))


def bench(spot: Spot) -> None:
    """A bench seen from the front."""
    value = thing("bench")
    for side in (-0.7, 0.7):
        spot.box(side - 0.06, 0, side + 0.06, 0.9, (54, 54, 58), value)
    for up in (0.42, 0.62, 0.8):
        spot.box(-0.85, up, 0.85, up + 0.1, (136, 94, 58), value)
