"""Label expressions: what a native label means, as a set of leaves.

    road                                     a node: all leaves below it
    {any: [driveable], except: [parking]}    a union without some nodes
    ignore                                   nothing; the pixels are never used
    {ignore: "no street concept"}            the same, with a reason that reports show

Every expression compiles to a set of leaf numbers; two labels mean the same if and only if their sets are equal. This
is equivalent to the method's set of nodes: a classifier is silent on a node above or beside its children exactly when
the node has leaves below each of its children, or leaves that lie outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from labelforge.taxonomy import Taxonomy
from labelforge.yamlfile import KeyPath

Expression = str | dict[str, Any]
Fail = Callable[[KeyPath, str, str | None], NoReturn]

_FORMS = "Write a node, 'ignore', {ignore: reason} or {any: [nodes], except: [nodes]}."


@dataclass(frozen=True)
class LabelTarget:
    """What one native label means in a tree.

        >>> import labelforge as lf
        >>> mapping = lf.LabelMapping.load(lf.Taxonomy.load("iv2018"), "cityscapes")
        >>> target: lf.LabelTarget = mapping.rows[mapping.row_of[7]].target
        >>> target.text, len(target.leaves), target.ignored
        ('driveable except parking', 9, False)

    Attributes:
        leaves: Leaf numbers that a pixel with this label can show; empty where the label is ignored.
        expression: The expression as written, JSON-able.
        reason: Why the label is ignored, if the mapping says so.
    """

    leaves: frozenset[int]
    expression: Any
    reason: str | None = None

    @property
    def ignored(self) -> bool:
        """Whether pixels with this label are never used."""
        return not self.leaves

    @property
    def text(self) -> str:
        """The expression on one line, for tables."""
        if isinstance(self.expression, str):
            return self.expression
        if "ignore" in self.expression:
            return "ignore"
        text = " | ".join(self.expression["any"])
        return text + (f" except {', '.join(self.expression['except'])}" if self.expression.get("except") else "")


IGNORED = LabelTarget(frozenset(), "ignore")


def compile_expression(tree: Taxonomy, expression: Any, at: KeyPath, fail: Fail) -> LabelTarget:
    """Compile one expression.

    Args:
        tree: The tree whose nodes it names.
        expression: Plain data from YAML or JSON.
        at: Key path of the expression, handed to ``fail``.
        fail: Called with (key path, what is wrong, cure) at the first fault; must raise.
    """
    if expression == "ignore":
        return IGNORED
    if isinstance(expression, str):
        return LabelTarget(_leaves(tree, expression, at, fail), expression)
    if not isinstance(expression, dict):
        shown = "nothing" if expression is None else repr(expression)
        fail(at, f"{shown} is not a label expression", _FORMS)
    if set(expression) == {"ignore"}:
        reason = expression["ignore"]
        if not isinstance(reason, str) or not reason.strip():
            fail(at, "the reason for ignoring a label must be text", "Write {ignore: 'why'}, or just ignore.")
        return LabelTarget(frozenset(), expression, reason)
    if "any" not in expression or not set(expression) <= {"any", "except"}:
        fail(at, f"the keys {', '.join(map(repr, expression))} do not make a label expression", _FORMS)
    included = _union(tree, expression["any"], (*at, "any"), fail)
    excluded = _union(tree, expression["except"], (*at, "except"), fail) if "except" in expression else frozenset()
    if excluded and not excluded & included:
        fail((*at, "except"), "'except' names nothing that 'any' includes", "Remove it, or correct a name.")
    if not included - excluded:
        fail(at, "the label means no leaf: 'except' removes everything", "Correct the lists, or write ignore.")
    return LabelTarget(included - excluded, expression)


def _union(tree: Taxonomy, names: Any, at: KeyPath, fail: Fail) -> frozenset[int]:
    if not isinstance(names, list) or not names:
        fail(at, f"'{at[-1]}' must be a list of nodes", f"Write {at[-1]}: [node, ...].")
    leaves: frozenset[int] = frozenset()
    for i, name in enumerate(names):
        if not isinstance(name, str):
            fail((*at, i), f"{name!r} is not the name of a node", "Write a name or a path.")
        if name in names[:i]:
            fail((*at, i), f"{name!r} is listed twice", "Keep one of the two.")
        leaves |= _leaves(tree, name, (*at, i), fail)
    return leaves


def _leaves(tree: Taxonomy, reference: str, at: KeyPath, fail: Fail) -> frozenset[int]:
    found = tree.references.find(reference)
    if len(found) != 1:
        fail(at, *tree.references.explain(reference))
    return frozenset(tree.nodes[found[0]].leaves)
