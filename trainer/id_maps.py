"""What a predicted id map means: from classes to ids, names and colours, in the tree's terms or a dataset's.

Ids of the tree are those of :mod:`labelforge.answers`: leaves, inner nodes and groups have numbers of their own. Ids of
a label space are the dataset's own; where none of its labels contains the decided class, the map holds
:attr:`IdLegend.none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelforge.answers import answer_ids, node_of
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.palette import Color, distinct_color

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
        entries: The values in use, by id.
        none: Value where no native label fits; never that of an entry. 255, or 65535 in 16 bit maps.
        id_of: (K + J,) uint8 or uint16: value of each answer of the network, the classes first.
        color_of: (K + J, 3) uint8: colour of each answer; black where no native label fits.
    """

    label_space: str
    entries: tuple[IdEntry, ...]
    none: int
    id_of: npt.NDArray[np.unsignedinteger]
    color_of: npt.NDArray[np.uint8]

    @classmethod
    def of_tree(cls, layout: LogitLayout) -> IdLegend:
        """The tree's own ids, of all that the network can answer."""
        return cls._make(TREE, dict(enumerate(_tree_entries(layout))), len(layout.answers))

    @classmethod
    def of_labels(cls, layout: LogitLayout, mapping: LabelMapping, colors: Mapping[int, Color]) -> IdLegend:
        """The native ids of a dataset.

        Args:
            layout: The network's classes.
            mapping: Label table of the dataset, in the same tree.
            colors: Published colours by native id; a label without one gets a colour of the palette.
        """
        fitting = {}
        for number, row in enumerate(layout.answer_rows(mapping).tolist()):
            label = mapping.rows[row]
            # An image file cannot hold a native id below zero.
            if row and label.native_id is not None and label.native_id >= 0:
                color = colors.get(label.native_id) or distinct_color(row)
                fitting[number] = IdEntry(label.native_id, label.native_name, color)
        return cls._make(mapping.dataset, fitting, len(layout.answers))

    @classmethod
    def _make(cls, label_space: str, by_answer: Mapping[int, IdEntry], answers: int) -> IdLegend:
        highest = max((entry.id for entry in by_answer.values()), default=0)
        none = 255 if highest < 255 else 65535
        id_of: npt.NDArray[np.unsignedinteger] = np.full(answers, none, np.uint8 if none == 255 else np.uint16)
        color_of = np.full((answers, 3), _NO_COLOR, np.uint8)
        for number, entry in by_answer.items():
            id_of[number] = entry.id
            color_of[number] = entry.color
        entries = tuple(sorted(set(by_answer.values()), key=lambda entry: entry.id))
        return cls(label_space, entries, none, id_of, color_of)


def _tree_entries(layout: LogitLayout) -> list[IdEntry]:
    tree = layout.taxonomy
    taken = {node.color for node in tree.nodes}
    ids = answer_ids(tree, layout.answers)
    entries = []
    for number, leaves, name in zip(ids, layout.answers, layout.answer_names, strict=True):
        node = node_of(tree, leaves)
        entries.append(IdEntry(number, name, distinct_color(number, taken) if node is None else node.color))
    return entries
