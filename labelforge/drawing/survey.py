"""What every drawing of a tree shows: who supervises which node, by which native labels, with how many pixels.

A label *lands* on the deepest node that holds all leaves it can mean: a label that is one node lands there, a union
where its members' branches meet. Its pixels count at that node and at all nodes above it, never below: nobody knows
which member of a union a pixel shows. What a dataset tells the classifier that chooses a node is its
:class:`~labelforge.supervision.Signal`, read from the compiled targets: by construction what training does.

Pixel counts come from manifests of shards; no pixel is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping, LabelTarget, Supervision
from labelforge.shards import Manifest, open_folder, stored_mapping
from labelforge.supervision import Signal, SupervisionTable
from labelforge.targets import TargetTable
from labelforge.taxonomy import Node, Taxonomy

__all__ = ["Dataset", "Label", "NodeFacts", "PixelCounts", "Survey", "counted_mappings", "survey"]

PixelCounts = Mapping[str, Mapping[str, int]]
"""Pixels by dataset and native name."""


@dataclass(frozen=True)
class Dataset:
    """A dataset that is mapped to the tree.

    Attributes:
        name: Name of its label space.
        code: One or two letters for narrow columns: a, b, ..., z, aa, ...
        supervision: What it annotates, ``pixel`` or ``box``.
        pixels: Pixels whose label means something in the tree; None where no shards of it were counted.
        unused: The other pixels: ignored, or without annotation; None likewise.
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
        home: Index of the node that it lands on.
        pixels: How many there are; None where no shards of the dataset were counted.
    """

    dataset: int
    native_id: int | None
    name: str
    target: LabelTarget
    home: int
    pixels: int | None


@dataclass(frozen=True)
class NodeFacts:
    """What is known of one node.

    Attributes:
        signals: Per dataset, what it tells the classifier that chooses this node; the root is never chosen.
        landing: Positions of the labels that land on the node.
        covering: Positions of the labels that land above it and can mean it, or something below it.
        pixels: Per dataset, the pixels of labels that land here or below; None where none were counted.
    """

    signals: tuple[Signal, ...]
    landing: tuple[int, ...]
    covering: tuple[int, ...]
    pixels: tuple[int | None, ...]

    @property
    def total(self) -> int | None:
        """Pixels of all counted datasets together; None where none was counted."""
        counted = [count for count in self.pixels if count is not None]
        return sum(counted) if counted else None


@dataclass(frozen=True)
class Survey:
    """A tree and all that its datasets say about it.

    Attributes:
        tree: The tree.
        datasets: The datasets, in the order given.
        labels: Their labels that mean something, dataset by dataset.
        nodes: Facts by node index.
        ignored: Native labels that mean nothing in the tree: position of the dataset, name, reason if there is one.
    """

    tree: Taxonomy
    datasets: tuple[Dataset, ...]
    labels: tuple[Label, ...]
    nodes: tuple[NodeFacts, ...]
    ignored: tuple[tuple[int, str, str | None], ...]

    @cached_property
    def counted(self) -> bool:
        """Whether there are pixel counts."""
        return any(dataset.pixels is not None for dataset in self.datasets)


def survey(tree: Taxonomy, mappings: Sequence[LabelMapping], counts: PixelCounts | None = None) -> Survey:
    """Gather what a drawing shows.

    Args:
        tree: The tree.
        mappings: Label tables in it, one per dataset.
        counts: Pixels by dataset and native name, for the datasets that have been counted.
    """
    counts = counts or {}
    labels = [
        Label(number, row.native_id, row.native_name, row.target, _home(tree, row.target.leaves), pixels)
        for number, mapping in enumerate(mappings)
        for row in mapping.rows
        if not row.target.ignored
        for pixels in [counts[mapping.dataset].get(row.native_name, 0) if mapping.dataset in counts else None]
    ]
    ignored = tuple(
        (number, row.native_name, row.target.reason)
        for number, mapping in enumerate(mappings)
        for row in mapping.rows[1:]
        if row.target.ignored
    )
    datasets = []
    for number, mapping in enumerate(mappings):
        used = unused = None
        if mapping.dataset in counts:
            used = sum(label.pixels or 0 for label in labels if label.dataset == number)
            unused = sum(counts[mapping.dataset].values()) - used
        datasets.append(Dataset(mapping.dataset, _code(number), mapping.supervision, used, unused))
    table = SupervisionTable.of(TargetTable.compile(tree, mappings)) if mappings else None
    return Survey(tree, tuple(datasets), tuple(labels), _facts(tree, datasets, labels, table), ignored)


def counted_mappings(
    tree: Taxonomy, folders: Sequence[str | os.PathLike[str]]
) -> tuple[tuple[LabelMapping, ...], PixelCounts]:
    """Label tables and pixel counts of converted splits, from their manifests; splits of one dataset are added up.

    Args:
        tree: The tree that the shards were converted to.
        folders: Shard folders or URLs.

    Returns:
        One label table per dataset in the order met, with a row for every label of any of its splits; the counts.

    Raises:
        ShardError: A manifest is missing or broken, is of another tree, or two of one dataset disagree.
    """
    records: dict[str, dict[str, dict[str, Any]]] = {}
    counts: dict[str, dict[str, int]] = {}
    for folder in folders:
        place = open_folder(folder)
        manifest = Manifest.load(place)
        cure = f"Run: labelforge retarget {os.fspath(folder)} --taxonomy {tree.name}"
        if manifest.taxonomy.digest != tree.digest:
            what = f"these shards were made for another tree (taxonomy {manifest.taxonomy.name!r}), not {tree.name!r}"
            raise ShardError(what, where=folder, cure=cure)
        stored_mapping(manifest, tree, place)  # a broken row is found while its file is known
        rows = records.setdefault(manifest.dataset, {})
        pixels = counts.setdefault(manifest.dataset, {})
        for label in manifest.labels:
            record = label.model_dump(exclude={"pixels", "row"})
            if rows.setdefault(label.native_name, record) != record:
                what = f"means something else by {label.native_name!r} than the other shards of {manifest.dataset}"
                raise ShardError(what, where=folder, cure=cure)
            pixels[label.native_name] = pixels.get(label.native_name, 0) + label.pixels
    mappings = tuple(
        LabelMapping.from_records(tree, dataset, [record | {"row": row} for row, record in enumerate(rows.values())])
        for dataset, rows in records.items()
    )
    return mappings, counts


def _home(tree: Taxonomy, leaves: frozenset[int]) -> int:
    """Index of the deepest node that holds all of some leaves."""
    node = tree.root
    while True:
        inside = [child for c in node.children if leaves <= set((child := tree.nodes[c]).leaves)]
        if not inside:
            return node.index
        node = inside[0]


def _facts(
    tree: Taxonomy, datasets: Sequence[Dataset], labels: Sequence[Label], table: SupervisionTable | None
) -> tuple[NodeFacts, ...]:
    landing: list[list[int]] = [[] for _ in tree.nodes]
    covering: list[list[int]] = [[] for _ in tree.nodes]
    pixels: list[list[int | None]] = [[None if d.pixels is None else 0 for d in datasets] for _ in tree.nodes]
    for position, label in enumerate(labels):
        home = tree.nodes[label.home]
        landing[home.index].append(position)
        for node in _below(tree, home):
            if not label.target.leaves.isdisjoint(node.leaves):
                covering[node.index].append(position)
        for node in (home, *tree.ancestors(home)):
            counted = pixels[node.index][label.dataset]
            if counted is not None:
                pixels[node.index][label.dataset] = counted + (label.pixels or 0)
    return tuple(
        NodeFacts(signals, tuple(landing[i]), tuple(covering[i]), tuple(pixels[i]))
        for i, signals in enumerate(_signals(tree, table))
    )


def _below(tree: Taxonomy, node: Node) -> Iterator[Node]:
    for index in node.children:
        yield tree.nodes[index]
        yield from _below(tree, tree.nodes[index])


def _signals(tree: Taxonomy, table: SupervisionTable | None) -> list[tuple[Signal, ...]]:
    """Per node, the signals of all datasets to the classifier that chooses it."""
    found: list[tuple[Signal, ...]] = [(Signal.NOTHING,) * (len(table.datasets) if table else 0) for _ in tree.nodes]
    if table is not None:
        for classifier in tree.classifiers:
            for child in classifier.children:
                found[child.index] = table.of_node[child.index]
    return found


def _code(number: int) -> str:
    letter = chr(ord("a") + number % 26)
    return letter if number < 26 else _code(number // 26 - 1) + letter
