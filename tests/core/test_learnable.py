"""How far labels teach a tree: cases whose answer is plain from the labels."""

from __future__ import annotations

from typing import Any

import pytest

from labelforge.learnable import Learnable
from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy

TREE = Taxonomy.from_dict(
    {
        "name": "small",
        "tree": {
            "scene": {
                "flat": {"road": None, "path": None},
                "sign": {"back": None, "front": {"stop": None, "left": None, "right": None}},
                "sky": None,
                "boat": None,
            }
        },
    }
)


def labels(dataset: str, supervision: str, *targets: Any) -> LabelMapping:
    records: list[dict[str, Any]] = []
    for row, target in enumerate(("ignore", *targets)):
        name = f"label {row}"
        records.append(
            {"row": row, "native_id": row or None, "native_name": name, "target": target, "supervision": supervision}
        )
    return LabelMapping.from_records(TREE, dataset, records)


def names(learnable: Learnable, kind: str) -> list[str]:
    return [node.name for node in getattr(learnable, kind)]


def test_pixels_boxes_groups_and_nothing() -> None:
    pixels = labels("town", "pixel", "sky", "flat", "front")
    boxes = labels("signs", "box", "stop", "left")
    found = Learnable.of(TREE, [pixels, boxes])
    assert names(found, "from_pixels") == ["sky"]
    assert names(found, "from_boxes") == ["stop", "left"]
    assert names(found, "in_groups") == ["road", "path"]
    assert names(found, "never") == ["back", "right", "boat"]
    assert found.unreached == () and found.silent_datasets() == ()
    assert found.sentences == (
        "2 of 4 classifiers with 5 choices and 4 answers.",
        "Of the 8 classes of small, 1 from pixels, 2 from boxes, 2 only as part of a larger answer, 3 not at all.",
    )


def test_what_no_decision_reaches_is_said() -> None:
    """Nothing teaches the root that there are signs, and a box alone does not either."""
    found = Learnable.of(TREE, [labels("town", "pixel", "sky", "flat"), labels("signs", "box", "stop", "left")])
    assert [node.name for node in found.unreached] == ["front"]
    assert found.silent_datasets() == ("signs",)
    assert found.sentences[2:] == (
        "What labels say about the inside of 'front' is not used: no label tells it from the rest of 'sign'. "
        "Add a dataset that does, or map to 'front' what others call 'sign'.",
        "Nothing that signs labels teaches this network.",
    )


def test_a_label_across_branches_is_never_predicted() -> None:
    """Signs are only ever said to be fronts, and 'flat' is one answer; no answer is a path or a back."""
    found = Learnable.of(TREE, [labels("town", "pixel", "sky", {"any": ["path", "back"]}, "flat", "front")])
    assert found.unanswerable() == (("town", ("label 2",)),)
    assert found.sentences[2] == "Never predicted, since no answer lies within what it means: 'label 2' of town."


def test_what_is_not_reached_is_named_once_for_all_below() -> None:
    tree = Taxonomy.load("streets")
    found = Learnable.of(tree, [LabelMapping.load(tree, name) for name in ("bdd100k", "gtsdb")])
    assert len(found.unreached) > 3
    assert [text for text in found.sentences if "the inside of" in text] == [
        "What labels say about the inside of 'front' is not used: no label tells it from the rest of 'traffic sign'. "
        "Add a dataset that does, or map to 'front' what others call 'traffic sign'."
    ]


@pytest.mark.parametrize("head", ["flat-marginal", "flat-union"])
def test_flat_heads(head: Any) -> None:
    table = TargetTable.compile(TREE, [labels("town", "pixel", "sky", "flat", "road")], head=head)
    found = Learnable.of_table(table)
    assert "road" in names(found, "from_pixels") and "sky" in names(found, "from_pixels")
    assert found.sentences[0].startswith("one flat classifier with 3 choices")
