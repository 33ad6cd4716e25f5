"""The compiled table against the method's definition, worked out node by node with plain sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.errors import ConfigError
from labelforge.logits import HEADS, Head
from labelforge.mapping import LabelMapping
from labelforge.targets import SET, SILENT, TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse
from tests.core.random_trees import World, leaf_names, meaning, whole_table, worlds

FLAT: tuple[Head, ...] = ("flat-union", "flat-marginal")


def expected_allowed(tree: Taxonomy, leaves: set[str]) -> dict[str, set[str]]:
    """Per inner node with something to learn: the names of the children that a label allows."""
    found = {}
    for node in tree.nodes:
        if not node.children or not leaves or not leaves <= leaf_names(tree, node):
            continue
        children = [tree.nodes[c] for c in node.children]
        included = {c.name for c in children if leaf_names(tree, c) & leaves}
        if len(included) < len(children):
            found[node.name] = included
    return found


def compiled_allowed(table: TargetTable, row: int) -> dict[str, set[str]]:
    """The same, read from the table."""
    found = {}
    for classifier in table.layout.taxonomy.classifiers:
        part = table.allowed[row, classifier.slice]
        target = table.target[row, classifier.index]
        if part.any():
            found[classifier.node.name] = {c.name for c, on in zip(classifier.children, part, strict=True) if on}
            assert target == (SET if part.sum() > 1 else part.argmax())
        else:
            assert target == SILENT
    return found


@given(worlds(supervision="pixel"))
@settings(max_examples=150)
def test_pixel_labels_compile_to_the_definition(world: World) -> None:
    table = whole_table(world.tree, [world.mapping])
    assert not table.allowed[0].any(), "row 0 says nothing"
    for row, expression in enumerate(world.expressions, 1):
        assert compiled_allowed(table, row) == expected_allowed(world.tree, meaning(world.tree, expression))
        assert not table.from_box[row]


@given(worlds(supervision="box"))
@settings(max_examples=100)
def test_box_labels_never_reach_the_root(world: World) -> None:
    own = whole_table(world.tree, [world.mapping], boxes="own")
    path = whole_table(world.tree, [world.mapping], boxes="path")
    for row, expression in enumerate(world.expressions, 1):
        full = expected_allowed(world.tree, meaning(world.tree, expression))
        deepest = max(full, key=lambda n: world.tree.node(n).depth, default=None)
        assert compiled_allowed(path, row) == {n: c for n, c in full.items() if n != "root"}
        assert compiled_allowed(own, row) == {n: c for n, c in full.items() if n == deepest and n != "root"}
        assert own.from_box[row]


@given(worlds(supervision="box"), st.sampled_from(["own", "path"]))
@settings(max_examples=100)
def test_boxes_leave_out_classifiers_that_their_dataset_gives_one_answer(world: World, boxes: BoxUse) -> None:
    every = whole_table(world.tree, [world.mapping], boxes)
    kept = whole_table(world.tree, [world.mapping], boxes, lone_boxes=False)
    rows = [compiled_allowed(every, row) for row in range(len(world.mapping.rows))]
    asked = {name for row in rows for name in row}
    one_answer = {name for name in asked if set.intersection(*(row[name] for row in rows if name in row))}
    for row, found in enumerate(rows):
        assert compiled_allowed(kept, row) == {name: c for name, c in found.items() if name not in one_answer}


def lone_sign(kind: str, *others: tuple[str, str]) -> TargetTable:
    """One dataset whose labels below "sign" are a stop sign, pixels or a box, and others."""
    tree = Taxonomy.from_dict({"name": "t", "tree": {"r": {"sky": None, "sign": ["stop", "yield", "go"]}}})
    labels = [("ignore", kind), ("stop", kind), ("sky", "pixel"), *others]
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": supervision}
        for i, (target, supervision) in enumerate(labels)
    ]
    return whole_table(tree, [LabelMapping.from_records(tree, "d", records)], lone_boxes=False)


def test_only_boxes_are_left_out_and_pixels_of_their_dataset_can_save_them() -> None:
    assert compiled_allowed(lone_sign("pixel"), 1)["sign"] == {"stop"}
    assert "sign" not in compiled_allowed(lone_sign("box"), 1)
    assert compiled_allowed(lone_sign("box", ("yield", "pixel")), 1) == {"sign": {"stop"}}
    assert "sign" not in compiled_allowed(lone_sign("box", ("sign", "pixel")), 1), "a coarse label says nothing there"


def test_boxes_of_two_datasets_do_not_save_each_other() -> None:
    tree = Taxonomy.from_dict({"name": "t", "tree": {"r": {"sky": None, "sign": ["stop", "yield"]}}})
    mappings = []
    for name in ("stop", "yield"):
        records = [
            {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "box"}
            for i, target in enumerate(["ignore", name])
        ]
        mappings.append(LabelMapping.from_records(tree, name, records))
    assert not whole_table(tree, mappings, lone_boxes=False).allowed.any()
    assert whole_table(tree, mappings).allowed.any(axis=1).tolist() == [False, True, False, True]


@pytest.mark.parametrize("head", HEADS)
def test_dropped_boxes_are_as_if_they_were_ignored(head: Head) -> None:
    tree, (cityscapes, gtsdb) = shipped("cityscapes", "gtsdb")
    table = TargetTable.compile(tree, [cityscapes, gtsdb], "drop", head)
    alone = TargetTable.compile(tree, [cityscapes], head=head)
    assert table.layout.to_records() == alone.layout.to_records()
    originals = len(cityscapes.rows)
    assert np.array_equal(table.allowed[:originals], alone.allowed[:originals])
    assert not table.allowed[originals:].any() and not table.meanings[originals : originals + len(gtsdb.rows)].any()
    with pytest.raises(ConfigError, match="tell nothing apart"):
        TargetTable.compile(tree, [gtsdb], "drop", head)


def test_rows_of_flipped_images_belong_to_the_dataset_of_their_label() -> None:
    tree = Taxonomy.load("iv2018")
    gtsdb = LabelMapping.load(tree, "gtsdb")
    left = LabelMapping.from_records(tree, "left", [record for record in gtsdb.to_records() if record["row"] == 0])
    records = [{"row": 1, "native_id": 1, "native_name": "l", "target": "go left", "supervision": "box"}]
    left = LabelMapping.from_records(tree, "left", [*left.to_records(), *records])
    table = whole_table(tree, [gtsdb, left])
    assert table.dataset[: len(gtsdb.rows) + 2].tolist() == [0] * len(gtsdb.rows) + [1, 1]
    assert np.array_equal(table.dataset[table.mirror], table.dataset)
    names = [leaf.name for leaf in tree.leaves]
    flipped = table.mirror[table.offsets[1] + 1]
    assert np.flatnonzero(table.meanings[flipped]).tolist() == [names.index("go right")]


@given(worlds())
@settings(max_examples=100)
def test_flipped_rows_mean_the_mirrored_leaves(world: World) -> None:
    tree = world.tree
    table = whole_table(tree, [world.mapping])
    for row, expression in enumerate(world.expressions, 1):
        want: set[str] = set()
        for name in meaning(tree, expression):
            leaf = tree.node(name)
            if leaf.mirror is None:
                want.add(name)
            elif leaf.mirror == -1:
                assert leaf.parent is not None
                want |= leaf_names(tree, tree.nodes[leaf.parent])
            else:
                want.add(tree.nodes[leaf.mirror].name)
        got = table.meanings[table.mirror[row]]
        assert {leaf.name for leaf, on in zip(tree.leaves, got, strict=True) if on} == want
    assert table.mirror.max() < len(table.meanings)


@given(worlds())
@settings(max_examples=60)
def test_a_flipped_box_teaches_no_further_classifier(world: World) -> None:
    table = whole_table(world.tree, [world.mapping])
    originals = len(world.mapping.rows)
    for row in range(originals):
        flipped = table.mirror[row]
        if table.from_box[row] and flipped >= originals:
            sources = np.flatnonzero(table.mirror[:originals] == flipped)
            active = set().union(*(compiled_allowed(table, int(s)) for s in sources))
            assert set(compiled_allowed(table, int(flipped))) <= active


def shipped(*datasets: str) -> tuple[Taxonomy, list[LabelMapping]]:
    """The tree of IV 2018 with some of its mappings."""
    tree = Taxonomy.load("iv2018")
    return tree, [LabelMapping.load(tree, d) for d in datasets]


def test_road_of_cityscapes_is_driveable_but_not_parking() -> None:
    tree, mappings = shipped("cityscapes")
    table = whole_table(tree, mappings)
    road = mappings[0].row_of[7]
    assert compiled_allowed(table, road) == {
        "scene": {"driveable"},
        "driveable": {c.name for c in tree.classifiers[1].children} - {"parking"},
    }


def test_signs_of_gtsdb_train_the_front_classifier_alone() -> None:
    tree, mappings = shipped("cityscapes", "gtsdb")
    table = whole_table(tree, mappings)
    stop = table.offsets[1] + mappings[1].row_of[14]
    assert compiled_allowed(table, stop) == {"front": {"stop"}}


@pytest.mark.parametrize("boxes", ["own", "path"])
def test_a_tree_says_which_classifiers_its_boxes_train(boxes: str) -> None:
    tree = Taxonomy.from_dict({**Taxonomy.load("iv2018").to_dict(), "boxes": boxes})
    mapping = LabelMapping.load(Taxonomy.load("iv2018"), "gtsdb")
    table = whole_table(tree, [mapping])
    stop = mapping.row_of[14]
    assert set(compiled_allowed(table, stop)) == {"front"} | ({"traffic sign"} if boxes == "path" else set())


def test_a_flip_swaps_or_silences_signs() -> None:
    tree, mappings = shipped("gtsdb")
    table = whole_table(tree, mappings)
    rows = {r.native_name: r.row for r in mappings[0].rows}
    assert table.mirror[rows["go left"]] == rows["go right"]
    assert table.mirror[rows["priority road"]] == rows["priority road"]
    assert compiled_allowed(table, int(table.mirror[rows["speed limit 30"]])) == {}


def test_flat_heads_take_boxes_for_pixels() -> None:
    tree, mappings = shipped("cityscapes", "gtsdb")
    stop = len(mappings[0].rows) + mappings[1].row_of[14]
    for head in FLAT:
        table = TargetTable.compile(tree, mappings, head=head)
        assert not table.from_box.any()
        assert table.layout.class_names[table.target[stop, 0]].endswith("stop")


@pytest.mark.parametrize("head", HEADS)
def test_offsets_place_the_datasets_one_after_the_other(head: Head) -> None:
    tree, mappings = shipped("cityscapes", "gtsdb", "mapillary-vistas-1.2")
    table = TargetTable.compile(tree, mappings, head=head)
    assert table.offsets == (0, 36, 36 + 44)
    assert [table.rows_of(i) for i in range(3)] == [slice(0, 36), slice(36, 80), slice(80, 147)]
    assert len(table.target) >= 36 + 44 + 67


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64])
def test_global_rows_go_on_where_the_dataset_before_ends(dtype: type[np.integer]) -> None:
    """Also for the small integers that label maps hold: 8 bits would wrap at the rows above 255."""
    tree = Taxonomy.load("streets")
    mappings = [LabelMapping.load(tree, dataset) for dataset in LabelMapping.available(tree)]
    table = whole_table(tree, mappings)
    every = [(mapping.dataset, row.row) for mapping in mappings for row in mapping.rows]
    assert every.index((mappings[-1].dataset, 0)) > 255
    for mapping in mappings:
        count = len(mapping.rows)
        local = np.resize(np.arange(count), (3, count)).astype(dtype)
        rows = table.global_rows(mapping.dataset, local)
        assert rows.shape == local.shape
        assert rows.dtype == np.int64
        assert [every[row] for row in rows.ravel()] == [(mapping.dataset, row) for row in local.ravel().tolist()]
    assert table.global_rows("gtsdb", np.zeros((0, 4), dtype)).shape == (0, 4)


def test_global_rows_are_of_a_dataset_of_the_table_and_within_it() -> None:
    tree, mappings = shipped("cityscapes", "gtsdb")
    table = whole_table(tree, mappings)
    with pytest.raises(ConfigError, match=r"no dataset 'cityscape' in this table\. Did you mean 'cityscapes'\?"):
        table.global_rows("cityscape", np.array([0]))
    with pytest.raises(ConfigError, match="cityscapes has 36 rows, and rows 3 to 36 were given"):
        table.global_rows("cityscapes", np.array([3, 36], np.uint8))  # row 36 exists: it is the first of gtsdb
    with pytest.raises(ConfigError, match="gtsdb has 44 rows, and rows -1 to 5 were given"):
        table.global_rows("gtsdb", np.array([5, -1]))
    with pytest.raises(ConfigError, match="gtsdb has 44 rows"):
        table.global_rows("gtsdb", np.arange(len(table.target) - 36))  # no image holds the rows of mirrored signs
