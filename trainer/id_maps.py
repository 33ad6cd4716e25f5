"""What a predicted id map says: from final classes to ids, names and colours, in the tree's terms or a dataset's.

Ids of the tree are its class ids; a final class that is no node with an id (the flat-union baseline has such:
"driveable, but not parking") gets the next free one. Ids of a label space are the dataset's own; where none of its
labels contains the decided class, the map holds :attr:`IdLegend.none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.palette import Color, distinct_color
from labelforge.targets import TargetTable
from labelforge.taxonomy import Node, Taxonomy
from labelforge.trainer.checkpoint import Checkpoint

__all__ = ["IdEntry", "IdLegend", "legend_for"]

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
        id_of: (O,) uint8 or uint16: value of each final class of the network.
        color_of: (O, 3) uint8: colour of each final class; black where no native label fits.
    """

    label_space: str
    entries: tuple[IdEntry, ...]
    none: int
    id_of: npt.NDArray[np.unsignedinteger]
    color_of: npt.NDArray[np.uint8]


def legend_for(checkpoint: Checkpoint, label_space: str = "tree") -> IdLegend:
    """The legend of a checkpoint's predictions.

    Args:
        checkpoint: The checkpoint.
        label_space: ``tree``, a dataset of the training, or one that the shipped tree of the same name maps.

    Raises:
        ConfigError: The checkpoint does not know the label space.
    """
    if label_space == "tree":
        entries = _tree_entries(checkpoint.table)
        return _legend(label_space, dict(enumerate(entries)), len(entries))
    mapping = _find_mapping(checkpoint, label_space)
    by_row = _native_entries(mapping)
    rows = checkpoint.table_for(mapping).native_rows(0).tolist()
    # A native id below zero cannot stand in an image file.
    fitting = {outcome: by_row[row] for outcome, row in enumerate(rows) if row and by_row[row].id >= 0}
    return _legend(label_space, fitting, len(rows))


def _legend(label_space: str, by_outcome: Mapping[int, IdEntry], outcomes: int) -> IdLegend:
    highest = max((entry.id for entry in by_outcome.values()), default=0)
    none = 255 if highest < 255 else 65535
    id_of: npt.NDArray[np.unsignedinteger] = np.full(outcomes, none, np.uint8 if none == 255 else np.uint16)
    color_of = np.full((outcomes, 3), _NO_COLOR, np.uint8)
    for outcome, entry in by_outcome.items():
        id_of[outcome] = entry.id
        color_of[outcome] = entry.color
    entries = tuple(sorted(set(by_outcome.values()), key=lambda entry: entry.id))
    return IdLegend(label_space, entries, none, id_of, color_of)


def _tree_entries(table: TargetTable) -> list[IdEntry]:
    tree = table.taxonomy
    taken = {node.color for node in tree.nodes}
    free = max((node.class_id for node in tree.classes if node.class_id is not None), default=-1) + 1
    entries = []
    for leaves, name in zip(table.outcomes, table.outcome_names, strict=True):
        node = _node_of(tree, leaves)
        if node is not None and node.class_id is not None:
            entries.append(IdEntry(node.class_id, node.path, node.color))
        else:
            entries.append(IdEntry(free, name, distinct_color(free, taken) if node is None else node.color))
            free += 1
    return entries


def _node_of(tree: Taxonomy, leaves: frozenset[int]) -> Node | None:
    """The node with exactly these leaves; of several (only children) one with a class id."""
    found = [node for node in tree.nodes if frozenset(node.leaves) == leaves]
    return max(found, key=lambda node: (node.class_id is not None, node.depth), default=None)


def _find_mapping(checkpoint: Checkpoint, label_space: str) -> LabelMapping:
    known = {mapping.dataset: mapping for mapping in checkpoint.mappings}
    if label_space in known:
        return known[label_space]
    tree = checkpoint.taxonomy
    names = {"tree", *known}
    if tree.name in Taxonomy.shipped():
        shipped = Taxonomy.load(tree.name)
        if shipped.digest == tree.digest:
            names |= set(LabelMapping.available(shipped))
            if label_space in names:
                return LabelMapping.load(shipped, label_space)
    raise ConfigError(
        f"the checkpoint knows no label space {label_space!r}",
        where=checkpoint.folder,
        cure=did_you_mean(label_space, names),
    )


def _native_entries(mapping: LabelMapping) -> dict[int, IdEntry]:
    """Entry of every row that has a native id, in the dataset's own colours where they are published."""
    try:
        colors = {label.id: label.color for label in LabelSpace.load(mapping.dataset).labels}
    except TaxonomyError:
        colors = {}
    entries = {}
    for row in mapping.rows:
        if row.native_id is not None:
            color = colors.get(row.native_id) or distinct_color(row.row)
            entries[row.row] = IdEntry(row.native_id, row.native_name, color)
    return entries
