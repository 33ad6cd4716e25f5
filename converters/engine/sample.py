"""Turns one sample of a dataset into the members of a shard: image, label map, json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labelforge.converters.base import Converter, Source
from labelforge.converters.engine.row_table import CountingLookup, RowTable
from labelforge.converters.labels.contract import Boxed, NativeLabels, Refinable, Size
from labelforge.converters.pictures.images import Check, ImageCodec, SourceImage, fit_short_side
from labelforge.errors import ConfigError
from labelforge.shards import LABEL_SUFFIX, EncodedSample, encode_label, escape_key

TURNS: Final[Mapping[tuple[bool, bool], str]] = {
    (True, True): "turned upright as EXIF says, as the labels are",
    (True, False): "turned upright as EXIF says; whether the labels are too cannot be told",
    (False, True): "not turned as EXIF says, as the labels fit the picture as it lies; marked as upright",
    (False, False): "not turned as EXIF says; whether the labels are cannot be told; marked as upright",
}
"""What is said of images that EXIF asks to turn, by whether they were turned, and whether that was sure."""


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
        check: How images that are stored unchanged are proven whole.
        refine: Refine boxes without a shape by what the image shows.
    """

    converter: Converter
    split: str
    table: RowTable
    palette: Sequence[tuple[int, int, int]]
    short_side: int | None
    codec: ImageCodec
    check: Check
    refine: bool = False

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
        turn = image.turn_for(labels.size, label_path.name, self.converter.exif)
        shown_size = labels.size or image.size_after(turn.orientation)
        size = fit_short_side(shown_size, self.short_side)
        if self.refine and isinstance(labels, Refinable):
            labels = labels.refined(image.pixels(turn.orientation))
        rows_of = CountingLookup(self.table, label_path, self.converter)
        rows = labels.draw(shown_size, size, rows_of)
        suffix, content = image.store(size, self.codec, turn.orientation, self.check)
        census = rows_of.census(rows)
        key = escape_key(source.key)
        members = (
            (suffix, content),
            (LABEL_SUFFIX, encode_label(rows, self.palette)),
            ("json", self._meta(source, image, size, turn.orientation, labels)),
        )
        remarks = (TURNS[turn.orientation != 1, turn.is_sure],) if image.orientation != 1 else ()
        return EncodedSample(key, members, *size, census.by_row(), census.places(key), remarks)

    def _meta(self, source: Source, image: SourceImage, size: Size, orientation: int, labels: NativeLabels) -> bytes:
        meta: dict[str, Any] = {
            "key": source.key,
            "dataset": self.converter.label_space,
            "split": self.split,
            "image": source.image,
            "labels": source.labels,
            "source_size": image.size,  # (height, width) as stored
            "orientation": orientation,  # EXIF orientation that was applied
            "size": size,
            "native": dict(source.meta),
        }
        if isinstance(labels, Boxed):
            meta["boxes"] = labels.boxes_in(labels.size or image.size_after(orientation), size)
        return json.dumps(meta, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
