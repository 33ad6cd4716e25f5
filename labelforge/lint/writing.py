"""Rules about single labels and about the facts that a tree states."""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.errors import listed
from labelforge.lint.case import Case
from labelforge.lint.findings import Finding
from labelforge.mapping import LabelMapping, LabelRow
from labelforge.taxonomy import Node

__all__ = ["lone_child", "mirror_pair", "same_colour", "same_meaning", "unused_label"]


def unused_label(case: Case) -> Iterator[Finding]:
    """A label is not ignored, and yet every classifier is silent on it."""
    for dataset, mapping in enumerate(case.mappings):
        start = case.table.offsets[dataset]
        for row in mapping.rows:
            if row.target.ignored or case.table.allowed[start + row.row].any():
                continue
            what, cure = _why_unused(case, row)
            file, line = case.places.label(mapping.dataset, row.native_name)
            yield Finding(
                "unused-label",
                "warning",
                f"the label {row.native_name!r} of {mapping.dataset} trains no classifier: {what}",
                cure,
                node=case.tree.covering(row.target.leaves).path,
                dataset=mapping.dataset,
                labels=(row.native_name,),
                file=file,
                line=line,
            )


def _why_unused(case: Case, row: LabelRow) -> tuple[str, str]:
    lowest = case.tree.covering(row.target.leaves)
    open_children = [c for c in lowest.children if row.target.leaves.isdisjoint(case.tree.nodes[c].leaves)]
    chosen_above = any(len(node.children) > 1 for node in case.tree.ancestors(lowest))
    if row.supervision == "box" and (open_children or chosen_above):
        what = f"{row.target.text} is decided by the root's classifier alone, which boxes never train"
        return what, "Map it to what lies below one child of the root, or write {ignore: 'why'}."
    what = f"{row.target.text} reaches into every child of {case.name(lowest)}, across all its branches"
    return what, "Name fewer nodes, all below one, or write {ignore: 'why'}."


def mirror_pair(case: Case) -> Iterator[Finding]:
    """One leaf names another as what its mirror image shows, and that one does not name it back."""
    for leaf in case.tree.leaves:
        if leaf.mirror is None or leaf.mirror < 0:
            continue
        partner = case.tree.nodes[leaf.mirror]
        if partner.mirror == leaf.index:
            continue
        says = "nothing" if partner.mirror is None else "'none'"
        if partner.mirror is not None and partner.mirror >= 0:
            says = case.name(case.tree.nodes[partner.mirror])
        file, line = case.places.fact(leaf.index, "mirror")
        yield Finding(
            "mirror-pair",
            "warning",
            f"{case.name(leaf)} says that its mirror image shows {case.name(partner)}, which says {says} of its own",
            f"Write 'mirror: {leaf.name}' at {case.name(partner)}, or correct this one.",
            node=leaf.path,
            file=file,
            line=line,
        )


def same_colour(case: Case) -> Iterator[Finding]:
    """Siblings share a colour, so no picture tells them apart."""
    for classifier in case.tree.classifiers:
        by_color: dict[tuple[int, int, int], list[Node]] = {}
        for child in classifier.children:
            by_color.setdefault(child.color, []).append(child)
        for color, nodes in by_color.items():
            if len(nodes) < 2:
                continue
            file, line = case.places.fact(nodes[1].index, "color")
            yield Finding(
                "same-colour",
                "warning",
                f"{case.names(nodes)} share the colour {list(color)}",
                "Give them different colours; a node without one gets a colour that no other has.",
                node=classifier.node.path,
                children=tuple(node.name for node in nodes),
                file=file,
                line=line,
            )


def lone_child(case: Case) -> Iterator[Finding]:
    """An inner node has one child: its classifier has nothing to choose, and never learns."""
    for classifier in case.tree.classifiers:
        if len(classifier.children) > 1:
            continue
        owner, child = classifier.node, classifier.children[0]
        file, line = case.places.node(owner.index)
        yield Finding(
            "lone-child",
            "warning",
            f"{case.name(owner)} has the single child {case.name(child)}, so its classifier has nothing to choose",
            "Make the two one node, or add what else there is.",
            node=owner.path,
            children=(child.name,),
            file=file,
            line=line,
        )


def same_meaning(case: Case) -> Iterator[Finding]:
    """Labels of one dataset mean the same in the tree; nothing is lost, but nothing tells them apart either."""
    for mapping in case.mappings:
        for rows in _groups(mapping):
            names = tuple(row.native_name for row in rows)
            file, line = case.places.label(mapping.dataset, names[0])
            yield Finding(
                "same-meaning",
                "info",
                f"{len(names)} labels of {mapping.dataset} mean {rows[0].target.text}: {listed(map(repr, names))}",
                "",
                dataset=mapping.dataset,
                labels=names,
                file=file,
                line=line,
            )


def _groups(mapping: LabelMapping) -> list[list[LabelRow]]:
    groups: dict[tuple[frozenset[int], str], list[LabelRow]] = {}
    for row in mapping.rows:
        if not row.target.ignored:
            groups.setdefault((row.target.leaves, row.supervision), []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]
