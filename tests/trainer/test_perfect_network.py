"""What a network that is always right scores under every shipped mapping: 1 wherever the tree can tell labels apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelforge import LabelMapping, LabelSpace, LogitLayout, Taxonomy
from labelforge.logits import Head
from labelforge.taxonomy import shipped_folder
from labelforge.trainer import ConfusionMatrix
from labelforge.trainer.readout import written_rows
from tests.trainer.scripted import ScriptedSegmenter, answer_perfectly, best_classes

PAIRS = [
    (file.parent.name, file.stem)
    for file in sorted(shipped_folder().glob("*/*.yaml"))
    if file.parent.name != "label_spaces" and file.name != "tree.yaml"
]
ALONE = [(tree, dataset, taught) for tree, dataset in PAIRS for taught in (False, True)]
ALONE.remove(("streets", "bdd100k-boxes", True))  # boxes of things that only pixels tell from all else


def score(tree: str, dataset: str, taught: bool = False, head: Head = "hierarchical") -> ConfusionMatrix:
    """Forty pixels of every label that a decision can have to do with, answered by a perfect network.

    Args:
        tree: Name of the tree.
        dataset: Name of the label space.
        taught: Whether the network was taught this dataset only, or can tell all leaves of the tree apart.
        head: Kind of head.
    """
    taxonomy = Taxonomy.load(tree)
    mapping = LabelMapping.load(taxonomy, dataset)
    layout = LogitLayout.compile(taxonomy, [mapping], head) if taught else LogitLayout.compile(taxonomy)
    matrix = ConfusionMatrix(layout, mapping, LabelSpace.load(dataset).protocol)
    best = best_classes(layout, mapping)
    named = [mapping.rows[row].native_name for row, fitting in enumerate(best) if fitting]
    labels = np.repeat([row.row for row in mapping.rows if best[row.row]], 40)
    # A label that no class of the network even touches has no right answer; it must be listed, where it is evaluated.
    hopeless = {row.native_name for row in mapping.rows if not row.target.ignored} - set(named)
    evaluated = {name for entry in matrix.protocol.classes for name in entry.labels}
    assert {(name,) for name in hopeless & evaluated} <= set(matrix.confusable)
    classes = answer_perfectly(layout, mapping, labels, np.random.default_rng(0))
    matrix.update(torch.from_numpy(labels), torch.from_numpy(classes))
    return matrix


@pytest.mark.parametrize(("tree", "dataset", "taught"), ALONE)
def test_what_can_be_told_apart_scores_one_and_the_rest_is_listed(tree: str, dataset: str, taught: bool) -> None:
    matrix = score(tree, dataset, taught)
    listed = {name for group in matrix.confusable for name in group} | set(matrix.not_in_tree)
    right = [entry for entry in matrix.scores().classes if not set(entry.labels) & listed]
    assert right
    assert {(entry.iou, entry.accuracy) for entry in right} == {(1.0, 1.0)}
    # Nothing is listed for nothing: every group has a label that is never right.
    iou = {label: entry.iou for entry in matrix.scores().classes for label in entry.labels}
    assert all(any(iou.get(name, 1.0) != 1.0 for name in group) for group in matrix.confusable)


@pytest.mark.parametrize(("tree", "dataset", "taught"), ALONE)
def test_labels_merged_where_they_cannot_be_told_apart_score_one(tree: str, dataset: str, taught: bool) -> None:
    matrix = score(tree, dataset, taught)
    merged = matrix.merged_scores() if matrix.confusable else matrix.scores()
    assert merged is not None
    occurring = [entry for entry in merged.classes if entry.pixels]
    assert {(entry.iou, entry.accuracy) for entry in occurring} == {(1.0, 1.0)}
    assert merged.pixels == matrix.scores().pixels


@pytest.mark.parametrize(("tree", "dataset"), PAIRS)
def test_a_perfect_network_never_contradicts_a_label(tree: str, dataset: str) -> None:
    assert score(tree, dataset).consistent_scores().pixel_accuracy == 1


@pytest.mark.parametrize("asked", ["cityscapes", "coco-panoptic-133", "mapillary-vistas-1.2", "bdd100k-panoptic"])
@pytest.mark.parametrize("seen", ["cityscapes", "mapillary-vistas-1.2", "camvid-11", "wilddash-2-80"])
def test_labels_that_the_network_never_saw_are_right_void_or_listed(seen: str, asked: str) -> None:
    """Read as usual, by sum: a class that could be several labels is none of them, and never a label it has no part of.

    So a perfect network names no wrong label but those that are listed, and with these as one it is always right.
    """
    tree = Taxonomy.load("streets")
    mapping, layout = LabelMapping.load(tree, asked), LogitLayout.compile(tree, [LabelMapping.load(tree, seen)])
    matrix = ConfusionMatrix(layout, mapping, LabelSpace.load(asked).protocol, written=written_rows(layout, mapping))
    best = best_classes(layout, mapping, None)
    labels = np.repeat([row.row for row in mapping.rows if best[row.row]], 20)
    classes = answer_perfectly(layout, mapping, labels, np.random.default_rng(0), None)
    segmenter = ScriptedSegmenter(layout, lambda image: classes[:, None])
    rows = segmenter.read(np.zeros((len(labels), 1, 3), np.uint8), mapping).rows[:, 0]
    meanings = [row.target.leaves for row in mapping.rows]
    assert all(row == 0 or meanings[row] & layout.classes[k] for row, k in zip(rows.tolist(), classes, strict=True))
    matrix.update(torch.from_numpy(labels), torch.from_numpy(classes), rows)
    listed = {name for group in matrix.confusable for name in group} | set(matrix.not_in_tree)
    right = [c for c in matrix.scores().classes if c.pixels and not set(c.labels) & listed]
    assert right
    assert {c.iou for c in right} == {1.0}
    merged = matrix.merged_scores() or matrix.scores()
    assert {c.iou for c in merged.classes if c.pixels} == {1.0}


def test_labels_that_are_never_right() -> None:
    """Of the 117 labels of Vistas 2.0 with a place in iv2018, 52 share a node with another and are never written."""
    taxonomy = Taxonomy.load("iv2018")
    mapping, layout = LabelMapping.load(taxonomy, "mapillary-vistas-2.0"), LogitLayout.compile(taxonomy)
    matrix = ConfusionMatrix(layout, mapping)
    labels = np.array([row.row for row in mapping.rows if not row.target.ignored])
    classes = answer_perfectly(layout, mapping, labels, np.random.default_rng(0))
    matrix.update(torch.from_numpy(labels), torch.from_numpy(classes))
    accuracies = [entry.accuracy for entry in matrix.scores().classes]
    assert (len(accuracies), accuracies.count(0)) == (117, 52)
    assert matrix.consistent_scores().mean_iou == 1


@pytest.mark.parametrize("dataset", ["cityscapes", "mapillary-vistas-2.0", "gtsdb"])
def test_a_flat_head_over_the_datasets_own_labels(dataset: str) -> None:
    matrix = score("iv2018", dataset, taught=True, head="flat-union")
    merged = matrix.merged_scores() or matrix.scores()
    assert {entry.iou for entry in merged.classes if entry.pixels} == {1.0}
