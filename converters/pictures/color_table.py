"""Label maps whose labels are colours: from colours to native ids, and what to say of a colour that no label has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.files import OR_SKIP
from labelforge.converters.labels.contract import Ids
from labelforge.errors import DatasetError, listed
from labelforge.palette import Color

_SHOWN: Final = 3  # colours that an error names


class ColorTable:
    """The labels of a dataset by their colours.

        >>> from pathlib import Path
        >>> import numpy as np
        >>> from labelforge.converters.pictures.color_table import ColorTable
        >>> table = ColorTable([("road", 7, (128, 64, 128)), ("sky", 23, (70, 130, 180))])
        >>> table.ids(np.array([[128 << 16 | 64 << 8 | 128]]), Path("a.png"))
        array([[7]], dtype=int32)

    Args:
        labels: Name, native id and colour of each. Several may share a colour if they share the id.
        others: What a colour becomes that no label has; None if it is an error.

    Raises:
        DatasetError: Two labels with different ids have the same colour.
    """

    def __init__(self, labels: Iterable[tuple[str, int, Color]], others: int | None = None) -> None:
        by_color: dict[int, tuple[str, int]] = {}
        for name, native_id, color in labels:
            packed = color[0] << 16 | color[1] << 8 | color[2]
            other, other_id = by_color.setdefault(packed, (name, native_id))
            if other_id != native_id:
                what = f"the labels {other!r} and {name!r} have the same colour, {color}"
                raise DatasetError(
                    what, cure="Labels that are read from colours need one each: correct the label list."
                )
        known = sorted(by_color)
        self._colors: NDArray[np.int32] = np.array(known, dtype=np.int32)
        self._ids: NDArray[np.int32] = np.array([by_color[color][1] for color in known], dtype=np.int32)
        self._names = [by_color[color][0] for color in known]
        self._others = others

    def ids(self, colors: Ids, place: Path) -> NDArray[np.int32]:
        """The native ids of a map of colours.

        Args:
            colors: (H, W) int32, as `labelforge.converters.pictures.label_maps.read_color_map` packs them.
            place: The label file, for the message.

        Returns:
            (H, W) int32.

        Raises:
            DatasetError: A colour is no label's. It names the colours, where the first is, and the nearest label.
        """
        at = np.searchsorted(self._colors, colors).clip(max=len(self._colors) - 1)
        bad = self._colors[at] != colors
        found: NDArray[np.int32] = self._ids[at]
        if bad.any():
            if self._others is None:
                raise self._unknown(colors, bad, place)
            found[bad] = self._others
        return found

    def _unknown(self, colors: Ids, bad: NDArray[np.bool_], place: Path) -> DatasetError:
        row, column = np.argwhere(bad)[0].tolist()
        first = int(colors[row, column])
        values, counts = np.unique(colors[bad], return_counts=True)
        ordered = [first, *(v for v in values[np.argsort(-counts, kind="stable")].tolist() if v != first)]
        shown = listed((str(_unpacked(value)) for value in ordered), _SHOWN)
        what = f"the colours {shown} are no label's" if len(ordered) > 1 else f"the colour {shown} is no label's"
        distance = np.abs(_channels(self._colors) - np.array(_unpacked(first))).sum(axis=1)
        nearest = int(np.argmin(distance))
        pixels = int(bad.sum())
        return DatasetError(
            f"{what}: {pixels} pixel{'s' * (pixels > 1)}, the first at column {column}, row {row}; the label nearest "
            f"to {_unpacked(first)} is {self._names[nearest]!r}, {_unpacked(int(self._colors[nearest]))}",
            where=place,
            cure="Give the label maps as they were made (resizing and JPEG make colours between those of the labels), "
            f"correct the colours in the label list{OR_SKIP}",
        )


def _unpacked(color: int) -> Color:
    return color >> 16, color >> 8 & 255, color & 255


def _channels(colors: NDArray[np.int32]) -> NDArray[np.int32]:
    """(N, 3) red, green and blue of packed colours."""
    return np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1)
