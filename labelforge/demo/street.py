"""The plan of one street: which strips of ground lie beside each other, where one may drive, park, walk and build.

x runs to the right, z ahead, in metres from the foot of the camera, which drives in the right-hand lane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FAR", "Lane", "Side", "Street", "Strip", "plan_street"]

FAR = 120.0
"""Where the street ends."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Strip:
    """A lengthwise strip of ground, ``name`` being the thing that it is."""

    name: str
    x0: float
    x1: float


@dataclass(frozen=True)
class Lane:
    """A driving lane: its middle, and whether its traffic comes towards the camera."""

    x: float
    oncoming: bool


@dataclass(frozen=True)
class Side:
    """One side of the street, from the lanes outwards.

    Attributes:
        way: -1 on the left, 1 on the right.
        edge: Where the driving lanes end.
        kerb: Where the carriageway ends.
        border: Where buildings and fences may begin.
        strips: The strips between edge and border.
        country: No kerb and no sidewalk: a rural road.
    """

    way: int
    edge: float
    kerb: float
    border: float
    strips: tuple[Strip, ...]
    country: bool

    def middle(self, name: str) -> float | None:
        """The middle of the strip of that name, if there is one."""
        return next(((s.x0 + s.x1) / 2 for s in self.strips if s.name == name), None)

    @property
    def walkway(self) -> tuple[float, float]:
        """Distances from the camera's line between which people walk and things stand."""
        return abs(self.kerb) + 0.45, abs(self.border) - 0.3


@dataclass(frozen=True)
class Street:
    """The whole street.

    Attributes:
        lanes: The driving lanes.
        median: The strip between the directions, if they are apart.
        sides: Left and right.
        crossing: From where to where a side street crosses, if one does.
        crosswalk: From where to where a crosswalk lies, if there is one, and whether it is a zebra crossing.
    """

    lanes: tuple[Lane, ...]
    median: Strip | None
    sides: tuple[Side, Side]
    crossing: tuple[float, float] | None
    crosswalk: tuple[float, float, bool] | None

    def built(self, z0: float, z1: float) -> bool:
        """Whether something may be built between two distances: not on the side street."""
        return self.crossing is None or z1 <= self.crossing[0] - 3 or z0 >= self.crossing[1] + 3


def plan_street(rng: Rng) -> Street:
    """Lay out a street at random."""
    right_edge, left_edge = rng.uniform(1.6, 1.95), -rng.uniform(1.5, 1.75)
    lanes = [Lane(0.0, oncoming=False)]
    if rng.random() < 0.15:
        lanes.append(Lane(right_edge + 1.6, oncoming=False))
        right_edge += 3.2
    median = None
    if rng.random() < 0.2:
        tram = rng.random() < 0.5
        wide = rng.uniform(3.0, 3.6) if tram else rng.uniform(1.6, 3.0)
        median = Strip("rail track" if tram else "terrain", left_edge - wide, left_edge)
        left_edge -= wide
    for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
        lanes.append(Lane(left_edge - 1.6, oncoming=True))
        left_edge -= 3.2
    country = bool(rng.random() < 0.14)
    sides = (_plan_side(rng, -1, left_edge, country), _plan_side(rng, 1, right_edge, country))
    crossing = crosswalk = None
    if not country and median is None and rng.random() < 0.3:
        start = rng.uniform(12, 32)
        crossing = (start, start + rng.uniform(6, 10))
    if not country and rng.random() < 0.55:
        start = crossing[0] - 5.0 if crossing else rng.uniform(6.5, 16)
        crosswalk = (start, start + 3.2, bool(rng.random() < 0.65))
    return Street(tuple(lanes), median, sides, crossing, crosswalk)


def _plan_side(rng: Rng, way: int, edge: float, country: bool) -> Side:
    strips: list[Strip] = []
    x = abs(edge)

    def lay(name: str, wide: float) -> None:
        nonlocal x
        strips.append(Strip(name, way * x, way * (x + wide)))
        x += wide

    if country:
        if rng.random() < 0.4:
            lay("service lane", rng.uniform(1.5, 2.2))
        kerb = x
        lay("terrain", rng.uniform(3, 6))
        return Side(way, edge, way * kerb, way * x, tuple(strips), country=True)
    kind = rng.random()
    if kind < 0.12:
        lay("service lane", 2.8)
    elif kind < 0.5:
        lay("parking", rng.uniform(2.1, 2.3))
    elif kind < 0.8:
        lay("bike lane", rng.uniform(1.4, 1.8))
    kerb = x
    lay("curb", 0.3)
    if rng.random() < 0.25:
        lay("terrain", rng.uniform(0.9, 1.6))
    paving = "pedestrian area" if rng.random() < 0.15 else "sidewalk"
    lay(paving, rng.uniform(3.6, 5.0) if paving == "pedestrian area" else rng.uniform(1.9, 3.4))
    return Side(way, edge, way * kerb, way * x, tuple(strips), country=False)
