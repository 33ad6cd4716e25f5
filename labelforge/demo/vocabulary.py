"""What a rendered scene is made of, and how each dataset calls it.

The renderer paints *things* of its own fine vocabulary; the datasets are views of it. A thing that a dataset has no
word for carries the word that the dataset's annotation guide asks for: a kerb is sidewalk in Cityscapes, a bench is
"static" there, and every line and arrow on the road is a general marking in Vistas.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelforge.label_space import LabelSpace

# "+": each object of it is an instance; the thing; its name in Cityscapes; its name in Mapillary Vistas 1.2
_TABLE = """
  ego vehicle          | ego vehicle          | void--ego-vehicle
  out of roi           | out of roi           | void--unlabeled
  sky                  | sky                  | nature--sky
  mountain             | static               | nature--mountain
  vegetation           | vegetation           | nature--vegetation
  terrain              | terrain              | nature--terrain
  building             | building             | construction--structure--building
  wall                 | wall                 | construction--barrier--wall
  fence                | fence                | construction--barrier--fence
  guard rail           | guard rail           | construction--barrier--guard-rail
  road                 | road                 | construction--flat--road
  service lane         | road                 | construction--flat--service-lane
  bike lane            | road                 | construction--flat--bike-lane
  parking              | parking              | construction--flat--parking
  rail track           | rail track           | construction--flat--rail-track
  sidewalk             | sidewalk             | construction--flat--sidewalk
  pedestrian area      | sidewalk             | construction--flat--pedestrian-area
  curb                 | sidewalk             | construction--barrier--curb
+ crosswalk plain      | road                 | construction--flat--crosswalk-plain
+ zebra crossing       | road                 | marking--crosswalk-zebra
  lane marking         | road                 | marking--general
+ manhole              | road                 | object--manhole
+ person               | person               | human--person
+ bicyclist            | rider                | human--rider--bicyclist
+ motorcyclist         | rider                | human--rider--motorcyclist
+ other rider          | rider                | human--rider--other-rider
+ dog                  | dynamic              | animal--ground-animal
+ bicycle              | bicycle              | object--vehicle--bicycle
+ motorcycle           | motorcycle           | object--vehicle--motorcycle
+ scooter              | dynamic              | object--vehicle--wheeled-slow
+ car                  | car                  | object--vehicle--car
+ truck                | truck                | object--vehicle--truck
+ bus                  | bus                  | object--vehicle--bus
+ pole                 | pole                 | object--support--pole
+ utility pole         | pole                 | object--support--utility-pole
+ street light         | static               | object--street-light
+ traffic light        | traffic light        | object--traffic-light
+ sign front           | traffic sign         | object--traffic-sign--front
+ sign back            | static               | object--traffic-sign--back
+ trash can            | static               | object--trash-can
+ bench                | static               | object--bench
+ bike rack            | static               | object--bike-rack
+ fire hydrant         | static               | object--fire-hydrant
+ mailbox              | static               | object--mailbox
+ junction box         | static               | object--junction-box
+ billboard            | static               | object--billboard
"""

_ROWS = [
    (row.startswith("+"), [cell.strip() for cell in row[2:].split("|")]) for row in _TABLE.strip("\n").splitlines()
]
_COLUMNS = {"cityscapes": 1, "mapillary-vistas-1.2": 2}

# Thing -> its value in a scene's map of things; value of a thing -> whether each object of it is an instance.
THINGS: dict[str, int] = {cells[0]: i for i, (_, cells) in enumerate(_ROWS)}
COUNTABLE: NDArray[np.bool_] = np.array([counted for counted, _ in _ROWS])


@lru_cache
def native_ids(label_space: str) -> NDArray[np.int64]:
    """(number of things,) int64: the native id of each thing in ``cityscapes`` or ``mapillary-vistas-1.2``."""
    by_name = LabelSpace.load(label_space).by_name
    ids = np.array([by_name[cells[_COLUMNS[label_space]]].id for _, cells in _ROWS], np.int64)
    ids.setflags(write=False)
    return ids
