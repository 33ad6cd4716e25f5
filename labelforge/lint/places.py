"""Where in the YAML files the things stand that findings speak of."""

from __future__ import annotations

from collections.abc import Mapping

from labelforge.treefile import RawNode, read_tree
from labelforge.yamlfile import KeyPath, YamlFile

__all__ = ["Place", "Places"]

Place = tuple[str | None, int | None]
"""A file and a line in it; both None where there is no file."""


class Places:
    """The files of a tree and of its mappings; without them, every place is unknown.

    Args:
        tree: The file of the tree.
        mappings: The files of the mappings, by dataset.
    """

    def __init__(self, tree: YamlFile | None = None, mappings: Mapping[str, YamlFile] | None = None) -> None:
        self._tree = tree
        self._nodes: list[RawNode] = read_tree(tree)[1] if tree is not None else []
        self._mappings = dict(mappings or {})

    def node(self, index: int) -> Place:
        """Where a node stands in the tree."""
        return _place(self._tree, self._nodes[index].at if self._tree else ())

    def fact(self, index: int, name: str) -> Place:
        """Where a fact about a node stands; the node itself where it has none."""
        at = self._nodes[index].facts_at if self._tree else None
        return self.node(index) if at is None else _place(self._tree, (*at, name))

    def label(self, dataset: str, name: str) -> Place:
        """Where a native label is mapped."""
        return _place(self._mappings.get(dataset), ("labels", name))

    def accepted(self, dataset: str, number: int) -> Place:
        """Where an acknowledgement stands."""
        return _place(self._mappings.get(dataset), ("accepted", number))


def _place(file: YamlFile | None, at: KeyPath) -> Place:
    return (None, None) if file is None else (file.path, file.line(at))
