"""Accepted findings: what the author of a tree or a mapping knows and wants to keep.

A mapping has ``accepted``, a list of rules, each with its node or label and the reason; a tree has the fact
``box_only``. Accepting something that is no longer found is itself a finding, so nothing stays accepted for no reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from labelforge.errors import TaxonomyError
from labelforge.lint.case import Case
from labelforge.lint.findings import Finding, Remark, Subject
from labelforge.lint.overlap_rules import can_be_compared
from labelforge.mapping import LABEL_RULES, Accepted, LabelMapping
from labelforge.supervision import Signal
from labelforge.taxonomy import Taxonomy

_Key = tuple[str | None, str, str | None]  # a dataset, a rule, and the path of a node or a native label


def accept(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """The findings; those that a mapping accepts have its reason. Only warnings can be accepted."""
    reasons = {
        _accepted_key(case, mapping.dataset, entry): entry.why
        for mapping in case.mappings
        for entry in mapping.accepted
    }
    return [
        replace(finding, accepted=reasons.get(_key(finding))) if finding.severity == "warning" else finding
        for finding in findings
    ]


def as_accepted(tree: Taxonomy, mapping: LabelMapping) -> LabelMapping:
    """The label table of shards, with what the mapping in the tree's folder accepts, if its labels mean the same.

    Args:
        tree: The tree, from its folder.
        mapping: A label table in it, which may have more rows: sets that overlapping boxes leave.
    """
    try:
        if mapping.dataset not in LabelMapping.available(tree):
            return mapping
        known = LabelMapping.load(tree, mapping.dataset)
    except TaxonomyError:
        return mapping
    same = mapping.to_records()[: len(known.rows)] == known.to_records()
    return replace(mapping, accepted=known.accepted, overlaps=known.overlaps) if same else mapping


def stale_acceptance(case: Case, findings: Sequence[Finding]) -> Iterator[Remark]:
    """Something is accepted that was not found.

    Args:
        case: What was checked.
        findings: What the other rules found.
    """
    found = {_key(finding) for finding in findings if finding.severity != "info"}
    for mapping in case.mappings:
        for number, entry in enumerate(mapping.accepted):
            if entry.rule == "no-shared-leaf" and not can_be_compared(case, mapping, entry.at):
                continue
            if _accepted_key(case, mapping.dataset, entry) not in found:
                what = f"{mapping.dataset} accepts {entry.rule} at {entry.at!r}, but there is no such finding"
                yield Remark("warning", what, "Remove it.", Subject(dataset=mapping.dataset, acceptance=number))
    needed: set[int] = set()
    for classifier in case.choices:
        for child in case.children_with(classifier, Signal.FROM_BOX):
            needed |= {child.index, *(above.index for above in case.tree.ancestors(child))}
    for node in case.tree.nodes:
        if node.box_only and node.index not in needed:
            what = f"{case.name(node)} is marked box_only, but nothing there is learnt from boxes alone"
            cure = "Remove 'box_only', or add the mapping of the dataset that has the boxes."
            yield Remark("warning", what, cure, Subject(node, fact="box_only"))


def _accepted_key(case: Case, dataset: str, entry: Accepted) -> _Key:
    return dataset, entry.rule, entry.at if entry.rule in LABEL_RULES else case.tree.node(entry.at).path


def _key(finding: Finding) -> _Key:
    return finding.dataset, finding.rule, finding.labels[0] if finding.rule in LABEL_RULES else finding.node
