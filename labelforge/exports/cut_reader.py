"""Reads a cut from what a user writes.

road, sidewalk, vehicle/car      nodes of the tree, one class each
road, car | van                  with several nodes in one class
leaves                           every leaf is a class
depth=2                          the nodes at that depth, and the leaves above it
classes.txt                      a file with a class on every line, written likewise (after # comes a comment)
classes.yaml                     a list of the same, or names of classes and what they are (a label expression or a
                                 list of nodes): {flat: [road, sidewalk], car: car}
cityscapes                       all labels of a label space that are not ignored, with their native ids
cityscapes:evaluated             the classes of its benchmark, numbered from 0 as there
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean, listed
from labelforge.exports.cut import Cut, Draft
from labelforge.expression import compile_expression
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.taxonomy import Node, Taxonomy
from labelforge.yamlfile import YamlFile

_DEPTH: Final = re.compile(r"depth\s*=\s*([0-9]{1,9})")
_EVALUATED: Final = ":evaluated"
FORMS: Final = "Write nodes ('road, car | van'), leaves, depth=2, a file with a node per line, or a label space."
"""What a cut may be, for messages."""


@dataclass(frozen=True)
class Space:
    """A label space as a tree maps it, and how its benchmark scores."""

    mapping: LabelMapping
    protocol: Protocol | None


def read_cut(text: str, tree: Taxonomy, stored: Mapping[str, Space]) -> Cut:
    """The cut that a text means in a tree.

    Args:
        text: The text.
        tree: The tree.
        stored: The label spaces of the shards that are exported, by name. Those that the shipped tree maps are known
            besides, if it is this one.

    Raises:
        ConfigError: It means nothing in this tree, or two of its classes overlap.
        TaxonomyError: A node in a file is unknown (with its line).
    """
    asked = text.strip()
    depth = _DEPTH.fullmatch(asked)
    if asked == "leaves":
        return _of_nodes(asked, tree, ([leaf] for leaf in tree.leaves))
    if depth:
        return _of_nodes(asked, tree, ([node] for node in nodes_at_depth(tree, int(depth[1]))))
    if Path(asked).suffix in (".yaml", ".yml", ".txt"):
        return _of_file(Path(asked), tree)
    where = f"classes {asked!r}"
    if re.match(r"depth\s*=", asked):
        cure = "Write depth=2 for the nodes two levels below the root."
        raise ConfigError("a depth is a number of levels, from 0", where=where, cure=cure)
    names = [name.strip() for name in asked.split(",")]
    if len(names) == 1 and "|" not in asked and not tree.references.find(asked):
        return _of_space(asked, tree, stored)
    return _of_nodes(asked, tree, [_nodes(name, tree, where) for name in names])


def nodes_at_depth(tree: Taxonomy, depth: int) -> list[Node]:
    """The nodes at a depth (the root has 0), and the leaves above it: together they are all leaves."""
    return [node for node in tree.nodes if node.depth == depth or (node.is_leaf and node.depth < depth)]


def _of_nodes(text: str, tree: Taxonomy, classes: Iterable[Sequence[Node]]) -> Cut:
    """The cut whose classes are nodes, or several nodes together."""
    chosen = list(classes)
    plain = [node.name for nodes in chosen for node in nodes]

    def name(node: Node) -> str:
        return node.name if plain.count(node.name) == 1 else tree.references.shortest(node.index)

    drafts = [
        Draft(" | ".join(name(node) for node in nodes), frozenset().union(*(node.leaves for node in nodes)))
        for nodes in chosen
    ]
    return Cut.of(text, tree, drafts)


def _nodes(text: str, tree: Taxonomy, where: str, line: int | None = None) -> list[Node]:
    """The nodes of one class: "car", or "car | van"."""
    found = []
    for name in [text] if tree.references.find(text) else [part.strip() for part in text.split("|")]:
        meant = tree.references.find(name)
        if len(meant) != 1:
            what, cure = tree.references.explain(name)
            raise ConfigError(what, where=where, line=line, cure=cure if name else FORMS)
        found.append(tree.nodes[meant[0]])
    return found


def _of_file(path: Path, tree: Taxonomy) -> Cut:
    if path.suffix == ".txt":
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"cannot be read ({fault})", where=path, cure="Give a text file of nodes.") from None
        named = [(number, line.split("#")[0].strip()) for number, line in enumerate(lines, start=1)]
        return _of_nodes(path.name, tree, [_nodes(name, tree, str(path), number) for number, name in named if name])
    file = YamlFile.load(path, ConfigError)
    if isinstance(file.data, list):
        return _of_nodes(
            path.name, tree, [_nodes(str(name), tree, str(path), file.line((i,))) for i, name in enumerate(file.data)]
        )
    if not isinstance(file.data, dict):
        file.fail((), "holds neither a list of nodes nor names with nodes", "Write '- road', or 'flat: [road]'.")
    drafts = []
    for name, value in file.data.items():
        expression = {"any": value} if isinstance(value, list) else value
        target = compile_expression(tree, expression, (name,), file.fail)
        if target.ignored:
            file.fail((name,), "a class cannot be 'ignore'", "Leave it out: what is in no class is ignored.")
        drafts.append(Draft(str(name), target.leaves))
    return Cut.of(path.name, tree, drafts)


def _of_space(text: str, tree: Taxonomy, stored: Mapping[str, Space]) -> Cut:
    """The cut of a label space, or the error that a word which means nothing deserves."""
    name = text.removesuffix(_EVALUATED)
    shipped = _shipped(tree)
    if name not in stored and (shipped is None or name not in LabelMapping.available(shipped)):
        known = {*stored, *([] if shipped is None else LabelMapping.available(shipped))}
        what, near = tree.references.explain(name)
        if "/" not in name:
            near = did_you_mean(name, [*(node.name for node in tree.nodes), *known]) if name else ""
        cure = f"{near} {FORMS} Label spaces here: {listed(sorted(known), 20)}."
        raise ConfigError(f"{what} of the tree {tree.name}, and no label space", where="classes", cure=cure)
    if name in stored:
        space = stored[name]
    else:
        assert shipped is not None
        space = Space(LabelMapping.load(shipped, name), LabelSpace.load(name, shipped.folder).protocol)
    if text.endswith(_EVALUATED):
        return _evaluated(text, name, tree, space)
    drafts = [
        Draft(row.native_name, row.target.leaves, (row.native_name,), row.native_id)
        for row in space.mapping.rows
        if row.native_id is not None and not row.target.ignored
    ]
    return Cut.of(text, tree, drafts, dataset=name)


def _evaluated(text: str, name: str, tree: Taxonomy, space: Space) -> Cut:
    if space.protocol is None:
        what = f"the label space {name} says of no benchmark how it scores"
        raise ConfigError(what, where=f"classes {text!r}", cure=f"Write {name} for all of its labels.")
    means = {row.native_name: row.target.leaves for row in space.mapping.rows if row.native_id is not None}
    drafts: Sequence[Draft] = [
        Draft(c.name, frozenset().union(*(means.get(label, frozenset()) for label in c.labels)), c.labels)
        for c in space.protocol.classes
    ]
    without = [draft.name for draft in drafts if not draft.leaves]
    notes = [f"The tree {tree.name} has no place for: {listed(without)}. No pixel becomes one."] if without else []
    return Cut.of(text, tree, drafts, dataset=name, notes=notes)


def _shipped(tree: Taxonomy) -> Taxonomy | None:
    """The shipped tree that this one is, for its mappings: a tree from a manifest has no folder."""
    if tree.name not in Taxonomy.shipped():
        return None
    try:
        shipped = Taxonomy.load(tree.name)
    except TaxonomyError:  # somebody has edited it
        return None
    return shipped if shipped.digest == tree.digest else None
