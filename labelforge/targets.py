"""The compiler: from a tree and the label tables of several datasets to the targets of every classifier.

One table serves a whole training run. Its rows are the label rows of all datasets, one dataset after the other; a
label map of a dataset becomes global rows by adding the dataset's offset, and the targets of all classifiers are then
a look-up. Its columns are the classes of all classifiers, side by side as in the network's logits.

What a label asks of a classifier (METHOD: labels as sets of nodes; here, equivalently, sets of leaves): if the label
reaches outside the classifier's node, or meets every child, the classifier is *silent* on it. Otherwise the children
that the label meets are *allowed*, and the loss is ``logsumexp(all children) - logsumexp(allowed children)``.

Flat baselines are tables too, with a single classifier: :meth:`TargetTable.flat_union` and
:meth:`TargetTable.flat_marginal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import Boxes

__all__ = ["SET", "SILENT", "TargetTable"]

SILENT = -1
"""In ``target``: the classifier learns nothing from the label."""
SET = -2
"""In ``target``: the label allows several children; which, says ``allowed``."""

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TargetTable:
    """Targets of J classifiers with C classes together, for L label rows.

    Attributes:
        taxonomy: The tree.
        datasets: Names of the label spaces.
        offsets: First row of each dataset; its row 0, "no annotation".
        labels: (L, K) bool, K leaves: the leaves that a label can mean; all False where it is ignored.
        allowed: (L, C) bool: children that the label allows; all False within the slice of a silent classifier.
        target: (L, J) int64: the one allowed child of the classifier, or ``SILENT`` or ``SET``.
        weak: (L,) bool: the row comes from boxes, so its pixels are gated.
        mirror: (L,) int64: the row that a row becomes in a horizontally flipped image.
        parent: (J,) int64: classifier that leads to this one, -1 for the root's.
        branch: (J,) int64: which of the parent's children leads here, -1 for the root's.
        slices: Columns of each classifier.
        names: Path of the node of each classifier.
        leads_to: (C,) int64: classifier that a child owns, -1 where it owns none.
        outcome: (C,) int64: final class that the child stands for, -1 where it owns a classifier.
        outcomes: Leaf set of each of the O final classes.
        outcome_names: Their names.
        mappings: The label tables that it was compiled from.
    """

    taxonomy: Taxonomy
    datasets: tuple[str, ...]
    offsets: tuple[int, ...]
    labels: BoolArray
    allowed: BoolArray
    target: IntArray
    weak: BoolArray
    mirror: IntArray
    parent: IntArray
    branch: IntArray
    slices: tuple[slice, ...]
    names: tuple[str, ...]
    leads_to: IntArray
    outcome: IntArray
    outcomes: tuple[frozenset[int], ...]
    outcome_names: tuple[str, ...]
    mappings: tuple[LabelMapping, ...]

    @classmethod
    def compile(cls, tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: Boxes | None = None) -> TargetTable:
        """The hierarchical table: one classifier per inner node.

        Args:
            tree: The tree.
            mappings: Label tables of the datasets, all in this tree.
            boxes: Which classifiers a box label trains; never the root's. ``own``: only the one that chooses the
                label's own class (the method's authors); ``path``: every one on the way down to it. Default: what
                the tree says (``tree.boxes``).
        """
        rows = _Rows.of(tree, mappings)
        slices = tuple(c.slice for c in tree.classifiers)
        allowed = np.zeros((len(rows.labels), tree.num_logits), np.bool_)
        for classifier in tree.classifiers:
            below = classifier.node.leaves
            inside = rows.labels[:, below.start : below.stop]
            starts = [child.leaves.start - below.start for child in classifier.children]
            meets = np.logical_or.reduceat(inside, starts, axis=1)
            reaches_out = rows.labels.sum(1) > inside.sum(1)
            silent = reaches_out | meets.all(1)
            allowed[:, classifier.slice] = meets & ~silent[:, None]
        _limit_boxes(allowed, rows, slices, boxes or tree.boxes)
        leads_to = np.full(tree.num_logits, -1, np.int64)
        outcome = np.full(tree.num_logits, -1, np.int64)
        for classifier in tree.classifiers:
            if classifier.parent is not None and classifier.branch is not None:
                leads_to[slices[classifier.parent].start + classifier.branch] = classifier.index
            for column, child in enumerate(classifier.children, classifier.slice.start):
                if child.is_leaf:
                    outcome[column] = child.leaves.start
        return cls(
            **rows.fields(),
            allowed=allowed,
            target=_targets(allowed, slices),
            weak=rows.weak,
            parent=np.array([-1 if c.parent is None else c.parent for c in tree.classifiers], np.int64),
            branch=np.array([-1 if c.branch is None else c.branch for c in tree.classifiers], np.int64),
            slices=slices,
            names=tuple(c.node.path for c in tree.classifiers),
            leads_to=leads_to,
            outcome=outcome,
            outcomes=tuple(frozenset({i}) for i in range(len(tree.leaves))),
            outcome_names=tuple(leaf.path for leaf in tree.leaves),
        )

    @classmethod
    def flat_marginal(cls, tree: Taxonomy, mappings: Sequence[LabelMapping]) -> TargetTable:
        """The flat table over the leaves: coarse labels and unions are sets; boxes count as pixels."""
        rows = _Rows.of(tree, mappings)
        allowed = rows.labels & ~rows.labels.all(1, keepdims=True)
        outcomes = [frozenset({i}) for i in range(len(tree.leaves))]
        return cls._flat(rows, allowed, outcomes, [leaf.path for leaf in tree.leaves])

    @classmethod
    def flat_union(cls, tree: Taxonomy, mappings: Sequence[LabelMapping]) -> TargetTable:
        """The flat table over all distinct meanings that any dataset names; boxes count as pixels.

        Inner nodes stand beside their own descendants as rivals: the conflict that the hierarchical classifiers solve.
        """
        rows = _Rows.of(tree, mappings)
        number: dict[frozenset[int], int] = {}
        names: list[str] = []
        for mapping in mappings:
            for row in mapping.rows:
                if not row.target.ignored and number.setdefault(row.target.leaves, len(number)) == len(names):
                    names.append(row.target.text)
        allowed = np.zeros((len(rows.labels), len(number)), np.bool_)
        for i, label in enumerate(rows.labels):
            column = number.get(frozenset(np.flatnonzero(label).tolist()))
            if column is not None and len(number) > 1:
                allowed[i, column] = True
        return cls._flat(rows, allowed, list(number), names)

    @classmethod
    def _flat(
        cls, rows: _Rows, allowed: BoolArray, outcomes: Sequence[frozenset[int]], names: Sequence[str]
    ) -> TargetTable:
        width = allowed.shape[1]
        return cls(
            **rows.fields(),
            allowed=allowed,
            target=_targets(allowed, (slice(0, width),)),
            weak=np.zeros(len(allowed), np.bool_),
            parent=np.full(1, -1, np.int64),
            branch=np.full(1, -1, np.int64),
            slices=(slice(0, width),),
            names=("flat",),
            leads_to=np.full(width, -1, np.int64),
            outcome=np.arange(width, dtype=np.int64),
            outcomes=tuple(outcomes),
            outcome_names=tuple(names),
        )

    def credited_rows(self, dataset: int) -> IntArray:
        """(R, O) int64: the local row that a decision counts as, given the true row; 0 where no native label fits.

        A decision is right for every native label whose meaning contains it, so it is credited to the true row where it
        fits that. Otherwise it counts as the most specific native label that contains it (:meth:`native_rows`).

        Args:
            dataset: Position in ``datasets``.
        """
        native = self.native_rows(dataset)
        rows = self.mappings[dataset].rows
        credited = np.tile(native, (len(rows), 1))
        for row in rows:
            fits = [o <= row.target.leaves for o in self.outcomes]
            credited[row.row, fits] = row.row
        return credited

    def native_rows(self, dataset: int) -> IntArray:
        """(O,) int64: local row of the most specific native label that contains a final class; 0 where none does.

        Args:
            dataset: Position in ``datasets``.
        """
        rows = [r for r in self.mappings[dataset].rows if r.native_id is not None and not r.target.ignored]
        rows.sort(key=lambda r: len(r.target.leaves))
        found = np.zeros(len(self.outcomes), np.int64)
        for i, outcome in enumerate(self.outcomes):
            found[i] = next((r.row for r in rows if outcome <= r.target.leaves), 0)
        return found


@dataclass
class _Rows:
    """What all kinds of tables have in common: the rows, without any classifier."""

    tree: Taxonomy
    mappings: tuple[LabelMapping, ...]
    offsets: tuple[int, ...]
    labels: BoolArray
    weak: BoolArray
    mirror: IntArray

    @classmethod
    def of(cls, tree: Taxonomy, mappings: Sequence[LabelMapping]) -> _Rows:
        sets: list[frozenset[int]] = []
        weak: list[bool] = []
        mirror: list[int] = []
        offsets = []
        for mapping in mappings:
            offsets.append(len(sets))
            sets.extend(row.target.leaves for row in mapping.rows)
            weak.extend(row.supervision == "box" for row in mapping.rows)
        number: dict[tuple[frozenset[int], bool], int] = {}
        for i, key in enumerate(zip(sets, weak, strict=True)):
            number.setdefault(key, i)
        position = 0
        while position < len(sets):  # grows by the rows that only flipped images have
            flipped = _mirrored(tree, sets[position])
            if flipped == sets[position]:
                mirror.append(position)
            else:
                key = (flipped, weak[position])
                if number.setdefault(key, len(sets)) == len(sets):
                    sets.append(flipped)
                    weak.append(weak[position])
                mirror.append(number[key])
            position += 1
        labels = np.zeros((len(sets), len(tree.leaves)), np.bool_)
        for i, leaves in enumerate(sets):
            labels[i, list(leaves)] = True
        return cls(tree, tuple(mappings), tuple(offsets), labels, np.array(weak, np.bool_), np.array(mirror, np.int64))

    def fields(self) -> dict[str, Any]:
        """The attributes of a table that do not depend on its classifiers."""
        return {
            "taxonomy": self.tree,
            "datasets": tuple(m.dataset for m in self.mappings),
            "offsets": self.offsets,
            "labels": self.labels,
            "mirror": self.mirror,
            "mappings": self.mappings,
        }


def _mirrored(tree: Taxonomy, leaves: frozenset[int]) -> frozenset[int]:
    """What a flipped image of a label shows. A leaf that has no mirror image is then only known as its parent."""
    flipped: set[int] = set()
    for leaf in leaves:
        node = tree.leaves[leaf]
        if node.mirror is None:
            flipped.add(leaf)
        elif node.mirror >= 0:
            flipped.add(tree.nodes[node.mirror].leaves.start)
        elif node.parent is not None:
            flipped.update(tree.nodes[node.parent].leaves)
    return frozenset(flipped)


def _targets(allowed: BoolArray, slices: Sequence[slice]) -> IntArray:
    target = np.full((len(allowed), len(slices)), SILENT, np.int64)
    for j, columns in enumerate(slices):
        part = allowed[:, columns]
        count = part.sum(1)
        target[:, j] = np.where(count == 1, part.argmax(1) if part.shape[1] else 0, np.where(count > 1, SET, SILENT))
    return target


def _limit_boxes(allowed: BoolArray, rows: _Rows, slices: Sequence[slice], boxes: Boxes) -> None:
    """Silence, in place, on rows that come from boxes: the root, and with ``own`` all but the deepest classifier.

    A row that exists only in flipped images teaches no classifier that the rows it comes from do not.
    """
    originals = sum(len(m.rows) for m in rows.mappings)
    heard = np.logical_or.reduceat(allowed, [columns.start for columns in slices], axis=1)
    for row in np.flatnonzero(rows.weak):
        active = np.flatnonzero(heard[row]).tolist()
        # The active classifiers of one label lie on one path, and depth-first order follows it downwards.
        kept = set(active[-1:] if boxes == "own" else active) - {0}
        if row >= originals:
            sources = np.flatnonzero(rows.mirror[:originals] == row)
            kept &= set(np.flatnonzero(heard[sources].any(0)).tolist())
        for j in set(active) - kept:
            allowed[row, slices[j]] = heard[row, j] = False
