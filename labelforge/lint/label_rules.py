"""Rules about single labels and about the facts that a tree states."""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.errors import counted, listed
from labelforge.lint.case import Case
from labelforge.lint.findings import Remark, Subject
from labelforge.mapping import LabelRow
from labelforge.palette import Color
from labelforge.taxonomy import Node


def unused_label(case: Case) -> Iterator[Remark]:
    """A label is not ignored, but no classifier learns from it."""
    for dataset, mapping in enumerate(case.mappings):
        for row, allowed, left_out in zip(mapping.rows, case.allowed(dataset), case.left_out_of(dataset), strict=True):
            if row.target.ignored or allowed.any():
                continue
            lowest = case.tree.covering(row.target.leaves)
            why, cure = _why_unused(case, row, lowest, lone=bool(left_out.any()))
            what = f"the label {row.native_name!r} of {mapping.dataset} trains no classifier: {why}"
            subject = Subject(lowest, dataset=mapping.dataset, labels=(row.native_name,))
            yield Remark("warning", what, cure, subject)


def never_predicted(case: Case) -> Iterator[Remark]:
    """A label holds no answer of a network that is trained on these labels."""
    if case.learnable is None:
        return
    for dataset, names in case.learnable.unanswerable():
        mapping = next(mapping for mapping in case.mappings if mapping.dataset == dataset)
        for row in mapping.rows:
            if row.native_name in names and row.native_id is not None:
                what = f"a network trained on these labels never predicts {row.native_name!r} of {dataset}: "
                what += f"no answer lies within {row.target.text}"
                cure = "Add a dataset that tells its parts apart, or map it to nodes below one child."
                wider = [other for other in mapping.rows if row.target.leaves < other.target.leaves]
                if wider:
                    named = listed(f"{other.native_name!r} ({other.target.text})" for other in wider)
                    what += f", and the same can be in what is labelled {named}"
                    cure = f"If the dataset never labels the same pixel so, map {_names(wider)} to what is left: "
                    cure += f"{{any: [...], except: [{row.target.text}]}}."
                lowest = case.tree.covering(row.target.leaves)
                subject = Subject(lowest, dataset=dataset, labels=(row.native_name,))
                yield Remark("warning", what, cure, subject)


def _names(rows: list[LabelRow]) -> str:
    return listed(repr(row.native_name) for row in rows)


def todo(case: Case) -> Iterator[Remark]:
    """Labels of a mapping are left to decide: ignored with a reason that begins with TODO."""
    for mapping in case.mappings:
        names = tuple(row.native_name for row in mapping.rows if row.undecided)
        if names:
            number = counted(len(names), "label")
            what = f"{number} of {mapping.dataset} {'is' if len(names) == 1 else 'are'} left to decide: "
            what += listed(map(repr, names))
            cure = "Give each a node, a union of nodes, or {ignore: 'why'}."
            yield Remark("warning", what, cure, Subject(dataset=mapping.dataset, labels=names))


def _why_unused(case: Case, row: LabelRow, lowest: Node, *, lone: bool) -> tuple[str, str]:
    if case.boxes == "drop" and row.supervision == "box":
        return "box labels are dropped", "Leave --boxes out, or give it own or path."
    if lone:
        why = f"{row.target.text} is all that the boxes of its dataset could tell there, so they are left out"
        cure = "Learn it from pixel labels of another dataset, and write {ignore: 'why'} here; or to have boxes say "
        return why, f"{cure}'always this', train with --set loss.lone_boxes=true (lint: --lone-boxes)."
    open_children = [c for c in lowest.children if row.target.leaves.isdisjoint(case.tree.nodes[c].leaves)]
    chosen_above = any(len(node.children) > 1 for node in case.tree.ancestors(lowest))
    if row.supervision == "box" and (open_children or chosen_above):
        why = f"{row.target.text} is decided by the root's classifier alone, which boxes never train"
        return why, "Map it to what lies below one child of the root, or write {ignore: 'why'}."
    why = f"{row.target.text} reaches into every child of {case.name(lowest)}, across all its branches"
    return why, "Name fewer nodes, all below one, or write {ignore: 'why'}."


def mirror_pair(case: Case) -> Iterator[Remark]:
    """One leaf names another as what its mirror image shows, and that one does not name it back."""
    for leaf in case.tree.leaves:
        if leaf.mirror is None or leaf.mirror < 0:
            continue
        partner = case.tree.nodes[leaf.mirror]
        if partner.mirror == leaf.index:
            continue
        named = "no mirror" if partner.mirror is None else "'none'"
        if partner.mirror is not None and partner.mirror >= 0:
            named = case.name(case.tree.nodes[partner.mirror])
        other = case.name(partner)
        what = f"{case.name(leaf)} names {other} as its mirror image, but {other} names {named}"
        cure = f"Write 'mirror: {leaf.name}' at {other}, or correct this one."
        yield Remark("warning", what, cure, Subject(leaf, fact="mirror"))


def same_color(case: Case) -> Iterator[Remark]:
    """Siblings share a colour, so no picture tells them apart."""
    for classifier in case.tree.classifiers:
        by_color: dict[Color, list[Node]] = {}
        for child in classifier.children:
            by_color.setdefault(child.color, []).append(child)
        for color, nodes in by_color.items():
            if len(nodes) > 1:
                what = f"{case.names(nodes)} share the colour {list(color)}"
                cure = "Give them different colours; a node without one gets a colour that no other has."
                yield Remark("warning", what, cure, Subject(classifier.node, nodes, line_of=nodes[1], fact="color"))


def lone_child(case: Case) -> Iterator[Remark]:
    """An inner node has one child: its classifier has nothing to choose and never learns."""
    for classifier in case.tree.classifiers:
        if len(classifier.children) == 1:
            owner, (child,) = classifier.node, classifier.children
            only = f"{case.name(owner)} has the single child {case.name(child)}"
            what = f"{only}, so its classifier has nothing to choose"
            yield Remark("warning", what, "Make the two one node, or add what else there is.", Subject(owner, [child]))


def same_meaning(case: Case) -> Iterator[Remark]:
    """Labels of one dataset mean the same in the tree; nothing is lost, but nothing tells them apart either."""
    for mapping in case.mappings:
        groups: dict[tuple[frozenset[int], str], list[LabelRow]] = {}
        for row in mapping.rows:
            if not row.target.ignored:
                groups.setdefault((row.target.leaves, row.supervision), []).append(row)
        for rows in groups.values():
            if len(rows) > 1:
                names = tuple(row.native_name for row in rows)
                meaning = rows[0].target.text
                what = f"{len(names)} labels of {mapping.dataset} mean {meaning}: {listed(map(repr, names))}"
                yield Remark("info", what, "", Subject(dataset=mapping.dataset, labels=names))
