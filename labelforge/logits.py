"""The layout of a network's logits, and what its decisions mean.

The logits of all classifiers are side by side in one vector of C columns. A :class:`LogitLayout` says which columns
belong to which classifier, how the classifiers are connected, and in which *classes* a decision can end. It follows
from the tree, the labels of the training and the kind of head: a network carries what the labels teach and nothing else
(:mod:`labelforge.taught`). It is all that is needed to use a trained network;
:class:`labelforge.targets.TargetTable` adds what each label asks of the classifiers in training.

:meth:`LogitLayout.native_rows` and :meth:`LogitLayout.credited_rows` translate a class into a dataset's own labels; the
dataset need not be one that was trained on.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NoReturn, get_args

import numpy as np

from labelforge.answers import cover, name_of
from labelforge.errors import ConfigError, TaxonomyError, counted, did_you_mean
from labelforge.expression import compile_expression
from labelforge.label_rows import IntArray, LabelRows
from labelforge.mapping import BOXES_ALONE, LabelMapping
from labelforge.taught import AskedClassifier, Choice, leaf_groups, taught_classifiers
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse
from labelforge.yamlfile import KeyPath

Head = Literal["hierarchical", "flat-union", "flat-marginal"]
"""hierarchical: one classifier per inner node whose children labels tell apart. flat-union: one softmax over every
distinct meaning that a label names, inner nodes beside their own descendants. flat-marginal: one softmax over the
leaves, those that no label tells apart as one; coarse labels are sums."""

HEADS: tuple[Head, ...] = get_args(Head)
"""All kinds of heads."""

FLAT = "flat"
"""Name of the only classifier of a flat head."""


@dataclass(frozen=True, eq=False)
class LogitLayout:
    """J classifiers over C logits, and the K classes that their decisions end in.

        >>> import labelforge as lf
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> layout = lf.LogitLayout.compile(tree)
        >>> layout.names, layout.sizes, len(layout.classes)
        (('scene', 'driveable', 'rider', 'traffic sign', 'traffic sign/front'), (53, 10, 3, 2, 43), 107)
        >>> cityscapes = lf.LabelMapping.load(tree, "cityscapes")
        >>> lf.LogitLayout.compile(tree, [cityscapes]).names  # what Cityscapes alone can teach
        ('scene', 'driveable')

    Attributes:
        taxonomy: The tree.
        slices: Columns of each classifier; together they tile ``range(C)`` in order.
        nodes: Index of the node that owns each classifier; the root's for a flat head.
        flat: Whether it is the layout of a flat head.
        parent: Per classifier, the one that leads to it, -1 for the first; a parent comes before its children.
        branch: Per classifier, which of the parent's columns leads to it (from 0), -1 for the first.
        covers: Per column, the leaves of the children that it stands for.
        class_of: (C,) int64: class that a column stands for, -1 where it leads to another classifier.
        classes: Leaf numbers of each class: one leaf, those of an inner node, or a group.
        boxes_alone: Per classifier, whether no label of pixels tells its choices apart, only labels of boxes do.
    """

    taxonomy: Taxonomy
    slices: tuple[slice, ...]
    nodes: tuple[int, ...]
    flat: bool
    parent: tuple[int, ...]
    branch: tuple[int, ...]
    covers: tuple[frozenset[int], ...]
    class_of: IntArray
    classes: tuple[frozenset[int], ...]
    boxes_alone: tuple[bool, ...]

    @classmethod
    def compile(
        cls,
        tree: Taxonomy,
        mappings: Sequence[LabelMapping] | None = None,
        head: Head = "hierarchical",
        boxes: BoxUse | None = None,
        lone_boxes: bool = False,
    ) -> LogitLayout:
        """Lay out the logits of a head.

        Args:
            tree: The tree.
            mappings: Label tables of the training's datasets. Default: as if the labels were the tree's leaves, so
                that every classifier is carried.
            head: Kind of head.
            boxes: Which classifiers box labels train; default: what the tree says. With ``drop``, no head has classes
                that only box labels tell apart.
            lone_boxes: Whether box labels also train classifiers of which their dataset says nothing else.

        Raises:
            ConfigError: There is no such head, or the labels tell nothing apart.
        """
        if head not in HEADS:
            raise ConfigError(f"unknown head {head!r}", cure=did_you_mean(head, HEADS))
        if mappings is None:
            leaves = [frozenset({i}) for i in range(len(tree.leaves))]
            return cls._flat(tree, leaves) if head != "hierarchical" else cls._whole(tree)
        rows = LabelRows.of(tree, mappings, boxes)
        if head == "hierarchical":
            asked = taught_classifiers(tree, rows, boxes or tree.boxes, lone_boxes=lone_boxes)
            layout = cls._of_classifiers(tree, asked)
        elif head == "flat-union":
            layout = cls._flat(tree, _distinct_meanings(rows))
        else:
            layout = cls._flat(tree, list(leaf_groups(rows.meanings[: rows.originals])))
        if layout.num_logits < 2:
            datasets = ", ".join(mapping.dataset for mapping in mappings) or "none"
            alone = bool(mappings) and all(mapping.supervision == "box" for mapping in mappings)
            raise ConfigError(
                f"the labels of these datasets ({datasets}) tell nothing apart in the tree {tree.name!r}",
                cure=BOXES_ALONE if alone else "Map some labels to different nodes, or add a dataset.",
            )
        return layout

    @classmethod
    def _whole(cls, tree: Taxonomy) -> LogitLayout:
        """Every classifier of the tree."""
        found = []
        for classifier in tree.classifiers:
            asked = AskedClassifier(
                classifier.node,
                -1 if classifier.parent is None else classifier.parent,
                -1 if classifier.branch is None else classifier.branch,
            )
            for child in classifier.children:
                leaves = frozenset(child.leaves)
                asked.choices.append(Choice(leaves, leaves if child.is_leaf else None))
            found.append(asked)
        return cls._of_classifiers(tree, found)

    @classmethod
    def _of_classifiers(cls, tree: Taxonomy, classifiers: Sequence[AskedClassifier]) -> LogitLayout:
        answers = [choice.answer for asked in classifiers for choice in asked.choices]
        # Classes in the order of their leaves, so that the classes of the whole tree are its leaves, number by number.
        classes = sorted({answer for answer in answers if answer is not None}, key=min)
        number = {answer: i for i, answer in enumerate(classes)}
        return cls(
            taxonomy=tree,
            slices=_tile([len(asked.choices) for asked in classifiers]),
            nodes=tuple(asked.node.index for asked in classifiers),
            flat=False,
            parent=tuple(asked.parent for asked in classifiers),
            branch=tuple(asked.branch for asked in classifiers),
            covers=tuple(choice.covers for asked in classifiers for choice in asked.choices),
            class_of=np.array([-1 if answer is None else number[answer] for answer in answers], np.int64),
            classes=tuple(classes),
            boxes_alone=tuple(asked.boxes_alone for asked in classifiers),
        )

    @classmethod
    def _flat(cls, tree: Taxonomy, classes: Sequence[frozenset[int]]) -> LogitLayout:
        return cls(
            taxonomy=tree,
            slices=_tile([len(classes)]),
            nodes=(0,),
            flat=True,
            parent=(-1,),
            branch=(-1,),
            covers=tuple(classes),
            class_of=np.arange(len(classes), dtype=np.int64),
            classes=tuple(classes),
            boxes_alone=(False,),
        )

    def __repr__(self) -> str:
        counts = ((self.num_classifiers, "classifier"), (self.num_logits, "logit"))
        parts = [counted(number, noun) for number, noun in counts]
        return f"<LogitLayout {self.taxonomy.name}: {', '.join(parts)}, {len(self.classes)} classes>"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Path of the node that owns each classifier; ``flat`` for a flat head's."""
        return (FLAT,) if self.flat else tuple(self.taxonomy.nodes[node].path for node in self.nodes)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes: the path of a node, or a label expression for a group."""
        return tuple(name_of(self.taxonomy, leaves) for leaves in self.classes)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns: what each classifier chooses from."""
        return tuple(name_of(self.taxonomy, leaves) for leaves in self.covers)

    @cached_property
    def answers(self) -> tuple[frozenset[int], ...]:
        """Leaves of each possible answer: the K classes, then J nodes, where a descent can stop before a classifier."""
        return (*self.classes, *(frozenset(self.taxonomy.nodes[node].leaves) for node in self.nodes))

    @cached_property
    def answer_names(self) -> tuple[str, ...]:
        """Names of the answers: of the classes, then of the nodes that own a classifier."""
        return (*self.class_names, *(self.taxonomy.nodes[node].path for node in self.nodes))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Children per classifier."""
        return tuple(columns.stop - columns.start for columns in self.slices)

    @property
    def joins(self) -> tuple[tuple[int, int, int], ...]:
        """The classifiers that pixels teach, but the first: (classifier, its parent, which choice leads to it).

        Where only boxes tell choices apart, what they score says nothing of how likely what leads there is.
        """
        below = [j for j in range(1, self.num_classifiers) if not self.boxes_alone[j]]
        return tuple((j, self.parent[j], self.branch[j]) for j in below)

    @property
    def starts(self) -> tuple[int, ...]:
        """First column of each classifier, then C: where the slices begin, and the last one ends."""
        return (0, *(columns.stop for columns in self.slices))

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

    def owning_column(self, classifier: int) -> int:
        """The column that leads to a classifier; -1 for the first, to which none does."""
        return self.slices[self.parent[classifier]].start + self.branch[classifier] if classifier else -1

    @cached_property
    def leaf_columns(self) -> tuple[int, ...]:
        """The columns of a flat head whose classes hold no other class. Only a flat union has others."""
        outer = {i for i, leaves in enumerate(self.classes) if any(other < leaves for other in self.classes)}
        return tuple(column for column in range(self.num_logits) if int(self.class_of[column]) not in outer)

    def over_leaves(self) -> LogitLayout:
        """The layout without the classes that hold others: what is decided if only ``leaf_columns`` are read.

        >>> import labelforge as lf
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> mappings = [lf.LabelMapping.load(tree, name) for name in ("cityscapes", "gtsdb")]
        >>> layout = lf.LogitLayout.compile(tree, mappings, "flat-union")
        >>> len(layout.classes), len(layout.over_leaves().classes)  # without "traffic sign/front"
        (71, 70)
        """
        if len(self.leaf_columns) == self.num_logits:
            return self
        return self._flat(self.taxonomy, [self.classes[column] for column in self.leaf_columns])

    def native_rows(self, mapping: LabelMapping) -> IntArray:
        """The native label that each class is written as: the most specific one whose meaning contains it.

        Args:
            mapping: Label table of any dataset in this tree.

        Returns:
            (K,) int64: row of the dataset's table; 0 where no native label contains the class.
        """
        return self.answer_rows(mapping)[: len(self.classes)]

    def answer_rows(self, mapping: LabelMapping) -> IntArray:
        """As :meth:`native_rows`, for all K + J answers: (K + J,) int64."""
        rows = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
        rows.sort(key=lambda row: len(row.target.leaves))
        found = np.zeros(len(self.answers), np.int64)
        for i, leaves in enumerate(self.answers):
            found[i] = next((row.row for row in rows if leaves <= row.target.leaves), 0)
        return found

    def credited_rows(self, mapping: LabelMapping) -> IntArray:
        """The native label that each answer counts as, given the true one.

        A decision is right for every native label whose meaning contains it, so where it fits the true row it counts as
        that row. Otherwise it counts as what :meth:`native_rows` says.

        Args:
            mapping: Label table of any dataset in this tree.

        Returns:
            (R, K + J) int64: true row x answer -> row; 0 where no native label contains the answer.
        """
        credited = np.tile(self.answer_rows(mapping), (len(mapping.rows), 1))
        for row in mapping.rows:
            fits = [leaves <= row.target.leaves for leaves in self.answers]
            credited[row.row, fits] = row.row
        return credited

    def to_records(self) -> list[dict[str, Any]]:
        """The layout as JSON-able records, from which :meth:`from_records` rebuilds it."""
        records = []
        for j, columns in enumerate(self.slices):
            choices = []
            for column in range(columns.start, columns.stop):
                k = int(self.class_of[column])
                answer = None if k < 0 else self._expression(self.classes[k])
                choices.append({"covers": self._expression(self.covers[column]), "answer": answer})
            place = {"node": self._reference(self.nodes[j]), "parent": self.parent[j], "branch": self.branch[j]}
            records.append({**place, "boxes_alone": self.boxes_alone[j], "choices": choices})
        return records

    @classmethod
    def from_records(cls, tree: Taxonomy, records: Sequence[Mapping[str, Any]], *, flat: bool) -> LogitLayout:
        """Rebuild a layout.

        Args:
            tree: The tree that it was compiled for.
            records: What :meth:`to_records` returned.
            flat: Whether it is the layout of a flat head.

        Raises:
            TaxonomyError: They do not fit the tree.
        """

        def fail(at: KeyPath, what: str, cure: str | None) -> NoReturn:
            raise TaxonomyError(what, where=f"choices of {tree.name}", cure=cure)

        def leaves(expression: Any) -> frozenset[int]:
            return compile_expression(tree, expression, (), fail).leaves

        try:
            if flat:
                return cls._flat(tree, [leaves(choice["covers"]) for choice in records[0]["choices"]])
            classifiers = []
            for record in records:
                asked = AskedClassifier(tree.node(record["node"]), record["parent"], record["branch"])
                asked.boxes_alone = bool(record.get("boxes_alone", False))  # not in records of earlier versions
                for choice in record["choices"]:
                    answer = None if choice["answer"] is None else leaves(choice["answer"])
                    asked.choices.append(Choice(leaves(choice["covers"]), answer))
                classifiers.append(asked)
            _check_connected(classifiers)
        except (KeyError, IndexError, TypeError, ValueError) as fault:
            fail((), f"they are not complete ({type(fault).__name__}: {fault})", None)
        return cls._of_classifiers(tree, classifiers)

    def _expression(self, leaves: frozenset[int]) -> dict[str, list[str]]:
        return {"any": [self._reference(node.index) for node in cover(self.taxonomy, leaves)]}

    def _reference(self, node: int) -> str:
        return self.taxonomy.references.shortest(node)


def _tile(sizes: Sequence[int]) -> tuple[slice, ...]:
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(slice(a, b) for a, b in itertools.pairwise(ends))


def _check_connected(classifiers: Sequence[AskedClassifier]) -> None:
    """Refuse classifiers that are not one tree, a parent before its children.

    Raises:
        ValueError: They are not.
    """
    leading = [(asked.parent, asked.branch) for asked in classifiers]
    owning = [(j, i) for j, asked in enumerate(classifiers) for i, c in enumerate(asked.choices) if c.answer is None]
    after = all(parent < j for j, (parent, _) in enumerate(leading))
    complete = bool(classifiers) and all(asked.choices for asked in classifiers)
    if not (complete and after and sorted(leading) == [(-1, -1), *owning]):
        raise ValueError("no tree of classifiers")


def _distinct_meanings(rows: LabelRows) -> list[frozenset[int]]:
    """What the labels mean, each meaning once, in the order of the rows."""
    sets = [frozenset(np.flatnonzero(meaning).tolist()) for meaning in rows.meanings[: rows.originals]]
    return [leaves for leaves in dict.fromkeys(sets) if leaves]
