"""The table from native ids to rows, and its use: every pixel is looked up and counted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.base import NO_ANNOTATION, Converter, Ids
from labelforge.errors import DatasetError, listed

Counts = NDArray[np.int64]
"""Numbers of pixels, by row of the label table."""

_UNKNOWN: Final = -1
_BAND: Final = 1 << 18  # values that bincount makes integers of 64 bits at a time
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

    @property
    def _dtype(self) -> type[np.uint8] | type[np.uint16]:
        """What rows are stored in."""
        return np.uint8 if self.rows <= 256 else np.uint16

    def find(self, ids: Ids) -> NDArray[np.int32]:
        """Rows of native ids, of any shape and integer dtype; -1 for an id that the table does not have."""
        if ids.dtype.itemsize <= 2:
            found: NDArray[np.int32] = self._of_bits(ids.dtype)[_bits(ids)]
            return found
        pairs = sorted([*self.row_of.items(), (NO_ANNOTATION, 0)])
        known = np.array([native_id for native_id, _ in pairs], dtype=np.int64)
        rows = np.array([row for _, row in pairs], dtype=np.int32)
        at = np.searchsorted(known, ids).clip(max=len(known) - 1)
        return np.where(known[at] == ids, rows[at], np.int32(_UNKNOWN))

    def _of_bits(self, dtype: np.dtype[Any]) -> NDArray[np.int32]:
        """Rows of all ids that a dtype of 8 or 16 bits holds, in the order of their bits read without a sign."""
        every = np.arange(1 << 8 * dtype.itemsize).astype(dtype)  # wraps around to the negative ones
        return self._by_id[every.astype(np.int32) - _LOW]

    def encode(self, ids: Ids, place: Path, converter: Converter) -> tuple[Ids, Counts]:
        """The rows of a label map, in the dtype that it is stored in, and how many pixels each row has.

        A map of 8 or 16 bits has few different ids. Counting these says which are there, so each pixel is looked up
        once, straight into the dtype, and the rows need no counting of their own.

        Args:
            ids: (H, W) native ids and `NO_ANNOTATION`.
            place: The label file, for the message.
            converter: Knows what to do about wrong ids.

        Returns:
            (H, W) uint8 or uint16 rows, not writable, so that the counts stay true; and (``self.rows``,) pixels.

        Raises:
            DatasetError: There are ids outside the table.
        """
        if ids.dtype.itemsize <= 2:
            bits, table = np.ascontiguousarray(_bits(ids)), self._of_bits(ids.dtype)
            there = count(bits, len(table))
            if there[table == _UNKNOWN].any():
                raise _unknown_ids(ids, self.find(ids), place, converter)
            rows = _look_up(bits, table.astype(self._dtype))
            pixels = np.zeros(self.rows, dtype=np.int64)
            np.add.at(pixels, table[there > 0], there[there > 0])
        else:
            found = self.find(ids)
            if found.size and int(found.min()) == _UNKNOWN:
                raise _unknown_ids(ids, found, place, converter)
            rows = found.astype(self._dtype)
            pixels = count(rows, self.rows)
        rows.flags.writeable = False
        return rows, pixels


def count(values: Ids, size: int) -> Counts:
    """How often each of the values 0 to ``size`` - 1 occurs in a map of unsigned integers; (``size``,) int64."""
    if values.dtype == np.uint8 and values.ndim == 2 and values.size:
        # Pillow counts bytes as they are; bincount first makes integers of 64 bits of them.
        return np.array(Image.fromarray(values).histogram()[:size], dtype=np.int64)
    flat, pixels = values.ravel(), np.zeros(size, dtype=np.int64)
    for start in range(0, flat.size, _BAND):
        pixels += np.bincount(flat[start : start + _BAND], minlength=size)
    return pixels


def _bits(ids: Ids) -> NDArray[np.unsignedinteger[Any]]:
    """Ids of 8 or 16 bits, read without a sign."""
    native = ids.astype(ids.dtype.newbyteorder("="), copy=False)
    bits: NDArray[np.unsignedinteger[Any]] = native.view(f"u{ids.dtype.itemsize}")
    return bits


def _look_up(bits: Ids, table: Ids) -> Ids:
    """The entries of a table at (H, W) unsigned integers, in the table's dtype."""
    if bits.dtype == table.dtype == np.uint8:
        return np.frombuffer(bits.tobytes().translate(table.tobytes()), dtype=np.uint8).reshape(bits.shape)
    return np.take(table, bits)


def _unknown_ids(ids: Ids, rows: Ids, place: Path, converter: Converter) -> DatasetError:
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
    """Looks the ids of one sample up, and remembers how many pixels each row has, in case they are drawn as they are.

    Args:
        table: The label table.
        place: The sample's label file, for messages.
        converter: The dataset.
    """

    def __init__(self, table: RowTable, place: Path, converter: Converter) -> None:
        self._table, self._place, self._converter = table, place, converter
        self._rows: Ids | None = None
        self._pixels: Counts | None = None

    def __call__(self, ids: Ids) -> Ids:
        """The rows of native ids; raises what `RowTable.encode` raises."""
        self._rows, self._pixels = self._table.encode(ids, self._place, self._converter)
        return self._rows

    def pixels(self, drawn: Ids) -> Counts:
        """Pixels of each row in a drawn label map."""
        if self._pixels is not None and drawn is self._rows:
            return self._pixels
        return count(drawn, self._table.rows)
