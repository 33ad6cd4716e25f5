"""Rules about what the datasets, together and each alone, teach the classifiers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import listed
from labelforge.lint.case import Case
from labelforge.lint.findings import Remark, Severity, Subject
from labelforge.supervision import Signal
from labelforge.taxonomy import Classifier, Node

_LONE_CURE = (
    "Pixel labels of another dataset can teach it; to have boxes say 'always this' all the same, train with --set "
    "loss.lone_boxes=true (lint: --lone-boxes)."
)
_PATH_CURE = "Write 'boxes: path' in tree.yaml: box labels below train only the classifier of their own class now."


def no_signal(case: Case) -> Iterator[Remark]:
    """No label of any dataset allows a child where its classifier decides, so it is never an answer."""
    severity: Severity = "info" if case.chosen else "warning"
    for classifier in case.choices:
        owner = classifier.node
        what = f"no dataset gives the classifier of {case.name(owner)} any signal"
        missing = case.children_with(classifier, Signal.NOTHING)
        if len(missing) == len(classifier.children):
            what += f": its {len(missing)} children are never told apart"
            yield Remark(
                severity, what, _missing_cure(case, owner, "Map labels to its children"), Subject(owner, missing)
            )
            continue
        for child in missing:
            subject = Subject(owner, [child], line_of=child)
            unknown = f"{what} for {case.name(child)}, which is never an answer"
            yield Remark(severity, unknown, _missing_cure(case, child, "Map a label to it or below it"), subject)


def _missing_cure(case: Case, node: Node, labels: str) -> str:
    """What to do if nothing teaches a node: there may be box labels that would, if they trained their whole path."""
    below = set(node.leaves)
    boxes = any(
        row.supervision == "box" and row.target.leaves and row.target.leaves <= below
        for mapping in case.mappings
        for row in mapping.rows
    )
    if boxes and case.boxes == "own":
        return _PATH_CURE
    if boxes and not case.lone_boxes:
        return f"{labels}, or remove the node; boxes there are all that their dataset says. {_LONE_CURE}"
    return f"{labels}, or remove the node."


def inseparable(case: Case) -> Iterator[Remark]:
    """A child is only named together with a sibling, so choosing the sibling instead costs nothing."""
    for classifier in case.choices:
        allowed = case.allowed()[:, classifier.slice]
        told: set[int] = set()
        for child in case.children_with(classifier, Signal.PARTIAL):
            position = classifier.children.index(child)
            if position in told:
                continue
            # Columns hold the labels that allow a child; a sibling in all labels of this child is never a worse answer.
            column = allowed[:, [position]]
            fits = (allowed >= column).all(0)
            same = (allowed == column).all(0)
            told.update(np.flatnonzero(same).tolist())
            if fits.sum() > 1:
                yield _inseparable(case, classifier.node, _picked(classifier, same), _picked(classifier, fits & ~same))


def _inseparable(case: Case, owner: Node, twins: list[Node], others: list[Node]) -> Remark:
    """The remark on children that the same labels allow, and on the siblings that these labels allow too."""
    at = f"at the classifier of {case.name(owner)}"
    names = case.names(twins)
    if others:
        what = f"every label that allows {names} {at} allows {case.names(others)} too, which is never a worse answer"
        cure = f"Map a label to {names} alone, or leave it out."
        severity: Severity = "warning"
    else:
        severity = "info" if case.chosen else "warning"
        what = f"every label that allows one of {names} {at} allows all of them: they are one answer"
        cure = "Map a label to one of them alone, or make them one node."
    return Remark(severity, what, cure, Subject(owner, twins, line_of=twins[0]))


def one_child(case: Case) -> Iterator[Remark]:
    """One constant answer fits all labels that a dataset has for a classifier.

    Where the sets of children that a dataset's labels allow have some in common, always choosing one of these minimises
    the dataset's loss at that classifier. It is an error where no other dataset shows the classifier anything else, a
    warning where others do but this one always names the same child, and an info where this one leaves several open: it
    then only rules children out.
    """
    for classifier in case.choices:
        constant = bool(_always(classifier, case.allowed()[:, classifier.slice]))
        for dataset, mapping in enumerate(case.mappings):
            allowed = case.allowed(dataset)[:, classifier.slice]
            always = _always(classifier, allowed)
            if not always:
                continue
            labels = tuple(mapping.rows[row].native_name for row in np.flatnonzero(allowed.any(1)))
            severity, what, cure = _constant_answer(case, classifier, mapping.dataset, always, constant)
            subject = Subject(classifier.node, always, mapping.dataset, labels)
            yield Remark(severity, f"{what} ({listed(map(repr, labels))})", cure, subject)


def _always(classifier: Classifier, allowed: NDArray[np.bool_]) -> list[Node]:
    """The children that every label allows that teaches the classifier; none where no label does."""
    teaching = allowed[allowed.any(1)]
    return _picked(classifier, np.logical_and.reduce(teaching)) if len(teaching) else []


def _constant_answer(
    case: Case, classifier: Classifier, dataset: str, always: list[Node], constant: bool
) -> tuple[Severity, str, str]:
    owner = case.name(classifier.node)
    cure = f"Where a label can show other children of {owner}, map it to them too or to {owner} itself"
    first = case.name(always[0])
    if constant:
        what = f"the classifier of {owner} has nothing to decide: {first} fits all labels of all datasets"
        what += f", such as {dataset}"
        severity: Severity = "error"
        if case.chosen:  # the other datasets of the tree may show the classifier something else
            severity = "warning" if case.is_asked(classifier) else "info"
        return severity, what, f"{cure}; or map labels to other children; or remove them."
    if len(always) > 1:
        never = [child for child in classifier.children if child not in always]
        return "info", f"{dataset} only tells the classifier of {owner} what is never there: {case.names(never)}", ""
    what = (
        f"{dataset} teaches the classifier of {owner} to always choose {first}, which fits all labels that it has there"
    )
    at = case.tree.references.shortest(classifier.node.index)
    return "warning", what, f"{cure}; if it is right so: 'accepted: [{{rule: one-child, at: {at}, why: ...}}]'."


def lone_box(case: Case) -> Iterator[Remark]:
    """Boxes are left out of a classifier because their dataset gives it no other answer."""
    for classifier in case.choices:
        for dataset, mapping in enumerate(case.mappings):
            left_out = case.left_out_of(dataset)[:, classifier.slice]
            if left_out.any():
                named = _picked(classifier, np.logical_or.reduce(left_out))
                labels = tuple(mapping.rows[row].native_name for row in np.flatnonzero(left_out.any(1)))
                what = f"the boxes of {mapping.dataset} do not train the classifier of {case.name(classifier.node)}: "
                what += f"{case.names(named)} is all that they could tell it"
                subject = Subject(classifier.node, named, mapping.dataset, labels)
                yield Remark("info", what, _LONE_CURE, subject)


def only_boxes(case: Case) -> Iterator[Remark]:
    """Children are named alone by box labels only, so their outlines are learnt from boxes alone."""
    for classifier in case.choices:
        owner = classifier.node
        from_boxes = [child for child in case.children_with(classifier, Signal.FROM_BOX) if not _is_meant(case, child)]
        if not from_boxes:
            continue
        signals = case.supervision.of_node
        datasets = listed(
            mapping.dataset
            for number, mapping in enumerate(case.mappings)
            if any(signals[child.index][number] == Signal.FROM_BOX for child in from_boxes)
        )
        what = f"only boxes ({datasets}) teach the classifier of {case.name(owner)} {case.names(from_boxes)}"
        cure = (
            f"Add a dataset with pixel labels; if that is intended, write 'box_only: true' at {case.name(owner)} under "
            "'nodes' in tree.yaml, or at those children."
        )
        yield Remark("warning", what, cure, Subject(owner, from_boxes, line_of=from_boxes[0]))


def _is_meant(case: Case, node: Node) -> bool:
    return any(at.box_only for at in (node, *case.tree.ancestors(node)))


def _picked(classifier: Classifier, mask: NDArray[np.bool_]) -> list[Node]:
    return [child for child, on in zip(classifier.children, mask.tolist(), strict=True) if on]
