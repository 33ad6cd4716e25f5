"""The semantic tree: what the world is made of.

A taxonomy is read from ``tree.yaml`` (:mod:`labelforge.treefile` has the format) and never changes afterwards. Nodes
are numbered depth first, as written; leaves are numbered among themselves in the same order, so the leaves below any
node are a contiguous range. Every inner node owns a :class:`Classifier` over its children, and the logits of all
classifiers are side by side in one vector of ``num_logits`` columns.

A node is named by a unique name or by a unique path suffix (``traffic sign/front``; the full path starts with the
root's name).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from labelforge.errors import TaxonomyError, counted, did_you_mean
from labelforge.files import json_digest
from labelforge.palette import Color
from labelforge.references import References
from labelforge.treefile import Boxes, RawNode, read_tree
from labelforge.yamlfile import YamlFile


@dataclass(frozen=True)
class Node:
    """One concept of the tree.

        >>> import labelforge as lf
        >>> node: lf.Node = lf.Taxonomy.load("iv2018").node("traffic sign/front")
        >>> node.path, len(node.children), node.is_leaf
        ('traffic sign/front', 43, False)

    Attributes:
        index: Position among all nodes, depth first; 0 is the root.
        name: Name as written.
        path: Names from below the root to this node, joined by "/"; the root's path is its name.
        parent: Index of the parent node; None for the root.
        children: Indices of the child nodes; empty for a leaf.
        depth: 0 for the root.
        leaves: Leaf numbers at or below this node.
        class_id: Id in exported label maps; None if the node is not a class of its own.
        color: RGB, 0-255.
        shape: Shape that a box of this class is drawn as (one of :data:`labelforge.treefile.SHAPES`); None if unknown.
        mirror: What a horizontally flipped picture of this leaf shows: index of another leaf, -1 for "no class of the
            tree", None for the leaf itself.
        box_only: Whether learning this node and what is below it from boxes alone is intended.
    """

    index: int
    name: str
    path: str
    parent: int | None
    children: tuple[int, ...]
    depth: int
    leaves: range
    class_id: int | None
    color: Color
    shape: str | None
    mirror: int | None
    box_only: bool

    @property
    def is_leaf(self) -> bool:
        """Whether the node has no children."""
        return not self.children


@dataclass(frozen=True)
class Classifier:
    """The choice among the children of one inner node.

        >>> import labelforge as lf
        >>> classifier: lf.Classifier = lf.Taxonomy.load("iv2018").classifiers[3]
        >>> classifier.node.name, [child.name for child in classifier.children], classifier.slice
        ('traffic sign', ['back', 'front'], slice(66, 68, None))

    Attributes:
        index: Position among the classifiers, depth first; 0 is the root's.
        node: The inner node that owns it.
        children: Its classes, in order.
        slice: Its columns among all logits.
        parent: Index of the classifier that decides whether this one is used; None for the root's.
        branch: Which child of the parent classifier leads here; None for the root's.
    """

    index: int
    node: Node
    children: tuple[Node, ...]
    slice: slice
    parent: int | None
    branch: int | None


@dataclass(frozen=True)
class Taxonomy:
    """An immutable semantic tree.

        >>> import labelforge as lf
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> [child.name for child in tree.classifiers[2].children]
        ['bicyclist', 'motorcyclist', 'other rider']

    Attributes:
        name: The tree's name.
        nodes: All nodes, depth first.
        boxes: Which classifiers a box label trains, unless a run says otherwise: ``own`` or ``path``.
        folder: Folder that it was loaded from, with its mappings; None for a tree that was not read from a file.
    """

    name: str
    nodes: tuple[Node, ...]
    boxes: Boxes = "own"
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> Taxonomy:
        """Load a shipped tree by name, or any tree by its folder or its ``tree.yaml``.

        Raises:
            TaxonomyError: No such tree, or a fault in the file (with its line).
        """
        path = cls.locate(source)
        return cls.from_file(YamlFile.load(path), path.parent)

    @classmethod
    def locate(cls, source: str | os.PathLike[str]) -> Path:
        """The ``tree.yaml`` that :meth:`load` reads.

        Raises:
            TaxonomyError: No such tree.
        """
        path = Path(source)
        if str(source) in cls.shipped():
            path = shipped_folder() / str(source)
        elif not path.exists():
            cure = f"{did_you_mean(str(source), cls.shipped())} A folder of your own must hold tree.yaml."
            raise TaxonomyError(f"no shipped taxonomy and no folder is called {str(source)!r}", cure=cure)
        return path / "tree.yaml" if path.is_dir() else path

    @classmethod
    def from_dict(cls, definition: dict[str, Any]) -> Taxonomy:
        """Rebuild a tree from :meth:`to_dict`.

        Raises:
            TaxonomyError: The definition is not valid.
        """
        return cls.from_file(YamlFile.of_data("<taxonomy definition>", definition), None)

    @classmethod
    def parse(cls, text: str) -> Taxonomy:
        """Build a tree from the text of a ``tree.yaml``."""
        return cls.from_file(YamlFile.parse(text), None)

    @staticmethod
    def shipped() -> list[str]:
        """Names of the trees that come with labelforge."""
        return sorted(p.parent.name for p in shipped_folder().glob("*/tree.yaml"))

    @classmethod
    def from_file(cls, file: YamlFile, folder: Path | None) -> Taxonomy:
        """Build a tree from a YAML file that is already read.

        Args:
            file: The file.
            folder: Folder of the tree's mappings, if there is one.

        Raises:
            TaxonomyError: A fault in the file (with its line).
        """
        top, raw = read_tree(file)
        leaf_numbers = _leaf_ranges(raw)
        nodes = []
        for i, node in enumerate(raw):
            facts = node.facts
            nodes.append(
                Node(
                    index=i,
                    name=node.name,
                    path="/".join(node.path[1:]) or node.name,
                    parent=node.parent,
                    children=tuple(node.children),
                    depth=len(node.path) - 1,
                    leaves=leaf_numbers[i],
                    class_id=facts.id,
                    color=facts.color or (0, 0, 0),
                    shape=facts.shape,
                    mirror=node.mirror,
                    box_only=facts.box_only,
                )
            )
        return cls(top.name, tuple(nodes), top.boxes, folder)

    def __repr__(self) -> str:
        counts = ((self.nodes, "node"), (self.classifiers, "classifier"))
        parts = [counted(len(items), noun) for items, noun in counts]
        return f"<Taxonomy {self.name}: {', '.join(parts)}, {counted(self.num_logits, 'logit')}>"

    @property
    def root(self) -> Node:
        """The node above all others."""
        return self.nodes[0]

    @cached_property
    def leaves(self) -> tuple[Node, ...]:
        """The nodes without children; position = leaf number."""
        return tuple(n for n in self.nodes if n.is_leaf)

    @cached_property
    def classes(self) -> tuple[Node, ...]:
        """The nodes that have a class id, sorted by it."""
        return tuple(sorted((n for n in self.nodes if n.class_id is not None), key=lambda n: n.class_id or 0))

    @cached_property
    def classifiers(self) -> tuple[Classifier, ...]:
        """One per inner node, depth first."""
        owners = [n for n in self.nodes if not n.is_leaf]
        number = {n.index: j for j, n in enumerate(owners)}
        found, start = [], 0
        for j, owner in enumerate(owners):
            children = tuple(self.nodes[c] for c in owner.children)
            parent = branch = None
            if owner.parent is not None:
                parent = number[owner.parent]
                branch = self.nodes[owner.parent].children.index(owner.index)
            found.append(Classifier(j, owner, children, slice(start, start + len(children)), parent, branch))
            start += len(children)
        return tuple(found)

    @property
    def num_logits(self) -> int:
        """Number of children of all classifiers together."""
        return len(self.nodes) - 1

    def node(self, reference: str) -> Node:
        """The node that a unique name or path suffix means.

        Raises:
            TaxonomyError: Unknown (with the nearest names), or ambiguous (with the paths).
        """
        found = self.references.find(reference)
        if len(found) != 1:
            what, cure = self.references.explain(reference)
            raise TaxonomyError(what, where=f"tree {self.name!r}", cure=cure)
        return self.nodes[found[0]]

    @cached_property
    def references(self) -> References:
        """All the texts that mean a node of this tree."""
        return References([tuple(self._full_path(node).split("/")) for node in self.nodes])

    def ancestors(self, node: Node) -> Iterator[Node]:
        """The nodes above a node, from its parent to the root."""
        while node.parent is not None:
            node = self.nodes[node.parent]
            yield node

    def covering(self, leaves: Collection[int]) -> Node:
        """The lowest node that holds all of some leaves.

        Args:
            leaves: Leaf numbers, at least one.
        """
        first, last = min(leaves), max(leaves)
        # Leaves are numbered depth first, so a node holds a set if it holds its ends; and the lowest comes last.
        return [node for node in self.nodes if first in node.leaves and last in node.leaves][-1]

    def _full_path(self, node: Node) -> str:
        return node.name if node.parent is None else f"{self.root.name}/{node.path}"

    def to_dict(self) -> dict[str, Any]:
        """The whole tree as JSON-able data, in the form of ``tree.yaml`` with every fact written out."""

        def nest(node: Node) -> Any:
            return None if node.is_leaf else {self.nodes[c].name: nest(self.nodes[c]) for c in node.children}

        facts: dict[str, Any] = {}
        for node in self.nodes:
            fact: dict[str, Any] = {"color": list(node.color)}
            if node.class_id is not None:
                fact["id"] = node.class_id
            if node.shape is not None:
                fact["shape"] = node.shape
            if node.mirror is not None:
                fact["mirror"] = "none" if node.mirror < 0 else self._full_path(self.nodes[node.mirror])
            if node.box_only:
                fact["box_only"] = True
            facts[self._full_path(node)] = fact
        nested = {self.root.name: nest(self.root)}
        return {"name": self.name, "boxes": self.boxes, "tree": nested, "nodes": facts}

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all that decides targets and class ids: names, nesting, ids, mirrors, boxes; not colours."""
        content = [self.name, self.boxes, [[n.name, n.parent, n.class_id, n.mirror] for n in self.nodes]]
        return json_digest(content)

    @property
    def tag(self) -> str:
        """The name with enough of the digest to distinguish two states of the tree."""
        return f"{self.name} ({self.digest[:12]})"


def shipped_folder() -> Path:
    """Folder of the shipped trees, mappings and label spaces."""
    import labelforge.taxonomies

    return Path(next(iter(labelforge.taxonomies.__path__)))


def _leaf_ranges(raw: list[RawNode]) -> list[range]:
    """Leaf numbers at or below each node, from nodes in depth-first order."""
    starts, ends, count = [0] * len(raw), [0] * len(raw), 0
    for i, node in enumerate(raw):
        starts[i] = count
        count += not node.children
        ends[i] = count
    for i in range(len(raw) - 1, 0, -1):
        parent = raw[i].parent
        if parent is not None:
            ends[parent] = max(ends[parent], ends[i])
    return [range(a, b) for a, b in zip(starts, ends, strict=True)]
