"""What lint has to say: findings, and the table of who teaches what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from labelforge.mapping import LabelMapping
from labelforge.supervision import SupervisionTable

__all__ = ["SEVERITIES", "Finding", "LintReport", "Severity"]

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Errors always fail, warnings fail when asked to, infos never do."""


@dataclass(frozen=True)
class Finding:
    """One thing that a tree or a mapping does, and that its author may not mean.

    Attributes:
        rule: Which rule found it (a key of :data:`labelforge.lint.RULES`).
        severity: How bad it is.
        what: The reason, as a clause without a full stop.
        cure: What to do about it, as a sentence; empty where nothing needs to be done.
        node: Path of the node concerned: the one whose classifier is meant, or the one that a fact belongs to.
        children: Names of the children of that node that are concerned.
        dataset: Whose mapping is concerned; None where it is the tree.
        labels: Native labels concerned.
        file: The YAML file to look at; None where tree or mapping did not come from a file.
        line: Line in it, from 1.
        accepted: Why the author means it to be so; None where it was not acknowledged.
    """

    rule: str
    severity: Severity
    what: str
    cure: str
    node: str | None = None
    children: tuple[str, ...] = ()
    dataset: str | None = None
    labels: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    accepted: str | None = None

    @property
    def where(self) -> str | None:
        """``FILE:LINE``, if it is known."""
        return None if self.file is None else f"{self.file}:{self.line}"

    @property
    def counts(self) -> bool:
        """Whether it asks for something to be done: neither an info nor accepted."""
        return self.severity != "info" and self.accepted is None


@dataclass(frozen=True, eq=False)
class LintReport:
    """The outcome of a lint.

    Attributes:
        findings: All findings, the worst first, accepted ones among them.
        supervision: Who teaches what.
        mappings: The label tables looked at.
        boxes: Which classifiers box labels were taken to train: ``own`` or ``path``.
    """

    findings: tuple[Finding, ...]
    supervision: SupervisionTable
    mappings: tuple[LabelMapping, ...]
    boxes: str

    def count(self, severity: Severity) -> int:
        """How many findings of one severity are not accepted."""
        return sum(finding.severity == severity and finding.accepted is None for finding in self.findings)

    def fails(self, *, strict: bool) -> bool:
        """Whether there is an error or, if strict, a warning that nobody accepted."""
        return self.count("error") > 0 or (strict and self.count("warning") > 0)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        tree = self.supervision.tree
        return {
            "taxonomy": {"name": tree.name, "digest": tree.digest},
            "boxes": self.boxes,
            "datasets": [{"name": m.dataset, "supervision": m.supervision, "digest": m.digest} for m in self.mappings],
            "counts": {
                **{severity: self.count(severity) for severity in SEVERITIES},
                "accepted": sum(finding.accepted is not None for finding in self.findings),
            },
            "rules": dict(sorted(Counter(finding.rule for finding in self.findings).items())),
            "findings": [{**vars(finding), "where": finding.where} for finding in self.findings],
            "supervision": self.supervision.to_list(),
        }
