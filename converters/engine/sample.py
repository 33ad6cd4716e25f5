"""Turns one sample of a dataset into the members of a shard: image, label map, json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.base import NO_ANNOTATION, Converter, Ids, Size, Source
from labelforge.converters.images import ImageCodec, SourceImage, fit_short_side
from labelforge.errors import ConfigError, DatasetError, listed
from labelforge.shards import LABEL_SUFFIX, EncodedSample, encode_label, escape_key

_UNKNOWN: Final = -1
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

    def encode(self, ids: Ids, place: Path, converter: Converter) -> Ids:
        """The rows of a label map, in the dtype that it is stored in.

        Args:
            ids: (H, W) native ids and `NO_ANNOTATION`.
            place: The label file, for the message.
            converter: Knows what to do about wrong ids.

        Raises:
            DatasetError: There are ids outside the table.
        """
        rows = self.find(ids)
        if rows.size and int(rows.min()) == _UNKNOWN:
            bad = rows == _UNKNOWN
            values = np.unique(ids[bad]).tolist()
            row, column = np.argwhere(bad)[0].tolist()
            raise DatasetError(
                f"label value{'s' * (len(values) > 1)} {listed(values, 8)} not in the table of "
                f"{converter.label_space}: {int(bad.sum())} pixel{'s' * (int(bad.sum()) > 1)}, "
                f"the first at column {column}, row {row} ({int(ids[row, column])})",
                where=place,
                cure=converter.cure_for_unknown(values),
            )
        return rows.astype(np.uint8 if self.rows <= 256 else np.uint16)


@dataclass(frozen=True)
class SampleEncoder:
    """Everything except the sample itself that decides what the sample becomes. Picklable.

    Attributes:
        converter: The dataset.
        split: The split being converted.
        table: The label table.
        palette: RGB colour of each of its rows.
        short_side: Pixels that the shorter side is scaled down to; None: never scale.
        codec: How images are stored.
    """

    converter: Converter
    split: str
    table: RowTable
    palette: Sequence[tuple[int, int, int]]
    short_side: int | None
    codec: ImageCodec

    def encode(self, source: Source) -> EncodedSample:
        """Read, check, scale and encode one sample.

        Raises:
            ConfigError: The converter is wrong.
            DatasetError: One of its files is missing, broken, or does not fit the other or the label table.
        """
        label_path = self.converter.label_path(source)
        labels = self.converter.labels(source)
        if not hasattr(labels, "draw"):
            raise ConfigError(
                f"labels() returned {type(labels).__name__}, not labels that can draw themselves",
                where=f"converter {self.converter.name}",
                cure="Wrap a label map: return PixelLabels(ids).",
            )
        image = SourceImage.open(self.converter.read_image(source), self.converter.root / source.image)
        orientation = image.orientation_for(labels.size, label_path.name)
        shown_size = labels.size or image.size
        size = fit_short_side(shown_size, self.short_side)
        rows_of = partial(self.table.encode, place=label_path, converter=self.converter)
        rows = labels.draw(shown_size, size, rows_of)
        suffix, content = image.store(size, self.codec, orientation)
        counts = np.bincount(rows.ravel(), minlength=self.table.rows)
        members = (
            (suffix, content),
            (LABEL_SUFFIX, encode_label(rows, self.palette)),
            ("json", self._meta(source, image.size, size, orientation)),
        )
        pixels = {row: int(counts[row]) for row in np.flatnonzero(counts).tolist()}
        return EncodedSample(escape_key(source.key), members, *size, pixels)

    def _meta(self, source: Source, source_size: Size, size: Size, orientation: int) -> bytes:
        meta = {
            "key": source.key,
            "dataset": self.converter.label_space,
            "split": self.split,
            "image": source.image,
            "labels": source.labels,
            "source_size": source_size,  # (height, width) as stored
            "orientation": orientation,  # EXIF orientation that was applied
            "size": size,
            "native": dict(source.meta),
        }
        return json.dumps(meta, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
