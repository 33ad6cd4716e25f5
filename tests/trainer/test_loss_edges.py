"""The loss where it could go wrong: gates, empty sets, extreme logits, dtypes, bad shapes, and the iv2018 tree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.errors import ConfigError
from labelforge.trainer import TableTensors, loss_weights
from labelforge.trainer.config import Gate
from tests.core.random_trees import whole_table
from tests.trainer.plain_rows import hierarchical_loss

# Children: root: 0 sky, 1 thing. thing: 0 car, 1 sign. sign: 0 back, 1 front. front: 0 stop, 1 yield, 2 go.
TREE = {
    "name": "t",
    "tree": {"root": {"sky": None, "thing": {"car": None, "sign": {"back": None, "front": ["stop", "yield", "go"]}}}},
}
NOTHING, SKY, THING, STOP_BOX, NOT_GO = range(5)
ROOT, THINGS, SIGN, FRONT = range(4)


def make_table(boxes: Any = "own") -> TargetTable:
    labels = [
        ("ignore", "pixel"),
        ("sky", "pixel"),
        ("thing", "pixel"),
        ("stop", "box"),
        ({"any": ["stop", "yield"]}, "pixel"),
    ]
    records = [
        {"row": i, "native_id": i or None, "native_name": f"label {i}", "target": target, "supervision": supervision}
        for i, (target, supervision) in enumerate(labels)
    ]
    tree = Taxonomy.from_dict(TREE)
    return whole_table(tree, [LabelMapping.from_records(tree, "set", records)], boxes=boxes)


@pytest.fixture(scope="module")
def table() -> TableTensors:
    return TableTensors.of(make_table())


def logits_for(*winners: dict[int, int]) -> Tensor:
    """(1, 9, 1, W) float64 logits, all 0 but 2.0 for the winning child of the classifiers named, pixel by pixel."""
    starts = [0, 2, 4, 6]
    logits = torch.zeros(1, 9, 1, len(winners), dtype=torch.float64)
    for x, pixel in enumerate(winners):
        for classifier, child in pixel.items():
            logits[0, starts[classifier] + child, 0, x] = 2.0
    return logits


OPEN = {ROOT: 1, THINGS: 1, SIGN: 1}
PARENT_ONLY = {ROOT: 0, THINGS: 1, SIGN: 1}  # the parent decides for front, but the root decides for sky
SHUT = {ROOT: 1, THINGS: 1, SIGN: 0}


@pytest.mark.parametrize(
    ("gate", "passed"), [("parent", [True, True, False]), ("path", [True, False, False]), ("none", [True, True, True])]
)
def test_gate(table: TableTensors, gate: Gate, passed: list[bool]) -> None:
    logits = logits_for(OPEN, PARENT_ONLY, SHUT).requires_grad_()
    output = hierarchical_loss(logits, torch.full((1, 1, 3), STOP_BOX), table, gate=gate)
    torch.autograd.backward(output.total)
    assert output.box_pixels.tolist() == [0, 0, 0, 3]
    assert output.passed_pixels.tolist() == [0, 0, 0, sum(passed)]
    assert output.per_classifier.tolist() == pytest.approx([0, 0, 0, math.log(3)])
    assert output.total.item() == pytest.approx(0.1 * math.log(3))
    assert logits.grad is not None
    assert logits.grad[0].abs().sum(dim=0)[0].gt(0).tolist() == passed
    assert not logits.grad[0, :6].any(), "a box must move no classifier but its own, nor the gate"


def test_boxes_on_the_path_train_every_classifier_below_the_root() -> None:
    table = TableTensors.of(make_table("path"))
    output = hierarchical_loss(logits_for(OPEN, SHUT), torch.full((1, 1, 2), STOP_BOX), table, gate="path")
    assert output.passed_pixels.tolist() == [0, 2, 2, 1]
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert output.per_classifier.tolist() == pytest.approx([0, right, (right + wrong) / 2, math.log(3)])


def test_the_means_over_pixel_labels_and_over_boxes_are_separate(table: TableTensors) -> None:
    labels = torch.tensor([[[NOT_GO, NOT_GO, NOT_GO, STOP_BOX]]])
    output = hierarchical_loss(logits_for({}, {}, {}, SHUT | {SIGN: 1, FRONT: 0}), labels, table)
    box = math.log(1 + 2 * math.exp(-2))
    assert output.per_classifier[FRONT].item() == pytest.approx(math.log(3 / 2) + box)  # not (3 log(3/2) + box) / 4


def test_a_mean_over_pixels_is_that_of_the_labels_negative_log_probabilities(table: TableTensors) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(1, 9, 1, 4, generator=generator, dtype=torch.float64) * 2
    output = hierarchical_loss(logits, torch.tensor([[[SKY, THING, NOT_GO, NOTHING]]]), table, mean="pixel")
    root, thing, sign, front = (part.softmax(dim=0)[:, 0].T for part in torch.split(logits[0], [2, 2, 2, 3]))
    not_go = root[2, 1] * thing[2, 1] * sign[2, 1] * (front[2, 0] + front[2, 1])
    assert output.total.item() == pytest.approx(-torch.stack([root[0, 0], root[1, 1], not_go]).log().sum().item() / 3)


def test_of_a_mean_over_pixels_in_boxes_those_that_a_gate_shuts_out_are_part(table: TableTensors) -> None:
    logits = logits_for({}, OPEN, OPEN, SHUT, SHUT)
    labels = torch.tensor([[[SKY, STOP_BOX, STOP_BOX, STOP_BOX, STOP_BOX]]])
    output = hierarchical_loss(logits, labels, table, mean="pixel", box_weight=0.5)
    assert output.total.item() == pytest.approx(math.log(2) + 0.5 * (2 * math.log(3)) / 4)
    assert output.per_classifier[FRONT].item() == pytest.approx(math.log(3)), "in the log it is a mean over what passes"


@pytest.mark.parametrize("label", [NOTHING, STOP_BOX])
def test_nothing_active_is_zero_with_zero_gradient(table: TableTensors, label: int) -> None:
    logits = logits_for(SHUT, SHUT).float().requires_grad_()
    output = hierarchical_loss(logits, torch.full((1, 1, 2), label), table)
    torch.autograd.backward(output.total)
    assert output.total.item() == 0
    assert output.per_classifier.tolist() == [0, 0, 0, 0]
    assert logits.grad is not None and torch.equal(logits.grad, torch.zeros_like(logits))


def test_coarse_label_is_silent_below_itself(table: TableTensors) -> None:
    output = hierarchical_loss(logits_for({}), torch.full((1, 1, 1), THING), table)
    assert output.labelled_pixels.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [-2000.0, -40.0, 0.0, 15.0, 40.0, 2000.0])
def test_sets_are_exact_at_any_confidence(table: TableTensors, dtype: torch.dtype, margin: float) -> None:
    """Two allowed children at ``margin`` over the forbidden one: log(1 + exp(-margin) / 2), however small or large."""
    logits = torch.zeros(1, 9, 1, 1, dtype=dtype)
    logits[0, 6:8] = margin
    logits.requires_grad_()
    output = hierarchical_loss(logits, torch.full((1, 1, 1), NOT_GO), table, torch.ones(4, dtype=dtype))
    torch.autograd.backward(output.total)
    distance = -margin - math.log(2)
    close = 1e-4 if dtype == torch.float32 else 1e-9  # 2000 + log 2 has six digits in float32
    loss = max(distance, 0) + math.log1p(math.exp(-abs(distance)))
    forbidden = math.exp(min(distance, 0)) / (1 + math.exp(-abs(distance)))  # its softmax probability
    assert output.per_classifier[FRONT].item() == pytest.approx(loss, rel=close)
    assert logits.grad is not None
    gradient = logits.grad.flatten()[6:]
    assert gradient.tolist() == pytest.approx([-forbidden / 2, -forbidden / 2, forbidden], rel=close, abs=1e-38)


@pytest.mark.parametrize("value", [1e4, -1e4])
def test_extreme_logits_stay_finite(table: TableTensors, value: float) -> None:
    logits = (logits_for(OPEN, OPEN, OPEN, OPEN, OPEN) * value).float().requires_grad_()
    output = hierarchical_loss(logits, torch.arange(5).view(1, 1, 5), table)
    torch.autograd.backward(output.total)
    assert logits.grad is not None
    assert output.total.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.int32])
def test_labels_of_any_integer_type(table: TableTensors, dtype: torch.dtype) -> None:
    labels = torch.arange(5).view(1, 1, 5)
    logits = torch.randn(1, 9, 1, 5, generator=torch.Generator().manual_seed(0))
    wanted = hierarchical_loss(logits, labels, table)
    for got, want in zip(hierarchical_loss(logits, labels.to(dtype), table), wanted, strict=True):
        assert torch.equal(got, want)


def test_half_precision_is_computed_in_float32(table: TableTensors) -> None:
    half = torch.randn(1, 9, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    labels = torch.randint(0, 5, (1, 8, 8), generator=torch.Generator().manual_seed(1))
    got, wanted = hierarchical_loss(half, labels, table), hierarchical_loss(full, labels, table)
    torch.autograd.backward(got.total)
    torch.autograd.backward(wanted.total)
    assert got.total.dtype == torch.float32
    assert torch.equal(got.total, wanted.total)
    assert half.grad is not None and full.grad is not None
    assert torch.equal(half.grad, full.grad.bfloat16())


def test_memory_format_does_not_matter(table: TableTensors) -> None:
    logits = torch.randn(2, 9, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))
    last = logits.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(hierarchical_loss(last, labels, table), hierarchical_loss(logits, labels, table))


def test_gradcheck(table: TableTensors) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1, 9, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 5, (1, 3, 4), generator=generator)
    assert hierarchical_loss(logits, labels, table).passed_pixels[FRONT] > 0
    assert torch.autograd.gradcheck(lambda z: hierarchical_loss(z, labels, table).total, logits)


def test_default_weights_are_the_papers(table: TableTensors) -> None:
    assert loss_weights(table.layout).tolist() == pytest.approx([1.0, 0.1, 0.1, 0.1])
    assert loss_weights(table.layout, root=2.0, others=3.0).tolist() == [2.0, 3.0, 3.0, 3.0]


def test_weights_by_node_win(table: TableTensors) -> None:
    weights = loss_weights(table.layout, nodes={"front": 0.5, "root": 4.0})
    assert weights.tolist() == pytest.approx([4.0, 0.1, 0.1, 0.5])
    with pytest.raises(
        ConfigError,
        match=r"loss\.nodes: 'stop' has no classifier in this run\. These labels teach those of: root, thing",
    ):
        loss_weights(table.layout, nodes={"stop": 1.0})
    with pytest.raises(ConfigError, match=r"loss\.nodes: .*'fornt'.* Did you mean 'front'"):
        loss_weights(table.layout, nodes={"fornt": 1.0})


@pytest.mark.parametrize(
    ("logits", "labels", "classifiers", "what"),
    [
        ((1, 8, 4, 4), (1, 4, 4), None, "the table needs"),
        ((1, 9, 2, 2), (2, 4, 4), None, "of the same N images"),
        ((1, 9, 4, 4), (1, 4, 4), 3, "4 classifiers"),
    ],
)
def test_shapes_that_do_not_fit(
    table: TableTensors, logits: tuple[int, ...], labels: tuple[int, ...], classifiers: int | None, what: str
) -> None:
    weights = None if classifiers is None else torch.ones(classifiers)
    with pytest.raises(ValueError, match=what):
        hierarchical_loss(torch.zeros(logits), torch.zeros(labels, dtype=torch.int64), table, weights)


def test_iv2018_against_cross_entropies() -> None:
    """On the paper's tree, for labels without sets, the loss is a sum of PyTorch's own cross-entropies."""
    tree = Taxonomy.load("iv2018")
    compiled = whole_table(tree, [LabelMapping.load(tree, "mapillary-vistas-1.2")])
    table = TableTensors.of(compiled)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 111, 9, 11, generator=generator)
    labels = torch.randint(0, len(compiled.mappings[0].rows), (2, 9, 11), generator=generator)
    output = hierarchical_loss(logits, labels, table)
    wanted, pixels = [], []
    for classifier in tree.classifiers:
        column = {child.index: i for i, child in enumerate(classifier.children)}
        target = torch.full(labels.shape, -100)
        for row in compiled.mappings[0].rows:
            if isinstance(row.target.expression, str) and not row.target.ignored:
                node = tree.node(row.target.expression)
                while node.parent is not None and node.index not in column:
                    node = tree.nodes[node.parent]
                if node.index in column:
                    target[labels == row.row] = column[node.index]
        part = logits[:, classifier.slice]
        pixels.append(int((target >= 0).sum()))
        wanted.append(F.cross_entropy(part, target).item() if pixels[-1] else 0.0)
    assert output.per_classifier.tolist() == pytest.approx(wanted, rel=1e-5)
    assert output.labelled_pixels.tolist() == pixels
    assert pixels[0] > pixels[1] > pixels[2] > 0 == pixels[4]
