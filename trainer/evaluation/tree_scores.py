"""Scores that know the tree: how deep decisions are right, how far off they are, and what stopping early would answer.

Labels and answers are sets of leaves (:mod:`labelforge.trainer.evaluation.verdicts`). All functions take a table of
pixels per (row, answer), so they cost the same for one image and for a million.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import leaf_sets
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.evaluation.answers import Answers
from labelforge.trainer.evaluation.confidence_scores import ConfidenceScores, confidence_scores
from labelforge.trainer.evaluation.tree_counts import THRESHOLDS, TreeCounts
from labelforge.trainer.evaluation.verdicts import COARSE, RIGHT, WRONG, BoolArray, judge, label_leaves, overlap

Counts = NDArray[np.int64]
"""(R, M): pixels per row of the label table and answer."""


@dataclass(frozen=True)
class Tally:
    """Answers and what they are worth. Shares are None without a pixel.

    Attributes:
        pixels: Their number.
        right: Share inside the label's meaning.
        too_coarse: Share that leaves open what the label decides.
        wrong: Share that contradicts the label.
    """

    pixels: int
    right: float | None
    too_coarse: float | None
    wrong: float | None


@dataclass(frozen=True)
class DepthScore:
    """Decisions seen down to one depth of the tree, where labels say something at that depth.

    Attributes:
        depth: 1 for the children of the root.
        answers: The answers to labels that tell nodes of this depth apart, each label cut at this depth.
    """

    depth: int
    answers: Tally


@dataclass(frozen=True)
class ClassifierScore:
    """One classifier, on the pixels whose label decides it.

    Attributes:
        name: The node that owns it.
        pixels: Pixels whose label decides it.
        reached: Share of them whose answer is the node or lies below it; None without a pixel.
        accuracy: Share of the pixels reached whose answer lies below a choice that the label allows; None without one.
    """

    name: str
    pixels: int
    reached: float | None
    accuracy: float | None


@dataclass(frozen=True)
class StopScore:
    """What is answered if a descent stops where its confidence falls below a threshold.

    Attributes:
        threshold: The confidence.
        unanswered: Share of the scored pixels without any answer: the descent stops before its first choice.
        full: Answers at the end of a descent.
        inner: Answers at an inner node, before the end.
    """

    threshold: float
    unanswered: float
    full: Tally
    inner: Tally


@dataclass(frozen=True)
class TreeScores:
    """Scores of one network on one dataset, by the tree. Figures are None where there is no pixel to measure them on.

    Attributes:
        answers: All scored pixels.
        leaves: Answers that are leaves.
        groups: Answers that are several leaves, but no node.
        inner_nodes: Answers that are inner nodes, without any threshold.
        precision: Hierarchical precision: see :func:`hierarchical_scores`.
        recall: Hierarchical recall.
        f1: Their harmonic mean.
        distance: Mean distance of wrong answers from the label, in edges between the lowest nodes that hold each.
        depths: By depth.
        classifiers: By classifier; empty if there is only one.
        stops: By threshold; empty if no pixel was scored.
        confidence: Calibration and coverage.
    """

    answers: Tally
    leaves: Tally
    groups: Tally
    inner_nodes: Tally
    precision: float | None
    recall: float | None
    f1: float | None
    distance: float | None
    depths: tuple[DepthScore, ...]
    classifiers: tuple[ClassifierScore, ...]
    stops: tuple[StopScore, ...]
    confidence: ConfidenceScores

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists, for JSON."""
        return asdict(self)


def tree_scores(counts: TreeCounts, layout: LogitLayout, mapping: LabelMapping) -> TreeScores:
    """Scores from counts.

    Args:
        counts: What was counted.
        layout: The layout that it was counted for.
        mapping: The label table that it was counted for.
    """
    tree = layout.taxonomy
    answers, labels = Answers.compile(layout).leaves, label_leaves(mapping, tree)
    scored = labels.any(axis=1)
    labels, tables = labels[scored], counts.answers[:, scored]
    pixels, verdicts = tables[0], judge(labels, answers)
    is_leaf = answers.sum(axis=1) == 1
    is_node = (answers[:, None] == _node_leaves(tree)).all(axis=2).any(axis=1)
    precision, recall, f1 = hierarchical_scores(pixels, labels, answers, tree)
    return TreeScores(
        answers=tally(pixels, verdicts),
        leaves=tally(pixels[:, is_leaf], verdicts[:, is_leaf]),
        groups=tally(pixels[:, ~is_leaf & ~is_node], verdicts[:, ~is_leaf & ~is_node]),
        inner_nodes=tally(pixels[:, ~is_leaf & is_node], verdicts[:, ~is_leaf & is_node]),
        precision=precision,
        recall=recall,
        f1=f1,
        distance=mean_distance(pixels * (verdicts == WRONG), labels, answers, tree),
        depths=depth_scores(pixels, labels, answers, tree),
        classifiers=classifier_scores(pixels, labels, answers, layout),
        stops=_stop_scores(tables[1:], verdicts, len(layout.classes)),
        confidence=confidence_scores(counts),
    )


def tally(pixels: Counts, verdicts: NDArray[np.int8]) -> Tally:
    """Sum up what some answers are worth.

    Args:
        pixels: (R, M) pixels.
        verdicts: (R, M) int8: what each answer is for each label.
    """
    whole = int(pixels.sum())
    right, coarse, wrong = (_ratio(pixels[verdicts == verdict].sum(), whole) for verdict in (RIGHT, COARSE, WRONG))
    return Tally(whole, right, coarse, wrong)


def depth_scores(pixels: Counts, labels: BoolArray, answers: BoolArray, tree: Taxonomy) -> tuple[DepthScore, ...]:
    """How many answers agree with the label down to each depth.

    A label cut at depth d means all leaves that share an ancestor of depth d with one of its own. It says something at
    depth d if that is less than what it means cut at d - 1.

    Args:
        pixels: (R, M) pixels.
        labels: (R, L) leaves of each label.
        answers: (M, L) leaves of each answer.
        tree: The tree.
    """
    nodes, depth = _node_leaves(tree), np.array([node.depth for node in tree.nodes])
    is_leaf = nodes.sum(axis=1) == 1
    found, before = [], np.ones_like(labels)
    for d in range(1, int(depth.max()) + 1):
        level = nodes[(depth == d) | (is_leaf & (depth < d))]
        cut = overlap(overlap(labels, level) > 0, level.T) > 0
        says = (cut != before).any(axis=1)
        found.append(DepthScore(d, tally(pixels[says], judge(cut[says], answers))))
        before = cut
    return tuple(found)


def classifier_scores(
    pixels: Counts, labels: BoolArray, answers: BoolArray, layout: LogitLayout
) -> tuple[ClassifierScore, ...]:
    """How good every classifier is on the pixels whose label decides it, and how many of them reach it.

    A label decides a classifier if all of its leaves are below the classifier's node, and below some of the choices,
    but not below each.

    Args:
        pixels: (R, M) pixels.
        labels: (R, L) leaves of each label.
        answers: (M, L) leaves of each answer, in the order of :class:`Answers`.
        layout: The classifiers.
    """
    if layout.num_classifiers == 1:
        return ()
    covers = leaf_sets(layout.covers, layout.taxonomy)
    found = []
    for j, (name, columns) in enumerate(zip(layout.names, layout.slices, strict=True)):
        node, choices = answers[len(layout.classes) + j], covers[columns]
        allowed = overlap(labels, choices) > 0
        asked = ~(labels & ~node).any(axis=1) & allowed.any(axis=1) & ~allowed.all(axis=1)
        inside = ~(answers & ~node).any(axis=1)
        right = judge(overlap(allowed, choices.T) > 0, answers) == RIGHT
        whole, reached = int(pixels[asked].sum()), int(pixels[asked][:, inside].sum())
        hits = int((pixels * right)[asked][:, inside].sum())
        found.append(ClassifierScore(name, whole, _ratio(reached, whole), _ratio(hits, reached)))
    return tuple(found)


def hierarchical_scores(
    pixels: Counts, labels: BoolArray, answers: BoolArray, tree: Taxonomy
) -> tuple[float | None, float | None, float | None]:
    """Hierarchical precision, recall and F: how many ancestors of the answer are the label's, and the other way round.

    Micro-averaged over pixels, the root left out (Kiritchenko et al., Learning and Evaluation in the Presence of Class
    Hierarchies, Canadian AI 2006). A label or answer that is a set of leaves stands for itself and all nodes that hold
    it. An answer inside the label's meaning counts as the label itself: about what is below, the label says nothing.

    Args:
        pixels: (R, M) pixels.
        labels: (R, L) leaves of each label.
        answers: (M, L) leaves of each answer.
        tree: The tree.

    Returns:
        Precision, recall and F; None without a pixel.
    """
    nodes = np.unique(_node_leaves(tree)[1:], axis=0)
    nodes = nodes[~nodes.all(axis=1)]

    def above(sets: BoolArray) -> tuple[BoolArray, NDArray[np.int64]]:
        """The nodes that hold each set, and their number with the set itself."""
        holds = overlap(sets, ~nodes) == 0
        own = ~(sets[:, None] == nodes).all(axis=2).any(axis=1) & ~sets.all(axis=1)
        return holds, holds.sum(axis=1) + own

    (labels_in, label_size), (answers_in, answer_size) = above(labels), above(answers)
    right = judge(labels, answers) == RIGHT
    true_size = np.broadcast_to(label_size[:, None], right.shape)
    answer_sizes = np.where(right, true_size, answer_size)
    common = np.where(right, true_size, overlap(labels_in, answers_in))
    shared, answered, true = ((pixels * size).sum() for size in (common, answer_sizes, true_size))
    return _ratio(shared, answered), _ratio(shared, true), _ratio(2 * shared, answered + true)


def mean_distance(pixels: Counts, labels: BoolArray, answers: BoolArray, tree: Taxonomy) -> float | None:
    """Mean number of edges between the lowest node that holds the answer and the lowest that holds the label.

    Args:
        pixels: (R, M) pixels to be averaged over.
        labels: (R, L) leaves of each label, at least one each.
        answers: (M, L) leaves of each answer.
        tree: The tree.

    Returns:
        The mean; None without a pixel.
    """
    lines = np.zeros((len(tree.nodes), len(tree.nodes)), np.bool_)  # each node with its ancestors
    for node in tree.nodes:
        lines[node.index, [node.index, *(above.index for above in tree.ancestors(node))]] = True
    label_lines, answer_lines = (
        lines[[tree.covering(np.flatnonzero(leaves).tolist()).index for leaves in sets]] for sets in (labels, answers)
    )
    steps = label_lines.sum(axis=1)[:, None] + answer_lines.sum(axis=1) - 2 * overlap(label_lines, answer_lines)
    return _ratio((pixels * steps).sum(), pixels.sum())


def _stop_scores(tables: NDArray[np.int64], verdicts: NDArray[np.int8], classes: int) -> tuple[StopScore, ...]:
    """Scores of stopped descents, from pixels per threshold, row and answer; answer ``classes`` is the root."""
    found = []
    for threshold, pixels in zip(THRESHOLDS, tables, strict=True):
        whole = int(pixels.sum())
        if whole:
            full = tally(pixels[:, :classes], verdicts[:, :classes])
            inner = tally(pixels[:, classes + 1 :], verdicts[:, classes + 1 :])
            found.append(StopScore(threshold, int(pixels[:, classes].sum()) / whole, full, inner))
    return tuple(found)


def _node_leaves(tree: Taxonomy) -> BoolArray:
    """(nodes, L) bool: the leaves below each node."""
    leaves = np.zeros((len(tree.nodes), len(tree.leaves)), np.bool_)
    for node in tree.nodes:
        leaves[node.index, node.leaves.start : node.leaves.stop] = True
    return leaves


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
