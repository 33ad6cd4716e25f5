"""What labels teach: groups and ends of decisions against their definitions, and known cases by name."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.targets import SET, SILENT, TargetTable
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import World, leaf_names, meaning, whole_table, worlds

MANY_TEACH_NOTHING = settings(suppress_health_check=[HealthCheck.filter_too_much])


def taught(world: World) -> LogitLayout:
    try:
        return LogitLayout.compile(world.tree, [world.mapping])
    except ConfigError:
        assume(False)
        raise


def names(tree: Taxonomy, leaves: frozenset[int]) -> set[str]:
    return {tree.leaves[i].name for i in leaves}


def asked_of(world: World, owner: str) -> list[set[str]]:
    """What each pixel label allows at a node's classifier, by the definition; box labels are left to the table."""
    tree, node = world.tree, world.tree.node(owner)
    below = leaf_names(tree, node)
    children = {tree.nodes[c].name: leaf_names(tree, tree.nodes[c]) for c in node.children}
    found = []
    for expression in world.expressions:
        label = meaning(tree, expression)
        allowed = {name for name, leaves in children.items() if leaves & label}
        if label and label <= below and allowed != set(children):
            found.append(allowed)
    return found


@given(worlds(supervision="pixel"))
@settings(MANY_TEACH_NOTHING, max_examples=300)
def test_children_are_one_choice_if_no_label_tells_them_apart(world: World) -> None:
    """Pair by pair: two children share a column if and only if every label allows both or neither."""
    tree, layout = world.tree, taught(world)
    for node, columns in zip(layout.nodes, layout.slices, strict=True):
        owner = tree.nodes[node]
        asked = asked_of(world, owner.name)
        column_of: dict[str, int] = {}
        for column in range(columns.start, columns.stop):
            for child in owner.children:
                if set(tree.nodes[child].leaves) <= layout.covers[column]:
                    column_of[tree.nodes[child].name] = column
        for name in (tree.nodes[child].name for child in owner.children):
            assert (name in column_of) == any(name in allowed for allowed in asked)
        for one, other in combinations(column_of, 2):
            alike = all((one in allowed) == (other in allowed) for allowed in asked)
            assert (column_of[one] == column_of[other]) == alike
        assert columns.stop - columns.start >= 2


@given(worlds())
@settings(MANY_TEACH_NOTHING, max_examples=300)
def test_every_answer_is_taught(world: World) -> None:
    """No class holds a leaf that no label means, and each lies within the reach of some label."""
    tree, layout = world.tree, taught(world)
    labels = [found for e in world.expressions if (found := meaning(tree, e)) and len(found) < len(tree.leaves)]
    for leaves in layout.classes:
        assert leaves
        for leaf in names(tree, leaves):
            assert any(leaf in label for label in labels)
    for one, other in combinations(layout.classes, 2):
        assert not one & other


@given(worlds(supervision="pixel"))
@settings(MANY_TEACH_NOTHING, max_examples=300)
def test_a_classifier_is_carried_only_where_decisions_arrive(world: World) -> None:
    layout = taught(world)
    for j in range(1, layout.num_classifiers):
        column = layout.slices[layout.parent[j]].start + layout.branch[j]
        assert layout.class_of[column] == -1
        assert set(world.tree.nodes[layout.nodes[j]].leaves) <= layout.covers[column]
    leading = [(layout.parent[j], layout.branch[j]) for j in range(1, layout.num_classifiers)]
    assert len(set(leading)) == len(leading)
    assert (layout.class_of == -1).sum() == len(leading)
    assert sorted(layout.class_of[layout.class_of >= 0].tolist()) == list(range(len(layout.classes)))


@given(worlds(supervision="pixel"))
@settings(MANY_TEACH_NOTHING, max_examples=300)
def test_a_label_that_chooses_alone_all_the_way_down_contains_what_is_decided(world: World) -> None:
    """Decide as a label asks, as far as it asks for single columns: the answer then lies within the label."""
    tree, layout = world.tree, taught(world)
    table = TargetTable.compile(tree, [world.mapping], layout=layout)
    for row, expression in enumerate(world.expressions, 1):
        j = 0
        while True:
            target = int(table.target[row, j])
            if target < 0:
                break
            column = layout.slices[j].start + target
            if layout.class_of[column] >= 0:
                label = meaning(tree, expression)
                assert label & names(tree, layout.classes[layout.class_of[column]])
                break
            j = next(k for k in range(layout.num_classifiers) if (layout.parent[k], layout.branch[k]) == (j, target))


@given(worlds(), st.integers(0, 2**32))
@settings(MANY_TEACH_NOTHING, max_examples=200)
def test_the_loss_is_that_of_the_whole_tree_with_groups_added_up(world: World, seed: int) -> None:
    """A group's logit is the logsumexp of its children's, and a child that no label names has probability zero."""
    tree, layout = world.tree, taught(world)
    whole, cut = whole_table(tree, [world.mapping]), TargetTable.compile(tree, [world.mapping])
    logits = np.random.default_rng(seed).normal(size=tree.num_logits)
    originals = len(world.mapping.rows)
    for j, (node, columns) in enumerate(zip(layout.nodes, layout.slices, strict=True)):
        classifier = next(c for c in tree.classifiers if c.node.index == node)
        values = np.exp(logits[classifier.slice])
        members = [
            [layout.covers[column].issuperset(child.leaves) for child in classifier.children]
            for column in range(columns.start, columns.stop)
        ]
        known = np.any(members, axis=0)
        grouped = np.array([values[row].sum() for row in members])
        for row in range(originals):
            before = whole.allowed[row, classifier.slice]
            after = cut.allowed[row, columns]
            if not before.any() or before[known].all():
                assert not after.any() and cut.target[row, j] == SILENT
                continue
            expected = values[before].sum() / values[known].sum()
            assert np.isclose(grouped[after].sum() / grouped.sum(), expected)
            assert cut.target[row, j] == (SET if after.sum() > 1 else after.argmax())


def shipped(name: str, *datasets: str) -> LogitLayout:
    tree = Taxonomy.load(name)
    return LogitLayout.compile(tree, [LabelMapping.load(tree, dataset) for dataset in datasets])


def test_the_papers_three_datasets_teach_the_whole_tree() -> None:
    layout, whole = shipped("iv2018", "cityscapes", "mapillary-vistas-1.2", "gtsdb"), shipped_whole("iv2018")
    assert (layout.names, layout.sizes, layout.classes) == (whole.names, whole.sizes, whole.classes)


def shipped_whole(name: str) -> LogitLayout:
    return LogitLayout.compile(Taxonomy.load(name))


def test_cityscapes_signs_are_fronts_and_gtsdb_reads_them() -> None:
    alone = shipped("iv2018", "cityscapes")
    assert "traffic sign/front" in alone.class_names and "traffic sign" not in alone.class_names
    both = shipped("iv2018", "cityscapes", "gtsdb")
    assert both.names == ("scene", "driveable", "traffic sign/front")
    assert both.column_names[both.slices[0].start + both.branch[2]] == "traffic sign"
    assert both.ancestors(2) == ((0, both.branch[2]),)  # so the gate of the signs asks the root


def test_road_is_driveable_but_not_parking() -> None:
    layout = shipped("iv2018", "cityscapes")
    chosen = [layout.column_names[i] for i in range(layout.slices[1].start, layout.slices[1].stop)]
    assert sorted(chosen) == ["driveable except parking", "driveable/parking"]


def test_boxes_alone_teach_what_is_in_them() -> None:
    assert shipped("iv2018", "gtsdb").names == ("traffic sign/front",)


def test_a_coarse_label_keeps_its_node_an_answer_of_its_own() -> None:
    """With 'road' for all that is driveable beside 'parking', no label says that something is not parking."""
    tree = Taxonomy.from_dict(
        {"name": "t", "tree": {"scene": {"sky": None, "driveable": {"road": None, "parking": None, "lane": None}}}}
    )
    layout = LogitLayout.compile(tree, [labels(tree, sky="sky", road="driveable", lot="parking")])
    assert (layout.names, layout.class_names) == (("scene",), ("sky", "driveable"))


def test_what_several_branches_share_is_no_answer_but_bounds_none() -> None:
    """CamVid's Bicyclist is a rider or what is ridden; only Pedestrian is human and nothing else."""
    tree = Taxonomy.from_dict(
        {"name": "t", "tree": {"scene": {"human": {"person": None, "rider": None}, "bicycle": None, "sky": None}}}
    )
    both = {"any": ["rider", "bicycle"]}
    layout = LogitLayout.compile(tree, [labels(tree, a="person", b=both, c="sky")])
    assert layout.class_names == ("human/person", "bicycle", "sky")


def test_labels_that_say_the_same_teach_nothing() -> None:
    tree = Taxonomy.load("iv2018")
    for expressions in ({"a": "sky"}, {"a": "ignore"}, {"a": "scene", "b": "sky"}):
        try:
            LogitLayout.compile(tree, [labels(tree, **expressions)])
        except ConfigError as fault:
            assert str(fault).startswith("the labels of these datasets (made up) tell nothing apart")
        else:
            raise AssertionError(expressions)


def labels(tree: Taxonomy, **expressions: object) -> LabelMapping:
    records: list[dict[str, object]] = [
        {"row": 0, "native_id": None, "native_name": "none", "target": "ignore", "supervision": "pixel"}
    ]
    for i, (name, target) in enumerate(expressions.items(), 1):
        records.append({"row": i, "native_id": i, "native_name": name, "target": target, "supervision": "pixel"})
    return LabelMapping.from_records(tree, "made up", records)
