"""Lint: what a tree and its mappings would teach a network, and where that is not what their author can mean.

Reading YAML finds what is wrong; lint finds what is right and useless: a class that nobody teaches, a classifier that
one dataset teaches to always give the same answer, a label that no classifier can use. Every rule is a function from
the :class:`Case` (tree, mappings, compiled targets) to findings, and :data:`RULES` lists them. Nothing here reads a
pixel.

    report = lint_taxonomy("streets")
    report.fails(strict=True)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from labelforge.lint.acceptance import accept, stale_acceptance
from labelforge.lint.case import Case
from labelforge.lint.findings import SEVERITIES, Finding, LintReport, Severity
from labelforge.lint.places import Places
from labelforge.lint.teaching import inseparable, no_signal, one_child, only_boxes
from labelforge.lint.writing import lone_child, mirror_pair, same_colour, same_meaning, unused_label
from labelforge.mapping import LabelMapping
from labelforge.supervision import Signal, SupervisionTable
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import Boxes
from labelforge.yamlfile import YamlFile

__all__ = [
    "RULES",
    "SEVERITIES",
    "Finding",
    "LintReport",
    "Severity",
    "Signal",
    "SupervisionTable",
    "lint",
    "lint_taxonomy",
]

RULES: dict[str, Callable[[Case], Iterator[Finding]]] = {
    "no-signal": no_signal,
    "inseparable": inseparable,
    "one-child": one_child,
    "only-boxes": only_boxes,
    "unused-label": unused_label,
    "mirror-pair": mirror_pair,
    "same-colour": same_colour,
    "lone-child": lone_child,
    "same-meaning": same_meaning,
}
"""The rules by name, in the order of their findings; ``stale-acceptance`` comes on top of them."""


def lint(
    tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: Boxes | None = None, places: Places | None = None
) -> LintReport:
    """Look at a tree and the mappings of all datasets that are to teach it.

    Args:
        tree: The tree.
        mappings: Label tables in it.
        boxes: Which classifiers box labels train; default: what the tree says.
        places: Where things stand in the files that they were read from, if any.
    """
    boxes = boxes or tree.boxes
    table = TargetTable.compile(tree, mappings, boxes)
    supervision = SupervisionTable.of(table)
    case = Case(tree, tuple(mappings), table, supervision, places or Places(), boxes)
    findings = [finding for rule in RULES.values() for finding in rule(case)]
    findings += stale_acceptance(case, findings)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return LintReport(tuple(accept(case, findings)), supervision, case.mappings, boxes)


def lint_taxonomy(source: str | os.PathLike[str], boxes: Boxes | None = None) -> LintReport:
    """Read a tree and all mappings in its folder, and look at them.

    Args:
        source: A shipped name, a folder, or a ``tree.yaml``.
        boxes: Which classifiers box labels train; default: what the tree says.

    Raises:
        TaxonomyError: A file is missing or wrong (with its line).
    """
    path = Taxonomy.locate(source)
    file = YamlFile.load(path)
    tree = Taxonomy.from_file(file, path.parent)
    files = {name: YamlFile.load(place) for name, place in LabelMapping.available(tree).items() if place != path}
    mappings = [LabelMapping.from_file(tree, mapping) for mapping in files.values()]
    places = Places(file, {m.dataset: f for m, f in zip(mappings, files.values(), strict=True)})
    return lint(tree, mappings, boxes, places)
