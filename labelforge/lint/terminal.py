"""A lint report for a terminal: who teaches what, then the findings, the worst last, where one looks first.

The table has a column per dataset, one character wide, and a line per *pattern*: children of a classifier that get the
same signal from every dataset share a line. So twenty datasets fit in 80 columns, and a classifier of fifty classes
takes a few lines. Notes and accepted findings are only counted; the JSON has everything.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from labelforge.answers import cover
from labelforge.learnable import Learnable
from labelforge.lint.findings import Finding, LintReport
from labelforge.mapping import BOXES_ALONE
from labelforge.supervision import SIGNAL_STYLES, Signal, SupervisionTable, dataset_letters
from labelforge.taxonomy import Classifier
from labelforge.treefile import BoxUse

_LEGEND = {
    Signal.FROM_PIXELS: ("S", "strong: pixels"),
    Signal.FROM_BOX: ("w", "weak: boxes"),
    Signal.PARTIAL: ("p", "partial: only in unions"),
    Signal.NOTHING: (".", "nothing"),
}
_MARKS = {signal: Text(mark, SIGNAL_STYLES[signal]) for signal, (mark, _) in _LEGEND.items()}
_SEVERITY_STYLES = {"error": "bold red", "warning": "yellow"}
_BOXES: dict[BoxUse, str] = {
    "own": "boxes; each trains the choice of its own class alone",
    "path": "boxes; each trains all choices that lead to its class but the first",
    "drop": "boxes; left out",
}
_IN_WORDS = {
    "no-signal": "a class or choice that no label teaches",
    "inseparable": "classes that no label tells apart",
    "one-child": "a choice of which a dataset says one thing only",
    "lone-box": "a choice that boxes are left out of",
    "only-boxes": "classes learnt from boxes alone",
    "unused-label": "a label that trains nothing",
    "no-shared-leaf": "a label that contradicts others of its name",
    "same-meaning": "labels that mean the same",
}
_NAMES = 12  # names on one line of the table before they are cut short


def render(report: LintReport, *, strict: bool) -> RenderableType:
    """The whole report.

    Args:
        report: What lint found.
        strict: Whether warnings fail, for the last line.
    """
    parts: list[RenderableType] = [_legend(report), ""]
    if not report.chosen:
        parts += [_signals(report.supervision), ""]
    elif report.learnable is not None:
        parts += [_choices(report.learnable), ""]
    parts += [_learnable(report), ""]
    shown = [finding for finding in report.findings if finding.counts]
    for finding in reversed(shown):
        parts += [_finding(finding), ""]
    return Group(*parts, *_footer(report, strict=strict))


def _legend(report: LintReport) -> RenderableType:
    tree = report.supervision.tree
    head = Text(f"{tree.name}: {len(tree.classifiers)} classifiers, {tree.num_logits} children, ", style="bold")
    count = len(report.mappings)
    head.append(f"{count} dataset{'s' * (count != 1)}")
    names = Table.grid(padding=(0, 2))
    names.add_column(style="bold")
    for number, mapping in enumerate(report.mappings):
        boxes = f" ({_BOXES[report.boxes]})" if mapping.supervision == "box" else ""
        names.add_row("" if report.chosen else dataset_letters(number), mapping.dataset + boxes)
    if report.chosen:
        return Group(head, names)
    marks = (Text.assemble(_MARKS[signal], f" {meaning}") for signal, (_, meaning) in _LEGEND.items())
    return Group(head, names, Text("   ").join(marks))


def _signals(supervision: SupervisionTable) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(ratio=1, overflow="fold")
    letters = [dataset_letters(number) for number in range(len(supervision.datasets))]
    for letter in letters:
        table.add_column(width=len(letter) + 1, no_wrap=True, justify="right")
    for classifier in supervision.tree.classifiers:
        title = Text(f"{classifier.node.path} ({len(classifier.children)}) ", style="bold")
        table.add_row(title, *(Text(letter, style="dim bold") for letter in letters))
        for signals, names in _patterns(supervision, classifier):
            style = "" if any(signals) else "red"
            table.add_row(Padding(Text(names, style=style), (0, 1, 0, 2)), *(_MARKS[signal] for signal in signals))
    return table


def _choices(learnable: Learnable) -> RenderableType:
    """Per classifier that a network would carry, what it chooses from; an arrow where another one decides further."""
    layout = learnable.table.layout
    table = Table.grid(expand=True)
    for name, columns in zip(layout.names, layout.slices, strict=True):
        table.add_row(Text(f"{name} ({columns.stop - columns.start})", style="bold"))
        chosen = []
        for column in range(columns.start, columns.stop):
            k = int(layout.class_of[column])
            chosen.append(f"{layout.column_names[column]} ->" if k < 0 else layout.class_names[k])
        short = [text.removeprefix(f"{name}/") for text in chosen]
        table.add_row(Padding(Text("; ".join(short)), (0, 0, 0, 2)))
    if layout.num_classifiers > 1:
        table.add_row(Text("-> another classifier decides further", style="dim"))
    return table


def _learnable(report: LintReport) -> RenderableType:
    learnable = report.learnable
    if learnable is None:
        nothing = Text("These labels tell nothing apart: no network can be trained on them.", style="bold red")
        alone = bool(report.mappings) and all(mapping.supervision == "box" for mapping in report.mappings)
        return Group(nothing, Text(BOXES_ALONE)) if alone else nothing
    tree = learnable.table.layout.taxonomy
    lines = [Text(" ".join(learnable.sentences[:2]), style="bold"), *map(Text, learnable.sentences[2:])]
    missing = cover(tree, frozenset(leaf.leaves.start for leaf in learnable.never))
    if missing:
        names = ", ".join(tree.references.shortest(node.index) for node in missing)
        lines.append(Text(f"Never answered: {names}."))
    return Group(*lines)


def _patterns(supervision: SupervisionTable, classifier: Classifier) -> list[tuple[tuple[Signal, ...], str]]:
    """The children of a classifier grouped by the signals they get, in order of first appearance."""
    groups: dict[tuple[Signal, ...], list[str]] = {}
    for child in classifier.children:
        groups.setdefault(supervision.of_node[child.index], []).append(child.name)
    found = []
    for signals, names in groups.items():
        more = f", ... ({len(names)} in all)" if len(names) > _NAMES else ""
        found.append((signals, ", ".join(names[:_NAMES]) + more))
    return found


def _finding(finding: Finding) -> RenderableType:
    head = Text(finding.severity, style=_SEVERITY_STYLES[finding.severity]).append(f" {finding.rule} ", style="bold")
    if finding.file is not None:
        head.append(f"{_short(finding.file)}:{finding.line}", style="dim")
    return Group(head, *(Padding(text, (0, 0, 0, 2)) for text in (f"{finding.what}.", Text(finding.cure, "italic"))))


def _footer(report: LintReport, *, strict: bool) -> list[RenderableType]:
    lines: list[RenderableType] = []
    kinds = {
        "nothing to be done about": [f.rule for f in report.findings if f.severity == "info"],
        "accepted, with a reason": [f.rule for f in report.findings if f.accepted is not None],
    }
    for kind, rules in kinds.items():
        if rules:
            each = (f"{count} x {_IN_WORDS.get(rule, rule)}" for rule, count in sorted(Counter(rules).items()))
            lines.append(Text(f"Also, {kind}: {'; '.join(each)} (--json FILE has them all).", style="dim"))
    errors, warnings = report.count("error"), report.count("warning")
    verdict = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    lines.append(Text(verdict, style="bold red" if report.fails(strict=strict) else "bold green"))
    return lines


def _short(file: str) -> str:
    """A path relative to the current folder if it is below it, else unchanged."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        return file
