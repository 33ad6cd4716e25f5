"""The report page of a conversion: what came in, what it became, what was ignored and why, with pictures."""

from __future__ import annotations

from typing import Final

import numpy as np

from labelforge.converters.engine.result import Conversion
from labelforge.errors import counted
from labelforge.inspection import LabelCounts, choose_different, label_lines
from labelforge.inspection.labels import LabelLine
from labelforge.inspection.thumbnails import Rows, overlay, thumbnail
from labelforge.report import Bar, Column, Facts, Fold, Gallery, GalleryRow, Page, Picture, Swatch, Table, Text
from labelforge.report.blocks import Block, Cell
from labelforge.shards import ShardReader
from labelforge.wording import printable

_PICTURES: Final = 4
_SIDE: Final = 640  # pixels of a picture's longer side
_NAMED: Final = 12  # labels in the legend of a picture


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
        ("Broken samples", len(totals.skipped)),
    )
    page = page.add("Summary", Facts(facts), *(Text(printable(note)) for note in conversion.notes))
    page = page.add("Pictures", _gallery(conversion, reader))
    page = page.add("What became of each label", *_label_tables(conversion, reader))
    if totals.skipped:
        rows = tuple((printable(skipped.key), printable(skipped.reason)) for skipped in totals.skipped)
        page = page.add("Broken samples", Table((Column("sample"), Column("why")), rows, "Left out of the shards"))
    options = tuple((key, "" if value is None else str(value)) for key, value in manifest.options.items())
    return page.add("Options", Table((Column("option"), Column("value")), options, "Options of the conversion"))


def _label_tables(conversion: Conversion, reader: ShardReader) -> list[Block]:
    """A table of the labels that have pixels; those that have none are folded away."""
    lines = label_lines(conversion.mapping, [record.pixels for record in conversion.manifest.labels])
    there = [line for line in lines if line.pixels or line.row == 0]
    absent = [line for line in lines if not line.pixels and line.row > 0]
    caption = "Native labels, most pixels first, in the colours of the taxonomy"
    blocks: list[Block] = [_label_table(conversion, reader, there, caption, pixels=True)]
    if absent:
        title = f"{counted(len(absent), 'label')} {'has' if len(absent) == 1 else 'have'} no pixel here"
        blocks.append(Fold(title, (_label_table(conversion, reader, absent, "What their pixels would become"),)))
    return blocks


def _label_table(
    conversion: Conversion, reader: ShardReader, lines: list[LabelLine], caption: str, *, pixels: bool = False
) -> Table:
    total, rows = conversion.manifest.totals.pixels, conversion.mapping.rows
    body = []
    for line in lines:
        row = rows[line.row]
        node = row.node(reader.taxonomy)
        amount: tuple[Cell, ...] = (line.pixels, Bar(line.pixels / total, 1.0)) if pixels else ()
        became = Swatch(line.became, node.color) if node else None
        name, why_not = printable(line.name), printable(line.why_not)
        body.append((name, line.native_id, *amount, became, row.supervision, why_not))
    amounts = (Column("pixels in", numeric=True), Column("share", numeric=True, spec=".2%")) if pixels else ()
    columns = (
        Column("label"),
        Column("native id", numeric=True),
        *amounts,
        Column("became" if pixels else "means"),
        Column("annotated by"),
        Column("not used, because"),
    )
    return Table(columns, tuple(body), caption)


def _gallery(conversion: Conversion, reader: ShardReader) -> Gallery:
    """A few samples that differ, in the order of the split."""
    colors = np.array(conversion.mapping.colors(reader.taxonomy), dtype=np.float64)
    ignored = np.array([row.target.ignored for row in conversion.mapping.rows])
    rows = []
    for number in sorted(choose_different(LabelCounts.of(reader), _PICTURES, silent=np.flatnonzero(ignored))):
        small = thumbnail(reader, number, _SIDE)
        tinted = overlay(small.image, small.rows, colors, ignored)
        pictures = (
            Picture.encode(small.image, f"Image {small.key}", max_side=_SIDE),
            Picture.encode(tinted, f"Labels of {small.key} over its image", max_side=_SIDE),
        )
        rows.append(GalleryRow(small.key, pictures, _legend(conversion, small.rows, reader)))
    caption = "Samples that show many labels and differ; hatched: pixels that are not used"
    return Gallery(("image", "labels over the image"), tuple(rows), caption)


def _legend(conversion: Conversion, shown: Rows, reader: ShardReader) -> tuple[Swatch, ...]:
    """The labels of a picture that are used, the largest first."""
    rows = conversion.mapping.rows
    pixels = np.bincount(shown.ravel(), minlength=len(rows))
    order = [int(row) for row in np.argsort(-pixels, kind="stable") if pixels[row]]
    nodes = [(rows[row], node) for row in order if (node := rows[row].node(reader.taxonomy)) is not None]
    return tuple(Swatch(printable(row.native_name), node.color) for row, node in nodes[:_NAMED])
