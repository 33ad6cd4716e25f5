"""Runs the rules. Each makes remarks about a :class:`Case`; the engine adds the rule's name and a file and line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from labelforge.lint.acceptance import accept, stale_acceptance
from labelforge.lint.case import Case
from labelforge.lint.findings import SEVERITIES, Finding, LintReport, Remark
from labelforge.lint.label_rules import lone_child, mirror_pair, same_color, same_meaning, unused_label
from labelforge.lint.overlap_rules import no_shared_leaf
from labelforge.lint.places import Places
from labelforge.lint.supervision_rules import inseparable, no_signal, one_child, only_boxes
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import Boxes
from labelforge.yamlfile import YamlFile

RULES: dict[str, Callable[[Case], Iterator[Remark]]] = {
    "no-signal": no_signal,
    "inseparable": inseparable,
    "one-child": one_child,
    "only-boxes": only_boxes,
    "unused-label": unused_label,
    "no-shared-leaf": no_shared_leaf,
    "mirror-pair": mirror_pair,
    "same-colour": same_color,
    "lone-child": lone_child,
    "same-meaning": same_meaning,
}
"""The rules by name, in the order of their findings; ``stale-acceptance`` runs on what they found."""


def lint_mappings(
    tree: Taxonomy, mappings: Sequence[LabelMapping], boxes: Boxes | None = None, places: Places | None = None
) -> LintReport:
    """Check a tree and the mappings of all datasets that should teach it.

    Args:
        tree: The tree.
        mappings: Label tables in it.
        boxes: Which classifiers box labels train; default: what the tree says.
        places: Where things are in the files that they were read from, if any.
    """
    case = Case.of(tree, mappings, boxes or tree.boxes)
    places = places or Places()
    findings = [
        Finding.of(name, remark, places.find(remark.subject)) for name, rule in RULES.items() for remark in rule(case)
    ]
    findings += [
        Finding.of("stale-acceptance", remark, places.find(remark.subject))
        for remark in stale_acceptance(case, findings)
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return LintReport(tuple(accept(case, findings)), case.supervision, case.mappings, case.boxes)


def lint_taxonomy(source: str | os.PathLike[str], boxes: Boxes | None = None) -> LintReport:
    """Read a tree and all mappings in its folder, and check them.

    Args:
        source: A shipped name, a folder, or a ``tree.yaml``.
        boxes: Which classifiers box labels train; default: what the tree says.

    Raises:
        TaxonomyError: A file is missing or wrong (with its line).
    """
    path = Taxonomy.locate(source)
    file = YamlFile.load(path)
    tree = Taxonomy.from_file(file, path.parent)
    files = [YamlFile.load(other) for other in LabelMapping.available(tree).values() if other != path]
    mappings = [LabelMapping.from_file(tree, mapping) for mapping in files]
    places = Places(file, {m.dataset: f for m, f in zip(mappings, files, strict=True)})
    return lint_mappings(tree, mappings, boxes, places)
