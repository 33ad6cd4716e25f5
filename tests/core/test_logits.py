"""The layout of the logits against walks through the tree, and decisions read in a dataset's own labels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from labelforge.logits import HEADS, Head, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import World, meaning, trees, worlds


@given(trees())
@settings(max_examples=100, deadline=None)
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
@settings(max_examples=100, deadline=None)
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


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_decisions_are_credited_to_the_native_label_that_holds_them(world: World) -> None:
    tree = world.tree
    for head in HEADS:
        layout = LogitLayout.compile(tree, [world.mapping], head)
        native, credited = layout.native_rows(world.mapping), layout.credited_rows(world.mapping)
        sets = [meaning(tree, e) for e in world.expressions]
        for k, leaves in enumerate(layout.classes):
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


@pytest.mark.parametrize("head", ["hierarchical", "flat-marginal"])
def test_only_flat_union_depends_on_the_labels(head: Head) -> None:
    """A network can be used without the label tables that it was trained with."""
    tree = Taxonomy.load("iv2018")
    alone = LogitLayout.compile(tree, head=head)
    trained = TargetTable.compile(tree, [LabelMapping.load(tree, "gtsdb")], head=head).layout
    assert (alone.slices, alone.classes, alone.class_names) == (trained.slices, trained.classes, trained.class_names)
    assert alone.class_of.tolist() == trained.class_of.tolist()
