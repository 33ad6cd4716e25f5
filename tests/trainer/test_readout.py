"""Labels read from logits: by the decision, and by sums of probabilities over the classes inside a label."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.errors import ConfigError
from labelforge.learnable import Learnable
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Node, Taxonomy
from labelforge.trainer.decision import class_probabilities
from labelforge.trainer.readout import By, label_readout, written_rows
from labelforge.trainer.tables import LayoutTensors
from tests.core.random_trees import World, meaning, trees, worlds


def leaf_probability(tree: Taxonomy, leaf: Node, logits: list[float]) -> float:
    """The product of the softmaxes from the root down to a leaf."""
    product, node = 1.0, leaf
    while node.parent is not None:
        owner = next(c for c in tree.classifiers if c.node.index == node.parent)
        part = [math.exp(v) for v in logits[owner.slice]]
        product *= part[owner.children.index(node)] / sum(part)
        node = tree.nodes[node.parent]
    return product


@given(worlds(), st.integers(0, 2**32))
@settings(max_examples=150)
def test_sums_are_those_over_the_leaves(world: World, seed: int) -> None:
    """In labels that the network never saw: by brute force over the leaves of the whole tree.

    A leaf that a label within another means counts for the inner one.
    """
    tree = world.tree
    logits = np.random.default_rng(seed).normal(size=tree.num_logits) * 2
    leaves = {leaf.name: leaf_probability(tree, leaf, logits.tolist()) for leaf in tree.leaves}
    labels = {row: found for row, e in enumerate(world.expressions, 1) if (found := meaning(tree, e))}
    sums = {
        row: sum(leaves[name] for name in found if not any(name in other < found for other in labels.values()))
        for row, found in labels.items()
    }
    tensors = LayoutTensors.of_layout(LogitLayout.compile(tree))
    given = torch.tensor(logits, dtype=torch.float32).view(1, -1, 1, 1)
    answer = int(label_readout(tensors, world.mapping, "sum")(given).rows)
    if not sums:
        assert answer == 0
        return
    assert sums[answer] == pytest.approx(max(sums.values()), rel=1e-5)


def test_labels_that_hold_no_class_of_the_network_are_never_read() -> None:
    tree = Taxonomy.load("iv2018")
    layout = LogitLayout.compile(tree, [LabelMapping.load(tree, "cityscapes")])
    vistas = LabelMapping.load(tree, "mapillary-vistas-1.2")
    tensors = LayoutTensors.of_layout(layout)
    logits = torch.randn(1, layout.num_logits, 40, 50, generator=torch.Generator().manual_seed(0)) * 4
    holding = {r.row for r in vistas.rows if any(k <= r.target.leaves for k in layout.classes)}
    sharing = {r.row for r in vistas.rows if any(2 * len(k & r.target.leaves) >= len(k) for k in layout.classes)}
    ways: list[tuple[By | None, set[int]]] = [("sum", sharing), ("winner", holding), (None, sharing)]
    for by, possible in ways:
        seen = set(label_readout(tensors, vistas, by)(logits).rows.flatten().tolist())
        assert len(seen - {0}) > 5 and seen - {0} <= possible
    signs = label_readout(tensors, LabelMapping.load(tree, "gtsdb"), "sum")
    assert set(signs(logits).rows.flatten().tolist()) == {0}


def test_another_way_to_read_is_refused() -> None:
    tree = Taxonomy.load("iv2018")
    tensors = LayoutTensors.of_layout(LogitLayout.compile(tree))
    with pytest.raises(ConfigError, match=r"no way to read labels is called 'sums'\. Did you mean 'sum'"):
        label_readout(tensors, LabelMapping.load(tree, "gtsdb"), "sums")  # type: ignore[arg-type]


def test_a_label_around_others_is_read_where_none_of_them_is() -> None:
    tree = Taxonomy.load("streets")
    cityscapes = LabelMapping.load(tree, "cityscapes")
    layout = LogitLayout.compile(tree)
    names = {row.row: row.native_name for row in cityscapes.rows}
    readout = label_readout(LayoutTensors.of_layout(layout), cityscapes, "sum")
    for column, label in (
        ("flat/driveable/road/paved road", "road"),
        ("nature/water/river", "ground"),
        ("nature/terrain/sand", "terrain"),
    ):
        logits = torch.zeros(1, layout.num_logits, 1, 1)
        at = layout.column_names.index(column)
        while at >= 0:  # choose the column, and those that lead to it
            logits[0, at] = 9.0
            j = next(j for j, columns in enumerate(layout.slices) if columns.start <= at < columns.stop)
            at = layout.slices[layout.parent[j]].start + layout.branch[j] if layout.parent[j] >= 0 else -1
        assert names[int(readout(logits).rows)] == label


def tree_of_people() -> Taxonomy:
    nested = {"scene": {"human": {"person": None, "rider": None, "belongings": None}, "sky": None, "water": None}}
    return Taxonomy.from_dict({"name": "people", "tree": nested})


def labels_of(tree: Taxonomy, dataset: str, supervision: str = "pixel", **targets: object) -> LabelMapping:
    records: list[dict[str, object]] = []
    for row, (name, target) in enumerate({"none": "ignore", **targets}.items()):
        record = {"native_id": row or None, "native_name": name, "target": target, "supervision": supervision}
        records.append({"row": row, **record})
    return LabelMapping.from_records(tree, dataset, records)


def test_a_class_that_no_label_contains_counts_for_the_one_that_means_most_of_it() -> None:
    """One dataset's person carries things. Another's does not; where a third labels these too, nobody can tell."""
    tree = tree_of_people()
    seen = labels_of(tree, "seen", person={"any": ["person", "belongings"]}, rider="rider", sky="sky", water="water")
    layout = LogitLayout.compile(tree, [seen])
    assert layout.class_names[0] == "person | belongings"
    assert layout.column_names == ("human", "sky", "water", "person | belongings", "human/rider")
    tensors = LayoutTensors.of_layout(layout)
    first = ((0.9, 0.08, 0.02), (0.4, 0.4, 0.2), (0.01, 0.09, 0.9))
    logits = torch.log(torch.tensor([(*choice, 0.9, 0.1) for choice in first])).T[None, :, None]

    alone = labels_of(tree, "alone", people={"any": ["person", "rider"]}, sky="sky")
    found = label_readout(tensors, alone, "sum")(logits)
    assert [alone.rows[row].native_name for row in found.rows.flatten().tolist()] == ["people", "sky", "sky"]
    assert found.confidence.flatten().tolist() == pytest.approx([0.9, 0.4, 0.09], abs=1e-4)
    usual = label_readout(tensors, alone)(logits)
    assert usual.rows.flatten().tolist() == [*found.rows.flatten().tolist()[:2], 0], "most likely water, no label"

    third = labels_of(tree, "third", bag="belongings", people={"any": ["person", "rider"]}, sky="sky")
    found = label_readout(tensors, third, "sum")(logits)
    assert [third.rows[row].native_name for row in found.rows.flatten().tolist()] == ["people", "sky", "sky"]
    assert found.confidence.flatten().tolist() == pytest.approx([0.09, 0.4, 0.09], abs=1e-4)  # riders alone are people


def test_boxes_are_read_by_winner_unless_asked_otherwise() -> None:
    tree = tree_of_people()
    layout = LogitLayout.compile(tree)
    tensors, boxes = LayoutTensors.of_layout(layout), labels_of(tree, "boxes", "box", bag="belongings", rider="rider")
    logits = torch.randn(1, layout.num_logits, 30, 30, generator=torch.Generator().manual_seed(0)) * 3
    assert torch.equal(label_readout(tensors, boxes)(logits).rows, label_readout(tensors, boxes, "winner")(logits).rows)
    assert (label_readout(tensors, boxes, "sum")(logits).rows > 0).all()


def test_a_class_that_may_be_several_labels_is_none_unless_sums_are_asked_for() -> None:
    """Cityscapes has one rider and one road, Vistas has kinds of them: certain of these, nothing else is likely."""
    tree = Taxonomy.load("iv2018")
    layout = LogitLayout.compile(tree, [LabelMapping.load(tree, "cityscapes")])
    vistas = LabelMapping.load(tree, "mapillary-vistas-1.2")
    tensors = LayoutTensors.of_layout(layout)
    logits = torch.full((1, layout.num_logits, 1, 2), -9.0)
    road, driveable = layout.column_names.index("driveable except parking"), layout.column_names.index("driveable")
    logits[0, [road, driveable], 0, 0] = 9.0
    logits[0, layout.column_names.index("rider"), 0, 1] = 9.0
    ways: tuple[By | None, ...] = ("winner", None)
    for by in ways:
        assert label_readout(tensors, vistas, by)(logits).rows.tolist() == [[[0, 0]]]
    found = label_readout(tensors, vistas, "sum")(logits)
    assert bool((found.rows > 0).all())
    assert float(found.confidence.max()) < 1e-3


SOME_LABELS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4), min_size=1, max_size=7)


@given(trees(), SOME_LABELS, SOME_LABELS, st.integers(0, 2**32))
@settings(max_examples=200)
def test_labels_of_taught_networks_by_brute_force(
    tree: Taxonomy, seen: list[list[int]], other: list[list[int]], seed: int
) -> None:
    """Networks that carry only what some labels teach, in labels of others: which classes count for what, and sums."""
    asked = labels_of(tree, "asked", "pixel", **_labels(tree, other))
    try:
        layout = LogitLayout.compile(tree, [labels_of(tree, "seen", "pixel", **_labels(tree, seen))])
    except ConfigError:  # these labels tell nothing apart
        return
    tensors = LayoutTensors.of_layout(layout)
    logits = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, layout.num_logits, 1, 5)) * 3).float()
    classes = class_probabilities(logits, tensors)[0, :, 0].numpy()
    labels = [(r.row, r.target.leaves) for r in asked.rows if r.native_id is not None and not r.target.ignored]
    counts_for = [_counts_for(labels, leaves) for leaves in layout.classes]
    sums = np.zeros((len(asked.rows), 5))
    for k, rows in enumerate(counts_for):
        sums[rows] += classes[k]
    unread = sum((classes[k] for k, rows in enumerate(counts_for) if not rows), np.zeros(5))
    ways: tuple[By | None, ...] = ("sum", None)
    for by in ways:
        found = label_readout(tensors, asked, by)(logits).rows[0, 0].tolist()
        for x, row in enumerate(found):
            void = sums[:, x].max() == 0 or (by is None and unread[x] > 0.5)
            assert (row == 0) == void or abs(unread[x] - 0.5) < 1e-5
            assert row == 0 or sums[row, x] == pytest.approx(sums[:, x].max(), rel=1e-5)
    native, alone = layout.native_rows(asked), written_rows(layout, asked, "sum")
    assert (alone[native > 0] == native[native > 0]).all()
    assert [row > 0 for row in alone] == [bool(rows) for rows in counts_for]


def _labels(tree: Taxonomy, meanings: list[list[int]]) -> dict[str, object]:
    """Labels that mean unions of nodes, given by number."""
    names = [node.name for node in tree.nodes]
    unions = [{"any": [*dict.fromkeys(names[number % len(names)] for number in numbers)]} for numbers in meanings]
    return {f"l{i}": union for i, union in enumerate(unions)}


def _counts_for(labels: list[tuple[int, frozenset[int]]], leaves: frozenset[int]) -> list[int]:
    """Rows of the labels that a class counts for, in the words of the module."""
    around = [(row, meaning) for row, meaning in labels if leaves <= meaning]
    if around:
        return [row for row, meaning in around if not any(other < meaning for _, other in around)]
    part = {row: len(leaves & meaning) for row, meaning in labels}
    most = max(part.values(), default=0)
    best = [(row, meaning) for row, meaning in labels if part[row] == most and 2 * most >= len(leaves)]
    inner = [(row, meaning) for row, meaning in best if not any(other < meaning for _, other in best)]
    return [row for row, _ in inner] if len({meaning for _, meaning in inner}) == 1 else []


@pytest.mark.parametrize(
    "names", [("cityscapes", "bdd100k"), ("camvid-32", "railsem19"), ("bdd100k-panoptic",), ("camvid-11", "gtsdb")]
)
def test_what_a_run_says_is_never_predicted_is_never_read(names: tuple[str, ...]) -> None:
    """A class that lies within no label, but mostly means one, is read as that one, and so it is not on the list."""
    tree = Taxonomy.load("streets")
    found = Learnable.of(tree, [LabelMapping.load(tree, name) for name in names])
    never = dict(found.unanswerable())
    for mapping in found.table.mappings:
        written = written_rows(found.table.layout, mapping).tolist()
        assert not {mapping.rows[row].native_name for row in written} & set(never.get(mapping.dataset, ()))
    if names == ("cityscapes", "bdd100k"):  # one's signs are fronts, the other's fronts and backs
        assert "traffic sign" not in never.get("cityscapes", ())
    if "camvid-11" in names:
        assert never == {"camvid-11": ("Bicyclist",)}
