"""What lint says about the label tables of a run, a line each, before its first step.

The rules and sentences are those of ``labelforge lint TREE --shards ...``, and as there, what a mapping in the tree's
folder accepts is not said again. A flat head has none of the classifiers that lint speaks of.
"""

from __future__ import annotations

from labelforge.errors import TaxonomyError, counted
from labelforge.lint import Finding, lint_mappings
from labelforge.lint.acceptance import as_accepted
from labelforge.logits import LogitLayout
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import TrainingBatches

_WARNINGS = 8  # named; errors all are
_SAID = {"never-predicted"}  # the opening has one line for all labels of a dataset


def lint_notes(config: TrainConfig, batches: TrainingBatches) -> list[str]:
    """The findings, errors first; and which boxes are left out of which classifier.

    Args:
        config: Configuration of the run.
        batches: What it learns from.
    """
    table, loss = batches.table, config.loss
    if table.layout.flat:
        return []
    tree = _with_folder(table.layout.taxonomy, config)
    mappings = [as_accepted(tree, mapping) for mapping in table.mappings]
    report = lint_mappings(tree, mappings, loss.boxes, lone_boxes=loss.lone_boxes, chosen=True)
    found = [finding for finding in report.findings if finding.counts and finding.rule not in _SAID]
    errors = [_line(finding) for finding in found if finding.severity == "error"]
    warnings = [_line(finding) for finding in found if finding.severity != "error"]
    rest = len(warnings) - _WARNINGS
    if rest > 1:  # one more is as short as saying so
        warnings[_WARNINGS:] = [f"and {counted(rest, 'more warning')} of lint."]
    carried = LogitLayout.compile(tree, mappings, "hierarchical", loss.boxes, lone_boxes=True).names
    lone: dict[str | None, list[str]] = {}
    for finding in report.findings:
        if finding.rule == "lone-box" and finding.node in carried:
            lone.setdefault(finding.dataset, []).append(finding.what)
    ask = "To ask for it: --set loss.lone_boxes=true."
    return [*errors, *warnings, *(f"lint note lone-box: {'; '.join(said)}. {ask}" for said in lone.values())]


def _line(finding: Finding) -> str:
    return f"lint {finding.severity} {finding.rule}: {finding.what}."


def _with_folder(tree: Taxonomy, config: TrainConfig) -> Taxonomy:
    """The same tree as read from its folder, where the mappings are, if that can be found."""
    source = config.taxonomy or (tree.name if tree.name in Taxonomy.shipped() else None)
    if source is None:
        return tree
    try:
        found = Taxonomy.load(source)
    except TaxonomyError:
        return tree
    return found if found.digest == tree.digest else tree
