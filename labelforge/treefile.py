"""Reads ``tree.yaml``: from YAML to a checked list of nodes; errors name the line.

The file has the keys ``name``, ``tree`` (nesting is the tree; a list holds leaves) and, optionally, ``nodes`` (facts
about nodes) and ``boxes`` (which classifiers a box label trains). This module knows the file;
:mod:`labelforge.taxonomy` is the tree itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from labelforge.palette import distinct_color
from labelforge.references import References
from labelforge.yamlfile import KeyPath, YamlFile

MAX_CHILDREN = 256
"""A classifier has at most this many classes: a child index fits one byte."""

Shape = Literal["rectangle", "circle", "triangle up", "triangle down", "diamond", "octagon"]
SHAPES: tuple[str, ...] = get_args(Shape)
"""Shapes that a box can be filled with."""

Boxes = Literal["own", "path"]
"""Classifiers that a box label trains: the one that chooses its own class, or all on its path below the root."""

BoxUse = Literal["own", "path", "drop"]
"""The same as a run may want it, which can also do without box labels."""

RESERVED_NAMES = ("ignore", "any", "except", "none")
"""Words of the label expressions; no node can have such a name."""

Channel = Annotated[int, Field(ge=0, le=255)]


class NodeFacts(BaseModel):
    """Optional facts about one node."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[int, Field(ge=0, le=65534)] | None = Field(
        None, description="Class id in exported label maps; default: the position among the leaves."
    )
    color: Annotated[tuple[Channel, Channel, Channel] | None, Field(strict=False)] = Field(
        None, description="RGB, three numbers from 0 to 255."
    )
    shape: Shape | None = Field(None, description="Shape that a bounding box of this class is filled with.")
    mirror: str | None = Field(
        None, description="The leaf that a horizontally flipped image of this one shows; 'none': no class of the tree."
    )
    box_only: bool = Field(False, description="Learning this node and all below it from boxes alone is intended.")


class TreeFile(BaseModel):
    """The top level of ``tree.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(min_length=1, description="The tree's name.")
    tree: dict[str, Any] = Field(
        description="One key, the root; below it, a mapping holds nodes with children, and a list holds leaves."
    )
    boxes: Boxes = Field(
        "own",
        description="Classifiers that a box label trains, never the root's: 'own', only the one that chooses its own "
        "class; 'path', every one on the path down to it, needed for families of classes that only boxes tell apart.",
    )
    nodes: dict[str, Any] = Field(default_factory=dict, description="Optional facts about nodes, by name or path.")


@dataclass
class RawNode:
    """A node while the tree is being read.

    Attributes:
        path: Names from the root to the node.
        at: Key path in the file, for messages.
        parent: Index of the parent; None for the root.
        children: Indices of the children.
        facts: What ``nodes:`` says about it, with defaults filled in.
        facts_at: Key path of those facts; None if there are none.
        mirror: Index of the mirror partner, -1 for no class of the tree, None for itself.
    """

    path: tuple[str, ...]
    at: KeyPath
    parent: int | None
    children: list[int] = field(default_factory=list)
    facts: NodeFacts = field(default_factory=NodeFacts)
    facts_at: KeyPath | None = None
    mirror: int | None = None

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.path[-1]


def read_tree(file: YamlFile) -> tuple[TreeFile, list[RawNode]]:
    """Check a tree file and return its top level and its nodes, depth first.

    Raises:
        TaxonomyError: The first fault, with file and line.
    """
    top = file.validate(TreeFile)
    if len(top.tree) != 1:
        names = ", ".join(repr(n) for n in top.tree) or "nothing"
        file.fail(("tree",), f"a tree has one root, found {names}", "Put everything below one name.")
    (root, below), *_ = top.tree.items()
    if not below:
        file.fail(("tree", root), f"the root {root!r} has no children", "List what it is divided into.")
    nodes: list[RawNode] = []
    _grow(file, nodes, RawNode((root,), ("tree", root), None), below)
    _attach_facts(file, nodes, References([n.path for n in nodes]))
    _fill_ids(file, nodes)
    _fill_colors(nodes)
    return top, nodes


def _grow(file: YamlFile, nodes: list[RawNode], node: RawNode, below: Any) -> None:
    """Append a node and, depth first, everything below it."""
    _check_name(file, node)
    index = len(nodes)
    nodes.append(node)
    if node.parent is not None:
        nodes[node.parent].children.append(index)
    if below is None:
        return
    _check_children(file, node, below)
    items = list(below.items()) if isinstance(below, dict) else [(name, None) for name in below]
    for i, (name, grandchildren) in enumerate(items):
        at = (*node.at, name if isinstance(below, dict) else i)
        _grow(file, nodes, RawNode((*node.path, name), at, index), grandchildren)


def _check_children(file: YamlFile, node: RawNode, below: Any) -> None:
    name = node.name
    if not isinstance(below, dict | list):
        file.fail(node.at, f"the children of {name!r} must be a mapping or a list", f"Write '{name}: [{below}]'.")
    if not below:
        file.fail(node.at, f"the inner node {name!r} has no children", f"Write '{name}:' for a leaf.")
    if len(below) > MAX_CHILDREN:
        what = f"{name!r} has {len(below)} children; at most {MAX_CHILDREN} fit"
        file.fail(node.at, what, "Group some of them under inner nodes.")
    seen: set[str] = set()
    for i, child in enumerate(below if isinstance(below, list) else ()):
        if not isinstance(child, str):
            what = f"a list below {name!r} holds leaf names, not {child!r}"
            file.fail((*node.at, i), what, "Quote a number; nest with 'name: [...]' lines instead of a list.")
        if child in seen:
            file.fail((*node.at, i), f"the node {child!r} is repeated under {name!r}", "Keep one of the two.")
        seen.add(child)


def _check_name(file: YamlFile, node: RawNode) -> None:
    name = node.name
    if not name or name != name.strip() or "/" in name or not name.isprintable():
        cure = "A name must be printable, without '/' and without spaces at its ends."
        file.fail(node.at, f"{name!r} cannot be a node's name", cure)
    if name in RESERVED_NAMES:
        what = f"{name!r} is a reserved word of label expressions and cannot be a node's name"
        file.fail(node.at, what, "Choose another name.")


def _attach_facts(file: YamlFile, nodes: list[RawNode], references: References) -> None:
    """Read ``nodes:``; afterwards every node has facts, and mirror partners are indices."""

    def find(reference: str, at: KeyPath) -> RawNode:
        found = references.find(reference)
        if len(found) != 1:
            file.fail(at, *references.explain(reference))
        return nodes[found[0]]

    index = {id(node): i for i, node in enumerate(nodes)}
    for reference in file.data.get("nodes") or {}:
        at: KeyPath = ("nodes", reference)
        node = find(reference, at)
        if node.facts_at is not None:
            file.fail(at, f"the node {'/'.join(node.path)!r} has facts twice", "Put them under one key.")
        node.facts, node.facts_at = file.validate(NodeFacts, at), at
        if node.facts.mirror is None:
            continue
        if node.children:
            what = f"{reference!r} is an inner node; only leaves have a mirror"
            file.fail((*at, "mirror"), what, "Give the leaves below it a mirror each.")
        partner = None if node.facts.mirror == "none" else find(node.facts.mirror, (*at, "mirror"))
        if partner is not None and partner.children:
            what = f"the mirror of a leaf is a leaf, and {node.facts.mirror!r} is an inner node"
            file.fail((*at, "mirror"), what, "Name a leaf, or 'none'.")
        node.mirror = -1 if partner is None else index[id(partner)]


def _fill_ids(file: YamlFile, nodes: list[RawNode]) -> None:
    """Leaves without an id take their position among the leaves; ids are unique."""
    owner: dict[int, RawNode] = {}
    leaf_number = 0
    for node in nodes:
        if not node.children:
            if node.facts.id is None:
                node.facts = node.facts.model_copy(update={"id": leaf_number})
            leaf_number += 1
        if node.facts.id is None:
            continue
        other = owner.setdefault(node.facts.id, node)
        if other is not node:
            both = f"{'/'.join(other.path)!r} and {'/'.join(node.path)!r}"
            cure = "Give one of them another id under 'nodes' (a leaf without one takes its position among the leaves)."
            at = node.facts_at or other.facts_at or node.at
            file.fail(at, f"the class id {node.facts.id} is used twice, by {both}", cure)


def _fill_colors(nodes: list[RawNode]) -> None:
    taken = {node.facts.color for node in nodes if node.facts.color is not None}
    for i, node in enumerate(nodes):
        if node.facts.color is None:
            color = distinct_color(i, taken)
            taken.add(color)
            node.facts = node.facts.model_copy(update={"color": color})
