"""Acknowledgements: findings that the author of a tree or a mapping has looked at and means to keep.

A mapping has ``accepted``, a list of rules with the node or label they are about and the reason; a tree has the fact
``box_only``. An acknowledgement that no longer meets anything is itself a finding, so none outlives its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from labelforge.lint.case import Case
from labelforge.lint.findings import Finding
from labelforge.mapping import Accepted
from labelforge.supervision import Signal

__all__ = ["accept", "stale_acceptance"]

Key = tuple[str | None, str, str | None]
"""A dataset, a rule, and the path of a node or a native label."""


def accept(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those that a mapping acknowledges marked with its reason. Errors cannot be accepted."""
    reasons: dict[Key, str] = {
        (mapping.dataset, entry.rule, _meant(case, entry)): entry.why
        for mapping in case.mappings
        for entry in mapping.accepted
    }
    return [
        replace(finding, accepted=reasons.get(_key(finding))) if finding.severity == "warning" else finding
        for finding in findings
    ]


def stale_acceptance(case: Case, findings: Sequence[Finding]) -> Iterator[Finding]:
    """An acknowledgement meets no finding.

    Args:
        case: The subject.
        findings: What the other rules found.
    """
    found = {_key(finding) for finding in findings if finding.severity != "info"}
    for mapping in case.mappings:
        for number, entry in enumerate(mapping.accepted):
            if (mapping.dataset, entry.rule, _meant(case, entry)) in found:
                continue
            file, line = case.places.accepted(mapping.dataset, number)
            yield Finding(
                "stale-acceptance",
                "warning",
                f"{mapping.dataset} accepts {entry.rule} at {entry.at!r}, and there is nothing of that kind",
                "Remove it.",
                dataset=mapping.dataset,
                file=file,
                line=line,
            )
    yield from _stale_box_only(case)


def _stale_box_only(case: Case) -> Iterator[Finding]:
    best = case.supervision.best.tolist()
    needed: set[int] = set()
    for classifier in case.choices:
        for child, signal in zip(classifier.children, best[classifier.slice], strict=True):
            if signal == Signal.WEAK:
                needed |= {child.index, *(above.index for above in case.tree.ancestors(child))}
    for node in case.tree.nodes:
        if not node.box_only or node.index in needed:
            continue
        file, line = case.places.fact(node.index, "box_only")
        yield Finding(
            "stale-acceptance",
            "warning",
            f"{case.name(node)} is marked box_only, and nothing there is learnt from boxes alone",
            "Remove 'box_only', or add the mapping of the dataset that has the boxes.",
            node=node.path,
            file=file,
            line=line,
        )


def _meant(case: Case, entry: Accepted) -> str:
    """What an acknowledgement is about: the path of a node, or a native label."""
    return entry.at if entry.rule == "unused-label" else case.tree.node(entry.at).path


def _key(finding: Finding) -> Key:
    at = finding.labels[0] if finding.rule == "unused-label" else finding.node
    return finding.dataset, finding.rule, at
