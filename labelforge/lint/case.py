"""What all rules look at: the tree, the mappings, the compiled table, and how to speak of nodes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import listed
from labelforge.lint.places import Places
from labelforge.mapping import LabelMapping
from labelforge.supervision import SupervisionTable
from labelforge.targets import TargetTable
from labelforge.taxonomy import Classifier, Node, Taxonomy

__all__ = ["Case"]


@dataclass(frozen=True, eq=False)
class Case:
    """The subject of a lint.

    Attributes:
        tree: The tree.
        mappings: The label tables.
        table: The targets that they compile to.
        supervision: Who teaches what.
        places: Where things stand in the files.
        boxes: Which classifiers box labels train: ``own`` or ``path``.
    """

    tree: Taxonomy
    mappings: tuple[LabelMapping, ...]
    table: TargetTable
    supervision: SupervisionTable
    places: Places
    boxes: str

    @property
    def choices(self) -> list[Classifier]:
        """The classifiers that have something to choose from."""
        return [classifier for classifier in self.tree.classifiers if len(classifier.children) > 1]

    def heard(self, classifier: Classifier, dataset: int | None = None) -> tuple[list[int], NDArray[np.bool_]]:
        """The labels that a classifier listens to.

        Args:
            classifier: The classifier.
            dataset: Position of a dataset; default: all of them.

        Returns:
            Their rows, local to the dataset if one is given, and (rows, children) bool: the children each allows.
        """
        if dataset is None:
            start, stop = 0, sum(len(mapping.rows) for mapping in self.mappings)
        else:
            start = self.table.offsets[dataset]
            stop = start + len(self.mappings[dataset].rows)
        allowed = self.table.allowed[start:stop, classifier.slice]
        rows = np.flatnonzero(allowed.any(1))
        return rows.tolist(), allowed[rows]

    def name(self, node: Node) -> str:
        """The shortest text that means a node, quoted."""
        return repr(self.tree.references.shortest(node.index))

    def names(self, nodes: Sequence[Node]) -> str:
        """Several nodes, the first few by name."""
        return listed([self.name(node) for node in nodes])
