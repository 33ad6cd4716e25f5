"""Costly confusions against the mean IoU of the matrix in which they are put right."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from labelforge.trainer.evaluation.mistakes import Confusion, costliest


def mean_iou(counts: NDArray[np.int64], occurring: list[int]) -> float:
    """Class by class, over classes that truly occur."""
    ious = []
    for i in occurring:
        hits = int(counts[i, i])
        ious.append(hits / (int(counts[i].sum()) + int(counts[:, i].sum()) - hits))
    return fmean(ious)


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 6))
def test_a_cost_is_what_the_mean_iou_gains_when_the_pixels_are_right(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, (classes, classes + 1)) * (rng.random((classes, classes + 1)) < 0.6)
    counts[rng.random(classes) < 0.3] = 0
    names = tuple("abcdef"[:classes])
    occurring = [i for i in range(classes) if counts[i].sum()]
    found = costliest(Confusion(names, counts), 100)
    columns = [*names, "none of these"]
    wrong = {(names[i], columns[j]) for i, j in np.argwhere(counts > 0).tolist() if i != j}
    assert {(entry.true, entry.called) for entry in found} == wrong
    for entry in found:
        i, j = names.index(entry.true), columns.index(entry.called)
        righted = counts.copy()
        righted[i, i] += righted[i, j]
        righted[i, j] = 0
        assert entry.cost == pytest.approx(mean_iou(righted, occurring) - mean_iou(counts, occurring))
        assert entry.pixels == counts[i, j]
        assert entry.share == pytest.approx(counts[i, j] / counts[i].sum())
    assert [entry.cost for entry in found] == sorted((entry.cost for entry in found), reverse=True)
    assert costliest(Confusion(names, counts), 2) == found[:2]


def test_confusions_in_words() -> None:
    counts = np.array([[877, 123, 0], [0, 10, 90]])
    first, second = costliest(Confusion(("sidewalk", "road"), counts))
    assert first.words == "90.0% of 'road' is called none of these"
    assert second.words == "12.3% of 'sidewalk' is called 'road'"


def test_the_most_confused_classes_keep_their_order_and_all_pixels() -> None:
    counts = np.array([[5, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 9, 0, 0], [3, 0, 0, 2, 4]])
    whole = Confusion(("a", "absent", "c", "d"), counts)
    assert whole.seen == 3
    assert whole.most_confused(9).names == ("a", "c", "d")
    kept = whole.most_confused(2)
    assert kept.names == ("a", "d")
    assert kept.counts.tolist() == [[5, 1, 0], [3, 2, 4]]
    assert whole.most_confused(1).counts.tolist() == [[2, 7]]
    assert kept.shares.tolist() == [[5 / 6, 1 / 6, 0], [3 / 9, 2 / 9, 4 / 9]]
