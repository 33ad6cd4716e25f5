"""The tree metrics against walks through the tree, pixel by pixel, with sets of names."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import hypothesis
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labelforge.errors import ConfigError
from labelforge.logits import Head, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Node, Taxonomy
from labelforge.trainer.decision import decide_with_confidence
from labelforge.trainer.descent import Descent, descend
from labelforge.trainer.evaluation import tree_counts
from labelforge.trainer.evaluation.tree_counts import THRESHOLDS, TreeCounter
from labelforge.trainer.evaluation.tree_scores import Tally, TreeScores, tree_scores
from labelforge.trainer.tables import LayoutTensors
from tests.core.random_trees import World, leaf_names, meaning, worlds

Names = frozenset[str]
Kind = Head | Literal["whole"]


@dataclass
class Pixel:
    """What is true of one pixel and what is answered: after no choice, after one, ..., at the end."""

    label: Names
    way: list[Names]
    trust: list[float]

    @property
    def end(self) -> Names:
        return self.way[-1]


def walk(layout: LogitLayout, logits: list[float]) -> tuple[list[Names], list[float]]:
    """What a decision passes, as leaf names, and its confidence after each choice; classifier by classifier."""
    tree = layout.taxonomy

    def names(leaves: Iterable[int]) -> Names:
        return frozenset(tree.leaves[i].name for i in leaves)

    j, way, trust = 0, [frozenset(leaf_names(tree, tree.nodes[layout.nodes[0]]))], [1.0]
    while True:
        part = logits[layout.slices[j]]
        best = part.index(max(part))
        trust.append(trust[-1] * math.exp(part[best]) / math.fsum(math.exp(v) for v in part))
        end = int(layout.class_of[layout.slices[j].start + best])
        if end >= 0:
            return [*way, names(layout.classes[end])], trust[1:]
        (j,) = [i for i in range(len(layout.slices)) if (layout.parent[i], layout.branch[i]) == (j, best)]
        way.append(frozenset(leaf_names(tree, tree.nodes[layout.nodes[j]])))


def verdict(label: Names, answer: Names) -> str:
    if answer <= label:
        return "right"
    return "coarse" if answer & label else "wrong"


def check_tally(found: Tally, pairs: Iterable[tuple[Names, Names]]) -> None:
    """A tally against verdicts of (label, answer)."""
    verdicts = [verdict(*pair) for pair in pairs]
    assert found.pixels == len(verdicts)
    for share, word in ((found.right, "right"), (found.too_coarse, "coarse"), (found.wrong, "wrong")):
        assert share == (pytest.approx(verdicts.count(word) / len(verdicts)) if verdicts else None)


def compiled(world: World, head: Kind) -> LogitLayout:
    """A layout of what the labels teach, or of the whole tree; skips a world whose labels tell nothing apart."""
    if head == "whole":
        return LogitLayout.compile(world.tree)
    try:
        return LogitLayout.compile(world.tree, [world.mapping], head)
    except ConfigError:
        hypothesis.reject()


def make(world: World, layout: LogitLayout, seed: int) -> tuple[TreeScores, list[Pixel]]:
    """Scores of random decisions, and the same pixels for the oracle; counted in two parts."""
    tree, rng = world.tree, random.Random(seed)
    counter, tensors = TreeCounter(layout, world.mapping), LayoutTensors.of_layout(layout)
    pixels = []
    for size in ((2, 5, 4), (1, 3, 6)):
        rows = torch.tensor([rng.randrange(len(world.mapping.rows)) for _ in range(math.prod(size))])
        sharpness = rng.choice([0.3, 2, 6])
        values = [[sharpness * rng.gauss(0, 1) for _ in range(layout.num_logits)] for _ in rows]
        n, h, w = size
        logits = torch.tensor(values).view(n, h, w, -1).movedim(-1, 1)
        counter.update(rows.view(size), descend(logits, tensors))
        for row, value in zip(rows.tolist(), logits.movedim(1, -1).reshape(len(rows), -1).tolist(), strict=True):
            label = frozenset(meaning(tree, world.expressions[row - 1])) if row else frozenset()
            if label:
                pixels.append(Pixel(label, *walk(layout, value)))
    return tree_scores(counter.counts(), layout, world.mapping), pixels


def stop(pixel: Pixel, threshold: float) -> int:
    """Choices that a descent with this threshold makes."""
    return sum(trust >= threshold for trust in pixel.trust)


def cut(tree: Taxonomy, label: Names, depth: int) -> Names:
    """The label as seen at one depth."""
    found: set[str] = set()
    for node in tree.nodes:
        below = leaf_names(tree, node)
        if (node.depth == depth or (node.is_leaf and node.depth < depth)) and below & label:
            found |= below
    return frozenset(found)


def lowest(tree: Taxonomy, names: Names) -> list[int]:
    """The line from the lowest node that holds some leaves up to the root."""
    node = max((n for n in tree.nodes if names <= leaf_names(tree, n)), key=lambda n: n.depth)
    return [node.index, *(n.index for n in tree.ancestors(node))]


def chain(tree: Taxonomy, names: Names) -> set[Names]:
    """A set of leaves and everything that holds it, but the root."""
    everything = frozenset(leaf_names(tree, tree.root))
    holding = {frozenset(leaf_names(tree, n)) for n in tree.nodes}
    return ({held for held in holding if names <= held} | {names}) - {everything}


HEADS = st.sampled_from(["whole", "hierarchical", "flat-marginal", "flat-union"])


def has_classes(world: World) -> bool:
    return any(not row.target.ignored for row in world.mapping.rows)


@settings(max_examples=60)
@given(world=worlds().filter(has_classes), head=HEADS, seed=st.integers(0, 2**32))
def test_random_decisions_on_random_trees(world: World, head: Kind, seed: int) -> None:
    scores, pixels = make(world, compiled(world, head), seed)
    tree = world.tree
    check_tally(scores.answers, [(p.label, p.end) for p in pixels])
    nodes = {frozenset(leaf_names(tree, node)) for node in tree.nodes}
    check_tally(scores.leaves, [(p.label, p.end) for p in pixels if len(p.end) == 1])
    check_tally(scores.inner_nodes, [(p.label, p.end) for p in pixels if len(p.end) > 1 and p.end in nodes])
    check_tally(scores.groups, [(p.label, p.end) for p in pixels if p.end not in nodes])

    assert [entry.depth for entry in scores.depths] == list(range(1, max(n.depth for n in tree.nodes) + 1))
    for entry in scores.depths:
        d = entry.depth
        asked = [p for p in pixels if cut(tree, p.label, d) != cut(tree, p.label, d - 1)]
        check_tally(entry.answers, [(cut(tree, p.label, d), p.end) for p in asked])

    shared = answered = true = 0
    for p in pixels:
        label = chain(tree, p.label)
        answer = label if p.end <= p.label else chain(tree, p.end)
        shared, answered, true = shared + len(label & answer), answered + len(answer), true + len(label)
    assert scores.precision == (pytest.approx(shared / answered) if answered else None)
    assert scores.recall == (pytest.approx(shared / true) if true else None)
    assert scores.f1 == (pytest.approx(2 * shared / (answered + true)) if answered + true else None)

    steps = [
        len(set(lowest(tree, p.label)) ^ set(lowest(tree, p.end))) for p in pixels if verdict(p.label, p.end) == "wrong"
    ]
    assert scores.distance == (pytest.approx(fmean(steps)) if steps else None)

    assert len(scores.stops) == (len(THRESHOLDS) if pixels else 0)
    for stopped in scores.stops:
        ends = [(p, stop(p, stopped.threshold)) for p in pixels]
        check_tally(stopped.full, [(p.label, p.end) for p, n in ends if n == len(p.trust)])
        check_tally(stopped.inner, [(p.label, p.way[n]) for p, n in ends if 0 < n < len(p.trust)])
        assert stopped.unanswered == pytest.approx(sum(n == 0 for _, n in ends) / len(ends))


@settings(max_examples=40)
@given(world=worlds().filter(has_classes), head=st.sampled_from(["whole", "hierarchical"]), seed=st.integers(0, 2**32))
def test_every_classifier_is_scored_where_a_label_decides_it(world: World, head: Kind, seed: int) -> None:
    tree, layout = world.tree, compiled(world, head)
    scores, pixels = make(world, layout, seed)
    if len(layout.names) == 1:
        assert scores.classifiers == ()
        return
    assert [entry.name for entry in scores.classifiers] == list(layout.names)
    for j, entry in enumerate(scores.classifiers):
        node = names_of(tree, tree.nodes[layout.nodes[j]])
        children = [frozenset(tree.leaves[i].name for i in leaves) for leaves in layout.covers[layout.slices[j]]]
        meets = {p.label: [bool(child & p.label) for child in children] for p in pixels}
        asked = [p for p in pixels if p.label <= node and any(meets[p.label]) and not all(meets[p.label])]
        reached = [p for p in asked if p.end <= node]
        right = [p for p in reached if any(p.end <= child and child & p.label for child in children)]
        assert entry.pixels == len(asked)
        assert entry.reached == (pytest.approx(len(reached) / len(asked)) if asked else None)
        assert entry.accuracy == (pytest.approx(len(right) / len(reached)) if reached else None)


def names_of(tree: Taxonomy, node: Node) -> Names:
    return frozenset(leaf_names(tree, node))


@settings(max_examples=40)
@given(world=worlds().filter(has_classes), head=HEADS, seed=st.integers(0, 2**32))
def test_confidence_is_that_of_the_label_that_is_written(world: World, head: Kind, seed: int) -> None:
    """15 bins by hand; the label written is the smallest that holds the decision, the first among equals."""
    scores, pixels = make(world, compiled(world, head), seed)
    labels = [frozenset(meaning(world.tree, e)) for e in world.expressions]
    trusted = []
    for p in pixels:
        fitting = [label for label in labels if p.end <= label]
        written = min(fitting, key=len) if fitting else p.end
        n = next(n for n in range(1, len(p.way)) if p.way[n] <= written or n == len(p.way) - 1)
        trusted.append((p.trust[n - 1], p.end <= p.label))
    # In single precision, a confidence at the edge of a bin or at a threshold may fall on either side.
    assume(all(abs(t * n - round(t * n)) > 1e-5 for t, _ in trusted for n in (15, 50) if t < 1 - 1e-6))
    error = 0.0
    for i, entry in enumerate(scores.confidence.bins):
        inside = [(t, right) for t, right in trusted if i / 15 < t <= (i + 1) / 15]
        assert (entry.low, entry.high, entry.pixels) == (i / 15, (i + 1) / 15, len(inside))
        if inside:
            accuracy, confidence = fmean(right for _, right in inside), fmean(t for t, _ in inside)
            assert entry.accuracy == pytest.approx(accuracy)
            assert entry.confidence == pytest.approx(confidence, abs=1e-6)
            error += len(inside) / len(trusted) * abs(accuracy - confidence)
    assert scores.confidence.calibration_error == (pytest.approx(error, abs=1e-6) if trusted else None)
    assert len(scores.confidence.coverage) == (51 if trusted else 0)
    for point in scores.confidence.coverage:
        above = [right for t, right in trusted if t > point.threshold]
        assert point.coverage == pytest.approx(len(above) / len(trusted))
        assert point.accuracy == (pytest.approx(fmean(above)) if above else None)


@settings(max_examples=30)
@given(world=worlds(), seed=st.integers(0, 2**32))
def test_a_descent_is_the_decision_with_its_confidence_at_every_step(world: World, seed: int) -> None:
    layout = LogitLayout.compile(world.tree)
    tensors = LayoutTensors.of_layout(layout)
    logits = torch.randn(2, layout.num_logits, 3, 4, generator=torch.Generator().manual_seed(seed % 2**31)) * 3
    found, decision = descend(logits, tensors), decide_with_confidence(logits, tensors)
    assert torch.equal(found.classes, decision.answers)
    last = (found.confidence > 0).sum(dim=1, keepdim=True) - 1
    assert torch.equal(found.confidence.gather(1, last)[:, 0], decision.confidence)
    for pixel, steps in zip(
        logits.movedim(1, -1).flatten(0, -2).tolist(), found.confidence.movedim(1, -1).flatten(0, -2), strict=True
    ):
        _, trust = walk(layout, pixel)
        assert steps[: len(trust)].tolist() == pytest.approx(trust, rel=1e-5)
        assert not steps[len(trust) :].any()


def test_by_hand() -> None:
    """Vehicles: car, truck. A label may be a node, a union, or both ways coarse."""
    tree = Taxonomy.from_dict({"name": "t", "tree": {"root": {"sky": None, "vehicle": ["car", "truck", "bus"]}}})
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "-", "target": "ignore", "supervision": "pixel"},
        {"row": 1, "native_id": 1, "native_name": "car", "target": "car", "supervision": "pixel"},
        {"row": 2, "native_id": 2, "native_name": "vehicle", "target": "vehicle", "supervision": "pixel"},
        {
            "row": 3,
            "native_id": 3,
            "native_name": "big",
            "target": {"any": ["truck", "bus"]},
            "supervision": "pixel",
        },
    ]
    mapping, layout = LabelMapping.from_records(tree, "set", records), LogitLayout.compile(tree)
    counter = TreeCounter(layout, mapping)
    sky, car, truck = 0, 1, 2
    labels, classes = [0, 1, 1, 1, 1, 2, 2, 3, 3], [sky, car, car, truck, sky, truck, sky, truck, car]
    trust = [(0.5, 0)] + [(1, 0.9) if k else (0.6, 0) for k in classes[1:]]
    confidence = torch.tensor(trust, dtype=torch.float32).T[None, :, None]
    counter.update(torch.tensor(labels)[None, None], Descent(torch.tensor(classes)[None, None], confidence))
    scores = tree_scores(counter.counts(), layout, mapping)
    assert scores.answers == Tally(8, 4 / 8, 0.0, 4 / 8)
    # Depth 1: sky or vehicle; two of eight say sky. Depth 2: cars and big ones; the plain vehicles say nothing.
    assert [(d.answers.pixels, d.answers.right) for d in scores.depths] == [(8, 6 / 8), (6, 3 / 6)]
    assert [(c.name, c.pixels, c.reached, c.accuracy) for c in scores.classifiers] == [
        ("root", 8, 1.0, 6 / 8),
        ("vehicle", 6, 5 / 6, 3 / 5),
    ]
    # Wrong: a car called truck (2 edges), a car called sky (3), a vehicle called sky (2), a big one called car: the
    # lowest node that holds trucks and buses is the vehicle (1).
    assert scores.distance == pytest.approx((2 + 3 + 2 + 1) / 4)
    # Nodes of label and answer in common, of the answer's, of the label's: car 2/2/2 twice; car as truck 1/2/2;
    # car as sky 0/1/2; vehicle right 1/1/1; vehicle as sky 0/1/1; big right 2/2/2; big as car 1/2/2.
    assert scores.precision == pytest.approx(9 / 13)
    assert scores.recall == pytest.approx(9 / 14)
    # Stopped at 0.95, every vehicle is answered at the inner node, and the two skies not at all.
    (*_, stopped) = scores.stops
    assert (stopped.unanswered, stopped.full.pixels) == (2 / 8, 0)
    assert stopped.inner == Tally(6, 1 / 6, 5 / 6, 0.0)


def test_a_confidence_at_an_edge_belongs_to_the_bin_below_it() -> None:
    """Also: an open set of box labels is not scored, though it means something."""
    tree = Taxonomy.from_dict({"name": "t", "tree": {"root": ["sky", "car"]}})
    table = LabelMapping.from_records(
        tree,
        "set",
        [
            {"row": 0, "native_id": None, "native_name": "-", "target": "ignore", "supervision": "box"},
            {"row": 1, "native_id": 1, "native_name": "car", "target": "car", "supervision": "box"},
            {"row": 2, "native_id": 2, "native_name": "sky", "target": "sky", "supervision": "box"},
        ],
    ).with_sets(tree, [(1, 2)])
    layout = LogitLayout.compile(tree)
    counter = TreeCounter(layout, table)
    trust = torch.tensor([0.5, 1.0, 1.0])[None, None, None]
    counter.update(torch.tensor([[[1, 2, 3]]]), Descent(torch.tensor([[[1, 1, 1]]]), trust))
    scores = tree_scores(counter.counts(), layout, table)
    assert scores.answers == Tally(2, 0.5, 0.0, 0.5)
    assert [(p.coverage, p.accuracy) for p in scores.confidence.coverage if p.threshold in (0.48, 0.5, 0.98, 1)] == [
        (1.0, 0.5),
        (0.5, 0.0),
        (0.5, 0.0),
        (0.0, None),
    ]
    assert [entry.pixels for entry in scores.confidence.bins] == [0] * 7 + [1] + [0] * 6 + [1]
    # A threshold is reached by a confidence that equals it.
    assert scores.stops[0].threshold == 0.5
    assert (scores.stops[0].unanswered, scores.stops[1].unanswered) == (0.0, 0.5)


def test_counting_in_bands_is_counting_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Taxonomy.load("iv2018")
    mapping, layout = LabelMapping.load(tree, "cityscapes"), LogitLayout.compile(tree)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, len(mapping.rows), (2, 7, 5), generator=generator)
    logits = torch.randn(2, layout.num_logits, 7, 5, generator=generator) * 5
    found = []
    for pixels in (1, 30, 1000):  # bands of one row, of three and a rest, of all
        monkeypatch.setattr(tree_counts, "_BAND_PIXELS", pixels)
        counter = TreeCounter(layout, mapping)
        counter.update(rows, descend(logits, LayoutTensors.of_layout(layout)))
        found.append(counter.counts())
    for counts in found[:2]:
        assert (counts.answers == found[2].answers).all() and (counts.confident == found[2].confident).all()
        assert counts.confidence == pytest.approx(found[2].confidence)
    assert found[2].answers.sum() == 4 * rows.numel()


def test_without_a_pixel_there_is_no_figure() -> None:
    tree = Taxonomy.load("iv2018")
    mapping, layout = LabelMapping.load(tree, "cityscapes"), LogitLayout.compile(tree)
    scores = tree_scores(TreeCounter(layout, mapping).counts(), layout, mapping)
    assert scores.precision is scores.distance is scores.answers.right is scores.confidence.calibration_error is None
    assert not scores.stops and not scores.confidence.coverage
