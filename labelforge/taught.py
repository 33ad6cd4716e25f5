"""Which choices the labels of a run teach: the classifiers that a network is asked for, and where its decisions end.

Of a classifier's children, those that no label names are left out, and those that no label tells apart are one *group*.
A classifier with two groups or more is *asked*. Where a decision arrives at a node whose classifier is not asked, it
goes on only if everything that leads there lies below one child (Cityscapes' traffic signs all show their front, so
"traffic sign" is "traffic sign/front"); otherwise it ends there. So it ends at what was taught: a leaf, an inner node,
or a group.

*What leads somewhere* are the labels that choose it alone, or, where none does, those that leave it open beside others.
Their meanings also bound the answer: CamVid's Tree is vegetation or grass, so a network that learns "nature" from
nothing else answers "vegetation | grass".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import BoolArray, LabelRows
from labelforge.questions import ask_tree
from labelforge.taxonomy import Classifier, Node, Taxonomy
from labelforge.treefile import BoxUse


@dataclass(frozen=True)
class Choice:
    """One answer of an asked classifier.

    Attributes:
        covers: Leaves of the children that are in it.
        answer: Leaves that a decision which ends here means; None where another classifier decides further.
    """

    covers: frozenset[int]
    answer: frozenset[int] | None


@dataclass
class AskedClassifier:
    """A classifier that the labels teach.

    Attributes:
        node: The inner node that owns it.
        parent: Position of the asked classifier that leads here; -1 for the first.
        branch: Which of its choices does; -1 for the first.
        choices: Its answers: at least two.
        boxes_alone: Whether no label of pixels tells them apart, only labels of boxes do.
    """

    node: Node
    parent: int
    branch: int
    choices: list[Choice] = field(default_factory=list)
    boxes_alone: bool = False


def taught_classifiers(
    tree: Taxonomy, rows: LabelRows, boxes: BoxUse, *, lone_boxes: bool = False
) -> list[AskedClassifier]:
    """The classifiers that some labels teach, a parent before its children; none if the labels teach nothing.

    Args:
        tree: The tree.
        rows: All label rows of a run.
        boxes: Which classifiers a box label trains.
        lone_boxes: Whether also those of which its dataset says nothing else.
    """
    return _Descent(tree, rows, ask_tree(tree, rows, boxes, lone_boxes=lone_boxes)).classifiers


def told_apart(tree: Taxonomy, rows: LabelRows, boxes: BoxUse, *, lone_boxes: bool = False) -> tuple[Node, ...]:
    """The inner nodes whose children some labels tell apart, whether decisions arrive there or not.

    Args:
        tree: The tree.
        rows: All label rows of a run.
        boxes: Which classifiers a box label trains.
        lone_boxes: Whether also those of which its dataset says nothing else.
    """
    allowed = ask_tree(tree, rows, boxes, lone_boxes=lone_boxes)[: rows.originals]
    return tuple(c.node for c in tree.classifiers if len(_groups(allowed[:, c.slice])) > 1)


class _Descent:
    """Follows the labels of a run from the root down. A *name* below is the position of a row among the originals."""

    def __init__(self, tree: Taxonomy, rows: LabelRows, asked: BoolArray) -> None:
        self._tree = tree
        self._meanings = rows.meanings[: rows.originals]
        self._allowed = asked[: rows.originals]
        self._from_box = rows.from_box[: rows.originals]
        self._owner = {classifier.node.index: classifier for classifier in tree.classifiers}
        self.classifiers: list[AskedClassifier] = []
        named = np.flatnonzero(self._meanings.any(1) & ~self._meanings.all(1))
        self._visit(tree.root, named, -1, -1)

    def _visit(self, node: Node, leading: NDArray[np.intp], parent: int, branch: int) -> frozenset[int] | None:
        """Follow a decision that arrives at a node, brought there by the rows ``leading``.

        Returns:
            What it means if it ends there or below without another choice; None if a classifier decides further.
        """
        if node.is_leaf:
            return frozenset(node.leaves)
        classifier = self._owner[node.index]
        groups = _groups(self._allowed[:, classifier.slice])
        if len(groups) > 1:
            self._ask(classifier, groups, parent, branch)
            return None
        meaning = self._meaning(frozenset(node.leaves), leading)
        for child in classifier.children:
            if meaning and meaning.issubset(child.leaves):
                return self._visit(child, leading, parent, branch)
        return meaning

    def _ask(self, classifier: Classifier, groups: list[list[int]], parent: int, branch: int) -> None:
        position = len(self.classifiers)
        asked = AskedClassifier(classifier.node, parent, branch)
        asked.boxes_alone = not self._allowed[~self._from_box, classifier.slice].any()
        self.classifiers.append(asked)
        for number, group in enumerate(groups):
            children = [classifier.children[i] for i in group]
            covers = frozenset(leaf for child in children for leaf in child.leaves)
            leading = self._leading(self._allowed[:, classifier.slice], group)
            if len(children) == 1:
                answer = self._visit(children[0], leading, position, number)
            else:
                answer = self._meaning(covers, leading)
            asked.choices.append(Choice(covers, answer))

    @staticmethod
    def _leading(allowed: BoolArray, group: list[int]) -> NDArray[np.intp]:
        """The rows that choose a group alone or, where none does, all that leave it open."""
        open_for = allowed[:, group[0]]
        alone = open_for & (allowed.sum(1) == len(group))
        return np.flatnonzero(alone if alone.any() else open_for)

    def _meaning(self, covers: frozenset[int], leading: NDArray[np.intp]) -> frozenset[int]:
        """The leaves of a node or group that some rows mean."""
        named = np.flatnonzero(self._meanings[leading].any(0)).tolist()
        return covers.intersection(named)


def _groups(allowed: BoolArray) -> list[list[int]]:
    """The children of one classifier that labels name, those that the same labels allow together.

    Args:
        allowed: (rows, children) bool.
    """
    groups: dict[bytes, list[int]] = {}
    for child, column in enumerate(allowed.T):
        if column.any():
            groups.setdefault(column.tobytes(), []).append(child)
    return list(groups.values())


def leaf_groups(meanings: BoolArray) -> Iterator[frozenset[int]]:
    """The leaves that labels name, those that the same labels mean together: what a flat softmax can be taught.

    Args:
        meanings: (rows, leaves) bool.
    """
    informative = meanings[~meanings.all(1)]
    return map(frozenset, _groups(informative))
