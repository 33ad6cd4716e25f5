"""What all rules check: the tree, the mappings, the compiled table, and how messages name nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, listed
from labelforge.learnable import Learnable
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.supervision import Signal, SupervisionTable
from labelforge.targets import TargetTable
from labelforge.taxonomy import Classifier, Node, Taxonomy
from labelforge.treefile import BoxUse


@dataclass(frozen=True, eq=False)
class Case:
    """A tree and its mappings, ready to be checked.

    Attributes:
        tree: The tree.
        mappings: The label tables.
        boxes: Which classifiers box labels train.
        lone_boxes: Whether also those of which their dataset says nothing else.
        table: The targets that the label tables compile to.
        left_out: (labels, logits) bool: children that box labels would allow where they are all that their dataset
            says, and that are therefore not taught.
        supervision: Who teaches what.
        learnable: How far a network learns the tree from them; None where they tell nothing apart.
        chosen: Whether the datasets are a choice among those that the tree is made for, so that what they leave out is
            no fault of the tree.
    """

    tree: Taxonomy
    mappings: tuple[LabelMapping, ...]
    boxes: BoxUse
    lone_boxes: bool
    table: TargetTable
    left_out: NDArray[np.bool_]
    supervision: SupervisionTable
    learnable: Learnable | None
    chosen: bool

    @classmethod
    def of(
        cls,
        tree: Taxonomy,
        mappings: Sequence[LabelMapping],
        boxes: BoxUse,
        *,
        lone_boxes: bool = False,
        chosen: bool = False,
    ) -> Case:
        """Compile the targets of some label tables in one tree."""
        whole = LogitLayout.compile(tree)
        table = TargetTable.compile(tree, mappings, boxes, layout=whole, lone_boxes=lone_boxes)
        every = table if lone_boxes else TargetTable.compile(tree, mappings, boxes, layout=whole, lone_boxes=True)
        left_out = every.allowed & ~table.allowed
        try:
            learnable = Learnable.of(tree, mappings, boxes, lone_boxes=lone_boxes)
        except ConfigError:
            learnable = None
        taught = SupervisionTable.of(table)
        return cls(tree, tuple(mappings), boxes, lone_boxes, table, left_out, taught, learnable, chosen)

    @property
    def choices(self) -> list[Classifier]:
        """The classifiers that have more than one child to choose from."""
        return [classifier for classifier in self.tree.classifiers if len(classifier.children) > 1]

    def allowed(self, dataset: int | None = None) -> NDArray[np.bool_]:
        """(labels, logits) bool: the children that each label allows, classifier by classifier.

        Args:
            dataset: Position of the dataset whose labels to return; default: the labels of all datasets.
        """
        if dataset is None:
            return self.table.allowed[: sum(len(mapping.rows) for mapping in self.mappings)]
        return self.table.allowed[self.table.rows_of(dataset)]

    def left_out_of(self, dataset: int) -> NDArray[np.bool_]:
        """(labels, logits) bool: ``left_out`` of the labels of one dataset, by its position."""
        return self.left_out[self.table.rows_of(dataset)]

    def children_with(self, classifier: Classifier, signal: Signal) -> list[Node]:
        """The children of a classifier whose best signal is this one."""
        return [child for child in classifier.children if self.supervision.best(child.index) == signal]

    def is_asked(self, classifier: Classifier) -> bool:
        """Whether a network trained on these labels carries a classifier."""
        return self.learnable is not None and classifier.node.index in self.learnable.table.layout.nodes

    def name(self, node: Node) -> str:
        """The shortest text that means a node, quoted."""
        return repr(self.tree.references.shortest(node.index))

    def names(self, nodes: Sequence[Node]) -> str:
        """Several nodes, the first few by name."""
        return listed([self.name(node) for node in nodes])
