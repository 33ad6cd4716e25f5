"""Scores in native labels, against sets of leaves and plain counting."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge import LabelMapping, LogitLayout, Protocol, Taxonomy
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
    assert [(c.name, c.labels, c.pixels, c.predicted, c.iou, c.accuracy) for c in scores.classes] == [
        ("bike", ("bike",), 4, 3, 3 / 4, 3 / 4),
        ("vehicle", ("vehicle",), 3, 3, 2 / 4, 2 / 3),
        ("sky", ("sky",), 0, 1, 0.0, None),
    ]
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores.pixel_accuracy == pytest.approx(5 / 7)
    assert (scores.pixels, scores.evaluated, scores.uncovered) == (7, 7, 0)
    assert scores.headline == scores.mean_iou


def test_a_decision_without_native_label_is_wrong() -> None:
    mapping = mapped(TREE, ("car", "car", "pixel"), ("void", "ignore", "pixel"))
    scores = count(LAYOUT, mapping, [1, 1, 1, 1, 2], [1, 1, 3, 4, 4]).scores()
    assert (scores.pixels, scores.uncovered, scores.pixel_accuracy) == (4, 2, 0.5)
    assert scores.classes[0].iou == 0.5


def test_only_the_inside_of_boxes_is_scored() -> None:
    scores = count(LAYOUT, mapped(TREE, ("car", "car", "box")), [0, 0, 0, 1, 1], [1, 1, 1, 1, 2]).scores()
    assert (scores.pixels, scores.classes[0].iou) == (2, 0.5)


def test_labels_of_one_meaning_are_confused_unless_the_reading_forgives_it() -> None:
    """Decisions for their node are written as the first of the two: the other is never right."""
    mapping = mapped(TREE, ("car", "car", "pixel"), ("parked car", "car", "pixel"), ("bike", "bike", "pixel"))
    matrix = count(LAYOUT, mapping, [1, 2, 2, 3], [1, 1, 1, 0])
    assert matrix.confusable == (("car", "parked car"),)
    assert [c.iou for c in matrix.scores().classes] == [1 / 3, 0, 1]
    assert matrix.scores().pixel_accuracy == 0.5
    assert matrix.consistent_scores().mean_iou == matrix.consistent_scores().mean_accuracy == 1
    merged = matrix.merged_scores()
    assert merged is not None
    assert [(c.name, c.labels, c.pixels, c.iou) for c in merged.classes] == [
        ("car | parked car", ("car", "parked car"), 3, 1),
        ("bike", ("bike",), 1, 1),
    ]


def test_a_label_inside_another_is_told_apart() -> None:
    mapping = mapped(TREE, ("vehicle", "vehicle", "pixel"), ("truck", "truck", "pixel"))
    matrix = count(LAYOUT, mapping, [1, 1, 2, 2], [1, 2, 2, 1])
    assert (matrix.confusable, matrix.merged_scores()) == ((), None)
    assert [(c.pixels, c.predicted, c.accuracy) for c in matrix.scores().classes] == [(2, 2, 0.5), (2, 2, 0.5)]
    # A truck is a vehicle, so calling a vehicle one is no contradiction; calling a truck a car is.
    assert matrix.consistent_scores().pixel_accuracy == 0.75


def test_a_label_that_others_cover_between_them_is_never_decided() -> None:
    mapping = mapped(TREE, ("vehicle", "vehicle", "pixel"), ("car", "car", "pixel"), ("truck", "truck", "pixel"))
    matrix = count(LAYOUT, mapping, [1, 1, 2, 3], [1, 2, 1, 2])
    assert matrix.confusable == (("vehicle", "car", "truck"),)
    merged = matrix.merged_scores()
    assert merged is not None
    assert merged.mean_iou == 1
    assert matrix.scores().pixel_accuracy == 0.5


def test_labels_finer_than_the_network_are_merged_by_the_class_that_holds_them() -> None:
    """A network taught *vehicle* and *bike*: its vehicles are no car and no truck, but one of the two."""
    coarse = mapped(TREE, ("vehicle", "vehicle", "pixel"), ("bike", "bike", "pixel"))
    layout = LogitLayout.compile(TREE, [coarse], "flat-union")
    fine = mapped(TREE, ("car", "car", "pixel"), ("truck", "truck", "pixel"), ("bike", "bike", "pixel"))
    vehicle, bike = (layout.class_names.index(name) for name in ("vehicle", "bike"))
    matrix = count(layout, fine, [1, 2, 2, 3, 3], [vehicle, vehicle, bike, bike, vehicle])
    assert matrix.confusable == (("car", "truck"),)
    assert [c.accuracy for c in matrix.scores().classes] == [0, 0, 0.5]
    assert matrix.scores().uncovered == 3
    merged = matrix.merged_scores()
    assert merged is not None
    assert [(c.name, c.pixels, c.predicted, c.iou) for c in merged.classes] == [
        ("car | truck", 3, 3, 2 / 4),
        ("bike", 2, 2, 1 / 3),
    ]


def test_a_label_that_no_decision_can_be_is_listed_alone() -> None:
    coarse = mapped(TREE, ("vehicle", "vehicle", "pixel"), ("bike", "bike", "pixel"))
    layout = LogitLayout.compile(TREE, [coarse], "flat-union")
    fine = mapped(TREE, ("car", "car", "pixel"), ("bike", "bike", "pixel"))
    matrix = count(layout, fine, [1, 1, 2], [layout.class_names.index(name) for name in ("vehicle", "bike", "bike")])
    assert matrix.confusable == (("car",),)
    merged = matrix.merged_scores()
    assert merged is not None
    assert [(c.name, c.accuracy) for c in merged.classes] == [("car", 0.5), ("bike", 1)]


def test_an_ignored_label_that_the_protocol_evaluates_scores_zero() -> None:
    mapping = mapped(TREE, ("car", "car", "pixel"), ("lamp", "ignore", "pixel"))
    protocol = Protocol.of_labels(["car", "lamp"])
    matrix = ConfusionMatrix(LAYOUT, mapping, protocol)
    matrix.update(torch.tensor([1, 1, 2]), torch.tensor([1, 1, 3]))
    assert matrix.not_in_tree == ("lamp",)
    assert [c.iou for c in matrix.scores().classes] == [1, 0]
    assert matrix.scores().mean_iou == 0.5


def test_rows_may_be_given_where_a_label_is_not_read_off_the_class() -> None:
    mapping = mapped(TREE, ("car", "car", "pixel"), ("truck", "truck", "pixel"))
    matrix = ConfusionMatrix(LAYOUT, mapping)
    matrix.update(torch.tensor([1, 1, 2]), torch.tensor([1, 2, 1]), torch.tensor([2, 1, 2]))
    assert [c.accuracy for c in matrix.scores().classes] == [0.5, 1]
    assert [c.accuracy for c in matrix.consistent_scores().classes] == [1, 1]
    with pytest.raises(ValueError, match=r"labels are \(1,\)"):
        matrix.update(torch.tensor([1]), torch.tensor([1]), torch.tensor([1, 2]))


def test_rows_given_as_they_would_be_read_off_change_nothing() -> None:
    tree = Taxonomy.load("iv2018")
    layout, mapping = LogitLayout.compile(tree), LabelMapping.load(tree, "mapillary-vistas-2.0")
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, len(mapping.rows), (4000,), generator=generator)
    classes = torch.randint(0, len(layout.classes), (4000,), generator=generator)
    one, other = (ConfusionMatrix(layout, mapping) for _ in range(2))
    one.update(labels, classes)
    other.update(labels, classes, torch.from_numpy(layout.native_rows(mapping))[classes])
    assert np.array_equal(one.counts, other.counts)
    assert one.consistent_scores() == other.consistent_scores()
    assert one.merged_scores() == other.merged_scores() != one.scores()


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
    assert np.array_equal(once.counts, parts.counts)
    assert once.counts.sum() == labels.numel()
    assert json.loads(json.dumps(once.scores().to_dict(), allow_nan=False))["classes"][0]["name"] == "ego vehicle"
    assert once.consistent_scores() == parts.consistent_scores()


def test_no_pixels_no_scores() -> None:
    scores = count(LAYOUT, mapped(TREE, ("car", "car", "pixel")), [0, 0], [1, 2]).scores()
    assert scores.mean_iou is scores.mean_accuracy is scores.pixel_accuracy is None
    assert scores.pixels == 0


def test_shapes_must_agree() -> None:
    matrix = ConfusionMatrix(LAYOUT, mapped(TREE, ("car", "car", "pixel")))
    with pytest.raises(ValueError, match=r"labels are \(2, 3\), classes \(3,\)"):
        matrix.update(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), flat=st.booleans())
def test_random_labels(grow_tree: Callable[[random.Random], Nested], seed: int, flat: bool) -> None:
    """Every pixel judged by sets of leaf names, every score as an exact fraction, strict and consistent."""
    rng = random.Random(seed)
    tree = Taxonomy.from_dict(grow_tree(rng))
    below = {node.name: frozenset(tree.leaves[i].name for i in node.leaves) for node in tree.nodes}
    targets = [rng.choice(["ignore", *below, *below]) for _ in range(6)]
    mapping = mapped(tree, *((f"label {i}", target, "pixel") for i, target in enumerate(targets)))
    layout = LogitLayout.compile(tree, head="flat-marginal" if flat else "hierarchical")
    leaves_of = [{tree.leaves[i].name for i in leaves} for leaves in layout.classes]
    labels = [rng.randrange(7) for _ in range(40)]
    classes = [rng.randrange(len(leaves_of)) for _ in range(40)]
    meaning = {i: below[t] for i, t in enumerate(targets, start=1) if t != "ignore"}
    matrix = count(layout, mapping, labels, classes)

    for forgiving, scores in ((False, matrix.scores()), (True, matrix.consistent_scores())):
        truly, decided, right, uncovered = Counter[int](), Counter[int](), Counter[int](), 0
        for label, decided_for in zip(labels, classes, strict=True):
            if label not in meaning:
                continue
            truly[label] += 1
            fitting = [i for i in meaning if leaves_of[decided_for] <= meaning[i]]
            said = min(fitting, key=lambda i: (len(meaning[i]), i), default=0)
            if forgiving and label in fitting:
                said = label
            uncovered += not said
            decided[said] += 1
            right[label] += said == label
        ious = [Fraction(right[i], truly[i] + decided[i] - right[i]) for i in meaning if truly[i] + decided[i]]
        accuracies = [Fraction(right[i], truly[i]) for i in meaning if truly[i]]
        names = [(f"label {i - 1}", truly[i], decided[i]) for i in meaning]
        assert [(c.name, c.pixels, c.predicted) for c in scores.classes] == names
        assert (scores.pixels, scores.uncovered) == (truly.total(), uncovered)
        assert scores.mean_iou == (pytest.approx(float(sum(ious) / len(ious))) if ious else None)
        assert scores.mean_accuracy == (pytest.approx(float(sum(accuracies) / len(accuracies))) if accuracies else None)
        assert scores.pixel_accuracy == (pytest.approx(right.total() / truly.total()) if truly else None)
