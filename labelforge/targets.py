"""Compiles a tree and the label tables of several datasets to what each label asks of every classifier.

One table serves a whole training run. Its rows are the label rows of all datasets, one dataset after the other, so a
row has a *local* number in its dataset's label maps and a *global* one here (:meth:`TargetTable.global_rows`). Its
columns are the logits of all classifiers, as :class:`labelforge.logits.LogitLayout` places them.

A classifier's columns are groups of children (:mod:`labelforge.taught`). Where a label asks something of the classifier
(:mod:`labelforge.questions`), the groups that it includes are *allowed*, and the loss is ``logsumexp(all columns) -
logsumexp(allowed columns)``; a label that allows all of them, or one that the classifier does not know, is *silent*.

Flat baselines are tables too, with a single classifier; boxes count as pixels there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, counted, did_you_mean
from labelforge.files import json_digest
from labelforge.label_rows import BoolArray, IntArray, LabelRows, leaf_sets
from labelforge.logits import Head, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.questions import ask_tree
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse

SILENT = -1
"""In ``target``: the classifier learns nothing from the label."""
SET = -2
"""In ``target``: the label allows several columns; ``allowed`` says which."""


@dataclass(frozen=True, eq=False)
class TargetTable:
    """Targets of J classifiers with C logits together, for L label rows.

        >>> import labelforge as lf
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> datasets = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
        >>> table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in datasets])
        >>> row = table.offsets[2] + table.mappings[2].row_of[20]  # a sign of GTSDB
        >>> table.target[row]  # it trains only the classifier of the fronts
        array([-1, -1, -1, -1, 20])

    Attributes:
        layout: The classifiers and their logits.
        mappings: The label tables that it was compiled from.
        meanings: (L, leaves) bool: the leaves that a label can mean; all False where it is ignored.
        allowed: (L, C) bool: columns that the label allows; all False within the slice of a silent classifier.
        target: (L, J) int64: the one allowed column of the classifier, counted within its slice, or ``SILENT`` or
            ``SET``.
        from_box: (L,) bool: the row comes from boxes, so a gate decides which of its pixels count.
        mirror: (L,) int64: the row that a row becomes in a horizontally flipped image; of the same dataset.
        dataset: (L,) int64: position of the row's dataset.
    """

    layout: LogitLayout
    mappings: tuple[LabelMapping, ...]
    meanings: BoolArray
    allowed: BoolArray
    target: IntArray
    from_box: BoolArray
    mirror: IntArray
    dataset: IntArray

    @classmethod
    def compile(
        cls,
        tree: Taxonomy,
        mappings: Sequence[LabelMapping],
        boxes: BoxUse | None = None,
        head: Head = "hierarchical",
        layout: LogitLayout | None = None,
        lone_boxes: bool = False,
    ) -> TargetTable:
        """Compile the labels of a run.

        Args:
            tree: The tree.
            mappings: Label tables of the datasets, all in this tree.
            boxes: Which classifiers a box label trains; never the root's. ``own``: only the one that chooses the
                label's own class (as the method's authors did); ``path``: every one on the path down to it. Default:
                what the tree says (``tree.boxes``). Flat heads treat box labels as pixel labels. ``drop``: none, of
                any head.
            head: Kind of head that will be trained.
            layout: Where its logits are; default: the classifiers that these labels teach, and no other.
            lone_boxes: Whether a box label also trains a classifier of which its dataset says nothing else: there it
                could teach nothing but to say yes.

        Raises:
            ConfigError: There is no such head, or the labels tell nothing apart.
        """
        layout = layout or LogitLayout.compile(tree, mappings, head, boxes, lone_boxes)
        rows = LabelRows.of(tree, mappings, boxes)
        if layout.flat:
            allowed = _allowed_classes(layout, rows.meanings, exactly=head == "flat-union")
        else:
            asked = ask_tree(tree, rows, boxes or tree.boxes, lone_boxes=lone_boxes)
            allowed = _allowed_columns(layout, asked)
        return cls(
            layout=layout,
            mappings=tuple(mappings),
            meanings=rows.meanings,
            allowed=allowed,
            target=_targets(allowed, layout.slices),
            from_box=np.zeros_like(rows.from_box) if layout.flat else rows.from_box,
            mirror=rows.mirror,
            dataset=rows.dataset,
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


def _allowed_columns(layout: LogitLayout, asked: BoolArray) -> BoolArray:
    """(L, C) bool: the columns of the layout that rows allow, from the children of the whole tree that they allow."""
    tree = layout.taxonomy
    of_node = {classifier.node.index: classifier for classifier in tree.classifiers}
    allowed = np.zeros((len(asked), layout.num_logits), np.bool_)
    for node, columns in zip(layout.nodes, layout.slices, strict=True):
        classifier = of_node[node]
        children = asked[:, classifier.slice]
        known = np.zeros(len(classifier.children), np.bool_)
        for column in range(columns.start, columns.stop):
            members = [layout.covers[column].issuperset(child.leaves) for child in classifier.children]
            allowed[:, column] = children[:, members].any(1)
            known |= members
        # A flipped row can include a child that no label names: what it would ask is not known here.
        silent = allowed[:, columns].all(1) | children[:, ~known].any(1)
        allowed[silent, columns] = False
    return allowed


def _allowed_classes(layout: LogitLayout, meanings: BoolArray, *, exactly: bool) -> BoolArray:
    """(L, C) bool: the classes of a flat head that rows allow.

    Args:
        layout: The classes.
        meanings: (L, leaves) bool.
        exactly: Only the class that means the same; else all that share a leaf with the row.
    """
    classes = leaf_sets(layout.classes, layout.taxonomy)
    if exactly:
        return np.array((meanings[:, None] == classes[None]).all(2))
    allowed: BoolArray = np.array((meanings[:, None] & classes[None]).any(2))
    silent = allowed.all(1) | (meanings & ~classes.any(0)).any(1)
    allowed[silent] = False
    return allowed


def _targets(allowed: BoolArray, slices: Sequence[slice]) -> IntArray:
    target = np.full((len(allowed), len(slices)), SILENT, np.int64)
    for j, columns in enumerate(slices):
        part = allowed[:, columns]
        count = part.sum(1)
        target[:, j] = np.where(count == 1, part.argmax(1) if part.shape[1] else 0, np.where(count > 1, SET, SILENT))
    return target
