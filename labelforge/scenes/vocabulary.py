"""What a rendered scene is made of, and how each dataset calls it.

The renderer paints *things* of its own fine vocabulary; the three datasets are three views of it. A thing that
a dataset has no word for carries the word that the annotation guide asks for (a kerb is sidewalk in Cityscapes).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelforge.label_space import LabelSpace

__all__ = ["THINGS", "native_ids", "thing"]


@dataclass(frozen=True)
class Thing:
    """One entry of the vocabulary: its name, and its native name in each label space with pixel labels."""

    name: str
    cityscapes: str
    vistas_1: str
    vistas_2: str
    instances: bool = False


def _same(name: str, cityscapes: str, vistas: str, instances: bool = False) -> Thing:
    return Thing(name, cityscapes, vistas, vistas, instances)


THINGS: tuple[Thing, ...] = (
    _same("void", "unlabeled", "void--unlabeled"),
    _same("sky", "sky", "nature--sky"),
    _same("building", "building", "construction--structure--building"),
    _same("vegetation", "vegetation", "nature--vegetation"),
    _same("terrain", "terrain", "nature--terrain"),
    _same("fence", "fence", "construction--barrier--fence"),
    _same("wall", "wall", "construction--barrier--wall"),
    _same("road", "road", "construction--flat--road"),
    _same("bike lane", "road", "construction--flat--bike-lane"),
    _same("parking", "parking", "construction--flat--parking"),
    Thing("crosswalk", "road", "marking--crosswalk-zebra", "marking--discrete--crosswalk-zebra"),
    Thing("lane marking", "road", "marking--general", "marking--continuous--dashed"),
    _same("manhole", "road", "object--manhole"),
    _same("curb", "sidewalk", "construction--barrier--curb"),
    _same("sidewalk", "sidewalk", "construction--flat--sidewalk"),
    _same("car", "car", "object--vehicle--car", True),
    _same("truck", "truck", "object--vehicle--truck", True),
    _same("bus", "bus", "object--vehicle--bus", True),
    _same("bicycle", "bicycle", "object--vehicle--bicycle", True),
    _same("motorcycle", "motorcycle", "object--vehicle--motorcycle", True),
    Thing("person", "person", "human--person", "human--person--individual", True),
    _same("bicyclist", "rider", "human--rider--bicyclist", True),
    _same("motorcyclist", "rider", "human--rider--motorcyclist", True),
    _same("pole", "pole", "object--support--pole"),
    _same("street light", "pole", "object--street-light"),
    Thing("traffic light", "traffic light", "object--traffic-light", "object--traffic-light--general-upright"),
    _same("trash can", "static", "object--trash-can"),
    _same("bench", "static", "object--bench"),
    _same("sign front", "traffic sign", "object--traffic-sign--front"),
    _same("sign back", "static", "object--traffic-sign--back"),
    _same("ego vehicle", "ego vehicle", "void--ego-vehicle"),
)
"""The vocabulary; a thing's position is its value in a scene's semantic map."""

_NUMBER = {entry.name: i for i, entry in enumerate(THINGS)}


def thing(name: str) -> int:
    """The value of a thing in a scene's semantic map."""
    return _NUMBER[name]


@lru_cache
def native_ids(label_space: str) -> NDArray[np.int64]:
    """(number of things,) int64: the native id of each thing in a label space with pixel labels."""
    view = {"cityscapes": "cityscapes", "mapillary-vistas-1.2": "vistas_1", "mapillary-vistas-2.0": "vistas_2"}[
        label_space
    ]
    by_name = LabelSpace.load(label_space).by_name
    return np.array([by_name[getattr(entry, view)].id for entry in THINGS], np.int64)
