"""Where the subjects of remarks are in the YAML files."""

from __future__ import annotations

from collections.abc import Mapping

from labelforge.lint.findings import Place, Subject
from labelforge.treefile import RawNode, read_tree
from labelforge.yamlfile import KeyPath, YamlFile


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

    def find(self, subject: Subject) -> Place:
        """File and line of a subject: a label or another entry in a mapping, or else a node or a fact in the tree."""
        file = self._tree if subject.dataset is None else self._mappings.get(subject.dataset)
        return (None, None) if file is None else (file.path, file.line(self._key_path(subject)))

    def _key_path(self, subject: Subject) -> KeyPath:
        if subject.acceptance is not None:
            return ("accepted", subject.acceptance)
        if subject.overlap is not None:
            return ("overlaps", subject.overlap)
        if subject.dataset is not None:
            return ("labels", subject.labels[0])
        node = subject.line_of or subject.node
        assert node is not None, "what is not about a dataset is about a node"
        raw = self._nodes[node.index]
        return raw.at if subject.fact is None or raw.facts_at is None else (*raw.facts_at, subject.fact)
