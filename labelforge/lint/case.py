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
from labelforge.treefile import Boxes


@dataclass(frozen=True, eq=False)
class Case:
    """A tree and its mappings, ready to be checked.

    Attributes:
        tree: The tree.
        mappings: The label tables.
        boxes: Which classifiers box labels train.
        table: The targets that the label tables compile to.
        supervision: Who teaches what.
        learnable: How far a network learns the tree from them; None where they tell nothing apart.
        chosen: Whether the datasets are a choice among those that the tree is made for, so that what they leave out is
            no fault of the tree.
    """

    tree: Taxonomy
    mappings: tuple[LabelMapping, ...]
    boxes: Boxes
    table: TargetTable
    supervision: SupervisionTable
    learnable: Learnable | None
    chosen: bool

    @classmethod
    def of(cls, tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: Boxes, *, chosen: bool = False) -> Case:
        """Compile the targets of some label tables in one tree."""
        table = TargetTable.compile(tree, mappings, boxes, layout=LogitLayout.compile(tree))
        try:
            learnable = Learnable.of(tree, mappings, boxes)
        except ConfigError:
            learnable = None
        return cls(tree, tuple(mappings), boxes, table, SupervisionTable.of(table), learnable, chosen)

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
