"""Weights of classes against sums over single pixels."""

from __future__ import annotations

import numpy as np
import pytest

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import ClassWeighting

TREE = {"name": "t", "tree": {"r": {"sky": None, "thing": {"car": None, "sign": None, "dog": None}}}}
LABELS = [("ignore", 9), ("sky", 400), ("car", 64), ("sign", 16), ({"any": ["sign", "dog"]}, 1000), ("thing", 20)]


def table() -> TargetTable:
    tree = Taxonomy.from_dict(TREE)
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, (target, _) in enumerate(LABELS)
    ]
    return TargetTable.compile(tree, [LabelMapping.from_records(tree, "set", records)])


@pytest.mark.parametrize(("weighting", "power"), [("inverse-sqrt", 0.5), ("inverse", 1.0)])
def test_rare_classes_weigh_more_and_the_mean_over_pixels_is_one(weighting: ClassWeighting, power: float) -> None:
    weights = class_weights(table(), np.array([pixels for _, pixels in LABELS]), weighting)
    assert weights is not None
    sky, thing, car, sign, dog = weights.tolist()
    # At the root, 400 pixels are sky and all of the others but the ignored ones a thing.
    things = 64 + 16 + 1000 + 20
    assert thing / sky == pytest.approx((400 / things) ** power)
    assert (400 * sky + things * thing) / (400 + things) == pytest.approx(1)
    # Below, "sign | dog" leaves two open and "thing" says nothing.
    assert sign / car == pytest.approx((64 / 16) ** power)
    assert (64 * car + 16 * sign) / 80 == pytest.approx(1)
    assert dog == 1, "no pixel shows it alone"


def test_none_are_made_unless_wanted() -> None:
    assert class_weights(table(), np.zeros(0, np.int64), "none") is None


def test_without_pixels_all_weigh_the_same() -> None:
    weights = class_weights(table(), np.zeros(len(LABELS), np.int64), "inverse")
    assert weights is not None and weights.tolist() == [1.0] * 5
