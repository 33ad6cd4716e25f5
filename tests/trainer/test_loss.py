"""The loss against METHOD's sets, pixel by pixel in pure Python, gradients included."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.errors import ConfigError
from labelforge.trainer import TableTensors
from labelforge.trainer.config import Balance, Gate, Mean
from labelforge.treefile import Boxes
from tests.core.random_trees import whole_table
from tests.trainer.plain_rows import hierarchical_loss

Nested = dict[str, Any]
Leaves = frozenset[str]


# --- the oracle: nothing below reads a compiled table -----------------------------------------------------------------


@dataclass
class Softmax:
    """One classifier: leaf sets of its children, and the way that leads to it, as (classifier, child), root first."""

    children: list[Leaves]
    way: list[tuple[int, int]]

    @property
    def below(self) -> Leaves:
        return frozenset().union(*self.children)


@dataclass
class Label:
    leaves: Leaves
    box: bool
    dataset: int = 0


@dataclass
class Options:
    """What the loss is asked for besides loss weights; the defaults are METHOD's."""

    gate: Gate = "parent"
    balance: Balance = "pixels"
    class_weights: list[list[float]] | None = None  # by label and softmax
    boxes: Boxes = "own"
    lone_boxes: bool = True
    mean: Mean = "classifier"
    box_weight: float = 1.0


@dataclass
class Expected:
    total: float
    per_classifier: list[float]
    labelled: list[int]
    passed: list[int]
    boxes: list[int]
    gradient: list[list[float]]  # pixel x logit


def leaves_of(name: str, below: Nested | None) -> Leaves:
    return frozenset({name}) if below is None else frozenset().union(*(leaves_of(k, v) for k, v in below.items()))


def softmaxes_of(tree: Nested) -> list[Softmax]:
    """All classifiers of a nested tree, depth first."""
    found: list[Softmax] = []

    def visit(below: Nested, way: list[tuple[int, int]]) -> None:
        index = len(found)
        found.append(Softmax([leaves_of(k, v) for k, v in below.items()], way))
        for branch, inner in enumerate(below.values()):
            if inner is not None:
                visit(inner, [*way, (index, branch)])

    visit(tree, [])
    return found


def active_children(softmaxes: Sequence[Softmax], label: Label, boxes: str) -> dict[int, list[int]]:
    """Classifier -> allowed children, for the classifiers that the label trains."""
    active = {}
    for j, softmax in enumerate(softmaxes):
        included = [i for i, child in enumerate(softmax.children) if child & label.leaves]
        if label.leaves and label.leaves <= softmax.below and len(included) < len(softmax.children):
            active[j] = included
    if label.box:
        active.pop(0, None)
        if boxes == "own" and active:
            deepest = max(active, key=lambda j: len(softmaxes[j].way))
            active = {deepest: active[deepest]}
    return active


def all_active_children(
    softmaxes: Sequence[Softmax], labels: Sequence[Label], options: Options
) -> list[dict[int, list[int]]]:
    """:func:`active_children` of all labels; without those of boxes where one child fits all their dataset says."""
    active = [active_children(softmaxes, label, options.boxes) for label in labels]
    if options.lone_boxes:
        return active
    kept = []
    for label, found in zip(labels, active, strict=True):
        said = [other for of, other in zip(labels, active, strict=True) if of.dataset == label.dataset]
        alone = {j for j in found if set.intersection(*(set(other[j]) for other in said if j in other))}
        kept.append({j: children for j, children in found.items() if not (label.box and j in alone)})
    return kept


def log_sum_exp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def expected_loss(
    softmaxes: Sequence[Softmax],
    labels: Sequence[Label],
    pixels: Sequence[tuple[int, list[float]]],
    weights: Sequence[float],
    options: Options | None = None,
) -> Expected:
    """METHOD's loss and its gradient for a list of pixels (label number, logits)."""
    options = options or Options()
    starts = [sum(len(s.children) for s in softmaxes[:j]) for j in range(len(softmaxes))]
    active = all_active_children(softmaxes, labels, options)

    def part(logits: list[float], j: int) -> list[float]:
        return logits[starts[j] : starts[j] + len(softmaxes[j].children)]

    def passes(logits: list[float], j: int) -> bool:
        way = softmaxes[j].way
        way = {"parent": way[-1:], "path": way, "none": []}[options.gate]
        return all(part(logits, k).index(max(part(logits, k))) == branch for k, branch in way)

    shares = pixel_shares(labels, active, pixels, options)
    result = Expected(0, [], [], [], [], [[0.0] * sum(len(s.children) for s in softmaxes) for _ in pixels])
    for j in range(len(softmaxes)):
        groups: dict[bool, dict[int, list[tuple[int, list[int]]]]] = {False: {}, True: {}}
        in_boxes = 0
        for p, (number, logits) in enumerate(pixels):
            allowed, label = active[number].get(j), labels[number]
            if allowed is None:
                continue
            in_boxes += label.box
            if not label.box or passes(logits, j):
                dataset = label.dataset if options.balance == "datasets" else 0
                groups[label.box].setdefault(dataset, []).append((p, allowed))
        mean = 0.0
        for by_dataset in groups.values():
            for group in by_dataset.values():
                for p, allowed in group:
                    z = part(pixels[p][1], j)
                    weight = options.class_weights[pixels[p][0]][j] if options.class_weights else 1
                    share = weight / (len(by_dataset) * len(group))
                    factor = share if options.mean == "classifier" else weight * shares[p]
                    everything, inside = log_sum_exp(z), log_sum_exp([z[i] for i in allowed])
                    mean += share * (everything - inside)
                    result.total += weights[j] * factor * (everything - inside)
                    for i, value in enumerate(z):
                        slope = math.exp(value - everything) - (math.exp(value - inside) if i in allowed else 0)
                        result.gradient[p][starts[j] + i] += weights[j] * factor * slope
        labelled, passed = (sum(len(group) for group in groups[box].values()) for box in (False, True))
        result.per_classifier.append(mean)
        result.labelled.append(labelled)
        result.passed.append(passed)
        result.boxes.append(in_boxes)
    return result


def pixel_shares(
    labels: Sequence[Label], active: Sequence[dict[int, list[int]]], pixels: Sequence[tuple[int, Any]], options: Options
) -> list[float]:
    """Where means are over pixels, what each pixel's loss is multiplied with; of one that trains nothing it is 0."""

    def kind(number: int) -> tuple[bool, int]:
        return labels[number].box, labels[number].dataset if options.balance == "datasets" else 0

    kinds = [kind(number) if active[number] else None for number, _ in pixels]
    found = []
    for own in kinds:
        means = len({other for other in kinds if other is not None and own is not None and other[0] == own[0]})
        weight = options.box_weight if own is not None and own[0] else 1
        found.append(weight / (means * kinds.count(own)) if own is not None else 0.0)
    return found


# --- random worlds ----------------------------------------------------------------------------------------------------


def named_nodes(below: Nested) -> Iterator[tuple[str, Leaves]]:
    for name, inner in below.items():
        yield name, leaves_of(name, inner)
        yield from named_nodes(inner or {})


def random_labels(rng: random.Random, tree: Nested, dataset: int = 0) -> tuple[list[dict[str, Any]], list[Label]]:
    """Label records as a manifest holds them, and what they mean. Record 0 is "no annotation"."""
    nodes = dict(named_nodes(tree))
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "(no annotation)", "target": "ignore", "supervision": "pixel"}
    ]
    labels = [Label(frozenset(), False, dataset)]
    while len(records) < 9:
        any_of = rng.sample(sorted(nodes), rng.choice([1, 1, 2, 3][: len(nodes)]))
        meaning = frozenset().union(*(nodes[n] for n in any_of))
        but = [n for n in rng.sample(sorted(nodes), rng.choice([0, 0, 1])) if nodes[n] & meaning and meaning - nodes[n]]
        meaning = meaning.difference(*(nodes[n] for n in but))
        row, box = len(records), rng.random() < 0.5
        target: Any = {"any": any_of} | ({"except": but} if but else {})
        if len(any_of) == 1 and not but:
            target = any_of[0]
        if rng.random() < 0.1:
            target, meaning = "ignore", frozenset()
        records.append(
            {
                "row": row,
                "native_id": row,
                "native_name": f"label {row}",
                "target": target,
                "supervision": "box" if box else "pixel",
            }
        )
        labels.append(Label(meaning, box, dataset))
    return records, labels


def random_logits(rng: random.Random, shape: tuple[int, int, int, int]) -> Tensor:
    """Normal logits; in some worlds whole numbers, so that winners tie."""
    whole = rng.random() < 0.3
    count = math.prod(shape)
    values = [float(rng.randint(-2, 2)) if whole else rng.gauss(0, 2) for _ in range(count)]
    return torch.tensor(values, dtype=torch.float64).view(shape)


def pixels_of(logits: Tensor, labels: Tensor) -> list[tuple[int, list[float]]]:
    rows = logits.movedim(1, -1).flatten(0, 2).tolist()
    return list(zip(labels.flatten().tolist(), rows, strict=True))


def assert_equal_to(
    expected: Expected,
    logits: Tensor,
    labels: Tensor,
    table: TargetTable,
    weights: list[float],
    options: Options | None = None,
) -> None:
    logits, options = logits.clone().requires_grad_(), options or Options()
    output = hierarchical_loss(
        logits,
        labels,
        TableTensors.of(table),
        torch.tensor(weights, dtype=torch.float64),
        options.gate,
        mean=options.mean,
        box_weight=options.box_weight,
        balance=options.balance,
        class_weights=options.class_weights and torch.tensor(options.class_weights, dtype=torch.float64),
    )
    (gradient,) = torch.autograd.grad(output.total, logits)
    assert output.labelled_pixels.tolist() == expected.labelled
    assert output.passed_pixels.tolist() == expected.passed
    assert output.box_pixels.tolist() == expected.boxes
    assert output.per_classifier.tolist() == pytest.approx(expected.per_classifier, rel=1e-8, abs=1e-12)
    assert output.total.item() == pytest.approx(expected.total, rel=1e-8, abs=1e-12)
    wanted = torch.tensor(expected.gradient, dtype=torch.float64)
    torch.testing.assert_close(gradient.movedim(1, -1).flatten(0, 2), wanted, rtol=1e-7, atol=1e-11)


def random_options(rng: random.Random, labels: int, softmaxes: int) -> Options:
    """Some of METHOD's, some not."""
    return Options(
        gate=rng.choice(["parent", "path", "none"]),
        balance=rng.choice(["pixels", "datasets"]),
        class_weights=rng.choice([None, [[rng.uniform(0.2, 3) for _ in range(softmaxes)] for _ in range(labels)]]),
        boxes=rng.choice(["own", "path"]),
        lone_boxes=rng.random() < 0.5,
        mean=rng.choice(["classifier", "pixel"]),
        box_weight=rng.uniform(0, 2),
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), method=st.booleans())
def test_random_worlds(grow_tree: Callable[[random.Random], Nested], seed: int, method: bool) -> None:
    rng = random.Random(seed)
    definition = grow_tree(rng)
    tree = definition["tree"]["root"]
    softmaxes, taxonomy = softmaxes_of(tree), Taxonomy.from_dict(definition)
    labels, mappings = [], []
    for dataset in range(1 if method else rng.randint(1, 3)):
        records, found = random_labels(rng, tree, dataset)
        labels += found
        mappings.append(LabelMapping.from_records(taxonomy, f"random {dataset}", records))
    options = random_options(rng, len(labels), len(softmaxes))
    if method:
        options = Options(gate=options.gate, boxes=options.boxes)
    table = whole_table(taxonomy, mappings, options.boxes, lone_boxes=options.lone_boxes)
    shape = (rng.randint(1, 2), rng.randint(1, 4), rng.randint(1, 5))
    rows = torch.tensor([rng.randrange(len(labels)) for _ in range(math.prod(shape))]).view(shape)
    logits = random_logits(rng, (shape[0], taxonomy.num_logits, *shape[1:]))
    weights = [rng.uniform(0, 2) for _ in softmaxes]
    expected = expected_loss(softmaxes, labels, pixels_of(logits, rows), weights, options)
    assert_equal_to(expected, logits, rows, table, weights, options)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), union=st.booleans())
def test_flat_tables(grow_tree: Callable[[random.Random], Nested], seed: int, union: bool) -> None:
    rng = random.Random(seed)
    definition = grow_tree(rng)
    tree = definition["tree"]["root"]
    records, labels = random_labels(rng, tree)
    taxonomy = Taxonomy.from_dict(definition)
    mapping = LabelMapping.from_records(taxonomy, "random", records)
    try:
        table = TargetTable.compile(taxonomy, [mapping], head="flat-union" if union else "flat-marginal")
    except ConfigError:  # labels that tell nothing apart
        return
    # In a flat union, a column is a meaning and allows exactly itself; so each meaning is one made-up leaf.
    names = [leaf.name for leaf in taxonomy.leaves]
    meanings = [frozenset(names[i] for i in leaves) for leaves in table.layout.classes]
    softmax = Softmax([frozenset({str(m)}) for m in map(sorted, meanings)] if union else meanings, [])
    flat = [
        Label(frozenset({str(sorted(label.leaves))}) if union and label.leaves else label.leaves, box=False)
        for label in labels
    ]
    rows = torch.tensor([rng.randrange(len(labels)) for _ in range(24)]).view(2, 3, 4)
    logits = random_logits(rng, (2, len(meanings), 3, 4))
    expected = expected_loss([softmax], flat, pixels_of(logits, rows), [0.7])
    assert_equal_to(expected, logits, rows, table, [0.7])
