"""What shards hold, for a terminal: an overview, one sample, or the frames that hold most of a label."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from labelforge.errors import ShardError, counted
from labelforge.inspection.counts import LabelCounts
from labelforge.inspection.finding import Frame, Wanted, most_of
from labelforge.inspection.labels import LabelLine, absence, label_lines
from labelforge.shards import ShardReader
from labelforge.wording import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_SIZES: Final = 3  # image sizes that are named
_REASONS: Final = 5  # samples left out that are named
_NAME_WIDTH: Final = 44  # columns of the terminal; a longer name may break


def overview(reader: ShardReader) -> RenderableType:
    """What a folder of shards holds: facts, then a table of the labels that have pixels."""
    from rich.console import Group
    from rich.text import Text

    manifest, totals = reader.manifest, reader.manifest.totals
    whole = max(totals.pixels, 1)
    title = f"{reader.dataset}, {reader.split}"
    facts = [
        f"{counted(totals.samples, 'sample')} in {counted(len(manifest.shards), 'shard')}, "
        f"{_bytes(sum(shard.size for shard in manifest.shards))}; tree {manifest.taxonomy.name} "
        f"({manifest.taxonomy.digest[:12]})",
        f"images {_sizes(reader)}",
        f"{totals.pixels:,} pixels: {totals.used / whole:.1%} used, {totals.ignored / whole:.1%} ignored, "
        f"{totals.unannotated / whole:.1%} not annotated",
    ]
    lines = label_lines(reader.mapping, reader.pixels_per_label.tolist())
    images = LabelCounts.of(reader).images()
    parts: list[RenderableType] = [Text(printable(title), "bold"), Text(printable(reader.url), "dim")]
    parts += [Text(printable(fact)) for fact in facts]
    parts += ["", _label_table([line for line in lines if line.pixels], whole, images.tolist())]
    absent = [line.name for line in lines if not line.pixels and line.row > 0]
    if absent:
        parts.append(Text(absence(absent, len(lines) - 1), "dim"))
    for skipped in totals.skipped[:_REASONS]:
        parts.append(Text(printable(f"left out: {skipped.key}: {skipped.reason}"), "yellow"))
    if len(totals.skipped) > _REASONS:
        parts.append(Text(f"left out: {len(totals.skipped) - _REASONS:,} more, listed in manifest.json", "yellow"))
    return Group(*parts)


def sample_view(frame: Frame) -> RenderableType:
    """All that is stored of one sample, decoded.

    Raises:
        ShardError: Its files are broken.
    """
    from rich.console import Group
    from rich.text import Text

    reader, number = frame.reader, frame.number
    sample = reader[number]
    height, width = sample.local_rows.shape
    digest, _ = reader.origin(number)
    shard = next(record.name for record in reader.manifest.shards if record.sha256 == digest)
    values, counts = np.unique(sample.local_rows, return_counts=True)
    pixels = [0] * len(reader.mapping.rows)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value >= len(pixels):
            raise ShardError(
                f"sample {sample.key} has label value {value}, and the label table ends at {len(pixels) - 1}",
                where=reader.url,
                cure="Run: labelforge verify.",
            )
        pixels[value] = count
    lines = label_lines(reader.mapping, pixels)
    members = ", ".join(f"{suffix} {_bytes(len(data))}" for suffix, data in reader.members(number).items())
    meta = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in sample.meta.items()]
    place = f"{reader.dataset}, {reader.split}: sample {number + 1:,} of {len(reader):,}, in {shard} of {reader.url}"
    return Group(
        Text(printable(sample.key), "bold"),
        Text(printable(place), "dim"),
        Text(printable(f"{width}x{height}; {members}")),
        "",
        _label_table([line for line in lines if line.pixels], height * width),
        "",
        *(Text(printable(line)) for line in meta),
    )


def most_view(name: str, found: Sequence[Wanted], number: int) -> RenderableType:
    """The frames that hold most of a label.

    Args:
        name: The label or node, as given.
        found: The rows that it means.
        number: How many frames.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for wanted in found:
        counts = LabelCounts.of(wanted.reader).of_labels(wanted.rows)
        names = ", ".join(wanted.reader.mapping.rows[row].native_name for row in wanted.rows)
        total = int(counts.sum())
        where = f"{wanted.reader.dataset}, {wanted.reader.split}"
        share = total / max(wanted.reader.manifest.totals.pixels, 1)
        of = "" if names == name else f" ({names})"
        there = f"{total:,} pixels ({share:.2%}) in {int((counts > 0).sum()):,} of {counted(len(counts), 'sample')}"
        parts.append(Text(printable(f"{where}: {name}{of}: {there}")))
    table = Table(box=None, pad_edge=False)
    table.add_column("frame", overflow="fold")
    table.add_column("of")
    table.add_column("pixels", justify="right", no_wrap=True)
    table.add_column("of the frame", justify="right", no_wrap=True)
    for reader, sample, pixels in most_of(found, number):
        share = pixels / int(reader.sizes[sample].prod())
        key, where = printable(reader.keys[sample]), printable(f"{reader.dataset}, {reader.split}")
        table.add_row(Text(key), Text(where), f"{pixels:,}", f"{share:.2%}")
    if table.row_count:
        parts += ["", table]
    return Group(*parts)


def _label_table(lines: Sequence[LabelLine], whole: int, images: Sequence[int] | None = None) -> Table:
    """A line per label.

    Args:
        lines: The labels.
        whole: Pixels that the shares are of.
        images: Per row, in how many images it is; None: no such column.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    longest = max((len(line.name) for line in lines), default=0)
    # Only names break in the middle of a word, so they get their space first.
    table.add_column("label", overflow="fold", no_wrap=longest <= _NAME_WIDTH)
    for heading in ("pixels", "share", *(["images"] if images is not None else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("became", overflow="fold")
    for line in lines:
        cells = [f"{line.pixels:,}", f"{line.pixels / whole:.2%}"]
        if images is not None:
            cells.append(f"{images[line.row]:,}")
        became = Text(printable(line.became or f"not used: {line.why_not}"))
        table.add_row(Text(printable(line.name)), *cells, became, style="dim" if line.why_not else None)
    return table


def _sizes(reader: ShardReader) -> str:
    """The sizes of the images, the most common first, and the range where they differ much."""
    sizes = Counter(map(tuple, reader.sizes.tolist())).most_common()
    if len(sizes) == 1:
        return f"{sizes[0][0][1]}x{sizes[0][0][0]}"
    named = ", ".join(f"{width}x{height} ({count:,})" for (height, width), count in sizes[:_SIZES])
    if len(sizes) <= _SIZES:
        return named
    (low, narrow), (high, wide) = reader.sizes.min(axis=0).tolist(), reader.sizes.max(axis=0).tolist()
    return f"{named}, ... ({len(sizes):,} sizes; {narrow} to {wide} wide, {low} to {high} high)"


def _bytes(size: int) -> str:
    """A number of bytes with three digits: "950 bytes", "12.3 MB"."""
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size} bytes" if not power else f"{size / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
