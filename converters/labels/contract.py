"""What the labels of one sample are asked: to draw themselves at any size. The other modules of this folder answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

NO_ANNOTATION: Final = -32768
"""Means "this pixel is not annotated" in a drawn label map. No dataset uses it as an id."""

Size = tuple[int, int]
"""(height, width) in pixels."""

Ids = NDArray[np.integer[Any]]
"""Native ids, or rows of the label table, of any integer dtype."""

RowLookup = Callable[[Ids], Ids]
"""Native ids and `NO_ANNOTATION` -> rows of the label table (not writable); raises a `DatasetError` for unknown ids."""


MOST_OBJECTS: Final = 20_000
"""Objects of one image. More of them is a mistake or an attack: no annotation has as many, and each takes time."""


@runtime_checkable
class Refinable(Protocol):
    """Labels that can be made finer by what the image shows: boxes whose shape nobody knows."""

    def refined(self, image: NDArray[np.uint8]) -> NativeLabels:
        """The same labels, made finer.

        Args:
            image: (H, W, 3) RGB, as the labels see it.
        """


@runtime_checkable
class Boxed(Protocol):
    """Labels that are boxes, which a sample's json member keeps, as pixels do not tell touching objects apart."""

    def boxes_in(self, image_size: Size, output_size: Size) -> list[list[float]]:
        """The boxes, those without area and those that mark what nobody labelled left out.

        Args:
            image_size: (height, width) of the source image.
            output_size: (height, width) of the sample.

        Returns:
            Of each its native id, then left, top, right and bottom in pixel edges of the sample, and if it is turned
            the degrees, clockwise as seen.
        """


class NativeLabels(Protocol):
    """The labels of one sample, able to draw themselves at any size: `PixelLabels`, `Unannotated`, boxes, your own.

    >>> import numpy as np
    >>> from labelforge.converters import NativeLabels, PixelLabels
    >>> labels: NativeLabels = PixelLabels(np.array([[7, 7], [23, 23]]))
    >>> labels.size
    (2, 2)
    """

    @property
    def size(self) -> Size | None:
        """Image size that the labels were made for; None if they fit any image size."""

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The label map at the output size.

        Args:
            image_size: (height, width) of the source image; boxes and polygons are in its pixels.
            output_size: (height, width) wanted.
            rows_of: Looks ids up in the label table. Ids that are stored per pixel are looked up before the map is
                scaled down, so that a wrong one is found at any scale.

        Returns:
            (H, W) = ``output_size`` rows of the label table, as ``rows_of`` gives them.

        Raises:
            DatasetError: The labels do not fit the image (a box outside of it) or the label table.
        """
