"""How far some labels teach a tree: which of its leaves a network can learn to name, and from what.

It is read from the compiled targets, so it is what a network trained on these labels carries and answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelforge.errors import listed
from labelforge.label_rows import LabelRows
from labelforge.mapping import LabelMapping
from labelforge.shares import counts_for
from labelforge.targets import TargetTable
from labelforge.taught import told_apart
from labelforge.taxonomy import Node, Taxonomy
from labelforge.treefile import BoxUse


@dataclass(frozen=True, eq=False)
class Learnable:
    """What some labels teach.

    Attributes:
        table: Their targets.
        from_pixels: Leaves that are answers of their own and learnt from pixels (and maybe boxes too).
        from_boxes: Leaves that are answers of their own and learnt from boxes alone.
        in_groups: Leaves that are only answered together with others: as an inner node or a group.
        never: Leaves that no answer holds.
        unreached: Nodes whose children labels tell apart, though no decision arrives there.
    """

    table: TargetTable
    from_pixels: tuple[Node, ...]
    from_boxes: tuple[Node, ...]
    in_groups: tuple[Node, ...]
    never: tuple[Node, ...]
    unreached: tuple[Node, ...]

    @classmethod
    def of(
        cls,
        tree: Taxonomy,
        mappings: Sequence[LabelMapping],
        boxes: BoxUse | None = None,
        *,
        lone_boxes: bool = False,
    ) -> Learnable:
        """Compile what label tables teach a network with a hierarchical head.

        Args:
            tree: The tree.
            mappings: Label tables in it.
            boxes: Which classifiers box labels train; default: what the tree says.
            lone_boxes: Whether also those of which their dataset says nothing else.

        Raises:
            ConfigError: The labels tell nothing apart.
        """
        table = TargetTable.compile(tree, mappings, boxes, lone_boxes=lone_boxes)
        return cls.of_table(table, boxes, lone_boxes=lone_boxes)

    @classmethod
    def of_table(cls, table: TargetTable, boxes: BoxUse | None = None, *, lone_boxes: bool = False) -> Learnable:
        """Read it from compiled targets, of any head.

        Args:
            table: The targets.
            boxes: Which classifiers box labels train, as given when they were compiled.
            lone_boxes: Whether also those of which their dataset says nothing else, as given then.
        """
        layout, tree = table.layout, table.layout.taxonomy
        rows = LabelRows.of(tree, table.mappings, boxes)
        strong = ~rows.from_box
        strong[rows.originals :] = False
        pixels = np.flatnonzero(table.allowed[strong].any(axis=0)).tolist()
        kinds: dict[int, str] = {}
        for column in np.argsort([-len(covers) for covers in layout.covers], kind="stable"):  # the most exact last
            k = int(layout.class_of[column])
            if k >= 0:
                exact = "from_pixels" if column in pixels else "from_boxes"
                leaves = layout.classes[k]
                kinds |= dict.fromkeys(leaves, "in_groups" if len(leaves) > 1 else exact)
        found: dict[str, list[Node]] = {name: [] for name in ("from_pixels", "from_boxes", "in_groups", "never")}
        for number, leaf in enumerate(tree.leaves):
            found[kinds.get(number, "never")].append(leaf)
        apart = () if layout.flat else told_apart(tree, rows, boxes or tree.boxes, lone_boxes=lone_boxes)
        unreached = tuple(node for node in apart if node.index not in layout.nodes)
        return cls(table, **{name: tuple(leaves) for name, leaves in found.items()}, unreached=unreached)

    def silent_datasets(self) -> tuple[str, ...]:
        """Datasets whose labels teach this network nothing."""
        table = self.table
        return tuple(dataset for i, dataset in enumerate(table.datasets) if not table.allowed[table.rows_of(i)].any())

    def unanswerable(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Per dataset that teaches something, the labels that no answer is read as: the network never predicts them.

        No answer lies within them, and in a dataset of pixels, which is read by sums, none counts for them either.
        """
        found, silent = [], self.silent_datasets()
        for mapping in self.table.mappings:
            if mapping.dataset in silent:
                continue
            used = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
            classes = self.table.layout.classes
            meanings = [row.target.leaves for row in used]
            read = {i for i, meaning in enumerate(meanings) if any(leaves <= meaning for leaves in classes)}
            if mapping.supervision == "pixel":
                read |= {i for leaves in classes for i in counts_for(meanings, leaves)}
            names = [row.native_name for i, row in enumerate(used) if i not in read]
            if names:
                found.append((mapping.dataset, tuple(names)))
        return tuple(found)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The whole in a few sentences."""
        layout = self.table.layout
        tree = layout.taxonomy
        counts = (
            (self.from_pixels, "from pixels"),
            (self.from_boxes, "from boxes"),
            (self.in_groups, "only as part of a larger answer"),
            (self.never, "not at all"),
        )
        owners = len(tree.classifiers)
        what = f"{layout.num_classifiers} of {owners} classifiers" if owners > 1 else "1 classifier"
        what = "one flat classifier" if layout.flat else what
        parts = [f"{len(leaves)} {how}" for leaves, how in counts if leaves]
        found = [
            f"{what} with {layout.num_logits} choices and {len(layout.classes)} answers.",
            f"Of the {len(tree.leaves)} classes of {tree.name}, {', '.join(parts)}.",
        ]
        below = {node.index for node in self.unreached}
        for node in self.unreached:
            if not any(above.index in below for above in tree.ancestors(node)):  # what is said of a node, holds below
                found.append(_not_arrived(tree, node))
        for dataset, names in self.unanswerable():
            shown = listed(map(repr, names))
            found.append(f"Never predicted, since no answer lies within what it means: {shown} of {dataset}.")
        found += [f"Nothing that {dataset} labels teaches this network." for dataset in self.silent_datasets()]
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        layout = self.table.layout
        classifiers = []
        for name, columns in zip(layout.names, layout.slices, strict=True):
            choices = []
            for column in range(columns.start, columns.stop):
                k = int(layout.class_of[column])
                choices.append(
                    {"choice": layout.column_names[column], "answer": layout.class_names[k] if k >= 0 else None}
                )
            classifiers.append({"classifier": name, "choices": choices})
        names = ("from_pixels", "from_boxes", "in_groups", "never", "unreached")
        return {
            "classifiers": classifiers,
            **{name: [node.path for node in getattr(self, name)] for name in names},
            "unanswerable": {dataset: list(names) for dataset, names in self.unanswerable()},
            "silent_datasets": list(self.silent_datasets()),
        }


def _not_arrived(tree: Taxonomy, node: Node) -> str:
    """Why nothing that labels say about a node's inside is used, and what would change that."""
    assert node.parent is not None, "a decision starts at the root"
    name, above = (tree.references.shortest(index) for index in (node.index, node.parent))
    cure = f"Add a dataset that does, or map to {name!r} what others call {above!r}."
    why = f"no label tells it from the rest of {above!r}"
    return f"What labels say about the inside of {name!r} is not used: {why}. {cure}"
