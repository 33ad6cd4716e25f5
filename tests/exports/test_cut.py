"""Classes of an export: what each label becomes, how a cut is written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cityscapesscripts.helpers.labels import labels as official_labels
from hypothesis import given
from hypothesis import strategies as st

from labelforge.errors import ConfigError, LabelforgeError
from labelforge.exports.cut import Cut, Draft, node_names
from labelforge.exports.cut_reader import Space, read_cut
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import leaf_names, meaning, trees, worlds
from tests.exports.sets import TREE, antichains, expected_class, table


@given(st.data())
def test_a_label_becomes_the_class_that_holds_all_that_it_means(data: st.DataObject) -> None:
    world = data.draw(worlds())
    nodes = data.draw(antichains(world.tree))
    cut = read_cut(", ".join(node.name for node in nodes), world.tree, {})
    assert [c.id for c in cut.classes] == list(range(len(nodes)))
    assert len({c.color for c in cut.classes}) == len(nodes)
    for row, expression in zip(world.mapping.rows[1:], world.expressions, strict=True):
        decision = cut.decide(row, "random")
        assert decision.index == expected_class(world.tree, meaning(world.tree, expression), nodes)
        assert (decision.index is None) == bool(decision.why)
    assert cut.decide(world.mapping.rows[0], "random").index is None


@given(st.data())
def test_nodes_of_a_set_of_leaves_are_that_set_and_the_fewest(data: st.DataObject) -> None:
    tree = data.draw(trees())
    leaves = data.draw(st.sets(st.sampled_from(range(len(tree.leaves))), min_size=1))
    named = [tree.node(name) for name in node_names(tree, leaves)]
    assert sorted(leaf for node in named for leaf in node.leaves) == sorted(leaves)
    for node in named:  # none could be replaced by the one above it
        assert node.parent is None or not set(tree.nodes[node.parent].leaves) <= leaves


@given(st.data())
def test_every_depth_divides_all_leaves(data: st.DataObject) -> None:
    tree = data.draw(trees())
    cut = read_cut(f"depth={data.draw(st.integers(0, 5))}", tree, {})
    assert sorted(leaf for c in cut.classes for leaf in c.leaves) == list(range(len(tree.leaves)))


def test_leaves() -> None:
    assert [c.name for c in read_cut("leaves", TREE, {}).classes] == ["road", "sidewalk", "car", "truck", "sky"]
    assert [c.name for c in read_cut("depth=1", TREE, {}).classes] == ["flat", "vehicle", "sky"]


def test_several_nodes_can_be_one_class(tmp_path: Path) -> None:
    cut = read_cut("car | sky,road", TREE, {})
    assert [(c.name, c.nodes) for c in cut.classes] == [("car | sky", ("car", "sky")), ("road", ("road",))]
    assert [c.nodes for c in read_cut("road | sidewalk", TREE, {}).classes] == [("flat",)]
    for name, content in (("c.txt", "car | sky  # all that is blue\nroad\n"), ("c.yaml", "- car | sky\n- road\n")):
        (tmp_path / name).write_text(content)
        assert read_cut(str(tmp_path / name), TREE, {}).classes == cut.classes
    tree = Taxonomy.parse("name: t\ntree:\n  all: [a | b, a, b]\n")
    assert [c.nodes for c in read_cut("a | b, a", tree, {}).classes] == [("a | b",), ("a",)]


@given(st.data())
def test_the_rest_is_what_surely_lies_outside_all_classes(data: st.DataObject) -> None:
    world = data.draw(worlds())
    nodes = data.draw(antichains(world.tree))
    plain = read_cut(", ".join(node.name for node in nodes), world.tree, {})
    held = {name for node in nodes for name in leaf_names(world.tree, node)}
    if held == leaf_names(world.tree, world.tree.root):
        with pytest.raises(ConfigError, match="hold the whole tree random: nothing is left over"):
            plain.with_rest("other")
        return
    cut = plain.with_rest("other")
    assert [c.id for c in cut.classes] == list(range(len(nodes) + 1)) and cut.classes[-1].name == "other"
    assert len({c.color for c in cut.classes}) == len(nodes) + 1
    for row, expression in zip(world.mapping.rows[1:], world.expressions, strict=True):
        meant = meaning(world.tree, expression)
        outside = bool(meant) and not meant & held
        before, after = plain.decide(row, "random"), cut.decide(row, "random")
        assert after.index == (len(nodes) if outside else before.index)
    assert cut.decide(world.mapping.rows[0], "random").index is None  # what has no label may be anything


def test_the_rest_of_a_label_space() -> None:
    """Labels of its own that are in no class: only what shares nothing with a class is surely outside."""
    mapping = table({"road": "road", "crowd": "vehicle", "cars": "car", "sky": "sky", "junk": "ignore"}, "other")
    space = Space(mapping, Protocol.of_labels(["road", "cars"]))
    cut = read_cut("other:evaluated", TREE, {"other": space}).with_rest("background")
    assert [(c.id, c.name) for c in cut.classes] == [(0, "road"), (1, "cars"), (2, "background")]
    assert [cut.decide(row, "other").index for row in mapping.rows] == [None, 0, None, 1, 2, None]
    own_ids = read_cut("other", TREE, {"other": Space(table({"x": "car", "y": "ignore", "z": "sky"}, "other"), None)})
    assert [c.id for c in own_ids.with_rest("rest").classes] == [0, 2, 3]


@pytest.mark.parametrize(
    ("name", "message"), [("", "a class needs a name"), ("car", "rest 'car': a class is called 'car' already")]
)
def test_faults_in_the_rest(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_cut("road, car", TREE, {}).with_rest(name)


def test_what_a_label_can_be_besides_is_said() -> None:
    (row,) = table({"movable": {"any": ["flat", "sky", "truck"]}}).rows[1:]
    cut = read_cut("road, car | truck", TREE, {})
    decision = cut.decide(row, "x")
    assert decision.why == "can be road, car | truck, or in none of the classes (sidewalk, sky)"
    assert [cut.classes[index].name for index in decision.touched] == ["road", "car | truck"]
    assert {TREE.leaves[leaf].name for leaf in decision.outside} == {"sidewalk", "sky"}
    assert cut.with_rest("rest").decide(row, "x").why == "can be road, car | truck, or rest (sidewalk, sky)"


def test_names_that_repeat_get_longer() -> None:
    tree = Taxonomy.parse("name: t\ntree:\n  all:\n    sign: [front, back]\n    car: [front, rear]\n")
    assert [c.name for c in read_cut("leaves", tree, {}).classes] == ["sign/front", "back", "car/front", "rear"]


def test_files_of_classes(tmp_path: Path) -> None:
    lines = tmp_path / "classes.txt"
    lines.write_text("# ours\nroad\n\nvehicle/car  # the car\n")
    cut = read_cut(str(lines), TREE, {})
    assert [(c.name, c.nodes) for c in cut.classes] == [("road", ("road",)), ("car", ("car",))]
    assert cut.classes[0].color == (128, 64, 128)
    named = tmp_path / "classes.yaml"
    named.write_text("ground: {any: [flat], except: [sidewalk]}\nother: [vehicle, sky]\n")
    cut = read_cut(str(named), TREE, {})
    assert [(c.name, c.nodes) for c in cut.classes] == [("ground", ("road",)), ("other", ("vehicle", "sky"))]
    named.write_text("- sky\n- truck\n")
    assert [c.name for c in read_cut(str(named), TREE, {}).classes] == ["sky", "truck"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.txt", "road\nraod\n", r"c\.txt:2: unknown node 'raod'\. Did you mean 'road'"),
        ("c.txt", "# nothing\n", "there is no class"),
        ("c.yaml", "- road\n- raod\n", r"c\.yaml:2: unknown node 'raod'"),
        ("c.yaml", "a: road\nb: ignore\n", r"c\.yaml:2: a class cannot be 'ignore'"),
        ("c.yaml", "a: [road, raod]\n", r"c\.yaml:1: unknown node 'raod'"),
        ("c.yaml", "a: road\nb: flat\n", "the classes 'a' and 'b' overlap: both hold road"),
        ("c.yaml", "7\n", "holds neither a list of nodes nor names with nodes"),
        ("missing.yaml", None, r"missing\.yaml: "),
        ("missing.txt", None, r"missing\.txt: cannot be read"),
    ],
)
def test_faults_in_files(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LabelforgeError, match=message):
        read_cut(str(tmp_path / name), TREE, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("road, flat", "the classes 'road' and 'flat' overlap: both hold road. Leave one of them out"),
        ("road, road", "two classes are called 'road'"),
        ("road, cra", "classes 'road, cra': unknown node 'cra'. Did you mean 'car'"),
        ("cityscape", "no label space. Did you mean .*Label spaces here: cityscapes"),
        ("", "unknown node ''"),
        ("road,", "Write nodes"),
        ("road | cra, sky", "unknown node 'cra'. Did you mean 'car'"),
        ("road | car, flat", r"the classes 'road \| car' and 'flat' overlap: both hold road"),
        ("road |", "Write nodes"),
        ("scene/car", r"unknown node 'scene/car' of the tree toy.*\. Did you mean 'car'\?"),
        ("road, scene/car", r"unknown node 'scene/car'\. Did you mean 'car'\?"),
        ("depth=x", "classes 'depth=x': a depth is a number of levels, from 0. Write depth=2"),
        ("depth = -1", "a depth is a number of levels"),
        ("toy:evaluated", "the label space toy says of no benchmark how it scores"),
    ],
)
def test_faults_in_texts(text: str, message: str) -> None:
    stored = {name: Space(table(), None) for name in ("cityscapes", "toy")}
    with pytest.raises(ConfigError, match=message):
        read_cut(text, TREE, stored)


@pytest.mark.parametrize("tree_name", ["iv2018", "streets"])
def test_the_evaluated_classes_of_cityscapes_are_its_train_ids(tree_name: str) -> None:
    tree = Taxonomy.load(tree_name)
    known = Space(LabelMapping.load(tree, "cityscapes"), LabelSpace.load("cityscapes").protocol)
    shipped = Taxonomy.from_dict(tree.to_dict())  # as a manifest holds it, without a folder
    for cut in (
        read_cut("cityscapes:evaluated", tree, {"cityscapes": known}),
        read_cut("cityscapes:evaluated", shipped, {}),
    ):
        assert cut.ignore == 255
        for official in official_labels:
            row = next(row for row in known.mapping.rows if row.native_name == official.name)
            index = cut.decide(row, "cityscapes").index
            assert (255 if index is None else cut.classes[index].id) == (
                official.trainId if official.trainId >= 0 else 255
            )


def test_labels_of_a_space_keep_their_ids_and_are_found_by_name() -> None:
    mapping = table({"paved": "road", "tarmac": "road", "cars": "vehicle", "car": "car", "junk": "ignore"}, "other")
    cut = read_cut("other", TREE, {"other": Space(mapping, None)})
    assert [(c.id, c.name) for c in cut.classes] == [(0, "paved"), (1, "tarmac"), (2, "cars"), (3, "car")]
    own = [cut.decide(row, "other").index for row in mapping.rows]
    assert own == [None, 0, 1, 2, 3, None]
    foreign = table({"street": "road", "taxi": "car", "lorry": "truck", "walk": "sidewalk", "ground": "flat"})
    decisions = [cut.decide(row, "toy-labels") for row in foreign.rows[1:]]
    assert [d.index for d in decisions] == [None, 3, 2, None, None]  # the smallest class that holds it
    assert decisions[0].why == "fits paved, tarmac alike"
    assert decisions[3].why == "in none of the classes"
    assert decisions[4].why == "can be paved, tarmac, or in none of the classes (sidewalk)"


def test_classes_that_cross_decide_nothing() -> None:
    mapping = table({"a": {"any": ["road", "sidewalk"]}, "b": {"any": ["road", "sky"]}}, "other")
    cut = read_cut("other", TREE, {"other": Space(mapping, None)})
    (row,) = table({"road": "road"}).rows[1:]
    assert cut.decide(row, "toy-labels").index is None


def test_ids_that_a_label_map_cannot_hold_are_replaced_and_that_is_said() -> None:
    drafts = [Draft("a", frozenset({0}), id=7), Draft("plate", frozenset({1}), id=-1)]
    cut = Cut.of("x", TREE, drafts, dataset="x")
    assert [c.id for c in cut.classes] == [0, 1]
    assert "'plate' has the native id -1" in cut.notes[0]


@pytest.mark.parametrize(("ids", "ignore"), [([0, 254], 255), ([0, 255], 65535), ([3, 65534], 65535)])
def test_the_ignore_value_is_never_a_class(ids: list[int], ignore: int) -> None:
    drafts = [Draft(f"c{number}", frozenset({i}), id=number) for i, number in enumerate(ids)]
    cut = Cut.of("x", TREE, drafts, dataset="x")
    assert [c.id for c in cut.classes] == ids and cut.ignore == ignore


def test_a_class_of_a_benchmark_without_a_place_in_the_tree_stays_and_is_said() -> None:
    mapping = table({"road": "road", "boat": "ignore", "car": "car"}, "other")
    cut = read_cut("other:evaluated", TREE, {"other": Space(mapping, Protocol.of_labels(["road", "boat", "car"]))})
    assert [c.name for c in cut.classes] == ["road", "boat", "car"]
    assert cut.classes[1].nodes == ()
    assert "no place for: boat" in cut.notes[0]
    assert [cut.decide(row, "other").index for row in mapping.rows] == [None, 0, None, 2]
