"""Labels as the objects of COCO's annotations: polygons and run lengths, things over stuff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelforge.converters.labels.coco_masks import draw_segmentation
from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.converters.labels.pixels import nearest

Segmentation = Sequence[Sequence[float]] | Mapping[str, Any]
"""As COCO has it: polygons x0, y0, x1, y1, ...; or run lengths, ``{"size": [H, W], "counts": ...}``."""


@dataclass(frozen=True)
class AnnotatedObject:
    """One object.

    Attributes:
        value: Native id of its label.
        segmentation: Where it is.
        area: Its size in pixels, as annotated.
        layer: Objects of a higher layer lie over those of a lower one, whatever their size.
    """

    value: int
    segmentation: Segmentation
    area: float
    layer: int = 0


@dataclass(frozen=True)
class ObjectMasks:
    """The objects of an image: lower layers first, in each the larger first; the smallest is on top.

        >>> from labelforge.converters.labels.objects import AnnotatedObject, ObjectMasks
        >>> table = AnnotatedObject(67, [[0, 0, 3, 0, 3, 2, 0, 2]], area=6)
        >>> cup = AnnotatedObject(47, [[1, 0, 2, 0, 2, 1, 1, 1]], area=1)
        >>> ObjectMasks((2, 3), [cup, table]).draw((2, 3), (2, 3), rows_of=lambda ids: ids)
        array([[67, 47, 67],
               [67, 67, 67]], dtype=int32)

    Attributes:
        size: (height, width) of the image that they were drawn on.
        objects: The objects, in any order; of equally large ones the later lies over the earlier.
        background: Native id where no object is.
        under: (H, W) native ids of the image's size, what the objects lie over; None: the background.
    """

    size: Size
    objects: Sequence[AnnotatedObject]
    background: int = NO_ANNOTATION
    under: Ids | None = None

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """Polygons are scaled, then drawn; run lengths are resampled by nearest neighbour."""
        if self.under is None:
            ids = np.full(output_size, self.background, dtype=np.int32)
        else:
            rows_of(self.under)  # a wrong id is found at any scale, and also under an object
            ids = nearest(self.under, output_size).astype(np.int32)
        for thing in sorted(self.objects, key=lambda thing: (thing.layer, -thing.area)):
            ids[draw_segmentation(thing.segmentation, image_size, output_size)] = thing.value
        return rows_of(ids)
