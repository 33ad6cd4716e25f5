"""Who and what is on the street, besides the signs that face the camera: traffic, people and furniture."""

from __future__ import annotations

import numpy as np

from labelforge.demo.parts import BACKS, FURNITURE, PEOPLE, TRAFFIC_LIGHTS, put
from labelforge.demo.stage import Stage
from labelforge.demo.street import Side
from labelforge.demo.vehicles import KINDS, put_vehicle

_TRAFFIC = ("car", "truck", "bus", "bicyclist", "motorcyclist", "scooter rider")
_SHARES = (0.66, 0.1, 0.08, 0.06, 0.07, 0.03)
_CROSSING = ("bicyclist across", "motorcyclist across", "scooter rider across", *PEOPLE)


def populate(stage: Stage) -> None:
    """Put up everything but the signs that face the camera."""
    rng, (left, right) = stage.rng, stage.street.sides
    z0, z1 = stage.street.crosswalk or (8, 20)
    for name in rng.choice(_CROSSING, int(rng.integers(0, 4))).tolist():
        put(stage, name, rng.uniform(left.kerb + 0.5, right.kerb - 0.5), rng.uniform(z0 + 0.7, z1 - 0.7))
    for x, oncoming in stage.street.lanes:
        _put_traffic(stage, x, oncoming)
    for side in stage.street.sides:
        _put_beside(stage, side)
        _put_tall(stage, side)
        for name in [] if side.country else rng.choice(FURNITURE, int(rng.integers(1, 6))).tolist():
            x = side.walkway[1] - 0.25 if rng.random() < 0.7 else side.walkway[0] + 0.1
            put(stage, name, side.way * x, rng.uniform(6, 24))


def _put_traffic(stage: Stage, middle: float, oncoming: bool) -> None:
    """Vehicles one after another in a lane."""
    rng, z = stage.rng, stage.rng.uniform(8, 22)
    while z < 90:
        kind, x = str(rng.choice(_TRAFFIC, p=_SHARES)), middle + rng.uniform(-0.3, 0.3)
        if kind in KINDS:
            z += put_vehicle(stage, kind, x, z, oncoming) / 2
        else:
            way = "along" if kind != "motorcyclist" else "oncoming" if oncoming else "ahead"
            put(stage, f"{kind} {way}", x, z)
        z += rng.uniform(10, 40)


def _put_beside(stage: Stage, side: Side) -> None:
    """Parked cars, riders on a bicycle lane, and people on the sidewalk."""
    rng, (near, far), oncoming = stage.rng, side.walkway, side.way < 0
    parking, lane, first = side.middle("parking") or 0, side.middle("bike lane") or 0, rng.uniform(4, 9)
    for z in np.arange(first, 70, rng.uniform(5.4, 6.4)).tolist() if parking else []:
        if rng.random() < 0.65:
            put_vehicle(stage, "car", parking + rng.uniform(-0.12, 0.12), z, oncoming)
    for z in np.arange(first, 45, rng.uniform(10, 30)).tolist() if lane else []:
        name = "bicyclist" if rng.random() < 0.75 else "scooter rider"
        put(stage, f"{name} along", lane + rng.uniform(-0.25, 0.25), z)
    for z in [] if side.country else (5 + 35 * rng.random(int(rng.integers(0, 6))) ** 1.5).tolist():
        name = "dog" if rng.random() < 0.06 else str(rng.choice(PEOPLE))
        size = rng.uniform(0.9, 1.07) if rng.random() < 0.88 else rng.uniform(0.62, 0.75)
        put(stage, name, side.way * rng.uniform(near + 0.2, far), z, size=size)


def _put_tall(stage: Stage, side: Side) -> None:
    """Rows of lights or utility poles, traffic lights, and signs that face the other way."""
    rng, (near, far) = stage.rng, side.walkway
    kerb, wall, size = side.way * (near + 0.1), side.way * (far - 0.25), rng.uniform(0.9, 1.2)
    row = ("utility pole", wall) if side.country or rng.random() < 0.18 else ("street light", kerb)
    for z in np.arange(rng.uniform(8, 20), 90, rng.uniform(16, 28)).tolist() if rng.random() < 0.7 else []:
        put(stage, *row, z, flip=side.way > 0, size=size)
    if rng.random() < (0.6 if side.way < 0 else 0.25):
        put(stage, str(rng.choice(BACKS)), kerb, rng.uniform(7, 20), size=rng.uniform(0.85, 1.1))
    crosswalk = stage.street.crosswalk
    if not side.country and rng.random() < (0.55 if crosswalk else 0.15):
        put(stage, str(rng.choice(TRAFFIC_LIGHTS)), kerb, crosswalk[0] - 0.3 if crosswalk else rng.uniform(8, 24))
