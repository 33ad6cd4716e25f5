"""Writes a drafted mapping as YAML: one line per label, what it means, and in a comment how sure that is and why."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from labelforge.draft.match import Sureness
from labelforge.draft.proposal import Proposal
from labelforge.expression import Expression
from labelforge.label_space import LabelSpace
from labelforge.mapping import Supervision

WORDS = {Sureness.SURE: "sure", Sureness.LIKELY: "likely", Sureness.CHECK: "check", Sureness.TODO: "TODO"}
"""What the comments call each sureness."""

_WIDTH = 60  # columns that a label and its meaning may take before the comments stop being aligned with it
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/ ().+-]*(?<! )")
_SPOKEN_FOR = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def counts(proposals: Sequence[Proposal]) -> dict[Sureness, int]:
    """The number of labels by sureness, the surest first."""
    found = Counter(proposal.sureness for proposal in proposals)
    return {sureness: found[sureness] for sureness in WORDS}


def mapping_text(
    space: LabelSpace, taxonomy: str, proposals: Sequence[Proposal], supervision: Supervision = "pixel"
) -> str:
    """The text of a mapping file.

    Args:
        space: The label space that is mapped.
        taxonomy: Name of the tree.
        proposals: What each of its labels means, in its order.
        supervision: What the dataset annotates.
    """
    entries = [f"  {_scalar(p.name)}: {_flow(p.expression)}" for p in proposals]
    column = max((len(entry) for entry in entries if len(entry) <= _WIDTH), default=0)
    lines = [f"{entry:<{column}}  # {_comment(proposal)}" for entry, proposal in zip(entries, proposals, strict=True)]
    head = [
        *_head(space, taxonomy, proposals),
        f"dataset: {_scalar(space.name)}",
        f"taxonomy: {_scalar(taxonomy)}",
        f"supervision: {supervision}",
        "labels:",
    ]
    return "\n".join([*head, *lines]) + "\n"


def label_space_text(space: LabelSpace) -> str:
    """The text of a label space file, from a list that was no such file."""
    lines = [f"name: {_scalar(space.name)}", "labels:"]
    for label in space.labels:
        color = "" if label.color is None else f", color: {list(label.color)}"
        lines.append(f"  - {{id: {label.id}, name: {_scalar(label.name, in_flow=True)}{color}}}")
    return "\n".join(lines) + "\n"


def _head(space: LabelSpace, taxonomy: str, proposals: Sequence[Proposal]) -> list[str]:
    said = ", ".join(f"{number} {WORDS[sureness]}" for sureness, number in counts(proposals).items() if number)
    return [
        f"# A draft: what the {len(proposals)} labels of {space.name} mean in the tree {taxonomy}. {said}.",
        "# Decide the lines marked TODO (a node, a union of nodes, or {ignore: why}), look at those marked check, and",
        "# read the others once: names alone do not say whether a car holds vans. Then let 'labelforge lint' look.",
    ]


def _comment(proposal: Proposal) -> str:
    if proposal.sureness == Sureness.TODO:
        return WORDS[Sureness.TODO]
    return f"{WORDS[proposal.sureness]}: {proposal.why}"


def _flow(expression: Expression) -> str:
    if isinstance(expression, str):
        return _scalar(expression)
    parts = []
    for key, value in expression.items():
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else _listed(value)
        parts.append(f"{key}: {shown}")
    return "{" + ", ".join(parts) + "}"


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(_scalar(name, in_flow=True) for name in names) + "]"


def _scalar(text: str, *, in_flow: bool = False) -> str:
    """Text as YAML: plain where that is safe, else in double quotes."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _SPOKEN_FOR
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
