"""Coarser labels made of fine ones: groups of classes, and boxes around objects.

Boxes are made as an annotator would draw them who sees no depth: around every connected region of a class, so that two
cars that touch share one. Regions of a few pixels get none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.measure import label

Ids = NDArray[np.integer[Any]]

FINE_VOID: Final = 11
COARSE_VOID: Final = 255

COARSE_OF: Final[Mapping[int, int]] = {
    **{0: 0, 5: 1},  # sky, tree
    **{3: 2, 4: 2},  # road, pavement: flat
    **{1: 3, 7: 3},  # building, fence: construction
    **{2: 4, 6: 4},  # pole, sign: object
    **{8: 5, 9: 5, 10: 5},  # car, pedestrian, bicyclist: mover
    FINE_VOID: COARSE_VOID,
}
"""Id in camvid-11 -> id in camvid-coarse."""

BOXED: Final[Mapping[int, str]] = {8: "car", 9: "pedestrian", 10: "bicyclist", 6: "sign"}
"""Id in camvid-11 -> name of its boxes."""

SMALLEST = 30 / (360 * 480)
"""Regions that cover less of a picture than this get no box: 30 pixels of SegNet's copy."""


class Box(NamedTuple):
    """A box in pixel edges: right and bottom are exclusive."""

    name: str
    left: int
    top: int
    right: int
    bottom: int


def coarse_ids(fine: Ids) -> NDArray[np.uint8]:
    """The coarse labels of a map of fine ones, (H, W) uint8 both."""
    table = np.full(256, COARSE_VOID, np.uint8)
    table[list(COARSE_OF)] = list(COARSE_OF.values())
    return table[fine]


def boxes_of(fine: Ids) -> list[Box]:
    """Boxes around the objects of a map of fine labels.

    Args:
        fine: (H, W) ids of camvid-11.

    Returns:
        Class by class, in the order of the first pixel; pixels that touch at a corner are connected.
    """
    found = []
    for class_id, name in BOXED.items():
        regions = label(fine == class_id, connectivity=2)  # type: ignore[no-untyped-call]
        areas = np.bincount(regions.ravel())[1:]
        for (rows, columns), area in zip(find_objects(regions), areas, strict=True):
            if area >= SMALLEST * fine.size:
                found.append(Box(name, columns.start, rows.start, columns.stop, rows.stop))
    return found
