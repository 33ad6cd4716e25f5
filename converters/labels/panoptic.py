"""Panoptic labels: a picture of segment ids, and a list that says which label each segment has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.converters.labels.pixels import nearest
from labelforge.errors import DatasetError, listed

NOTHING = 0
"""The segment id that means "no segment", in COCO's panoptic format."""


@dataclass(frozen=True)
class PanopticSegments:
    """The segments of an image.

        >>> from pathlib import Path
        >>> import numpy as np
        >>> from labelforge.converters.labels.panoptic import PanopticSegments
        >>> labels = PanopticSegments(np.array([[0, 26], [26, 300]]), {26: 7, 300: 23}, Path("a.png"))
        >>> labels.draw((2, 2), (2, 2), rows_of=lambda ids: ids)
        array([[-32768,      7],
               [     7,     23]], dtype=int32)

    Attributes:
        segments: (H, W) segment ids; `NOTHING` where no segment is.
        labels: Segment id -> native id of its label.
        place: The picture, for messages.
        background: Native id where no segment is.
    """

    segments: Ids
    labels: Mapping[int, int]
    place: Path
    background: int = NO_ANNOTATION

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        return self.segments.shape[0], self.segments.shape[1]

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The rows of the segments' labels, resampled by nearest neighbour.

        Raises:
            DatasetError: A segment of the picture is not in the list.
        """
        # Looked up by runs of the same segment, which are few: sorting all pixels takes most of the time otherwise.
        flat = self.segments.ravel()
        starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
        here, at = np.unique(flat[starts], return_inverse=True)
        unknown = [value for value in here.tolist() if value != NOTHING and value not in self.labels]
        if unknown:
            pixels = int(np.isin(self.segments, unknown).sum())
            are = "s are" if len(unknown) > 1 else " is"
            raise DatasetError(
                f"{len(unknown)} segment{are} not in the list of segments: {listed(unknown, 4)}, {pixels} pixels",
                where=self.place,
                cure="Unpack the picture and the JSON file again; they must be of one release.",
            )
        ids = np.array([self.labels.get(value, self.background) for value in here.tolist()], dtype=np.int32)
        drawn = ids[at].repeat(np.diff(starts, append=flat.size))
        return nearest(rows_of(drawn.reshape(self.segments.shape)), output_size)
