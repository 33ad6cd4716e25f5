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
from labelforge.trainer import TableTensors, class_probabilities, decide, decide_with_confidence
from labelforge.trainer.tables import LayoutTensors

Nested = dict[str, Any]


def walk(tree: Nested, logits: list[float], threshold: float = 0.0) -> tuple[str, float]:
    """Where the descent ends, and the product of the winners' probabilities on the way there."""
    columns: list[tuple[Nested, int]] = []

    def number(below: Nested) -> None:
        columns.append((below, sum(len(b) for b, _ in columns)))
        for inner in below.values():
            if inner is not None:
                number(inner)

    number(tree)
    name, below, confidence = "root", tree, 1.0
    while True:
        start = next(start for b, start in columns if b is below)
        part = logits[start : start + len(below)]
        best = part.index(max(part))
        product = confidence * math.exp(part[best]) / sum(math.exp(v) for v in part)
        if product < threshold:
            return name, confidence
        confidence = product
        name, inner = list(below.items())[best]
        if inner is None:
            return name, confidence
        below = inner


@settings(max_examples=40)
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
    assert torch.equal(decision.answers, classes)
    for n, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        name, confidence = walk(definition["tree"]["root"], logits[n, :, y, x].tolist())
        assert layout.class_names[classes[n, y, x]].split("/")[-1] == name
        assert decision.confidence[n, y, x].item() == pytest.approx(confidence, rel=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), threshold=st.floats(0.05, 0.95))
def test_the_descent_stops_where_confidence_is_low(
    grow_tree: Callable[[random.Random], Nested], seed: int, threshold: float
) -> None:
    rng = random.Random(seed)
    definition = grow_tree(rng)
    tree = Taxonomy.from_dict(definition)
    layout = LogitLayout.compile(tree)
    logits = torch.tensor([rng.gauss(0, 3) for _ in range(tree.num_logits * 20)]).view(1, tree.num_logits, 4, 5)
    answers, confidence = decide_with_confidence(logits, LayoutTensors.of_layout(layout), threshold)
    for y, x in torch.cartesian_prod(torch.arange(4), torch.arange(5)).tolist():
        name, product = walk(definition["tree"]["root"], logits[0, :, y, x].tolist(), threshold)
        assert layout.answer_names[answers[0, y, x]].split("/")[-1] == name
        assert confidence[0, y, x].item() == pytest.approx(product, rel=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_probabilities_are_products_along_the_path(grow_tree: Callable[[random.Random], Nested], seed: int) -> None:
    rng = random.Random(seed)
    definition = grow_tree(rng)
    tree = Taxonomy.from_dict(definition)
    layout = LogitLayout.compile(tree)
    logits = torch.tensor([rng.gauss(0, 3) for _ in range(tree.num_logits * 2)]).view(1, tree.num_logits, 1, 2)
    found = class_probabilities(logits, LayoutTensors.of_layout(layout))
    for x in range(2):
        values = logits[0, :, 0, x].tolist()
        for k, leaf in enumerate(tree.leaves):
            product, node = 1.0, leaf
            while node.parent is not None:
                owner = next(c for c in tree.classifiers if c.node.index == node.parent)
                part = [math.exp(v) for v in values[owner.slice]]
                product *= part[tree.nodes[node.parent].children.index(node.index)] / sum(part)
                node = tree.nodes[node.parent]
            assert found[0, k, 0, x].item() == pytest.approx(product, rel=1e-4)


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
    logits = torch.randn(2, 43, 5, 6, generator=torch.Generator().manual_seed(0)).bfloat16()
    tensors = TableTensors.of(table)
    assert torch.equal(decide(logits, tensors), logits.argmax(dim=1))
    confidence = decide_with_confidence(logits, tensors).confidence
    torch.testing.assert_close(confidence, logits.float().softmax(dim=1).amax(dim=1))
