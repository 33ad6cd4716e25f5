"""The table from native ids to rows, and its use.

Neighbours in a label map mostly have the same label. So only the places where it changes are looked for in all pixels;
ids are looked up, pixels counted, and a few of them drawn (`places`), by runs of the same id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.base import Converter
from labelforge.converters.engine.places import draw_places
from labelforge.converters.labels.contract import NO_ANNOTATION, Ids
from labelforge.errors import DatasetError, listed

Counts = NDArray[np.int64]
"""Numbers of pixels, by row of the label table."""

_UNKNOWN: Final = -1
_BAND: Final = 1 << 18  # pixels
_LOW, _HIGH = -(1 << 15), 1 << 16  # what label maps of 8 and 16 bits can hold, signed or not


@dataclass(frozen=True)
class RowTable:
    """Looks native ids up in the label table.

    Attributes:
        row_of: Native id -> row.
        rows: Number of rows, row 0 ("no annotation") among them.
    """

    row_of: Mapping[int, int]
    rows: int

    @cached_property
    def _by_id(self) -> NDArray[np.int32]:
        """Row of every id from ``_LOW`` to ``_HIGH`` - 1."""
        table = np.full(_HIGH - _LOW, _UNKNOWN, dtype=np.int32)
        for native_id, row in self.row_of.items():
            if _LOW <= native_id < _HIGH:
                table[native_id - _LOW] = row
        table[NO_ANNOTATION - _LOW] = 0
        return table

    def find(self, ids: Ids) -> NDArray[np.int32]:
        """Rows of native ids, of any shape and integer dtype; -1 for an id that the table does not have."""
        if ids.dtype.itemsize <= 2:
            low = int(np.iinfo(ids.dtype).min)
            part = self._by_id[low - _LOW : int(np.iinfo(ids.dtype).max) + 1 - _LOW]
            return part[ids if low == 0 else ids.astype(np.int32) - low]
        pairs = sorted([*self.row_of.items(), (NO_ANNOTATION, 0)])
        known = np.array([native_id for native_id, _ in pairs], dtype=np.int64)
        rows = np.array([row for _, row in pairs], dtype=np.int32)
        at = np.searchsorted(known, ids).clip(max=len(known) - 1)
        found: NDArray[np.int32] = np.where(known[at] == ids, rows[at], np.int32(_UNKNOWN))
        return found

    def encode(self, ids: Ids, place: Path, converter: Converter) -> tuple[Ids, Census]:
        """The rows of a label map, in the dtype that it is stored in, and where each row has its pixels.

        Args:
            ids: (H, W) native ids and `NO_ANNOTATION`; or (n,).
            place: The label file, for the message.
            converter: Knows what to do about wrong ids.

        Returns:
            uint8 or uint16 rows of the same shape, not writable, so that the census stays true; and the census.

        Raises:
            DatasetError: There are ids outside the table.
        """
        rows: Ids = np.empty(ids.shape, dtype=np.uint8 if self.rows <= 256 else np.uint16)
        flat = rows.reshape(-1)  # a view
        census = Census(np.zeros(self.rows, dtype=np.int64))
        done = 0
        for values, lengths in _runs(ids):
            found = self.find(values)
            if int(found.min()) == _UNKNOWN:
                raise _unknown_ids(ids, self.find(ids), place, converter)
            here = int(lengths.sum())
            stored = found.astype(rows.dtype)
            flat[done : done + here] = stored.repeat(lengths)
            census.add(stored, lengths)
            done += here
        rows.flags.writeable = False
        return rows, census


@dataclass(frozen=True)
class Census:
    """Where the rows of a label map have their pixels.

    Attributes:
        pixels: (rows,) pixels of each row.
        runs: The map in reading order, in parts: (n,) rows, and (n,) how often each is repeated at once.
    """

    pixels: Counts
    runs: list[tuple[Ids, Counts]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Ids, size: int) -> Census:
        """The census of a map of the rows 0 to ``size`` - 1."""
        census = cls(np.zeros(size, dtype=np.int64))
        for values, lengths in _runs(rows):
            census.add(values, lengths)
        return census

    def add(self, rows: Ids, lengths: Counts) -> None:
        """Take in the next runs."""
        np.add.at(self.pixels, rows, lengths)
        self.runs.append((rows, lengths))

    def by_row(self) -> dict[int, int]:
        """Row -> its pixels; rows without pixels are left out."""
        return {row: int(self.pixels[row]) for row in self.pixels.nonzero()[0].tolist()}

    def places(self, key: str) -> dict[int, tuple[int, ...]]:
        """A few pixels of every row but row 0, decided by the sample's key; see `draw_places`."""
        rows, lengths = (np.concatenate(parts) for parts in zip(*self.runs, strict=True))
        return draw_places(key, rows, lengths, self.by_row())


def _runs(values: Ids) -> Iterator[tuple[Ids, Counts]]:
    """The values of a map in reading order, and how often each is repeated at once; in bands, to need little memory."""
    values = np.atleast_2d(values)  # converters also look a few ids up by themselves
    height, width = values.shape
    step = max(1, _BAND // max(1, width))
    for top in range(0, height * bool(width), step):
        band = values[top : top + step].ravel()
        starts = np.concatenate(([0], np.flatnonzero(band[1:] != band[:-1]) + 1))
        yield band[starts], np.diff(starts, append=band.size)


def _unknown_ids(ids: Ids, rows: Ids, place: Path, converter: Converter) -> DatasetError:
    ids, rows = np.atleast_2d(ids, rows)
    bad = rows == _UNKNOWN
    values = np.unique(ids[bad]).tolist()
    row, column = np.argwhere(bad)[0].tolist()
    return DatasetError(
        f"label value{'s' * (len(values) > 1)} {listed(values, 8)} not in the table of "
        f"{converter.label_space}: {int(bad.sum())} pixel{'s' * (int(bad.sum()) > 1)}, "
        f"the first at column {column}, row {row} ({int(ids[row, column])})",
        where=place,
        cure=converter.cure_for_unknown(values),
    )


class CountingLookup:
    """Looks the ids of one sample up, and remembers where each row has its pixels, in case they are drawn as they are.

    Args:
        table: The label table.
        place: The sample's label file, for messages.
        converter: The dataset.
    """

    def __init__(self, table: RowTable, place: Path, converter: Converter) -> None:
        self._table, self._place, self._converter = table, place, converter
        self._rows: Ids | None = None
        self._census: Census | None = None

    def __call__(self, ids: Ids) -> Ids:
        """The rows of native ids; raises what `RowTable.encode` raises."""
        self._rows, self._census = self._table.encode(ids, self._place, self._converter)
        return self._rows

    def census(self, drawn: Ids) -> Census:
        """Where each row has its pixels in a drawn label map."""
        if self._census is not None and drawn is self._rows:
            return self._census
        return Census.of(drawn, self._table.rows)
