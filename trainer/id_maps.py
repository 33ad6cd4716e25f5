"""What a predicted id map means: from classes to ids, names and colours, in the tree's terms or a dataset's.

Ids of the tree are those of :mod:`labelforge.answers`: leaves, inner nodes and groups have numbers of their own. Ids of
a label space are the dataset's own; where none of its labels contains the decided class, the map holds the dataset's
own void id (:attr:`IdLegend.void`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelforge.answers import answer_ids, node_of
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.palette import Color, distinct_color
from labelforge.trainer.readout import readable_rows

TREE = "tree"
"""Given instead of a label space: the tree's own class ids."""

_NO_COLOR = (0, 0, 0)


@dataclass(frozen=True)
class IdEntry:
    """One value of an id map.

    Attributes:
        id: The value.
        name: What it means.
        color: Its colour in overlays.
    """

    id: int
    name: str
    color: Color


@dataclass(frozen=True)
class IdLegend:
    """The values of an id map.

    Attributes:
        label_space: ``tree``, or the name of the dataset's label space.
        entries: The values that an answer of the network has, by id.
        void: Value where no native label fits: the dataset's own, or where it has none, one that is no entry's (255;
            65535 in 16 bit maps).
        id_of: (A,) uint8 or uint16: value of each answer: the K classes of the network and the J nodes where a descent
            can stop, or by :meth:`of_rows` the rows of a label table.
        color_of: (A, 3) uint8: colour of each answer; black where no native label fits.
        fits: (A,) bool: whether some native label fits the answer.
    """

    label_space: str
    entries: tuple[IdEntry, ...]
    void: int
    id_of: npt.NDArray[np.unsignedinteger]
    color_of: npt.NDArray[np.uint8]
    fits: npt.NDArray[np.bool_]

    @classmethod
    def of_tree(cls, layout: LogitLayout) -> IdLegend:
        """The tree's own ids, of all that the network can answer."""
        return cls._make(TREE, dict(enumerate(_tree_entries(layout))), len(layout.answers), None)

    @classmethod
    def of_labels(
        cls, layout: LogitLayout, mapping: LabelMapping, colors: Mapping[int, Color], void: int | None = None
    ) -> IdLegend:
        """The native ids of a dataset, for what the network decides.

        Args:
            layout: The network's classes.
            mapping: Label table of the dataset, in the same tree.
            colors: Published colours by native id; a label without one gets a colour of the palette.
            void: The dataset's own void id, if it has one.
        """
        return cls._native(layout.answer_rows(mapping).tolist(), mapping, colors, void)

    @classmethod
    def of_rows(
        cls, layout: LogitLayout, mapping: LabelMapping, colors: Mapping[int, Color], void: int | None = None
    ) -> IdLegend:
        """The same for rows of the dataset's label table, as ``--by sum`` finds them."""
        readable = readable_rows(layout, mapping)
        return cls._native([row.row if row.row in readable else 0 for row in mapping.rows], mapping, colors, void)

    @classmethod
    def _native(
        cls, rows: Sequence[int], mapping: LabelMapping, colors: Mapping[int, Color], void: int | None
    ) -> IdLegend:
        fitting = {}
        for number, row in enumerate(rows):
            label = mapping.rows[row]
            # An image file cannot hold a native id below zero.
            if row and label.native_id is not None and label.native_id >= 0:
                color = colors.get(label.native_id) or distinct_color(row)
                fitting[number] = IdEntry(label.native_id, label.native_name, color)
        return cls._make(mapping.dataset, fitting, len(rows), void)

    @classmethod
    def _make(cls, label_space: str, by_answer: Mapping[int, IdEntry], answers: int, void: int | None) -> IdLegend:
        highest = max((entry.id for entry in by_answer.values()), default=0)
        if void is None:
            void = 255 if highest < 255 else 65535
        id_of: npt.NDArray[np.unsignedinteger] = np.full(
            answers, void, np.uint8 if max(highest, void) < 256 else np.uint16
        )
        color_of = np.full((answers, 3), _NO_COLOR, np.uint8)
        fits = np.zeros(answers, np.bool_)
        for number, entry in by_answer.items():
            id_of[number], color_of[number], fits[number] = entry.id, entry.color, True
        entries = tuple(sorted(set(by_answer.values()), key=lambda entry: entry.id))
        return cls(label_space, entries, void, id_of, color_of, fits)


def _tree_entries(layout: LogitLayout) -> list[IdEntry]:
    tree = layout.taxonomy
    taken = {node.color for node in tree.nodes}
    ids = answer_ids(tree, layout.answers)
    entries = []
    for number, leaves, name in zip(ids, layout.answers, layout.answer_names, strict=True):
        node = node_of(tree, leaves)
        entries.append(IdEntry(number, name, distinct_color(number, taken) if node is None else node.color))
    return entries
