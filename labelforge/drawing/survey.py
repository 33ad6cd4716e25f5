"""What every drawing of a tree shows: who supervises which node, by which native labels, with how many pixels.

A label is *placed* at the deepest node that holds all leaves it can mean: a label that means one node at that node, a
union where its members' branches join. Its pixels count at that node and at all nodes above it, never below: which
member of a union a pixel shows is unknown. What a dataset tells the classifier that chooses a node is a
:class:`~labelforge.supervision.Signal`, read from the compiled targets, so it is what training does by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelforge.drawing.counts import PixelCounts
from labelforge.expression import LabelTarget
from labelforge.mapping import LabelMapping, Supervision
from labelforge.supervision import Signal, SupervisionTable, dataset_letters
from labelforge.taxonomy import Node, Taxonomy


@dataclass(frozen=True)
class Dataset:
    """A dataset that is mapped to the tree.

    Attributes:
        name: Name of its label space.
        code: One or two letters for narrow columns: a, b, ..., z, aa, ...
        supervision: What it annotates, ``pixel`` or ``box``.
        pixels: Pixels whose label means something in the tree; None if no shards of it were counted.
        unused: The other pixels: ignored, or without annotation; None as above.
    """

    name: str
    code: str
    supervision: Supervision
    pixels: int | None
    unused: int | None


@dataclass(frozen=True)
class Label:
    """A native label that means something in the tree.

    Attributes:
        dataset: Position of its dataset.
        native_id: Its value in the dataset's files; None for a set made by overlapping boxes.
        name: Its native name.
        target: What it means.
        node: Index of the node that it is placed at.
        pixels: How many there are; None where no shards of the dataset were counted.
    """

    dataset: int
    native_id: int | None
    name: str
    target: LabelTarget
    node: int
    pixels: int | None


@dataclass(frozen=True)
class NodeSummary:
    """What the datasets say about one node.

    Attributes:
        signals: Per dataset, what it tells the classifier that chooses this node; the root is never chosen.
        labels: Positions of the labels that are placed at the node.
        wider: Positions of the labels that are placed above it and can mean it, or something below it.
        pixels: Per dataset, the pixels of labels that are placed here or below; None where none were counted.
    """

    signals: tuple[Signal, ...]
    labels: tuple[int, ...]
    wider: tuple[int, ...]
    pixels: tuple[int | None, ...]

    @property
    def total(self) -> int | None:
        """Pixels of all counted datasets together; None where none was counted."""
        counted = [count for count in self.pixels if count is not None]
        return sum(counted) if counted else None


@dataclass(frozen=True)
class Survey:
    """A tree and everything that its datasets say about it.

    Attributes:
        tree: The tree.
        datasets: The datasets, in the order given.
        labels: Their labels that are not ignored, dataset by dataset.
        nodes: What is said about each node, by its index.
        ignored: Native labels that the tree ignores: position of the dataset, name, reason if there is one.
    """

    tree: Taxonomy
    datasets: tuple[Dataset, ...]
    labels: tuple[Label, ...]
    nodes: tuple[NodeSummary, ...]
    ignored: tuple[tuple[int, str, str | None], ...]

    @classmethod
    def of(cls, tree: Taxonomy, mappings: Sequence[LabelMapping], counts: PixelCounts | None = None) -> Survey:
        """Collect what a drawing shows.

        Args:
            tree: The tree.
            mappings: Label tables in it, one per dataset.
            counts: Pixels by dataset and native name, for the datasets that have been counted.
        """
        datasets: list[Dataset] = []
        labels: list[Label] = []
        ignored: list[tuple[int, str, str | None]] = []
        for number, mapping in enumerate(mappings):
            counted = (counts or {}).get(mapping.dataset)
            used = 0
            for row in mapping.rows[1:]:
                if row.target.ignored:
                    ignored.append((number, row.native_name, row.target.reason))
                    continue
                node = tree.covering(row.target.leaves).index
                pixels = None if counted is None else counted.get(row.native_name, 0)
                labels.append(Label(number, row.native_id, row.native_name, row.target, node, pixels))
                used += pixels or 0
            totals = (None, None) if counted is None else (used, sum(counted.values()) - used)
            datasets.append(Dataset(mapping.dataset, dataset_letters(number), mapping.supervision, *totals))
        signals = SupervisionTable.of_labels(tree, mappings).of_node
        nodes = tuple(_summary(node, signals[node.index], datasets, labels) for node in tree.nodes)
        return cls(tree, tuple(datasets), tuple(labels), nodes, tuple(ignored))

    @property
    def counted(self) -> bool:
        """Whether there are pixel counts."""
        return any(dataset.pixels is not None for dataset in self.datasets)


def _summary(
    node: Node, signals: tuple[Signal, ...], datasets: Sequence[Dataset], labels: Sequence[Label]
) -> NodeSummary:
    below = frozenset(node.leaves)
    wider: list[int] = []
    totals = [0] * len(datasets)
    for position, label in enumerate(labels):
        if label.target.leaves <= below:
            totals[label.dataset] += label.pixels or 0
        elif not below.isdisjoint(label.target.leaves):
            wider.append(position)
    return NodeSummary(
        signals,
        labels=tuple(position for position, label in enumerate(labels) if label.node == node.index),
        wider=tuple(wider),
        pixels=tuple(None if d.pixels is None else total for d, total in zip(datasets, totals, strict=True)),
    )
