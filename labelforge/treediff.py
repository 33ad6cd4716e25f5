"""What changed between two trees, and which labels of a dataset change their meaning with them.

A node is the same in both trees if it has the same path, or else a name that no other unmatched node has, or else the
same name below the same parent. So a node that moved is recognised, with everything below it; a renamed one is not: it
counts as removed and added.

A label keeps its meaning if its new leaves are what became of its old ones. So dividing a class further changes no
label, and neither does moving one, unless it moves into or out of what a label means.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labelforge.mapping import LabelMapping, LabelRow
from labelforge.taxonomy import Node, Taxonomy


@dataclass(frozen=True)
class FactChange:
    """A fact about a node that changed.

    Attributes:
        node: Path of the node in the new tree.
        fact: ``id``, ``shape``, ``mirror`` or ``box_only``.
        old: Its value in the old tree.
        new: Its value in the new tree.
    """

    node: str
    fact: str
    old: Any
    new: Any


@dataclass(frozen=True)
class LabelChange:
    """A native label that changed its meaning.

    Attributes:
        label: Its native name.
        old: What it meant, on one line; None if the old table does not have it.
        new: What it means; None if the new table does not have it.
    """

    label: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class MappingDiff:
    """What changed in the label table of one dataset.

    Attributes:
        dataset: Name of the label space.
        labels: Native labels that changed their meaning, in the order of the tables.
        supervision: What the dataset annotates, before and now; None if that is the same.
    """

    dataset: str
    labels: tuple[LabelChange, ...]
    supervision: tuple[str, str] | None


@dataclass(frozen=True, eq=False)
class TreeDiff:
    """Two trees, node by node.

    Attributes:
        old: One tree.
        new: The other.
    """

    old: Taxonomy
    new: Taxonomy

    @cached_property
    def match(self) -> dict[int, int]:
        """Index of a node in the old tree -> index of the same node in the new one."""
        found = {self.old.root.index: self.new.root.index}
        by_path = {node.path: node.index for node in self.new.nodes[1:]}
        found |= {node.index: by_path[node.path] for node in self.old.nodes[1:] if node.path in by_path}
        while pairs := dict(self._more(found)):
            found |= pairs
        return {a: b for a, b in found.items() if not self._namesakes(a, b, found)}

    def _namesakes(self, old: int, new: int, found: dict[int, int]) -> bool:
        """Whether two nodes in different places only share a name: one is a leaf, the other is above known nodes."""
        a, b = self.old.nodes[old], self.new.nodes[new]
        if a.is_leaf == b.is_leaf or a.parent is None or b.parent is None or found.get(a.parent) == b.parent:
            return False
        if a.is_leaf:
            return any(b in self.new.ancestors(self.new.nodes[j]) for j in found.values())
        return any(a in self.old.ancestors(self.old.nodes[i]) for i in found)

    def _more(self, found: dict[int, int]) -> Iterator[tuple[int, int]]:
        """Further pairs among the nodes that have none: by a name of their own, or else by name and parent."""
        taken = set(found.values())
        left = [node for node in self.old.nodes if node.index not in found]
        right = [node for node in self.new.nodes if node.index not in taken]
        old_names, new_names = Counter(n.name for n in left), Counter(n.name for n in right)
        by_name = {n.name: n.index for n in right if new_names[n.name] == 1}
        by_place = {(n.parent, n.name): n.index for n in right}
        for node in left:
            place = (found.get(node.parent if node.parent is not None else -1), node.name)
            if old_names[node.name] == 1 and node.name in by_name:
                yield node.index, by_name[node.name]
            elif new_names[node.name] > 1 and place in by_place:
                yield node.index, by_place[place]

    @cached_property
    def removed(self) -> tuple[str, ...]:
        """Paths of the nodes that only the old tree has."""
        return tuple(node.path for node in self.old.nodes if node.index not in self.match)

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Paths of the nodes that only the new tree has."""
        taken = set(self.match.values())
        return tuple(node.path for node in self.new.nodes if node.index not in taken)

    @cached_property
    def moved(self) -> tuple[tuple[str, str], ...]:
        """Old and new path of the nodes that have another parent; not of what moved along with them."""
        return tuple(
            (old.path, new.path)
            for old, new in self._pairs()
            if old.parent is not None and self.match.get(old.parent) != new.parent
        )

    @cached_property
    def reordered(self) -> tuple[str, ...]:
        """Paths, in the new tree, of the nodes whose children are in another order."""
        found = []
        for old, new in self._pairs():
            before = [self.match[c] for c in old.children if self.match.get(c) in new.children]
            if before != [c for c in new.children if c in before]:
                found.append(new.path)
        return tuple(found)

    @cached_property
    def facts(self) -> tuple[FactChange, ...]:
        """Facts about nodes of both trees that differ; colours, which decide nothing, are left out."""
        found = []
        for old, new in self._pairs():
            before, now = self._facts(old, self.old), self._facts(new, self.new)
            if old.mirror is not None and old.mirror >= 0 and self.match.get(old.mirror) == new.mirror:
                before["mirror"] = now["mirror"]  # the same partner, perhaps on another path
            found += [FactChange(new.path, fact, before[fact], now[fact]) for fact in now if before[fact] != now[fact]]
        return tuple(found)

    @staticmethod
    def _facts(node: Node, tree: Taxonomy) -> dict[str, Any]:
        mirror = None if node.mirror is None else "none" if node.mirror < 0 else tree.nodes[node.mirror].path
        return {"id": node.class_id, "shape": node.shape, "mirror": mirror, "box_only": node.box_only}

    def _pairs(self) -> list[tuple[Node, Node]]:
        return [(self.old.nodes[a], self.new.nodes[b]) for a, b in sorted(self.match.items(), key=lambda pair: pair[1])]

    @cached_property
    def _origins(self) -> tuple[Node, ...]:
        """For each leaf of the new tree the old node that it is, or is part of."""
        back = {new: old for old, new in self.match.items()}
        found = []
        for leaf in self.new.leaves:
            line = [leaf, *self.new.ancestors(leaf)]
            found.append(self.old.nodes[next(back[node.index] for node in line if node.index in back)])
        return tuple(found)

    def translate(self, leaves: Iterable[int]) -> frozenset[int] | None:
        """What became of a set of leaves of the old tree; None where part of it is gone.

        A new leaf belongs to it if all leaves of the old node that it is part of do.

        Args:
            leaves: Leaf numbers of the old tree.
        """
        wanted = frozenset(leaves)
        for number in wanted:
            leaf = self.old.leaves[number]
            line = [leaf, *self.old.ancestors(leaf)]
            if not any(node.index in self.match and wanted.issuperset(node.leaves) for node in line):
                return None
        return frozenset(i for i, origin in enumerate(self._origins) if wanted.issuperset(origin.leaves))

    def mapping(self, old: LabelMapping, new: LabelMapping) -> MappingDiff:
        """Which labels of a dataset change their meaning, and how.

        Args:
            old: Its label table in the old tree.
            new: Its label table in the new tree.
        """
        before = {row.native_name: row for row in old.rows[1:]}
        now = {row.native_name: row for row in new.rows[1:]}
        changes = [
            LabelChange(name, _text(before.get(name)), _text(now.get(name)))
            for name in {**before, **now}
            if not self._same(before.get(name), now.get(name))
        ]
        kinds = (old.supervision, new.supervision)
        return MappingDiff(new.dataset, tuple(changes), None if kinds[0] == kinds[1] else kinds)

    def _same(self, old: LabelRow | None, new: LabelRow | None) -> bool:
        return old is not None and new is not None and self.translate(old.target.leaves) == new.target.leaves

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        return {
            "old": {"name": self.old.name, "digest": self.old.digest, "boxes": self.old.boxes},
            "new": {"name": self.new.name, "digest": self.new.digest, "boxes": self.new.boxes},
            "removed": list(self.removed),
            "added": list(self.added),
            "moved": [{"old": old, "new": new} for old, new in self.moved],
            "reordered": list(self.reordered),
            "facts": [vars(change) for change in self.facts],
        }


def _text(row: LabelRow | None) -> str | None:
    return None if row is None else row.target.text


@dataclass(frozen=True, eq=False)
class TaxonomyDiff:
    """Two trees and their mappings.

    Attributes:
        tree: The trees, node by node.
        mappings: The datasets that both trees map.
        removed: Datasets that only the old tree maps.
        added: Datasets that only the new tree maps.
    """

    tree: TreeDiff
    mappings: tuple[MappingDiff, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        mappings = [
            {
                "dataset": mapping.dataset,
                "supervision": mapping.supervision,
                "labels": [vars(change) for change in mapping.labels],
            }
            for mapping in self.mappings
        ]
        datasets = {"removed": list(self.removed), "added": list(self.added)}
        return {"tree": self.tree.to_dict(), "datasets": datasets, "mappings": mappings}


def diff_taxonomies(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> TaxonomyDiff:
    """Compare two trees with all the mappings in their folders.

    Args:
        old: A shipped name, a folder, or a ``tree.yaml``.
        new: Another.

    Raises:
        TaxonomyError: A file is missing or wrong (with its line).
    """
    tree = TreeDiff(Taxonomy.load(old), Taxonomy.load(new))
    before, now = LabelMapping.available(tree.old), LabelMapping.available(tree.new)
    mappings = [
        tree.mapping(LabelMapping.load(tree.old, before[name]), LabelMapping.load(tree.new, now[name]))
        for name in now
        if name in before
    ]
    removed = tuple(name for name in before if name not in now)
    return TaxonomyDiff(tree, tuple(mappings), removed, tuple(name for name in now if name not in before))
