"""Rules about what the datasets together, and each alone, teach the classifiers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import listed
from labelforge.lint.case import Case
from labelforge.lint.findings import Finding, Severity
from labelforge.supervision import Signal
from labelforge.taxonomy import Classifier, Node

__all__ = ["inseparable", "no_signal", "one_child", "only_boxes"]


def no_signal(case: Case) -> Iterator[Finding]:
    """No label of any dataset allows a child where its classifier decides, so it is only ever a wrong answer."""
    for classifier in case.choices:
        owner = classifier.node
        missing = _children_with(case, classifier, Signal.NOTHING)
        if len(missing) == len(classifier.children):
            file, line = case.places.node(owner.index)
            yield Finding(
                "no-signal",
                "warning",
                f"no dataset gives the classifier of {case.name(owner)} any signal: its {len(missing)} children are "
                "chosen by chance",
                _missing_cure(case, owner),
                node=owner.path,
                children=tuple(child.name for child in missing),
                file=file,
                line=line,
            )
            continue
        for child in missing:
            file, line = case.places.node(child.index)
            yield Finding(
                "no-signal",
                "warning",
                f"no dataset gives the classifier of {case.name(owner)} any signal for {case.name(child)}: it learns "
                "never to choose it",
                _missing_cure(case, child),
                node=owner.path,
                children=(child.name,),
                file=file,
                line=line,
            )


def _missing_cure(case: Case, node: Node) -> str:
    return _PATH_CURE if _boxes_below(case, node) else "Map a label to it or below it, or remove the node."


_PATH_CURE = "Write 'boxes: path' in tree.yaml: box labels below train only the classifier of their own class now."


def _boxes_below(case: Case, node: Node) -> bool:
    """Whether box labels would teach this node, were they to train their whole path."""
    below = set(node.leaves)
    return case.boxes == "own" and any(
        row.supervision == "box" and row.target.leaves and row.target.leaves <= below
        for mapping in case.mappings
        for row in mapping.rows
    )


def inseparable(case: Case) -> Iterator[Finding]:
    """A child is only named together with a sibling, so that choosing the sibling instead costs nothing."""
    for classifier in case.choices:
        children = classifier.children
        _, allowed = case.heard(classifier)
        told: set[int] = set()
        for child in _children_with(case, classifier, Signal.PARTIAL):
            position = children.index(child)
            if position in told:
                continue
            # Columns hold the labels that allow a child; a sibling in all labels of this child is never a worse answer.
            column = allowed[:, [position]]
            fits = (allowed >= column).all(0)
            same = (allowed == column).all(0)
            told.update(np.flatnonzero(same).tolist())
            if fits.sum() > 1:
                yield _inseparable(case, classifier, same, fits & ~same)


def _inseparable(case: Case, classifier: Classifier, same: NDArray[np.bool_], better: NDArray[np.bool_]) -> Finding:
    twins, others = _picked(classifier, same), _picked(classifier, better)
    owner = case.name(classifier.node)
    if others:
        what = (
            f"every label that allows {case.names(twins)} at the classifier of {owner} allows {case.names(others)} too"
        )
        what += ", which is never a worse answer"
        cure = f"Map a label to {case.names(twins)} alone, or leave it out."
    else:
        what = f"every label that allows one of {case.names(twins)} at the classifier of {owner} allows all of them: "
        what += "nothing tells them apart"
        cure = "Map a label to one of them alone, or make them one node."
    file, line = case.places.node(twins[0].index)
    return Finding(
        "inseparable",
        "warning",
        what,
        cure,
        node=classifier.node.path,
        children=tuple(child.name for child in twins),
        file=file,
        line=line,
    )


def one_child(case: Case) -> Iterator[Finding]:
    """One constant answer fits all labels that a dataset has for a classifier.

    Where the sets of children that a dataset's labels allow have some in common, always choosing one of these minimises
    the dataset's loss at that classifier. It is an error where no other dataset shows the classifier anything else, a
    warning where others do but this one always says the same child, and an info where this one leaves several open: it
    then only rules children out.
    """
    for classifier in case.choices:
        _, everybody = case.heard(classifier)
        constant = bool(len(everybody)) and bool(everybody.all(0).any())
        for dataset, mapping in enumerate(case.mappings):
            rows, allowed = case.heard(classifier, dataset)
            always = _picked(classifier, np.logical_and.reduce(allowed)) if rows else []
            if not always:
                continue
            labels = tuple(mapping.rows[row].native_name for row in rows)
            file, line = case.places.label(mapping.dataset, labels[0])
            severity, what, cure = _constant_answer(case, classifier, mapping.dataset, always, constant)
            yield Finding(
                "one-child",
                severity,
                f"{what} ({listed(map(repr, labels))})",
                cure,
                node=classifier.node.path,
                children=tuple(child.name for child in always),
                dataset=mapping.dataset,
                labels=labels,
                file=file,
                line=line,
            )


def _constant_answer(
    case: Case, classifier: Classifier, dataset: str, always: list[Node], constant: bool
) -> tuple[Severity, str, str]:
    owner = case.name(classifier.node)
    cure = f"Where a label can show other children of {owner}, map it to them too or to {owner} itself"
    first = case.name(always[0])
    if constant:
        what = (
            f"the classifier of {owner} learns a constant: {first} fits all labels of all datasets, such as {dataset}"
        )
        return "error", what, f"{cure}; or map labels to other children; or remove them."
    if len(always) > 1:
        never = [child for child in classifier.children if child not in always]
        return "info", f"{dataset} only tells the classifier of {owner} what is never there: {case.names(never)}", ""
    what = (
        f"{dataset} teaches the classifier of {owner} to always choose {first}, which fits all labels that it has there"
    )
    at = case.tree.references.shortest(classifier.node.index)
    return "warning", what, f"{cure}; if it is right so: 'accepted: [{{rule: one-child, at: {at}, why: ...}}]'."


def only_boxes(case: Case) -> Iterator[Finding]:
    """Children are named alone by box labels only, so their outlines are learnt from boxes alone."""
    for classifier in case.choices:
        weak = [child for child in _children_with(case, classifier, Signal.WEAK) if not _meant(case, child)]
        if not weak:
            continue
        owner = classifier.node
        columns = [classifier.slice.start + classifier.children.index(child) for child in weak]
        signals = case.supervision.signals[:, columns]
        datasets = listed(m.dataset for m, row in zip(case.mappings, signals, strict=True) if row.any())
        file, line = case.places.node(weak[0].index)
        yield Finding(
            "only-boxes",
            "warning",
            f"only boxes ({datasets}) teach the classifier of {case.name(owner)} {case.names(weak)}",
            f"Add a dataset with pixel labels; if it is meant so, write 'box_only: true' at {case.name(owner)} under "
            "'nodes' in tree.yaml, or at those children.",
            node=owner.path,
            children=tuple(child.name for child in weak),
            file=file,
            line=line,
        )


def _meant(case: Case, node: Node) -> bool:
    return node.box_only or any(above.box_only for above in case.tree.ancestors(node))


def _children_with(case: Case, classifier: Classifier, signal: Signal) -> list[Node]:
    return _picked(classifier, case.supervision.best[classifier.slice] == signal)


def _picked(classifier: Classifier, mask: NDArray[np.bool_]) -> list[Node]:
    return [child for child, on in zip(classifier.children, mask.tolist(), strict=True) if on]
