"""The layout of the logits against walks through the tree, and decisions read in a dataset's own labels."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings

from labelforge.errors import ConfigError, TaxonomyError
from labelforge.logits import HEADS, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import World, meaning, trees, worlds


@given(trees())
@settings(max_examples=100)
def test_every_inner_node_owns_the_columns_of_its_children(tree: Taxonomy) -> None:
    layout = LogitLayout.compile(tree)
    inner = [node for node in tree.nodes if node.children]
    assert layout.names == tuple(node.path for node in inner)
    assert layout.sizes == tuple(len(node.children) for node in inner)
    assert (layout.num_classifiers, layout.num_logits) == (len(inner), len(tree.nodes) - 1)
    columns = [tree.nodes[child] for node in inner for child in node.children]
    for column, child in enumerate(columns):
        k = int(layout.class_of[column])
        if child.children:
            assert k == -1
        else:
            assert layout.class_names[k] == child.path
            assert [tree.leaves[i].name for i in layout.classes[k]] == [child.name]


@given(trees())
@settings(max_examples=100)
def test_ancestors_are_the_way_up(tree: Taxonomy) -> None:
    layout = LogitLayout.compile(tree)
    inner = [node for node in tree.nodes if node.children]
    for j, owner in enumerate(inner):
        way, node = [], owner
        while node.parent is not None:
            above = tree.nodes[node.parent]
            way.append((inner.index(above), above.children.index(node.index)))
            node = above
        assert layout.ancestors(j) == tuple(way)


def layouts(world: World) -> list[LogitLayout]:
    """The whole tree, and what the world's labels teach each kind of head."""
    found = [LogitLayout.compile(world.tree)]
    for head in HEADS:
        with suppress(ConfigError):
            found.append(LogitLayout.compile(world.tree, [world.mapping], head))
    return found


@given(worlds())
@settings(max_examples=100)
def test_decisions_are_credited_to_the_native_label_that_holds_them(world: World) -> None:
    tree = world.tree
    sets = [meaning(tree, e) for e in world.expressions]
    for layout in layouts(world):
        native, credited = layout.answer_rows(world.mapping), layout.credited_rows(world.mapping)
        assert layout.native_rows(world.mapping).tolist() == native[: len(layout.classes)].tolist()
        for k, leaves in enumerate(layout.answers):
            names = {tree.leaves[i].name for i in leaves}
            holders = [i for i, s in enumerate(sets, 1) if s and names <= s]
            best = min((len(sets[i - 1]) for i in holders), default=0)
            assert native[k] == next((i for i in holders if len(sets[i - 1]) == best), 0)
            for row in range(1, len(sets) + 1):
                assert credited[row, k] == (row if row in holders else native[k])


def test_flat_union_sets_inner_nodes_beside_their_descendants() -> None:
    tree = Taxonomy.load("iv2018")
    mappings = [LabelMapping.load(tree, d) for d in ("cityscapes", "mapillary-vistas-1.2", "gtsdb")]
    layout = LogitLayout.compile(tree, mappings, "flat-union")
    front = frozenset(tree.node("traffic sign/front").leaves)
    assert front in layout.classes
    assert all(frozenset({leaf}) in layout.classes for leaf in front)
    named = {row.target.leaves for m in mappings for row in m.rows} - {frozenset()}
    assert set(layout.classes) == named
    assert len(layout.classes) == len(named) == layout.num_logits


@given(worlds())
@settings(max_examples=100)
def test_records_bring_a_layout_back(world: World) -> None:
    """A network can be used without the label tables that it was trained with."""
    for layout in layouts(world):
        records = json.loads(json.dumps(layout.to_records()))
        found = LogitLayout.from_records(world.tree, records, flat=layout.flat)
        for name in ("slices", "nodes", "flat", "parent", "branch", "covers", "classes", "names", "answers", "joins"):
            assert getattr(found, name) == getattr(layout, name), name
        assert found.class_of.tolist() == layout.class_of.tolist()


def test_broken_records_are_one_error_of_the_tree() -> None:
    tree = Taxonomy.load("iv2018")
    first, second, *_ = LogitLayout.compile(tree).to_records()
    broken: list[list[dict[str, Any]]] = [
        [],
        [first],  # nothing decides what it leads to
        [first, {**second, "parent": 1}],
        [first | {"choices": []}],
        [{"node": "scene"}],
        [first | {"node": "nowhere"}],
    ]
    for records in broken:
        with pytest.raises(TaxonomyError):
            LogitLayout.from_records(tree, records, flat=False)
    with pytest.raises(TaxonomyError, match=r"choices of iv2018: they are not complete"):
        LogitLayout.from_records(tree, [], flat=True)
