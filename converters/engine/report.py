"""The report page of a conversion: what came in, what it became, what was ignored and why, with pictures."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.engine.result import Conversion, label_lines
from labelforge.converters.labels.contract import Ids
from labelforge.converters.labels.pixels import nearest
from labelforge.report import Bar, Column, Facts, Gallery, GalleryRow, Page, Picture, Swatch, Table, Text
from labelforge.shards import IMAGE_SUFFIXES, LABEL_SUFFIX, ShardReader
from labelforge.shards.codec import decode_image, decode_label

_PICTURES: Final = 4
_SIDE: Final = 640  # pixels of a picture's longer side
_HATCH: Final = 12  # pixels from one hatching line to the next
_LINE: Final = 44  # how much lighter or darker than the image a hatching line is
_TINT: Final = 0.65  # how much of a pixel's colour is its label's


def conversion_page(conversion: Conversion, reader: ShardReader) -> Page:
    """The report of a conversion.

    Args:
        conversion: What was done.
        reader: Its shards, for the pictures.
    """
    manifest = conversion.manifest
    totals = manifest.totals
    page = Page(
        f"{conversion.title}, {manifest.split}",
        f"Converted by labelforge to the taxonomy {manifest.taxonomy.name}; label space {manifest.dataset}.",
    )
    facts = (
        ("Samples", totals.samples),
        ("Shards", len(manifest.shards)),
        ("Pixels", totals.pixels),
        ("Used", f"{totals.used / totals.pixels:.1%}"),
        ("Ignored", f"{totals.ignored / totals.pixels:.1%}"),
        ("Not annotated", f"{totals.unannotated / totals.pixels:.1%}"),
        ("Left out", len(totals.skipped)),
    )
    page = page.add("Summary", Facts(facts), *(Text(note) for note in conversion.notes))
    page = page.add("Pictures", _gallery(conversion, reader))
    page = page.add("What became of each label", _label_table(conversion, reader))
    if totals.skipped:
        rows = tuple((skipped.key, skipped.reason) for skipped in totals.skipped)
        page = page.add("Left out", Table((Column("sample"), Column("why")), rows, "Broken samples"))
    options = tuple((key, "" if value is None else str(value)) for key, value in manifest.options.items())
    return page.add("Options", Table((Column("option"), Column("value")), options, "Options of the conversion"))


def _label_table(conversion: Conversion, reader: ShardReader) -> Table:
    total = conversion.manifest.totals.pixels
    rows = conversion.mapping.rows
    body = []
    for line in label_lines(conversion):
        node = rows[line.row].node(reader.taxonomy)
        became = Swatch(line.became, node.color) if node else None
        share = Bar(line.pixels / total, 1.0)
        body.append((line.name, line.native_id, line.pixels, share, became, rows[line.row].supervision, line.why_not))
    columns = (
        Column("label"),
        Column("native id", numeric=True),
        Column("pixels in", numeric=True),
        Column("share", numeric=True, spec=".2%"),
        Column("became"),
        Column("annotated by"),
        Column("not used, because"),
    )
    return Table(columns, tuple(body), "Native labels, most pixels first, in the colours of the taxonomy")


def _gallery(conversion: Conversion, reader: ShardReader) -> Gallery:
    """A few samples, evenly spaced across the split."""
    colors = np.array(conversion.mapping.colors(reader.taxonomy), dtype=np.float64)
    tints = np.array([0.0 if row.target.ignored else _TINT for row in conversion.mapping.rows])
    count = min(_PICTURES, len(reader))
    rows = []
    for i in range(count):
        number = i * len(reader) // count
        key, image, label = _thumbnail(reader, number)
        pictures = (
            Picture.encode(image, f"Image {key}", max_side=_SIDE),
            Picture.encode(_overlay(image, label, colors, tints), f"Labels of {key} over its image", max_side=_SIDE),
        )
        rows.append(GalleryRow(key, pictures))
    caption = "Some samples from the shards; hatched: pixels that are not used"
    return Gallery(("image", "labels over the image"), tuple(rows), caption)


def _thumbnail(reader: ShardReader, number: int) -> tuple[str, NDArray[np.uint8], Ids]:
    """A sample's key, its image as (h, w, 3) uint8 RGB with sides of at most ``_SIDE``, and its (h, w) rows.

    The whole image is not decoded where a part of the work will do: a conversion of a few samples would take twice as
    long with it.
    """
    members = reader.members(number)
    suffix = next(suffix for suffix in IMAGE_SUFFIXES if suffix in members)
    if suffix == "npy":
        picture = Image.fromarray(decode_image(members[suffix], suffix))
    else:
        picture = Image.open(io.BytesIO(members[suffix]))
    with picture:
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=1.0)
        image = np.asarray(picture.convert("RGB"))
    return reader.keys[number], image, nearest(decode_label(members[LABEL_SUFFIX]), image.shape[:2])


def _overlay(
    image: NDArray[np.uint8], label: Ids, colors: NDArray[np.float64], tints: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The image in grey, tinted with the colours of its labels; hatched where they are not used.

    Args:
        image: (H, W, 3) RGB.
        label: (H, W) rows.
        colors: (rows, 3) RGB per row of the label table.
        tints: (rows,) how much of that colour shows, 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    grey = image.mean(axis=2, keepdims=True)
    tint = tints[label][..., None]
    diagonal = np.add.outer(*map(np.arange, label.shape)) % _HATCH < 2
    grey = np.where(diagonal[..., None] & (tint == 0), np.where(grey < 128, grey + _LINE, grey - _LINE), grey)
    blended: NDArray[np.uint8] = np.rint(grey * (1 - tint) + colors[label] * tint).astype(np.uint8)
    return blended
