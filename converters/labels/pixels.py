"""Labels that are a map of native ids already, or that are not there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size


@dataclass(frozen=True)
class PixelLabels:
    """A label map as stored by a dataset: one native id per pixel.

        >>> import numpy as np
        >>> from labelforge.converters import PixelLabels
        >>> labels = PixelLabels(np.array([[7, 7], [23, 23]]))
        >>> labels.draw((2, 2), (1, 1), rows_of=lambda ids: ids)
        array([[23]])

    Attributes:
        ids: (H, W) integer array.
    """

    ids: Ids

    @property
    def size(self) -> Size:
        """(height, width) of the stored map."""
        return self.ids.shape[0], self.ids.shape[1]

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The map resampled by nearest neighbour (pixel centres aligned), unchanged if the size is the same."""
        return nearest(rows_of(self.ids), output_size)


@dataclass(frozen=True)
class Unannotated:
    """The labels of a sample that has none (a benchmark's test split).

    >>> from labelforge.converters import NO_ANNOTATION, Unannotated
    >>> (Unannotated().draw((2, 2), (1, 1), rows_of=lambda ids: ids) == NO_ANNOTATION).all()
    np.True_
    """

    size: Size | None = None

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """`NO_ANNOTATION` everywhere."""
        return rows_of(np.full(output_size, NO_ANNOTATION, dtype=np.int16))


def nearest(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resample by nearest neighbour, pixel centres aligned: output pixel i takes input pixel floor((i + 0.5) * in/out).

    Args:
        values: (H, W) or (H, W, C) array of any dtype.
        size: (height, width) wanted.

    Returns:
        The array of that size; the input itself if it already has it.
    """
    height, width = values.shape[:2]
    if (height, width) == tuple(size):
        return values
    rows = (2 * np.arange(size[0]) + 1) * height // (2 * size[0])
    columns = (2 * np.arange(size[1]) + 1) * width // (2 * size[1])
    taken: NDArray[Any] = values[rows[:, None], columns[None, :]]
    return taken
