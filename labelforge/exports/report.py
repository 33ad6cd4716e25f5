"""What an export did, class by class and label by label: for the terminal, as a page, and as classes.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelforge import __version__
from labelforge.errors import counted, listed
from labelforge.exports.cut import Cut, with_parents
from labelforge.exports.samples import ShardSet
from labelforge.report import Bar, Column, Facts, Fold, Gallery, GalleryRow, Page, Swatch, Table, Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from labelforge.report.blocks import Cell


@dataclass(frozen=True)
class LabelLine:
    """What became of one label.

    Attributes:
        name: Its native name.
        native_id: Its native id; None for "no annotation" and for sets of labels.
        pixels: Its pixels in the export.
        index: Position of the class that it became; None if its pixels are ignored.
        why: Why they are; empty otherwise.
    """

    name: str
    native_id: int | None
    pixels: int
    index: int | None
    why: str


@dataclass(frozen=True)
class ExportedSet:
    """What became of one shard set.

    Attributes:
        dataset: Name of its label space.
        split: The dataset's own name of the split.
        exported_as: The split that its samples went to.
        samples: How many they are.
        labels: Its labels, in the order of its label table.
    """

    dataset: str
    split: str
    exported_as: str
    samples: int
    labels: tuple[LabelLine, ...]

    @classmethod
    def of(cls, shard_set: ShardSet, cut: Cut) -> ExportedSet:
        """What became of a shard set all of whose samples were read."""
        reader = shard_set.reader
        rows = zip(reader.mapping.rows, shard_set.pixels, shard_set.decisions(cut), strict=True)
        lines = tuple(
            LabelLine(row.native_name, row.native_id, int(pixels), decision.index, decision.why)
            for row, pixels, decision in rows
        )
        return cls(reader.dataset, reader.split, shard_set.split, len(reader), lines)

    @property
    def pixels(self) -> int:
        """Pixels of all of its samples."""
        return sum(line.pixels for line in self.labels)

    @property
    def ignored(self) -> int:
        """Those of them that are in no class."""
        return sum(line.pixels for line in self.labels if line.index is None)

    @property
    def ignored_share(self) -> str:
        """The same in words, as a share of all pixels."""
        return f"{self.ignored / (self.pixels or 1):.1%} ignored"


@dataclass(frozen=True)
class Export:
    """A finished export.

        >>> import labelforge as lf
        >>> done: lf.Export = lf.export_shards(["shards/cityscapes-train"], "signs", to="masks", classes="traffic sign")
        >>> done.pixels_per_class[0] + done.ignored == done.pixels
        True

    Attributes:
        folder: Where it is.
        form: Its format.
        cut: Its classes.
        sets: What became of each shard set.
        notes: What the user should know.
    """

    folder: Path
    form: str
    cut: Cut
    sets: tuple[ExportedSet, ...]
    notes: tuple[str, ...]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(s.samples for s in self.sets)

    @property
    def pixels(self) -> int:
        """Pixels of all samples."""
        return sum(s.pixels for s in self.sets)

    @property
    def pixels_per_class(self) -> list[int]:
        """Pixels of every class, by position."""
        counts = np.zeros(len(self.cut.classes), dtype=np.int64)
        for line in (line for s in self.sets for line in s.labels):
            if line.index is not None:
                counts[line.index] += line.pixels
        return [int(count) for count in counts]

    @property
    def ignored(self) -> int:
        """Pixels that are in no class."""
        return self.pixels - sum(self.pixels_per_class)

    def summary(self) -> str:
        """The export in one sentence."""
        share = self.ignored / self.pixels if self.pixels else 0.0
        return (
            f"{counted(self.samples, 'sample')} as {self.form}, {len(self.cut.classes)} classes; "
            f"{self.pixels:,} pixels: {1 - share:.1%} in a class, {share:.1%} ignored"
        )

    def to_dict(self, contents: Sequence[str]) -> dict[str, Any]:
        """The content of classes.json.

        Args:
            contents: Names at the top of the folder.
        """
        return {
            "labelforge": __version__,
            "format": self.form,
            "contents": sorted(contents),
            "taxonomy": {"name": self.cut.tree.name, "digest": self.cut.tree.digest},
            "cut": self.cut.text,
            "rest": None if self.cut.rest is None else self.cut.classes[self.cut.rest].name,
            "ignore": self.cut.ignore,
            "ignored_pixels": self.ignored,
            "classes": [
                {
                    "index": index,
                    "id": c.id,
                    "name": c.name,
                    "color": list(c.color),
                    "nodes": list(c.nodes),
                    "pixels": pixels,
                }
                for index, (c, pixels) in enumerate(zip(self.cut.classes, self.pixels_per_class, strict=True))
            ],
            "sources": [
                {
                    "dataset": s.dataset,
                    "split": s.split,
                    "exported_as": s.exported_as,
                    "samples": s.samples,
                    "ignored_pixels": s.ignored,
                    "labels": [
                        {
                            "name": line.name,
                            "native_id": line.native_id,
                            "pixels": line.pixels,
                            "class": None if line.index is None else self.cut.classes[line.index].name,
                            "ignored_because": line.why or None,
                        }
                        for line in s.labels
                    ],
                }
                for s in self.sets
            ],
            "notes": list(self.notes),
        }


def export_summary(export: Export) -> RenderableType:
    """The summary for a terminal: per shard set a table of the labels that have pixels, then totals and notes."""
    from rich.console import Group
    from rich.table import Table as TerminalTable
    from rich.text import Text as TerminalText

    parts: list[RenderableType] = []
    for s in export.sets:
        renamed = "" if s.exported_as == s.split else f" (as {s.exported_as})"
        title = f"{s.dataset}, {s.split}{renamed}: {counted(s.samples, 'sample')}, {s.ignored_share}"
        table = TerminalTable(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("label", overflow="fold")
        table.add_column("pixels", justify="right", no_wrap=True)
        table.add_column("share", justify="right", no_wrap=True)
        table.add_column("became", overflow="fold")
        for line in _most_first(s):
            if line.pixels:
                became = f"ignored: {line.why}" if line.index is None else export.cut.classes[line.index].name
                share = f"{line.pixels / s.pixels:.2%}"
                style = "dim" if line.index is None else None
                table.add_row(TerminalText(line.name), f"{line.pixels:,}", share, TerminalText(became), style=style)
        parts += [table, TerminalText("")]
    parts.append(TerminalText(f"{export.summary()}."))
    empty = [c.name for c, pixels in zip(export.cut.classes, export.pixels_per_class, strict=True) if not pixels]
    if empty:
        told = f"{len(empty)} of {len(export.cut.classes)} classes have no pixel: {listed(empty, 8)}."
        parts.append(TerminalText(told, style="dim"))
    parts += [TerminalText(f"note: {note}", style="yellow") for note in export.notes]
    return Group(*parts)


def _most_first(s: ExportedSet) -> list[LabelLine]:
    return sorted(s.labels, key=lambda line: -line.pixels)


def export_page(export: Export, pictures: Sequence[GalleryRow]) -> Page:
    """The report page.

    Args:
        export: What was done.
        pictures: Some samples: image, and label map in the colours of the classes.
    """
    cut = export.cut
    page = Page(
        f"Export as {export.form}: {export.folder.resolve().name}",
        f"{len(cut.classes)} classes ({cut.text}) of the tree {cut.tree.name}, made by labelforge.",
    )
    total = export.pixels or 1
    facts = (
        ("Samples", export.samples),
        ("Shard sets", len(export.sets)),
        ("Pixels", export.pixels),
        ("In a class", f"{1 - export.ignored / total:.1%}"),
        ("Ignored", f"{export.ignored / total:.1%}"),
        ("Value of ignore", cut.ignore),
    )
    page = page.add("Summary", Facts(facts), *(Text(note) for note in export.notes))
    if pictures:
        page = page.add("Pictures", Gallery(("image", "classes"), tuple(pictures), "Some samples; black: ignored"))
    page = page.add("Classes", _class_table(export))
    for s in export.sets:
        title = f"What became of the labels of {s.dataset}, {s.split}"
        shown = [line for line in _most_first(s) if line.pixels]
        blocks: list[Table | Fold] = [_label_table(export, s, shown)]
        absent = [line for line in s.labels if not line.pixels]
        if absent:
            blocks.append(Fold(f"{len(absent)} without a pixel here", (_label_table(export, s, absent),)))
        page = page.add(title, *blocks)
    return page


def _class_table(export: Export) -> Table:
    total = export.pixels or 1
    rows: list[tuple[Cell, ...]] = [
        (Swatch(c.name, c.color), c.id, with_parents(export.cut.tree, c.nodes), pixels, Bar(pixels / total))
        for c, pixels in zip(export.cut.classes, export.pixels_per_class, strict=True)
    ]
    rows.append(("(ignored)", export.cut.ignore, "", export.ignored, Bar(export.ignored / total)))
    columns = (
        Column("class"),
        Column("id", numeric=True),
        Column("nodes of the tree"),
        Column("pixels", numeric=True),
        Column("share", numeric=True, spec=".2%"),
    )
    return Table(columns, tuple(rows), "The classes, in order")


def _label_table(export: Export, s: ExportedSet, lines: Sequence[LabelLine]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for line in lines:
        c = None if line.index is None else export.cut.classes[line.index]
        became = Swatch(c.name, c.color) if c else None
        rows.append((line.name, line.native_id, line.pixels, Bar(line.pixels / (s.pixels or 1)), became, line.why))
    columns = (
        Column("label"),
        Column("native id", numeric=True),
        Column("pixels", numeric=True),
        Column("share", numeric=True, spec=".2%"),
        Column("became"),
        Column("ignored, because"),
    )
    return Table(columns, tuple(rows), f"Labels of {s.dataset}, {s.split}, most pixels first; {s.ignored_share}")
