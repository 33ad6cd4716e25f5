"""The labels of several folders in one list, and the nodes of their tree that have labels below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.inspection.counts import LabelCounts
from labelforge.inspection.labels import label_lines
from labelforge.palette import Color, hex_color
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.wording import printable


@dataclass(frozen=True)
class GalleryLabel:
    """A native label of a dataset, in all folders of that dataset.

    Attributes:
        dataset: Name of the label space.
        name: Native name.
        native_id: Native id; None for "no annotation" and for sets.
        meaning: What it became, or why it is not used.
        leaves: Leaf numbers that it can mean; none where it is not used.
        color: RGB colour of its node.
        pixels: Its pixels in all folders.
        images: In how many samples it has a pixel.
        of: Samples of the folders that have it in their label table.
        rows: Per folder its row, if it has one.
    """

    dataset: str
    name: str
    native_id: int | None
    meaning: str
    leaves: frozenset[int]
    color: Color
    pixels: int
    images: int
    of: int
    rows: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class GalleryLabels:
    """All labels of some folders, those with the most pixels first.

    Attributes:
        tree: The folders' tree.
        labels: The labels; a label of two splits of one dataset is one.
        numbers: Per folder the number of each row's label: uint8, or little-endian uint16 for more than 256 labels.
    """

    tree: Taxonomy
    labels: tuple[GalleryLabel, ...]
    numbers: tuple[NDArray[np.unsignedinteger[Any]], ...]

    @classmethod
    def of(cls, readers: Sequence[ShardReader], counts: Sequence[LabelCounts]) -> GalleryLabels:
        """The labels of some folders of one tree."""
        tree = readers[0].taxonomy
        rows: dict[tuple[str, str, str], list[int | None]] = {}
        for folder, reader in enumerate(readers):
            for row in reader.mapping.rows:
                key = (reader.dataset, row.native_name, str(row.target.expression))
                rows.setdefault(key, [None] * len(readers))[folder] = row.row
        images = [count.images() for count in counts]
        labels = sorted(
            (_label(readers, images, tuple(own)) for own in rows.values()),
            key=lambda label: (label.native_id is None and not label.leaves, -label.pixels),
        )
        kind = np.dtype(np.uint8 if len(labels) <= 256 else "<u2")
        numbers = tuple(np.zeros(len(reader.mapping.rows), kind) for reader in readers)
        for number, label in enumerate(labels):
            for folder, own in enumerate(label.rows):
                if own is not None:
                    numbers[folder][own] = number
        return cls(tree, tuple(labels), numbers)

    def selections(self) -> list[list[list[int]]]:
        """What can be picked: the labels that have pixels, then the nodes. Per folder the rows of each."""
        folders = range(len(self.numbers))
        single = [[number] for number, label in enumerate(self.labels) if label.pixels]
        together = [node["labels"] for node in self.nodes()[1:]]
        return [
            [[own for number in numbers if (own := self.labels[number].rows[folder]) is not None] for folder in folders]
            for numbers in single + together
        ]

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that have labels with pixels at or below them, for the page: the root first, then depth first."""
        found = []
        for node in self.tree.nodes:
            below = [
                number
                for number, label in enumerate(self.labels)
                if label.pixels and label.leaves and all(leaf in node.leaves for leaf in label.leaves)
            ]
            if below or node.parent is None:
                name, path = printable(node.name), printable(node.path)
                found.append({"name": name, "path": path, "depth": node.depth, "labels": below})
        return found

    def data(self) -> list[dict[str, Any]]:
        """The labels for the page's script."""
        return [
            {
                "name": printable(label.name),
                "dataset": printable(label.dataset),
                "id": label.native_id,
                "meaning": printable(label.meaning),
                "used": bool(label.leaves),
                "color": hex_color(label.color),
                "pixels": label.pixels,
                "images": label.images,
                "of": label.of,
            }
            for label in self.labels
        ]

    def absent(self) -> list[str]:
        """Names of the labels without a pixel, "no annotation" left out."""
        several = len({label.dataset for label in self.labels}) > 1
        return [
            printable(f"{label.name} ({label.dataset})" if several else label.name)
            for label in self.labels
            if not label.pixels and (label.native_id is not None or label.leaves)
        ]


def _label(
    readers: Sequence[ShardReader], images: Sequence[NDArray[np.int64]], rows: tuple[int | None, ...]
) -> GalleryLabel:
    """The label that has these rows in the folders."""
    own = [(folder, row) for folder, row in enumerate(rows) if row is not None]
    reader, first = readers[own[0][0]], own[0][1]
    row = reader.mapping.rows[first]
    (line,) = (line for line in label_lines(reader.mapping, [0] * len(reader.mapping.rows)) if line.row == first)
    node = row.node(reader.taxonomy)
    return GalleryLabel(
        dataset=reader.dataset,
        name=row.native_name,
        native_id=row.native_id,
        meaning=line.became or f"not used: {line.why_not}",
        leaves=row.target.leaves,
        color=node.color if node else (128, 128, 128),
        pixels=sum(int(readers[folder].pixels_per_label[number]) for folder, number in own),
        images=sum(int(images[folder][number]) for folder, number in own),
        of=sum(len(readers[folder]) for folder, _ in own),
        rows=rows,
    )
