"""What lint reports: a rule's remarks, the findings that they become, and the report of all of them.

A rule says what is wrong, how bad it is, what to do, and what it is about: a :class:`Remark` with its :class:`Subject`.
The engine, which alone knows rule names and files, turns it into a :class:`Finding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from labelforge.learnable import Learnable
from labelforge.mapping import LabelMapping
from labelforge.supervision import SupervisionTable
from labelforge.taxonomy import Node
from labelforge.treefile import BoxUse

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Errors always fail, warnings fail when asked to, infos never do."""

Place = tuple[str | None, int | None]
"""A file and a line in it; both None if there is no file."""


@dataclass(frozen=True)
class Subject:
    """What a remark is about, and so where it is reported: in a dataset's mapping if one is named, else in the tree.

    Attributes:
        node: The node concerned: the one whose classifier is meant, or the one that a fact belongs to.
        children: The children of that node that are concerned.
        dataset: Whose mapping is concerned; None where it is the tree.
        labels: Native labels concerned; the remark is reported at the first.
        line_of: The node of the tree at which it is reported; default: ``node``.
        fact: The fact about that node at which it is reported, if the file states it.
        acceptance: Position of the entry of ``accepted`` at which it is reported.
        overlap: Position of the entry of ``overlaps`` at which it is reported.
    """

    node: Node | None = None
    children: Sequence[Node] = ()
    dataset: str | None = None
    labels: tuple[str, ...] = ()
    line_of: Node | None = None
    fact: str | None = None
    acceptance: int | None = None
    overlap: int | None = None


@dataclass(frozen=True)
class Remark:
    """What a rule has to say.

    Attributes:
        severity: How bad it is.
        what: The reason, as a clause without a full stop.
        cure: What to do about it, as a sentence; empty where nothing needs to be done.
        subject: What it is about.
    """

    severity: Severity
    what: str
    cure: str
    subject: Subject


@dataclass(frozen=True)
class Finding:
    """Something that a tree or a mapping does and that its author may not intend.

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
        accepted: Why the author intends it; None if it is not accepted.
    """

    rule: str
    severity: Severity
    what: str
    cure: str
    node: str | None
    children: tuple[str, ...]
    dataset: str | None
    labels: tuple[str, ...]
    file: str | None
    line: int | None
    accepted: str | None = None

    @classmethod
    def of(cls, rule: str, remark: Remark, place: Place) -> Finding:
        """A remark with the name of its rule and its place in a file."""
        subject = remark.subject
        node = None if subject.node is None else subject.node.path
        children = tuple(child.name for child in subject.children)
        what = (rule, remark.severity, remark.what, remark.cure)
        return cls(*what, node, children, subject.dataset, subject.labels, *place)

    @property
    def where(self) -> str | None:
        """``FILE:LINE``, if it is known."""
        return None if self.file is None else f"{self.file}:{self.line}"

    @property
    def counts(self) -> bool:
        """Whether something should be done about it: neither an info nor accepted."""
        return self.severity != "info" and self.accepted is None


@dataclass(frozen=True, eq=False)
class LintReport:
    """Everything that lint found.

    Attributes:
        findings: All findings, the worst first, accepted ones among them.
        supervision: Who teaches what.
        mappings: The label tables checked.
        boxes: Which classifiers box labels were assumed to train.
        lone_boxes: Whether also those of which their dataset says nothing else.
        learnable: How far a network learns the tree from them; None where they tell nothing apart.
        chosen: Whether these datasets are a choice among those that the tree is made for.
    """

    findings: tuple[Finding, ...]
    supervision: SupervisionTable
    mappings: tuple[LabelMapping, ...]
    boxes: BoxUse
    lone_boxes: bool
    learnable: Learnable | None
    chosen: bool

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
            "lone_boxes": self.lone_boxes,
            "datasets": [{"name": m.dataset, "supervision": m.supervision, "digest": m.digest} for m in self.mappings],
            "counts": {
                **{severity: self.count(severity) for severity in SEVERITIES},
                "accepted": sum(finding.accepted is not None for finding in self.findings),
            },
            "rules": dict(sorted(Counter(finding.rule for finding in self.findings).items())),
            "findings": [{**vars(finding), "where": finding.where} for finding in self.findings],
            "supervision": self.supervision.to_list(),
            "learnable": None if self.learnable is None else self.learnable.to_dict(),
        }
