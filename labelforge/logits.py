"""The layout of a network's logits, and what its decisions mean.

The logits of all classifiers are side by side in one vector of C columns. A :class:`LogitLayout` says which columns
belong to which classifier, how the classifiers are connected, and in which *classes* a decision can end. It follows
from the tree and the kind of head alone (for ``flat-union`` also from the labels), so it is all that is needed to use a
trained network; :class:`labelforge.targets.TargetTable` adds what each label asks of the classifiers in training.

:meth:`LogitLayout.native_rows` and :meth:`LogitLayout.credited_rows` translate a class into a dataset's own labels; the
dataset need not be one that was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, counted, did_you_mean
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

Head = Literal["hierarchical", "flat-union", "flat-marginal"]
"""hierarchical: one classifier per inner node. flat-union: one softmax over every distinct meaning that a label names,
inner nodes beside their own descendants. flat-marginal: one softmax over the leaves; coarse labels are sums."""

HEADS: tuple[Head, ...] = get_args(Head)
"""All kinds of heads."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LogitLayout:
    """J classifiers over C logits, and the K classes that their decisions end in.

        >>> import labelforge as lf
        >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
        >>> layout.names, layout.sizes, len(layout.classes)
        (('scene', 'driveable', 'rider', 'traffic sign', 'traffic sign/front'), (53, 10, 3, 2, 43), 107)

    Attributes:
        taxonomy: The tree.
        slices: Columns of each classifier; together they tile ``range(C)`` in order.
        names: Path of the node that owns each classifier; ``flat`` for a flat head's.
        parent: Per classifier, the one that leads to it, -1 for the root's; a parent comes before its children.
        branch: Per classifier, which of the parent's children leads to it, -1 for the root's.
        class_of: (C,) int64: class that a child stands for, -1 where it owns a classifier itself.
        classes: Leaf numbers of each class.
        class_names: Their names.
    """

    taxonomy: Taxonomy
    slices: tuple[slice, ...]
    names: tuple[str, ...]
    parent: tuple[int, ...]
    branch: tuple[int, ...]
    class_of: IntArray
    classes: tuple[frozenset[int], ...]
    class_names: tuple[str, ...]

    @classmethod
    def compile(cls, tree: Taxonomy, mappings: Sequence[LabelMapping] = (), head: Head = "hierarchical") -> LogitLayout:
        """Lay out the logits of a head.

        Args:
            tree: The tree.
            mappings: Label tables of the datasets; only ``flat-union`` asks what their labels mean.
            head: Kind of head.

        Raises:
            ConfigError: There is no such head.
        """
        if head not in HEADS:
            raise ConfigError(f"unknown head {head!r}", cure=did_you_mean(head, HEADS))
        if head == "hierarchical":
            return cls._of_tree(tree)
        if head == "flat-union":
            texts: dict[frozenset[int], str] = {}
            for mapping in mappings:
                for row in mapping.rows:
                    if not row.target.ignored:
                        texts.setdefault(row.target.leaves, row.target.text)
            return cls._flat(tree, tuple(texts), tuple(texts.values()))
        return cls._flat(tree, *_leaf_classes(tree))

    @classmethod
    def _of_tree(cls, tree: Taxonomy) -> LogitLayout:
        class_of = np.full(tree.num_logits, -1, np.int64)
        for classifier in tree.classifiers:
            for column, child in enumerate(classifier.children, classifier.slice.start):
                if child.is_leaf:
                    class_of[column] = child.leaves.start
        classes, class_names = _leaf_classes(tree)
        return cls(
            taxonomy=tree,
            slices=tuple(c.slice for c in tree.classifiers),
            names=tuple(c.node.path for c in tree.classifiers),
            parent=tuple(-1 if c.parent is None else c.parent for c in tree.classifiers),
            branch=tuple(-1 if c.branch is None else c.branch for c in tree.classifiers),
            class_of=class_of,
            classes=classes,
            class_names=class_names,
        )

    @classmethod
    def _flat(cls, tree: Taxonomy, classes: tuple[frozenset[int], ...], names: tuple[str, ...]) -> LogitLayout:
        return cls(
            taxonomy=tree,
            slices=(slice(0, len(classes)),),
            names=("flat",),
            parent=(-1,),
            branch=(-1,),
            class_of=np.arange(len(classes), dtype=np.int64),
            classes=classes,
            class_names=names,
        )

    def __repr__(self) -> str:
        counts = ((self.num_classifiers, "classifier"), (self.num_logits, "logit"))
        parts = [counted(number, noun) for number, noun in counts]
        return f"<LogitLayout {self.taxonomy.name}: {', '.join(parts)}, {len(self.classes)} classes>"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Children per classifier."""
        return tuple(columns.stop - columns.start for columns in self.slices)

    @property
    def num_classifiers(self) -> int:
        """J."""
        return len(self.slices)

    @property
    def num_logits(self) -> int:
        """C."""
        return len(self.class_of)

    def ancestors(self, classifier: int) -> tuple[tuple[int, int], ...]:
        """The path up from a classifier: pairs (classifier above, its child that leads here), nearest first."""
        way = []
        while self.parent[classifier] >= 0:
            way.append((self.parent[classifier], self.branch[classifier]))
            classifier = self.parent[classifier]
        return tuple(way)

    def native_rows(self, mapping: LabelMapping) -> IntArray:
        """The native label that each class is written as: the most specific one whose meaning contains it.

        Args:
            mapping: Label table of any dataset in this tree.

        Returns:
            (K,) int64: row of the dataset's table; 0 where no native label contains the class.
        """
        rows = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
        rows.sort(key=lambda row: len(row.target.leaves))
        found = np.zeros(len(self.classes), np.int64)
        for i, leaves in enumerate(self.classes):
            found[i] = next((row.row for row in rows if leaves <= row.target.leaves), 0)
        return found

    def credited_rows(self, mapping: LabelMapping) -> IntArray:
        """The native label that each class counts as, given the true one.

        A decision is right for every native label whose meaning contains it, so where it fits the true row it counts as
        that row. Otherwise it counts as what :meth:`native_rows` says.

        Args:
            mapping: Label table of any dataset in this tree.

        Returns:
            (R, K) int64: true row x class -> row; 0 where no native label contains the class.
        """
        credited = np.tile(self.native_rows(mapping), (len(mapping.rows), 1))
        for row in mapping.rows:
            fits = [leaves <= row.target.leaves for leaves in self.classes]
            credited[row.row, fits] = row.row
        return credited


def _leaf_classes(tree: Taxonomy) -> tuple[tuple[frozenset[int], ...], tuple[str, ...]]:
    return tuple(frozenset({i}) for i in range(len(tree.leaves))), tuple(leaf.path for leaf in tree.leaves)
