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
    assert weights is not None and weights.shape == (6, 2)
    ignored, sky, car, sign, sign_or_dog, thing = weights.tolist()
    # At the root, 400 pixels are sky and all of the others but the ignored ones a thing.
    things = 64 + 16 + 1000 + 20
    assert car[0] == sign[0] == sign_or_dog[0] == thing[0]
    assert thing[0] / sky[0] == pytest.approx((400 / things) ** power)
    assert (400 * sky[0] + things * thing[0]) / (400 + things) == pytest.approx(1)
    # Below, "sign | dog" is as rare as what shows a sign alone or a dog alone, and "thing" says nothing.
    assert sign[1] / car[1] == sign_or_dog[1] / car[1] == pytest.approx((64 / 16) ** power)
    assert (64 * car[1] + 16 * sign[1] + 1000 * sign_or_dog[1]) / 1080 == pytest.approx(1)
    assert ignored == [1, 1] and sky[1] == thing[1] == 1


def test_a_set_is_as_frequent_as_its_members_together() -> None:
    labels = [*LABELS[:4], ({"any": ["car", "sign"]}, 7), ("dog", 20)]
    tree = Taxonomy.from_dict(TREE)
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, (target, _) in enumerate(labels)
    ]
    made = TargetTable.compile(tree, [LabelMapping.from_records(tree, "set", records)])
    weights = class_weights(made, np.array([pixels for _, pixels in labels]), "inverse")
    assert weights is not None
    assert weights[4, 1] / weights[2, 1] == pytest.approx(64 / (64 + 16))
    assert weights[4, 1] / weights[5, 1] == pytest.approx(20 / (64 + 16))


def test_none_are_made_unless_wanted() -> None:
    assert class_weights(table(), np.zeros(0, np.int64), "none") is None


def test_without_pixels_all_weigh_the_same() -> None:
    weights = class_weights(table(), np.zeros(len(LABELS), np.int64), "inverse")
    assert weights is not None and (weights == 1).all()
