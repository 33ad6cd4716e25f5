"""Hypothesis strategies for trees and mappings, built as text so that the readers are tested too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.taxonomy import Node, Taxonomy
from labelforge.treefile import BoxUse


@dataclass
class World:
    """A random tree, and a random mapping of random labels into it."""

    tree: Taxonomy
    mapping: LabelMapping
    expressions: list[Any]


def _children(draw: st.DrawFn, depth: int, counter: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(draw(st.integers(2 if depth == 0 else 1, 4))):
        counter[0] += 1
        name = f"n{counter[0]}"
        inner = depth < 3 and draw(st.integers(0, 3)) == 0
        found[name] = _children(draw, depth + 1, counter) if inner else None
    return found


@st.composite
def trees(draw: st.DrawFn) -> Taxonomy:
    """A tree up to four levels deep, some of its leaves with mirror facts."""
    nested = {"root": _children(draw, 0, [0])}
    tree = Taxonomy.parse(yaml.safe_dump({"name": "random", "tree": nested}, sort_keys=False))
    facts: dict[str, Any] = {}
    for leaf in tree.leaves:
        choice = draw(st.integers(0, 5))
        if choice == 0:
            facts[leaf.name] = {"mirror": "none"}
        elif choice == 1:
            facts[leaf.name] = {"mirror": draw(st.sampled_from(tree.leaves)).name}
    boxes = draw(st.sampled_from(["own", "path"]))
    definition = {"name": "random", "boxes": boxes, "tree": nested, "nodes": facts}
    return Taxonomy.parse(yaml.safe_dump(definition, sort_keys=False))


@st.composite
def worlds(draw: st.DrawFn, supervision: str | None = None) -> World:
    """A tree and a mapping of up to eight labels."""
    tree = draw(trees())
    kind = supervision or draw(st.sampled_from(["pixel", "box"]))
    names = st.sampled_from([n.name for n in tree.nodes])
    expressions: list[Any] = []
    for _ in range(draw(st.integers(1, 8))):
        form = draw(st.integers(0, 3))
        if form == 0:
            expressions.append("ignore")
        elif form == 1:
            expressions.append(draw(names))
        else:
            chosen = draw(st.lists(names, min_size=1, max_size=3, unique=True))
            taken = draw(st.lists(names, min_size=0, max_size=2, unique=True)) if form == 3 else []
            union = {leaf for n in chosen for leaf in tree.node(n).leaves}
            minus = {leaf for n in taken for leaf in tree.node(n).leaves}
            if taken and union & minus and union - minus:
                expressions.append({"any": chosen, "except": taken})
            else:
                expressions.append({"any": chosen})
    space = LabelSpace("random", "made up", tuple(NativeLabel(i * 3 - 1, f"l{i}") for i in range(len(expressions))))
    records = [
        {"row": 0, "native_id": None, "native_name": "(none)", "target": "ignore", "supervision": kind},
        *(
            {"row": i + 1, "native_id": label.id, "native_name": label.name, "target": e, "supervision": kind}
            for i, (label, e) in enumerate(zip(space.labels, expressions, strict=True))
        ),
    ]
    return World(tree, LabelMapping.from_records(tree, "random", records), expressions)


def whole_table(
    tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: BoxUse | None = None, *, lone_boxes: bool = True
) -> TargetTable:
    """Targets for every classifier of a tree, whether the labels teach it or not, and whether boxes are all it has."""
    return TargetTable.compile(tree, mappings, boxes, layout=LogitLayout.compile(tree), lone_boxes=lone_boxes)


def leaf_names(tree: Taxonomy, node: Node) -> set[str]:
    """Names of the leaves at or below a node, by walking down."""
    if not node.children:
        return {node.name}
    return set().union(*(leaf_names(tree, tree.nodes[c]) for c in node.children))


def meaning(tree: Taxonomy, expression: Any) -> set[str]:
    """Leaf names that an expression means."""
    if expression == "ignore":
        return set()
    if isinstance(expression, str):
        return leaf_names(tree, tree.node(expression))
    union = set().union(*(leaf_names(tree, tree.node(n)) for n in expression["any"]))
    return union - set().union(*(leaf_names(tree, tree.node(n)) for n in expression.get("except", [])), set())
