"""Who teaches what: the signal that every dataset gives to every child of every classifier.

It is read from the compiled target table, so it is what training does by construction. A dataset gives a child

    strong    from pixels: some pixel label means this child and no other of the classifier,
    weak      from boxes: some box label does (its pixels count only where the network agrees, see the loss's gate),
    partial   only labels that mean several children include it,
    nothing   no label of the dataset that the classifier can use includes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse


class Signal(IntEnum):
    """What a dataset tells a classifier about one of its children; more is better."""

    NOTHING = 0
    PARTIAL = 1
    FROM_BOX = 2
    FROM_PIXELS = 3

    @property
    def word(self) -> str:
        """The name in JSON."""
        return ("nothing", "partial", "weak", "strong")[self]


SIGNAL_STYLES = {Signal.FROM_PIXELS: "green", Signal.FROM_BOX: "cyan", Signal.PARTIAL: "yellow", Signal.NOTHING: "dim"}
"""How a terminal colours the signals."""


def dataset_letters(number: int) -> str:
    """What a narrow column calls the dataset at a position from 0: a, b, ..., z, aa, ab, ..."""
    letter = chr(ord("a") + number % 26)
    return letter if number < 26 else dataset_letters(number // 26 - 1) + letter


@dataclass(frozen=True, eq=False)
class SupervisionTable:
    """The signal of D datasets to the C children of all classifiers.

    Attributes:
        tree: The tree.
        datasets: Names of the label spaces.
        signals: (D, C) uint8, values of :class:`Signal`; columns as in the target table.
    """

    tree: Taxonomy
    datasets: tuple[str, ...]
    signals: NDArray[np.uint8]

    @classmethod
    def of_labels(
        cls, tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: BoxUse | None = None
    ) -> SupervisionTable:
        """Compile the targets of some label tables for the whole tree, and read the signals from them.

        Args:
            tree: The tree.
            mappings: Label tables in it.
            boxes: Which classifiers box labels train; default: what the tree says.
        """
        return cls.of(TargetTable.compile(tree, mappings, boxes, layout=LogitLayout.compile(tree)))

    @classmethod
    def of(cls, table: TargetTable) -> SupervisionTable:
        """Read the signals from the targets of every classifier of the tree."""
        assert table.layout.num_logits == table.layout.taxonomy.num_logits, "some classifiers are not carried"
        signals = np.zeros((len(table.datasets), table.layout.taxonomy.num_logits), np.uint8)
        for dataset in range(len(table.datasets)):
            rows = table.rows_of(dataset)
            box = table.from_box[rows]
            for columns in table.layout.slices:
                allowed = table.allowed[rows, columns]
                alone = allowed.sum(1) == 1
                signals[dataset, columns] = np.select(
                    [(allowed & pick[:, None]).any(0) for pick in (alone & ~box, alone & box)] + [allowed.any(0)],
                    [Signal.FROM_PIXELS, Signal.FROM_BOX, Signal.PARTIAL],
                    Signal.NOTHING,
                )
        return cls(table.layout.taxonomy, table.datasets, signals)

    @cached_property
    def of_node(self) -> tuple[tuple[Signal, ...], ...]:
        """Per node of the tree, what each dataset tells the classifier that chooses it; of the root, nothing."""
        found = [(Signal.NOTHING,) * len(self.datasets) for _ in self.tree.nodes]
        for classifier in self.tree.classifiers:
            for child, column in zip(classifier.children, self.signals[:, classifier.slice].T.tolist(), strict=True):
                found[child.index] = tuple(map(Signal, column))
        return tuple(found)

    def best(self, node: int) -> Signal:
        """The best signal that any dataset gives to a node, by its index."""
        return max(self.of_node[node], default=Signal.NOTHING)

    def to_list(self) -> list[dict[str, object]]:
        """The whole table as JSON-able data: per classifier its node and, per child, the datasets that teach it."""
        return [
            {
                "classifier": classifier.node.path,
                "children": {
                    child.name: {
                        dataset: signal.word
                        for dataset, signal in zip(self.datasets, self.of_node[child.index], strict=True)
                        if signal
                    }
                    for child in classifier.children
                },
            }
            for classifier in self.tree.classifiers
        ]
