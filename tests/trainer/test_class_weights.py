"""Weights of classes against sums over single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.logits import Head
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import ClassWeighting
from labelforge.trainer.frequencies import choice_shares, label_frequencies

TREE = {"name": "t", "tree": {"r": {"sky": None, "thing": {"car": None, "sign": None, "dog": None}}}}
LABELS = [("ignore", 9), ("sky", 400), ("car", 64), ("sign", 16), ("thing", 20)]
COUNTS = np.array([float(pixels) for _, pixels in LABELS])


def table(labels: Sequence[tuple[Any, float]] = LABELS, head: Head = "hierarchical") -> TargetTable:
    tree = Taxonomy.from_dict(TREE)
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, (target, _) in enumerate(labels)
    ]
    return TargetTable.compile(tree, [LabelMapping.from_records(tree, "set", records)], head=head)


@pytest.mark.parametrize(("weighting", "power"), [("inverse-sqrt", 0.5), ("inverse", 1.0)])
def test_rare_classes_weigh_more_and_the_mean_over_pixels_is_one(weighting: ClassWeighting, power: float) -> None:
    weights = class_weights(table(), COUNTS.astype(np.int64), weighting)
    assert weights is not None and weights.shape == (5, 2)
    ignored, sky, car, sign, thing = weights.tolist()
    # A fifth of 500 pixels is a thing, and of things four fifths are cars.
    shares = {"sky": 0.8, "thing": 0.2, "car": 0.2 * 0.8, "sign": 0.2 * 0.2}
    for j, (one, other) in enumerate(((car, sky), (car, sign))):
        names = ("car", ("sky", "sign")[j])
        assert one[j] / other[j] == pytest.approx((shares[names[1]] / shares[names[0]]) ** power)
    assert sign[0] / thing[0] == pytest.approx((shares["thing"] / shares["sign"]) ** power), "at the root, too"
    assert (400 * sky[0] + 64 * car[0] + 16 * sign[0] + 20 * thing[0]) / 500 == pytest.approx(1)
    assert (64 * car[1] + 16 * sign[1]) / 80 == pytest.approx(1)
    assert ignored == [1, 1] and sky[1] == thing[1] == 1


def test_shares_are_those_that_make_the_labels_most_likely() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        sets = rng.random((4, 3)) < 0.5
        allowed = np.concatenate([np.eye(3, dtype=bool), sets])
        counts = np.concatenate([rng.uniform(1, 9, 3), rng.uniform(0, 50, 4) * sets.any(1)])

        def surprise(logits: NDArray[np.float64], allowed: Any = allowed, counts: Any = counts) -> float:
            likely = (allowed * softmax(logits)).sum(1)
            return -float((counts * np.log(np.where(counts > 0, likely, 1))).sum())

        best = softmax(minimize(surprise, np.zeros(3), tol=1e-10).x)
        assert choice_shares(allowed, counts) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("coarse", [0.0, 100, 30_000, 1e9])
def test_coarse_labels_do_not_make_the_others_look_rare(coarse: float) -> None:
    allowed = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], bool)
    total = 100 + coarse
    expected = [(40 + coarse) * 0.75 / total, (40 + coarse) * 0.25 / total, 60 / total]
    assert choice_shares(allowed, np.array([30.0, 10, 60, coarse])) == pytest.approx(expected, rel=1e-4)


def test_what_less_than_a_pixel_shows_is_not_seen() -> None:
    allowed = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]], bool)
    shares = choice_shares(allowed, np.array([100.0, 100, 800]))
    assert shares[2] == 0 and shares[:2] == pytest.approx([0.9, 0.1])
    assert choice_shares(allowed, np.zeros(3)).tolist() == pytest.approx([1 / 3] * 3)


def test_a_tree_and_a_flat_softmax_find_the_same_labels_rare() -> None:
    labels = [*LABELS, ("dog", 5), ({"any": ["car", "dog"]}, 30)]
    counts = np.array([float(pixels) for _, pixels in labels])
    tree, flat = (label_frequencies(table(labels, head), counts)[:, 0] for head in ("hierarchical", "flat-marginal"))
    assert tree == pytest.approx(flat, abs=1e-6)
    assert tree[1] == pytest.approx(400 / 535) and tree[0] == 0


def boxes_and_pixels(*pixels: str) -> TargetTable:
    """Pixels of the sky and of things, or of other nodes, and boxes around cars and signs."""
    tree = Taxonomy.from_dict(TREE)
    named = {
        "pixel": ["ignore", *(pixels or ("sky", "thing"))],
        "box": ["ignore", "car", "sign"],
    }
    mappings = [
        LabelMapping.from_records(
            tree,
            kind,
            [
                {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": kind}
                for i, target in enumerate(targets)
            ],
        )
        for kind, targets in named.items()
    ]
    return TargetTable.compile(tree, mappings)


def test_boxes_say_how_rare_classes_are_among_what_boxes_are_drawn_around() -> None:
    found = label_frequencies(boxes_and_pixels(), np.array([0, 900, 100, 0, 3000, 1000.0]))
    assert found[:, 0].tolist() == pytest.approx([0, 0.9, 0.1, 0, 0.075, 0.025])
    assert found[3:, 1].tolist() == pytest.approx([0, 0.75, 0.25])


def test_classes_below_what_no_pixel_shows_are_weighed_among_themselves() -> None:
    weights = class_weights(boxes_and_pixels(), np.array([0, 900, 0, 0, 3000, 30]), "inverse")
    assert weights is not None
    assert weights[5, 1] / weights[4, 1] == pytest.approx(100)


def test_a_mirrored_label_is_as_frequent_as_the_one_that_it_comes_from() -> None:
    nodes = {"left": {"mirror": "right"}, "right": {"mirror": "left"}}
    tree = Taxonomy.from_dict({"name": "t", "tree": {"r": {"sky": None, "left": None, "right": None}}, "nodes": nodes})
    targets = ["ignore", "sky", "left", {"any": ["left", "right"]}]
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, target in enumerate(targets)
    ]
    made = TargetTable.compile(tree, [LabelMapping.from_records(tree, "set", records)])
    mirrored = int(made.mirror[2])
    assert mirrored >= len(targets), "a row that only flipped images have"
    pixels = np.array([0, 700, 1000, 300])
    flipped, straight = (class_weights(made, pixels, "inverse", flip=flip) for flip in (True, False))
    assert flipped is not None and straight is not None
    assert flipped[2, 0] == flipped[mirrored, 0] and np.isfinite(flipped).all()
    assert straight[mirrored, 0] == 1 and straight[2, 0] < straight[1, 0]


def test_boxes_do_not_make_rare_what_nobody_draws_boxes_around() -> None:
    allowed = np.eye(3, dtype=bool)[[0, 1, 2, 0, 1]]
    among = np.array([[1, 1, 1]] * 3 + [[1, 1, 0]] * 2, bool)
    rng = np.random.default_rng(5)
    for _ in range(10):
        counts = rng.uniform(1, 60, 5)

        def surprise(logits: NDArray[np.float64], counts: Any = counts) -> float:
            shares = softmax(logits)
            likely = (allowed * shares).sum(1) / (among * shares).sum(1)
            return -float((counts * np.log(likely)).sum())

        best = softmax(minimize(surprise, np.zeros(3), tol=1e-10).x)
        shares = choice_shares(allowed, counts, among)
        assert shares == pytest.approx(best, abs=1e-3)
        assert shares[2] == pytest.approx(counts[2] / counts[:3].sum()), "boxes say nothing of the third"


def test_what_nothing_compares_is_told_by_numbers_alone() -> None:
    """Pixels of cars and buses, boxes of scooters and trailers."""
    allowed, counts = np.eye(4, dtype=bool), np.array([800.0, 80, 30, 10])
    among = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], bool)
    assert choice_shares(allowed, counts, among) == pytest.approx(counts / counts.sum())
    linked = np.concatenate([allowed, allowed[:1]]), np.array([800.0, 80, 30, 10, 60])
    among = np.concatenate([among[:2], np.array([[1, 0, 1, 1]] * 3, bool)])
    shares = choice_shares(*linked, among)
    assert shares[0] / shares[1] == pytest.approx(10), "of boxes nothing follows for buses"
    assert shares[2] / shares[0] == pytest.approx(0.5) and shares[2] / shares[3] == pytest.approx(3)


def test_boxes_of_what_no_pixel_shows_are_weighed_among_themselves_in_a_mean_over_pixels() -> None:
    weights = class_weights(boxes_and_pixels(), np.array([0, 900, 0, 0, 3000, 30]), "inverse", mean="pixel")
    assert weights is not None and weights[5, 0] / weights[4, 0] == pytest.approx(100)
    assert (3000 * weights[4, 0] + 30 * weights[5, 0]) / 3030 == pytest.approx(1)


def test_a_dataset_of_boxes_only_compares_what_it_draws_boxes_around() -> None:
    made = boxes_and_pixels("sky", "car", "sign", "dog")
    found = label_frequencies(made, np.array([0, 500, 20, 30, 50, 0, 30_000, 20_000.0]))
    assert found[4, 1] == pytest.approx(0.5), "half of all things are dogs, of which there are no boxes"
    assert found[2, 1] + found[3, 1] == pytest.approx(0.5)
    assert found[2, 1] / found[3, 1] == pytest.approx(30_020 / 20_030)


def test_with_means_over_pixels_a_label_weighs_the_same_at_all_its_classifiers() -> None:
    pixels = np.array([0, 900, 100, 0, 3000, 1000])
    weights = class_weights(boxes_and_pixels(), pixels, "inverse", mean="pixel")
    assert weights is not None and (weights == weights[:, :1]).all()
    sky, thing, car, sign = weights[[1, 2, 4, 5], 0].tolist()
    assert thing / sky == pytest.approx(9) and (900 * sky + 100 * thing) / 1000 == pytest.approx(1)
    assert sign / car == pytest.approx(3) and (3000 * car + 1000 * sign) / 4000 == pytest.approx(1)


def test_none_are_made_unless_wanted() -> None:
    assert class_weights(table(), np.zeros(0, np.int64), "none") is None


def test_without_pixels_all_weigh_the_same() -> None:
    weights = class_weights(table(), np.zeros(len(LABELS), np.int64), "inverse")
    assert weights is not None and (weights == 1).all()
