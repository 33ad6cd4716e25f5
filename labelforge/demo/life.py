"""Traffic, people and street furniture: who and what is on the street, and where."""

from __future__ import annotations

import math

from labelforge.demo.canvas import mark, shade
from labelforge.demo.figures import dog, person, rider, stroller
from labelforge.demo.furniture import FURNITURE, METAL, sign_back, street_light, traffic_light, utility_pole
from labelforge.demo.signs import NUM_SIGNS, sign_shape
from labelforge.demo.stage import Stage
from labelforge.demo.street import Side
from labelforge.demo.vehicles import vehicle

__all__ = ["populate"]

_TRAFFIC = (("car", 0.74), ("truck", 0.1), ("bus", 0.08), ("caravan", 0.03), ("trailer", 0.05))


def populate(stage: Stage) -> None:
    """Put up everything but the signs that face the camera."""
    _across(stage)
    for lane in stage.street.lanes:
        _lane(stage, lane.x, lane.oncoming)
    if stage.street.median and stage.street.median.name == "rail track" and stage.rng.random() < 0.6:
        middle = (stage.street.median.x0 + stage.street.median.x1) / 2
        vehicle(stage, "tram", middle, stage.rng.uniform(22, 60), math.pi if stage.rng.random() < 0.5 else 0.0)
    for side in stage.street.sides:
        _parked(stage, side)
        _cyclists(stage, side)
        _furnish(stage, side)
        _people(stage, side)
    _bridge(stage)


def _kind(stage: Stage) -> str:
    draw, total = stage.rng.random(), 0.0
    for kind, share in _TRAFFIC:
        total += share
        if draw < total:
            return kind
    return "car"


def _lane(stage: Stage, x: float, oncoming: bool) -> None:
    """Vehicles one after another in a lane."""
    rng, street = stage.rng, stage.street
    z = rng.uniform(8, 22)
    heading = math.pi if oncoming else 0.0
    crossing = street.crossing
    while z < 90:
        blocked = crossing is not None and crossing[0] - 3 < z < crossing[1] + 3
        if rng.random() < 0.6 and not blocked:
            if rng.random() < 0.12:
                rider(stage, x + rng.uniform(-0.5, 0.5), z, motor=rng.random() < 0.7, across=False, oncoming=oncoming)
            else:
                kind = _kind(stage)
                z += vehicle(stage, kind, x + rng.uniform(-0.2, 0.2), z, heading) / 2
                if kind in ("trailer", "caravan"):  # is drawn by a car, which is ahead of it
                    z += 3.2
                    vehicle(stage, "car", x, z if not oncoming else z - 7.5, heading)
        z += rng.uniform(7, 26)


def _across(stage: Stage) -> None:
    """Whoever crosses the street: on the crosswalk, out of the side street, or anywhere."""
    rng, street = stage.rng, stage.street
    left, right = street.sides
    if street.crosswalk:
        z = (street.crosswalk[0] + street.crosswalk[1]) / 2
        for _ in range(int(rng.integers(0, 3))):
            person(stage, rng.uniform(left.kerb + 0.5, right.kerb - 0.5), z + rng.uniform(-0.9, 0.9))
    if street.crossing and rng.random() < 0.75:
        z0, z1 = street.crossing
        for share, heading in ((0.3, math.pi / 2), (0.72, -math.pi / 2)):
            if rng.random() < 0.6:
                kind = "car" if rng.random() < 0.7 else _kind(stage)
                vehicle(stage, kind, rng.uniform(-9, 9), z0 + (z1 - z0) * share, heading)
    if rng.random() < 0.4:
        z = sum(street.crossing) / 2 if street.crossing else rng.uniform(8, 20)
        rider(stage, rng.uniform(left.kerb, right.kerb), z, motor=rng.random() < 0.45, across=True, oncoming=False)


def _parked(stage: Stage, side: Side) -> None:
    rng, x = stage.rng, side.middle("parking")
    if x is None:
        return
    z = rng.uniform(4, 9)
    full = rng.uniform(0.4, 0.9)
    while z < 70:
        if rng.random() < full and stage.street.built(z - 4, z + 4):
            heading = (0.0 if side.way > 0 else math.pi) + rng.normal(0, 0.03)
            kind = "car" if rng.random() < 0.93 else "caravan"
            vehicle(stage, kind, x + rng.uniform(-0.12, 0.12), z, heading)
        z += rng.uniform(5.4, 6.4)


def _cyclists(stage: Stage, side: Side) -> None:
    rng, x = stage.rng, side.middle("bike lane")
    if x is None and rng.random() < 0.85:
        return
    z = rng.uniform(6, 14)
    while z < 45:
        if rng.random() < 0.55:
            where = x if x is not None else side.edge - side.way * 0.5
            rider(stage, where + rng.uniform(-0.25, 0.25), z, motor=False, across=False, oncoming=side.way < 0)
        z += rng.uniform(7, 20)


def _people(stage: Stage, side: Side) -> None:
    rng = stage.rng
    if side.country:
        return
    near, far = side.walkway
    for _ in range(int(rng.integers(0, 6))):
        z = 5 + 35 * rng.random() ** 1.5
        if person(stage, side.way * rng.uniform(near + 0.2, far), z):
            extra = rng.random()
            x = side.way * rng.uniform(near, far)
            if extra < 0.06:
                dog(stage, x, z - 0.3)
            elif extra < 0.12:
                stroller(stage, x, z - 0.3)


def _furnish(stage: Stage, side: Side) -> None:
    rng = stage.rng
    near, far = side.walkway
    by_kerb, by_wall = side.way * (near + 0.1), side.way * (far - 0.25)
    if rng.random() < 0.7:
        z, gap = rng.uniform(8, 20), rng.uniform(16, 28)
        tall_poles = side.country or rng.random() < 0.18
        while z < 90:
            if stage.street.built(z, z):
                if tall_poles:
                    utility_pole(stage, by_wall, z)
                else:
                    street_light(stage, by_kerb, z, -side.way)
            z += gap
    if stage.street.crosswalk and rng.random() < 0.55:
        traffic_light(stage, by_kerb, stage.street.crosswalk[0] - 0.3)
    elif not side.country and rng.random() < 0.15:
        traffic_light(stage, by_kerb, rng.uniform(8, 24))
    if rng.random() < (0.6 if side.way < 0 else 0.25):
        sign_back(stage, by_kerb, rng.uniform(7, 20), sign_shape(int(rng.integers(NUM_SIGNS))))
    if not side.country and rng.random() < 0.2:
        _panel(stage, by_kerb, rng.uniform(8, 18), "parking sign" if side.middle("parking") else "direction sign")
    if side.country:
        return
    names = sorted(FURNITURE)
    for _ in range(int(rng.integers(1, 5))):
        name = names[int(rng.integers(len(names)))]
        if name != "billboard" or far - near > 2.2:
            FURNITURE[name](stage, by_wall if rng.random() < 0.7 else by_kerb, rng.uniform(6, 24))


def _panel(stage: Stage, x: float, z: float, name: str) -> None:
    """A sign that is none of the 43: directions, or a parking place."""
    value, pole = stage.count(name), stage.count("pole")
    yellow = stage.rng.random() < 0.5

    def paint() -> None:
        spot = stage.spot(x, z)
        spot.mast(0, 2.9, 0.08, METAL, pole)
        if name == "parking sign":
            spot.box(-0.36, 2.2, 0.36, 2.95, (22, 92, 178), value)
            spot.limb(
                [(-0.12, 2.32), (-0.12, 2.82), (0.08, 2.82), (0.14, 2.7), (0.08, 2.58), (-0.12, 2.58)],
                0.1,
                (244, 244, 242),
            )
            return
        plate, ink = ((246, 202, 40), (24, 24, 26)) if yellow else ((24, 94, 176), (242, 242, 240))
        spot.box(-0.8, 2.2, 0.8, 3.1, ink, value)
        spot.box(-0.75, 2.25, 0.75, 3.05, plate)
        for up, right in ((2.82, 0.35), (2.62, 0.1), (2.42, 0.25)):
            spot.box(-0.6, up - 0.05, right, up + 0.05, ink)
        spot.polygon([(0.45, 2.5), (0.65, 2.65), (0.45, 2.8)], ink)

    stage.put(x, z, (1.6, 3.1), paint)


def _bridge(stage: Stage) -> None:
    """A footbridge over the street."""
    rng, camera, canvas = stage.rng, stage.camera, stage.canvas
    if rng.random() > 0.08:
        return
    z, low, tall = rng.uniform(28, 60), rng.uniform(5.0, 6.0), rng.uniform(1.0, 1.6)
    reach = max(abs(side.border) for side in stage.street.sides) + 1.0
    span = [camera.at(x, z, up) for x in (-reach, reach) for up in (low, low + tall)]
    if stage.hides(span, z):
        return
    grey, value = (158, 156, 150), mark("bridge")

    def paint() -> None:
        for side in (-1, 1):
            x = side * (reach - 0.5)
            canvas.polygon(
                [camera.at(x - 0.5, z), camera.at(x + 0.5, z), camera.at(x + 0.5, z, low), camera.at(x - 0.5, z, low)],
                shade(grey, 0.85),
                value,
            )
        for first, last, factor in ((0.0, 0.55, 0.92), (0.55, 1.0, 1.12)):
            a, b = low + tall * first, low + tall * last
            canvas.polygon(
                [camera.at(-reach, z, a), camera.at(reach, z, a), camera.at(reach, z, b), camera.at(-reach, z, b)],
                shade(grey, factor),
                value,
            )

    stage.later(z, paint)
