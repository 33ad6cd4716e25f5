"""Lint: what a tree and its mappings would teach a network, and what in it looks like a mistake.

Reading YAML finds what is invalid; lint finds what is valid but useless: a class that no dataset teaches, a classifier
that a dataset teaches to always give the same answer, a label that no classifier can use. It reads no pixels.

    report = lint_taxonomy("streets")
    report.fails(strict=True)
"""

from labelforge.lint.engine import RULES, lint_mappings, lint_taxonomy
from labelforge.lint.findings import Finding, LintReport
