"""Scores in native labels, against sets of leaves and plain counting."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge import LabelMapping, LogitLayout, Taxonomy
from labelforge.trainer import ConfusionMatrix

Nested = dict[str, Any]
#  bike 0, car 1, truck 2, sky 3, water 4
TREE = Taxonomy.from_dict(
    {"name": "t", "tree": {"root": {"bike": None, "vehicle": ["car", "truck"], "sky": None, "water": None}}}
)
LAYOUT = LogitLayout.compile(TREE)


def records(*labels: tuple[str, Any, str]) -> list[dict[str, Any]]:
    """Row 0, then one row per (name, target, supervision), native ids 100, 101, ..."""
    first = {"row": 0, "native_id": None, "native_name": "-", "target": "ignore", "supervision": labels[0][2]}
    return [first] + [
        {"row": i, "native_id": 99 + i, "native_name": name, "target": target, "supervision": supervision}
        for i, (name, target, supervision) in enumerate(labels, start=1)
    ]


def mapped(tree: Taxonomy, *labels: tuple[str, Any, str]) -> LabelMapping:
    return LabelMapping.from_records(tree, "set", records(*labels))


def count(layout: LogitLayout, mapping: LabelMapping, labels: list[int], classes: list[int]) -> ConfusionMatrix:
    matrix = ConfusionMatrix(layout, mapping)
    matrix.update(torch.tensor(labels), torch.tensor(classes))
    return matrix


def test_by_hand() -> None:
    """Bikes: 3 of 4 right. Vehicles: 2 of 3, and one bike taken for one. Sky: predicted once, never true. Void: out."""
    mapping = mapped(
        TREE,
        ("bike", "bike", "pixel"),
        ("vehicle", "vehicle", "pixel"),
        ("sky", "sky", "pixel"),
        ("void", "ignore", "pixel"),
    )
    scores = count(LAYOUT, mapping, [1, 1, 1, 1, 2, 2, 2, 0, 4, 4], [0, 0, 0, 1, 1, 2, 3, 0, 0, 4]).scores()
    assert [(c.native_id, c.name, c.pixels, c.predicted, c.iou, c.accuracy) for c in scores.classes] == [
        (100, "bike", 4, 3, 3 / 4, 3 / 4),
        (101, "vehicle", 3, 3, 2 / 4, 2 / 3),
        (102, "sky", 0, 1, 0.0, None),
    ]
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores.pixel_accuracy == pytest.approx(5 / 7)
    assert (scores.pixels, scores.uncovered, scores.dataset) == (7, 0, "set")


def test_a_decision_without_native_label_is_wrong() -> None:
    mapping = mapped(TREE, ("car", "car", "pixel"), ("void", "ignore", "pixel"))
    scores = count(LAYOUT, mapping, [1, 1, 1, 1, 2], [1, 1, 3, 4, 4]).scores()
    assert (scores.pixels, scores.uncovered, scores.pixel_accuracy) == (4, 2, 0.5)
    assert scores.classes[0].iou == 0.5


def test_only_the_inside_of_boxes_is_scored() -> None:
    scores = count(LAYOUT, mapped(TREE, ("car", "car", "box")), [0, 0, 0, 1, 1], [1, 1, 1, 1, 2]).scores()
    assert (scores.pixels, scores.classes[0].iou) == (2, 0.5)


def test_labels_of_one_meaning_do_not_rob_each_other() -> None:
    """Two native labels that the tree cannot tell apart are both right for their node."""
    mapping = mapped(TREE, ("car", "car", "pixel"), ("parked car", "car", "pixel"), ("bike", "bike", "pixel"))
    scores = count(LAYOUT, mapping, [1, 2, 2, 3], [1, 1, 1, 0]).scores()
    assert scores.mean_accuracy == scores.mean_iou == 1


def test_each_dataset_is_scored_in_its_own_labels() -> None:
    coarse = mapped(TREE, ("vehicle", "vehicle", "pixel"))
    fine = mapped(TREE, ("car", "car", "pixel"), ("truck", "truck", "pixel"))
    assert count(LAYOUT, coarse, [1, 1], [1, 2]).scores().pixel_accuracy == 1
    assert count(LAYOUT, fine, [1, 1], [1, 2]).scores().pixel_accuracy == 0.5


def test_updates_add_up_and_take_any_shape() -> None:
    tree = Taxonomy.load("iv2018")
    layout, mapping = LogitLayout.compile(tree), LabelMapping.load(tree, "cityscapes")
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, len(mapping.rows), (3, 8, 9), generator=generator)
    classes = torch.randint(0, len(layout.classes), (3, 8, 9), generator=generator)
    once, parts = ConfusionMatrix(layout, mapping), ConfusionMatrix(layout, mapping)
    once.update(labels, classes)
    for some_labels, some_classes in zip(labels, classes, strict=True):
        parts.update(some_labels.to(torch.uint8), some_classes)
    parts.all_reduce()  # nothing to add up in a single process
    assert torch.equal(once.counts, parts.counts)
    assert once.counts.sum() == labels.numel()
    assert json.loads(json.dumps(once.scores().to_dict(), allow_nan=False))["classes"][0]["name"] == "ego vehicle"


def test_no_pixels_no_scores() -> None:
    scores = count(LAYOUT, mapped(TREE, ("car", "car", "pixel")), [0, 0], [1, 2]).scores()
    assert scores.mean_iou is scores.mean_accuracy is scores.pixel_accuracy is None
    assert scores.pixels == 0


def test_shapes_must_agree() -> None:
    matrix = ConfusionMatrix(LAYOUT, mapped(TREE, ("car", "car", "pixel")))
    with pytest.raises(ValueError, match=r"labels are \(2, 3\), classes \(3,\)"):
        matrix.update(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), flat=st.booleans())
def test_random_labels(grow_tree: Callable[[random.Random], Nested], seed: int, flat: bool) -> None:
    """Every pixel judged by sets of leaf names, every score as an exact fraction."""
    rng = random.Random(seed)
    tree = Taxonomy.from_dict(grow_tree(rng))
    below = {node.name: frozenset(tree.leaves[i].name for i in node.leaves) for node in tree.nodes}
    targets = [rng.choice(["ignore", *below, *below]) for _ in range(6)]
    mapping = mapped(tree, *((f"label {i}", target, "pixel") for i, target in enumerate(targets)))
    layout = LogitLayout.compile(tree, head="flat-marginal" if flat else "hierarchical")
    leaves = [leaf.name for leaf in tree.leaves]
    labels = [rng.randrange(7) for _ in range(40)]
    classes = [rng.randrange(len(leaves)) for _ in range(40)]
    meaning = {i: below[t] for i, t in enumerate(targets, start=1) if t != "ignore"}

    truly, decided, right, uncovered = Counter[int](), Counter[int](), Counter[int](), 0
    for label, decided_for in zip(labels, classes, strict=True):
        if label not in meaning:
            continue
        truly[label] += 1
        fitting = [i for i in meaning if leaves[decided_for] in meaning[i]]
        uncovered += not fitting
        if label in fitting:
            right[label] += 1
            decided[label] += 1
        elif fitting:
            decided[min(fitting, key=lambda i: (len(meaning[i]), i))] += 1
    ious = [Fraction(right[i], truly[i] + decided[i] - right[i]) for i in meaning if truly[i] + decided[i]]
    accuracies = [Fraction(right[i], truly[i]) for i in meaning if truly[i]]

    scores = count(layout, mapping, labels, classes).scores()
    assert [(c.row, c.pixels, c.predicted) for c in scores.classes] == [(i, truly[i], decided[i]) for i in meaning]
    assert (scores.pixels, scores.uncovered) == (truly.total(), uncovered)
    assert scores.mean_iou == (pytest.approx(float(sum(ious) / len(ious))) if ious else None)
    assert scores.mean_accuracy == (pytest.approx(float(sum(accuracies) / len(accuracies))) if accuracies else None)
    assert scores.pixel_accuracy == (pytest.approx(right.total() / truly.total()) if truly else None)
