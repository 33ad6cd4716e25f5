"""The labels of a sample that has boxes: each is filled with the shape of its class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.files import OR_SKIP
from labelforge.converters.labels.boxes import Cover, Overlaps, draw_boxes, overlapping
from labelforge.converters.labels.contract import MOST_OBJECTS, NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.errors import DatasetError
from labelforge.turned_box import Edges, upright_around

FARTHEST: Final = 1e7
"""Coordinates beyond this, either way, are no place in an image."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box around an object, in pixel edges of the image.

        >>> from labelforge.converters.labels.labeled_boxes import Box
        >>> Box(11, 774, 411, 816, 447).area
        1512

    Attributes:
        value: The native id of its label; `NO_ANNOTATION` where it marks what nobody labelled (a crowd, a region to
            be ignored): there no smaller or later box is needed for the pixels to stay without annotation.
        left: First edge of x.
        top: First edge of y.
        right: Last edge of x (exclusive: an integer box from pixel 3 to pixel 5 has 3 and 6).
        bottom: Last edge of y.
        angle: By how many degrees it is turned about its middle, clockwise as seen.
    """

    value: int
    left: float
    top: float
    right: float
    bottom: float
    angle: float = 0.0

    @property
    def area(self) -> float:
        """Area in pixels; 0 for a box that has none, or is turned inside out."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def around(self) -> Edges:
        """The upright box around it, if it is turned; else its own edges."""
        return upright_around((self.left, self.top, self.right, self.bottom), self.angle)

    @property
    def fault(self) -> str | None:
        """What is wrong with its numbers, if they are no place in an image."""
        numbers = (self.left, self.top, self.right, self.bottom, self.angle)
        if all(math.isfinite(number) and abs(number) <= FARTHEST for number in numbers):
            return None
        return f"the box ({', '.join(f'{number:g}' for number in numbers[:4])}) is no place in an image"


@dataclass(frozen=True)
class LabeledBoxes:
    """Boxes of an image.

        >>> from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes
        >>> labels = LabeledBoxes([Box(7, 0, 0, 2, 2), Box(8, 1, 1, 3, 3), Box(9, 2, 2, 2, 5)])  # the last has no area
        >>> labels.draw((3, 3), (3, 3), rows_of=lambda ids: ids)[1:]
        array([[     7,      8,      8],
               [-32768,      8,      8]], dtype=int32)

    Attributes:
        boxes: The boxes. Those without area draw nothing, and what lies outside the image is cut off.
        shapes: Native id -> the shape that its boxes are filled with; rectangles where there is none.
        overlaps: What a pixel in boxes of several classes becomes.
        sets: Value of each set of classes, where ``overlaps`` is ``set``.
        size: (height, width) of the image that the boxes were made for, where it is known.
        fractions: Whether the coordinates of boxes are fractions of the image's width and height, not pixels.
        image: (H, W, 3) uint8 RGB, for boxes whose shape nobody knows: they cover what it shows to be the object
            (`labelforge.converters.labels.refine`). Default: they cover all that they hold.
    """

    boxes: Sequence[Box]
    shapes: Mapping[int, str] = field(default_factory=dict)
    overlaps: Overlaps = "smallest"
    sets: Mapping[frozenset[int], int] = field(default_factory=dict)
    size: Size | None = None
    fractions: bool = False
    image: NDArray[np.uint8] | None = None

    def refined(self, image: NDArray[np.uint8]) -> LabeledBoxes:
        """The same boxes, those without a shape refined by what an image shows."""
        return replace(self, image=image)

    def boxes_in(self, image_size: Size, output_size: Size) -> list[list[float]]:
        """The boxes in pixel edges of a sample, for its json member."""
        across, down = self._scale(image_size, output_size)
        found = []
        for box in self.boxes:
            if box.area and box.value != NO_ANNOTATION:
                edges = (box.left * across, box.top * down, box.right * across, box.bottom * down)
                turned = [box.angle] if box.angle else []
                found.append([box.value, *(round(edge, 4) for edge in edges), *turned])
        return found

    def _scale(self, image_size: Size, output_size: Size) -> tuple[float, float]:
        """Factors of x and y from the coordinates of boxes to pixels of a sample."""
        height, width = (1, 1) if self.fractions else image_size
        return output_size[1] / width, output_size[0] / height

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The rows of the boxes' labels; outside all boxes, the row of "no annotation".

        The boxes are scaled, then drawn: a small label map is as exact as a large one. A turned box needs an image
        that is scaled by one factor, as conversion does.
        """
        if len(self.boxes) > MOST_OBJECTS:
            cure = f"Divide the image{OR_SKIP}"
            raise DatasetError(f"has {len(self.boxes):,} boxes on one image, more than {MOST_OBJECTS:,}", cure=cure)
        boxes = [box for box in self.boxes if box.area]
        scale = np.tile(self._scale(image_size, output_size), 2)
        edges = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes]).reshape(-1, 4) * scale
        values = [box.value for box in boxes]
        shapes = [self.shapes.get(value, "rectangle") for value in values]
        angles = [box.angle for box in boxes]
        ids = draw_boxes(
            edges,
            shapes,
            values,
            output_size,
            overlaps=self.overlaps,
            sets=self.sets,
            angles=angles,
            change=self._refiner([value not in self.shapes for value in values], output_size),
        )
        return rows_of(ids)

    def _refiner(self, shapeless: Sequence[bool], size: Size) -> Callable[[int, Cover], Cover] | None:
        """What changes the boxes without a shape to what the image shows, if there is one."""
        if self.image is None or not any(shapeless):
            return None
        from PIL import Image

        from labelforge.converters.labels.refine import refined

        small = Image.fromarray(self.image).resize((size[1], size[0]), Image.Resampling.BOX)
        picture = self.image if self.image.shape[:2] == tuple(size) else np.asarray(small)
        return lambda i, cover: refined(picture, cover) if shapeless[i] else cover


def set_values(images: Iterable[Sequence[Box]]) -> dict[frozenset[int], int]:
    """The value that is drawn for each set of classes whose boxes overlap in some image.

    Args:
        images: The boxes of every image.

    Returns:
        Set of native ids -> a negative value of its own, in an order that depends on the sets alone.
    """
    found: set[frozenset[int]] = set()
    for boxes in images:
        seen = [box for box in boxes if box.area and box.value != NO_ANNOTATION]
        found |= overlapping([box.around for box in seen], [box.value for box in seen])
    ordered = sorted(found, key=lambda members: (len(members), sorted(members)))
    return {members: -1 - i for i, members in enumerate(ordered)}
