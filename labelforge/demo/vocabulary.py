"""What a rendered scene is made of, and how each dataset calls it.

The renderer paints *things* of its own fine vocabulary; the datasets are three views of it. A thing that a dataset
has no word for carries the word that the dataset's annotation guide asks for: a kerb is sidewalk in Cityscapes, a bench
is "static" there, and a lane arrow is a general marking in Vistas 1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelforge.label_space import LabelSpace

__all__ = ["THINGS", "Thing", "native_ids", "thing"]


@dataclass(frozen=True)
class Thing:
    """One entry of the vocabulary: its name, and its native name in each label space with pixel labels.

    Attributes:
        name: The renderer's own word.
        cityscapes: Native name in Cityscapes.
        vistas_1: Native name in Mapillary Vistas 1.2.
        vistas_2: Native name in Mapillary Vistas 2.0.
        countable: Whether each object of it is an instance.
    """

    name: str
    cityscapes: str
    vistas_1: str
    vistas_2: str
    countable: bool = False


def _flat(name: str, cityscapes: str, vistas: str, vistas_2: str | None = None) -> Thing:
    """A thing that is not counted."""
    return Thing(name, cityscapes, vistas, vistas_2 or vistas)


def _object(name: str, cityscapes: str, vistas: str, vistas_2: str | None = None) -> Thing:
    """A thing that is counted."""
    return Thing(name, cityscapes, vistas, vistas_2 or vistas, countable=True)


THINGS: tuple[Thing, ...] = (
    _flat("void", "unlabeled", "void--unlabeled"),
    # what belongs to the camera and not to the world
    _flat("ego vehicle", "ego vehicle", "void--ego-vehicle"),
    _flat("car mount", "ego vehicle", "void--car-mount"),
    _flat("rectification border", "rectification border", "void--unlabeled"),
    _flat("out of roi", "out of roi", "void--unlabeled"),
    # things without a class of their own
    _flat("some object", "static", "void--unlabeled", "void--static"),
    _flat("some moving object", "dynamic", "void--unlabeled", "void--dynamic"),
    _flat("some ground", "ground", "void--unlabeled", "void--ground"),
    # far away
    _flat("sky", "sky", "nature--sky"),
    _flat("mountain", "static", "nature--mountain"),
    _flat("vegetation", "vegetation", "nature--vegetation"),
    _flat("terrain", "terrain", "nature--terrain"),
    _flat("building", "building", "construction--structure--building"),
    _flat("bridge", "bridge", "construction--structure--bridge"),
    _flat("wall", "wall", "construction--barrier--wall"),
    _flat("fence", "fence", "construction--barrier--fence"),
    _flat("guard rail", "guard rail", "construction--barrier--guard-rail"),
    # the ground
    _flat("road", "road", "construction--flat--road"),
    _flat("service lane", "road", "construction--flat--service-lane"),
    _flat("bike lane", "road", "construction--flat--bike-lane"),
    _flat("parking", "parking", "construction--flat--parking"),
    _flat("rail track", "rail track", "construction--flat--rail-track"),
    _flat("sidewalk", "sidewalk", "construction--flat--sidewalk"),
    _flat("pedestrian area", "sidewalk", "construction--flat--pedestrian-area"),
    _flat("curb", "sidewalk", "construction--barrier--curb"),
    _flat("curb cut", "sidewalk", "construction--flat--curb-cut"),
    # painted on the ground, or let into it
    _object("crosswalk plain", "road", "construction--flat--crosswalk-plain"),
    _object("zebra crossing", "road", "marking--crosswalk-zebra", "marking--discrete--crosswalk-zebra"),
    _flat("dashed line", "road", "marking--general", "marking--continuous--dashed"),
    _flat("solid line", "road", "marking--general", "marking--continuous--solid"),
    _flat("stop line", "road", "marking--general", "marking--discrete--stop-line"),
    _flat("arrow straight", "road", "marking--general", "marking--discrete--arrow--straight"),
    _flat("arrow left", "road", "marking--general", "marking--discrete--arrow--left"),
    _flat("arrow right", "road", "marking--general", "marking--discrete--arrow--right"),
    _flat("bicycle symbol", "road", "marking--general", "marking--discrete--symbol--bicycle"),
    _object("manhole", "road", "object--manhole"),
    _object("catch basin", "road", "object--catch-basin"),
    _flat("pothole", "road", "object--pothole"),
    # living beings
    _object("person", "person", "human--person", "human--person--individual"),
    _object("bicyclist", "rider", "human--rider--bicyclist"),
    _object("motorcyclist", "rider", "human--rider--motorcyclist"),
    _object("bird", "dynamic", "animal--bird"),
    _object("dog", "dynamic", "animal--ground-animal"),
    # vehicles
    _object("bicycle", "bicycle", "object--vehicle--bicycle"),
    _object("motorcycle", "motorcycle", "object--vehicle--motorcycle"),
    _object("car", "car", "object--vehicle--car"),
    _object("truck", "truck", "object--vehicle--truck"),
    _object("bus", "bus", "object--vehicle--bus"),
    _object("caravan", "caravan", "object--vehicle--caravan"),
    _object("trailer", "trailer", "object--vehicle--trailer"),
    _object("tram", "train", "object--vehicle--on-rails"),
    _object("stroller", "dynamic", "object--vehicle--wheeled-slow"),
    # street furniture
    _object("pole", "pole", "object--support--pole"),
    _object("utility pole", "pole", "object--support--utility-pole"),
    _object("street light", "static", "object--street-light"),
    _object("traffic light", "traffic light", "object--traffic-light", "object--traffic-light--general-upright"),
    _object("sign front", "traffic sign", "object--traffic-sign--front"),
    _object("direction sign", "traffic sign", "object--traffic-sign--front", "object--traffic-sign--direction-front"),
    _object("parking sign", "traffic sign", "object--traffic-sign--front", "object--traffic-sign--information-parking"),
    _object("sign back", "static", "object--traffic-sign--back"),
    _object("trash can", "static", "object--trash-can"),
    _object("bench", "static", "object--bench"),
    _object("bike rack", "static", "object--bike-rack"),
    _object("fire hydrant", "static", "object--fire-hydrant"),
    _object("mailbox", "static", "object--mailbox"),
    _object("junction box", "static", "object--junction-box"),
    _object("phone booth", "static", "object--phone-booth"),
    _object("cctv camera", "static", "object--cctv-camera"),
    _object("billboard", "static", "object--billboard", "object--sign--advertisement"),
    _object("store sign", "static", "object--billboard", "object--sign--store"),
    _object("banner", "static", "object--banner"),
)
"""The vocabulary; a thing's position is its value in a scene's map of things."""

_NUMBER = {entry.name: i for i, entry in enumerate(THINGS)}
_VIEWS = {"cityscapes": "cityscapes", "mapillary-vistas-1.2": "vistas_1", "mapillary-vistas-2.0": "vistas_2"}


def thing(name: str) -> int:
    """The value of a thing in a scene's map of things."""
    return _NUMBER[name]


@lru_cache
def native_ids(label_space: str) -> NDArray[np.int64]:
    """(number of things,) int64: the native id of each thing in a label space with pixel labels.

    Args:
        label_space: ``cityscapes``, ``mapillary-vistas-1.2`` or ``mapillary-vistas-2.0``.
    """
    by_name = LabelSpace.load(label_space).by_name
    ids = np.array([by_name[getattr(entry, _VIEWS[label_space])].id for entry in THINGS], np.int64)
    ids.setflags(write=False)
    return ids
