"""Compiles a tree and the label tables of several datasets to what each label asks of every classifier.

One table serves a whole training run. Its rows are the label rows of all datasets, one dataset after the other, so a
row has a *local* number in its dataset's label maps and a *global* one here (:meth:`TargetTable.global_rows`). Its
columns are the logits of all classifiers, as :class:`labelforge.logits.LogitLayout` places them.

What a label asks of a classifier (METHOD: labels as sets of nodes; here, equivalently, sets of leaves): if the label
reaches outside the classifier's node, or includes a part of every child, the classifier is *silent* on it. Otherwise
the children that the label includes are *allowed*, and the loss is ``logsumexp(all children) - logsumexp(allowed
children)``.

Flat baselines are tables too, with a single classifier; boxes count as pixels there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, counted, did_you_mean
from labelforge.files import json_digest
from labelforge.logits import Head, IntArray, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import Boxes

SILENT = -1
"""In ``target``: the classifier learns nothing from the label."""
SET = -2
"""In ``target``: the label allows several children; ``allowed`` says which."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TargetTable:
    """Targets of J classifiers with C logits together, for L label rows.

        >>> import labelforge as lf
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, "gtsdb")])
        >>> table.target[table.mappings[0].row_of[20]]  # a sign trains only the classifier of the fronts
        array([-1, -1, -1, -1, 20])

    Attributes:
        layout: The classifiers and their logits.
        mappings: The label tables that it was compiled from.
        meanings: (L, leaves) bool: the leaves that a label can mean; all False where it is ignored.
        allowed: (L, C) bool: children that the label allows; all False within the slice of a silent classifier.
        target: (L, J) int64: the one allowed child of the classifier, or ``SILENT`` or ``SET``.
        from_box: (L,) bool: the row comes from boxes, so a gate decides which of its pixels count.
        mirror: (L,) int64: the row that a row becomes in a horizontally flipped image.
    """

    layout: LogitLayout
    mappings: tuple[LabelMapping, ...]
    meanings: BoolArray
    allowed: BoolArray
    target: IntArray
    from_box: BoolArray
    mirror: IntArray

    @classmethod
    def compile(
        cls,
        tree: Taxonomy,
        mappings: Sequence[LabelMapping],
        boxes: Boxes | None = None,
        head: Head = "hierarchical",
    ) -> TargetTable:
        """Compile the labels of a run.

        Args:
            tree: The tree.
            mappings: Label tables of the datasets, all in this tree.
            boxes: Which classifiers a box label trains; never the root's. ``own``: only the one that chooses the
                label's own class (as the method's authors did); ``path``: every one on the path down to it. Default:
                what the tree says (``tree.boxes``). Flat heads treat box labels as pixel labels.
            head: Kind of head that will be trained.
        """
        layout = LogitLayout.compile(tree, mappings, head)
        rows = _Rows.of(tree, mappings)
        allowed = _ALLOWED[head](layout, rows.meanings)
        if head == "hierarchical":
            _limit_boxes(allowed, rows, layout.slices, boxes or tree.boxes)
        return cls(
            layout=layout,
            mappings=tuple(mappings),
            meanings=rows.meanings,
            allowed=allowed,
            target=_targets(allowed, layout.slices),
            from_box=rows.from_box if head == "hierarchical" else np.zeros_like(rows.from_box),
            mirror=rows.mirror,
        )

    def __repr__(self) -> str:
        rows = f"{counted(len(self.target), 'row')} of {counted(len(self.mappings), 'dataset')}"
        logits = f"{counted(self.layout.num_classifiers, 'classifier')}, {counted(self.layout.num_logits, 'logit')}"
        return f"<TargetTable {self.layout.taxonomy.name}: {rows}, {logits}>"

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the label spaces."""
        return tuple(mapping.dataset for mapping in self.mappings)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First global row of each dataset: its row 0, "no annotation"."""
        ends = np.cumsum([0, *(len(mapping.rows) for mapping in self.mappings)])
        return tuple(ends[:-1].tolist())

    @cached_property
    def numbering(self) -> str:
        """Hex SHA-256 of what decides which label each row number means: the tree, and the label tables in order."""
        return json_digest([self.layout.taxonomy.digest, [mapping.digest for mapping in self.mappings]])

    def rows_of(self, dataset: int) -> slice:
        """The rows of one dataset, without those that only occur in flipped images.

        Args:
            dataset: Position in ``datasets``.
        """
        return slice(self.offsets[dataset], self.offsets[dataset] + len(self.mappings[dataset].rows))

    def global_rows(self, dataset: str, rows: NDArray[np.integer]) -> IntArray:
        """Rows of this table for the rows that a dataset's label maps hold.

        Args:
            dataset: Name of the label space.
            rows: Rows of the dataset's own table, of any shape and integer dtype.

        Returns:
            int64 of the same shape.

        Raises:
            ConfigError: The table has no such dataset, or the dataset no such row.
        """
        if dataset not in self.datasets:
            raise ConfigError(f"no dataset {dataset!r} in this table", cure=did_you_mean(dataset, self.datasets))
        place = self.rows_of(self.datasets.index(dataset))
        count = place.stop - place.start
        if not np.issubdtype(rows.dtype, np.integer):
            raise ConfigError(
                f"rows are whole numbers, not {rows.dtype}", cure="Give label maps as a reader returns them."
            )
        if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < count:
            raise ConfigError(
                f"{dataset} has {count} rows, and rows {int(rows.min())} to {int(rows.max())} were given",
                cure="Give the rows of the dataset's own label maps, as a reader returns them.",
            )
        found: IntArray = rows.astype(np.int64) + place.start
        return found


@dataclass
class _Rows:
    """What does not depend on the classifiers: the rows of all datasets, and what they become in flipped images."""

    originals: int
    meanings: BoolArray
    from_box: BoolArray
    mirror: IntArray

    @classmethod
    def of(cls, tree: Taxonomy, mappings: Sequence[LabelMapping]) -> _Rows:
        every = [row for mapping in mappings for row in mapping.rows]
        sets = [row.target.leaves for row in every]
        from_box = [row.supervision == "box" for row in every]
        mirror: list[int] = []
        number: dict[tuple[frozenset[int], bool], int] = {}
        for i, key in enumerate(zip(sets, from_box, strict=True)):
            number.setdefault(key, i)
        position = 0
        while position < len(sets):  # grows by the rows that only flipped images have
            flipped = _mirrored(tree, sets[position])
            if flipped == sets[position]:
                mirror.append(position)
            else:
                key = (flipped, from_box[position])
                if number.setdefault(key, len(sets)) == len(sets):
                    sets.append(flipped)
                    from_box.append(from_box[position])
                mirror.append(number[key])
            position += 1
        meanings = np.zeros((len(sets), len(tree.leaves)), np.bool_)
        for i, leaves in enumerate(sets):
            meanings[i, list(leaves)] = True
        return cls(len(every), meanings, np.array(from_box, np.bool_), np.array(mirror, np.int64))


def _mirrored(tree: Taxonomy, leaves: frozenset[int]) -> frozenset[int]:
    """What a flipped image of a label shows. A leaf without a mirror image becomes its parent."""
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


def _allowed_in_tree(layout: LogitLayout, meanings: BoolArray) -> BoolArray:
    allowed = np.zeros((len(meanings), layout.num_logits), np.bool_)
    for classifier in layout.taxonomy.classifiers:
        below = classifier.node.leaves
        inside = meanings[:, below.start : below.stop]
        starts = [child.leaves.start - below.start for child in classifier.children]
        included = np.logical_or.reduceat(inside, starts, axis=1)
        reaches_out = meanings.sum(1) > inside.sum(1)
        silent = reaches_out | included.all(1)
        allowed[:, classifier.slice] = included & ~silent[:, None]
    return allowed


def _allowed_leaves(_: LogitLayout, meanings: BoolArray) -> BoolArray:
    """Coarse labels and unions are sets of leaves; a label that means all of them teaches nothing."""
    allowed: BoolArray = meanings & ~meanings.all(1, keepdims=True)
    return allowed


def _allowed_in_union(layout: LogitLayout, meanings: BoolArray) -> BoolArray:
    """Each label is its own class: inner nodes are rivals of their own descendants."""
    allowed = np.zeros((len(meanings), layout.num_logits), np.bool_)
    column_of = {leaves: column for column, leaves in enumerate(layout.classes)}
    for i, meaning in enumerate(meanings):
        column = column_of.get(frozenset(np.flatnonzero(meaning).tolist()))
        if column is not None and layout.num_logits > 1:
            allowed[i, column] = True
    return allowed


_ALLOWED: dict[Head, Callable[[LogitLayout, BoolArray], BoolArray]] = {
    "hierarchical": _allowed_in_tree,
    "flat-union": _allowed_in_union,
    "flat-marginal": _allowed_leaves,
}


def _limit_boxes(allowed: BoolArray, rows: _Rows, slices: Sequence[slice], boxes: Boxes) -> None:
    """On rows from boxes, make silent, in place, the root and, with ``own``, all but the deepest classifier.

    A row that exists only in flipped images teaches no classifier that the rows it comes from do not teach.
    """
    taught = np.logical_or.reduceat(allowed, [columns.start for columns in slices], axis=1)
    for row in np.flatnonzero(rows.from_box):
        active = np.flatnonzero(taught[row]).tolist()
        # The active classifiers of one label lie on one path, and depth-first order follows it downwards.
        kept = set(active[-1:] if boxes == "own" else active) - {0}
        if row >= rows.originals:
            sources = np.flatnonzero(rows.mirror[: rows.originals] == row)
            kept &= set(np.flatnonzero(taught[sources].any(0)).tolist())
        for j in set(active) - kept:
            allowed[row, slices[j]] = taught[row, j] = False


def _targets(allowed: BoolArray, slices: Sequence[slice]) -> IntArray:
    target = np.full((len(allowed), len(slices)), SILENT, np.int64)
    for j, columns in enumerate(slices):
        part = allowed[:, columns]
        count = part.sum(1)
        target[:, j] = np.where(count == 1, part.argmax(1) if part.shape[1] else 0, np.where(count > 1, SET, SILENT))
    return target
