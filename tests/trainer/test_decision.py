"""The decision rule against a walk through the nested tree, pixel by pixel."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge import LabelMapping, LogitLayout, TargetTable, Taxonomy
from labelforge.trainer import TableTensors, decide, decide_with_confidence
from labelforge.trainer.tables import LayoutTensors

Nested = dict[str, Any]


def walk(tree: Nested, logits: list[float]) -> tuple[str, float]:
    """Leaf that the logits decide for, and the product of the winners' probabilities."""
    columns: list[tuple[Nested, int]] = []

    def number(below: Nested) -> None:
        columns.append((below, sum(len(b) for b, _ in columns)))
        for inner in below.values():
            if inner is not None:
                number(inner)

    number(tree)
    name, below, confidence = "", tree, 1.0
    while True:
        start = next(start for b, start in columns if b is below)
        part = logits[start : start + len(below)]
        best = part.index(max(part))
        confidence *= math.exp(part[best]) / sum(math.exp(v) for v in part)
        name, inner = list(below.items())[best]
        if inner is None:
            return name, confidence
        below = inner


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), ties=st.booleans())
def test_random_trees(grow_tree: Callable[[random.Random], Nested], seed: int, ties: bool) -> None:
    rng = random.Random(seed)
    definition = grow_tree(rng)
    tree = Taxonomy.from_dict(definition)
    layout = LogitLayout.compile(tree)
    tensors = LayoutTensors.of_layout(layout)
    values = [rng.randint(-1, 1) if ties else rng.gauss(0, 2) for _ in range(2 * tree.num_logits * 12)]
    logits = torch.tensor(values, dtype=torch.float32).view(2, tree.num_logits, 3, 4)
    classes = decide(logits, tensors)
    decision = decide_with_confidence(logits, tensors)
    assert classes.dtype == torch.int64 and decision.confidence.dtype == torch.float32
    assert torch.equal(decision.classes, classes)
    for n, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        name, confidence = walk(definition["tree"]["root"], logits[n, :, y, x].tolist())
        assert layout.class_names[classes[n, y, x]].split("/")[-1] == name
        assert decision.confidence[n, y, x].item() == pytest.approx(confidence, rel=1e-5)


def test_the_paper_tree_descends_to_a_sign() -> None:
    tree = Taxonomy.load("iv2018")
    layout = LogitLayout.compile(tree)
    logits = torch.zeros(1, 111, 1, 3)
    logits[0, [38, 67, 68 + 14], 0, 0] = 1.0  # traffic sign, front, the 15th GTSDB class
    logits[0, [38, 66, 68 + 14], 0, 1] = 1.0  # traffic sign, back
    logits[0, [19, 67, 68 + 14], 0, 2] = 1.0  # sky
    classes = decide(logits, LayoutTensors.of_layout(layout))[0, 0].tolist()
    assert [layout.class_names[i] for i in classes] == ["traffic sign/front/stop", "traffic sign/back", "sky"]


def test_flat_table_is_argmax() -> None:
    tree = Taxonomy.load("iv2018")
    table = TargetTable.compile(tree, [LabelMapping.load(tree, "gtsdb")], head="flat-marginal")
    logits = torch.randn(2, 107, 5, 6, generator=torch.Generator().manual_seed(0)).bfloat16()
    tensors = TableTensors.of(table)
    assert torch.equal(decide(logits, tensors), logits.argmax(dim=1))
    confidence = decide_with_confidence(logits, tensors).confidence
    torch.testing.assert_close(confidence, logits.float().softmax(dim=1).amax(dim=1))
