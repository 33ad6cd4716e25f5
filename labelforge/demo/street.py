"""The plan of one street: which strips of ground lie beside each other, where one may drive, park, walk and build.

x runs to the right, z ahead, in metres from the foot of the camera, which drives in the right-hand lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

FAR = 120.0  # where the street ends


class Strip(NamedTuple):
    """A lengthwise strip of ground, ``name`` being the thing that it is."""

    name: str
    x0: float
    x1: float


@dataclass(frozen=True)
class Side:
    """One side of the street, left (``way`` -1) or right (1): strips from the lanes outwards.

    The carriageway ends at ``kerb``; houses begin at ``border``. A rural road (``country``) has no sidewalk.
    """

    way: int
    strips: tuple[Strip, ...]
    kerb: float
    border: float
    country: bool

    def middle(self, name: str) -> float | None:
        """The middle of the strip of that name, if there is one."""
        return next(((strip.x0 + strip.x1) / 2 for strip in self.strips if strip.name == name), None)

    @property
    def walkway(self) -> tuple[float, float]:
        """Distances from the camera's line between which people walk and things stand."""
        return abs(self.kerb) + 0.45, abs(self.border) - 0.3


@dataclass(frozen=True)
class Street:
    """Driving lanes (the middle of each, and whether its traffic is oncoming), both sides, and a crosswalk perhaps."""

    lanes: tuple[tuple[float, bool], ...]
    sides: tuple[Side, Side]
    crosswalk: tuple[float, float] | None


def plan_street(rng: np.random.Generator) -> Street:
    """Lay out a street at random."""
    right, left, start = rng.uniform(1.6, 1.95), rng.uniform(1.5, 1.75), rng.uniform(6.5, 26)
    forth, back, country = int(rng.random() < 0.15), int(rng.choice([0, 1, 1, 1, 2])), bool(rng.random() < 0.14)
    lanes = [(0.0, False), *[(right + 1.6, False)] * forth, *[(-left - 1.6 - 3.2 * i, True) for i in range(back)]]
    sides = (_plan_side(rng, -1, left + 3.2 * back, country), _plan_side(rng, 1, right + 3.2 * forth, country))
    return Street(tuple(lanes), sides, None if country or rng.random() < 0.4 else (start, start + 3.2))


def _plan_side(rng: np.random.Generator, way: int, edge: float, country: bool) -> Side:
    lane = str(rng.choice(["", "service lane", "parking", "bike lane", "rail track"], p=[0.22, 0.1, 0.36, 0.26, 0.06]))
    carriageway = [(lane, rng.uniform(1.5, 1.9) if lane == "bike lane" else 2.3)] * (lane != "" and not country)
    paving = ("pedestrian area", rng.uniform(3.6, 5)) if rng.random() < 0.15 else ("sidewalk", rng.uniform(1.9, 3.4))
    verge = [("terrain", rng.uniform(0.9, 1.6))] * int(rng.random() < 0.3)
    beside = [("terrain", rng.uniform(3, 6))] if country else [("curb", 0.3), *verge, paving]
    names, widths = zip(*carriageway, *beside, strict=True)
    bounds = (way * np.cumsum([edge, *widths])).tolist()
    strips = tuple(map(Strip, names, bounds, bounds[1:]))
    return Side(way, strips, bounds[len(carriageway)], bounds[-1], country)
