"""Mappings: complete, known, unambiguous; every fault with its line and cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelforge.errors import TaxonomyError
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import whole_table

TREE = """\
name: small
tree:
  scene:
    flat: [road, parking]
    car:
    sign:
      back:
      front: [stop, car]
"""
SPACE = """\
name: town
source: made up
labels:
  - {id: -1, name: plate}
  - {id: 0, name: void, color: [0, 0, 0]}
  - {id: 7, name: street}
  - {id: 8, name: sign}
"""
MAPPING = """\
dataset: town
supervision: pixel
labels:
  plate: scene/car
  void: {ignore: "never labelled"}
  street: {any: [flat], except: [parking]}
  sign: sign/front
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "label_spaces").mkdir()
    (tmp_path / "tree.yaml").write_text(TREE)
    (tmp_path / "label_spaces" / "town.yaml").write_text(SPACE)
    (tmp_path / "town.yaml").write_text(MAPPING)
    return tmp_path


def test_rows_follow_the_label_space(folder: Path) -> None:
    tree = Taxonomy.load(folder)
    mapping = LabelMapping.load(tree, "town")
    assert [(r.row, r.native_id, r.native_name, sorted(r.target.leaves), r.target.text) for r in mapping.rows] == [
        (0, None, "(no annotation)", [], "ignore"),
        (1, -1, "plate", [2], "scene/car"),
        (2, 0, "void", [], "ignore"),
        (3, 7, "street", [0], "flat except parking"),
        (4, 8, "sign", [4, 5], "sign/front"),
    ]
    assert mapping.rows[2].target.reason == "never labelled"
    assert mapping.row_of == {-1: 1, 0: 2, 7: 3, 8: 4}


def test_records_survive_json(folder: Path) -> None:
    tree = Taxonomy.load(folder)
    mapping = LabelMapping.load(tree, "town")
    again = LabelMapping.from_records(tree, "town", json.loads(json.dumps(mapping.to_records())))
    assert again == mapping
    assert again.digest == mapping.digest
    assert LabelMapping.load(tree, folder / "town.yaml") == mapping


FAULTS = {
    "unknown node": ("flat], except", "flatt], except", 6, "unknown node 'flatt'. Did you mean 'flat'"),
    "ambiguous name": ("scene/car", "car", 4, "'car' is ambiguous. Write 'scene/car' or 'front/car'"),
    "unmapped label": ("  sign: sign/front\n", "", 3, "1 native label of town not mapped: 'sign'"),
    "mapped twice": ("  void: {", "  plate: {", 5, r"the key 'plate' is repeated \(first on line 4\)"),
    "unknown label": ("  street:", "  streat:", 6, "town has no label 'streat'. Did you mean 'street'"),
    "empty set": ("except: [parking]", "except: [flat]", 6, "the label means no leaf"),
    "except outside": ("except: [parking]", "except: [back]", 6, "names nothing that 'any' includes"),
    "empty any": ("any: [flat]", "any: []", 6, "'any' must be a list of nodes"),
    "any is text": ("any: [flat]", "any: flat", 6, "'any' must be a list of nodes"),
    "listed twice": ("any: [flat]", "any: [flat, flat]", 6, "'flat' is listed twice"),
    "number in a list": ("any: [flat]", "any: [3]", 6, "3 is not the name of a node"),
    "unknown form": ("{any: [flat], except", "{all: [flat], except", 6, "do not make a label expression"),
    "except alone": ("{any: [flat], except: [parking]}", "{except: [parking]}", 6, "do not make a label expression"),
    "null": ("sign: sign/front", "sign:", 7, "nothing is not a label expression"),
    "number": ("sign: sign/front", "sign: 3", 7, "3 is not a label expression"),
    "list": ("sign: sign/front", "sign: [stop]", 7, r"\['stop'\] is not a label expression"),
    "reason empty": ('"never labelled"', '""', 5, "the reason for ignoring a label must be text"),
    "supervision": ("supervision: pixel", "supervision: pixels", 2, "supervision: must be 'pixel' or 'box'"),
    "no dataset": ("dataset: town\n", "", 1, "the key 'dataset' is missing"),
    "unknown space": ("dataset: town", "dataset: twon", 1, "no label space is called 'twon'. Did you mean 'town'"),
    "another tree": ("dataset: town\n", "dataset: town\ntaxonomy: large\n", 2, "this mapping is for tree 'large'"),
    "unknown key": ("supervision:", "superversion:", 2, "unknown key 'superversion'. Did you mean 'supervision'"),
    "labels a list": (MAPPING[MAPPING.index("labels:") :], "labels: [a]\n", 3, "labels: must be a mapping"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_line_and_cure(fault: str, folder: Path) -> None:
    old, new, line, message = FAULTS[fault]
    assert old in MAPPING
    (folder / "town.yaml").write_text(MAPPING.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=message) as caught:
        LabelMapping.load(Taxonomy.load(folder), "town")
    assert str(caught.value).startswith(f"{folder / 'town.yaml'}:{line}: ")


SPACE_FAULTS = {
    "id twice": ("id: 8", "id: 7", 7, "the id 7 is used twice, by 'street' and 'sign'"),
    "name twice": ("name: sign", "name: street", 7, "the label 'street' is repeated"),
    "id not a number": ("id: 8", "id: eight", 7, "labels.3.id: must be a whole number"),
    "colour": ("[0, 0, 0]", "[0, 0, 300]", 5, "less than or equal to 255"),
    "void below zero": ("labels:", "void: {id: -1, source: made up}\nlabels:", 3, "greater than or equal to 0"),
    "void without source": ("labels:", "void: {id: 0}\nlabels:", 3, "source"),
    "no labels": (SPACE[SPACE.index("labels:") :], "labels: []\n", 3, "labels"),
}


@pytest.mark.parametrize("fault", SPACE_FAULTS)
def test_a_fault_in_a_label_space_is_named_too(fault: str, folder: Path) -> None:
    old, new, line, message = SPACE_FAULTS[fault]
    path = folder / "label_spaces" / "town.yaml"
    path.write_text(SPACE.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=message) as caught:
        LabelSpace.load("town", folder)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_label_space_of_ones_own_needs_no_source(folder: Path) -> None:
    path = folder / "label_spaces" / "town.yaml"
    path.write_text(SPACE.replace("source: made up\n", ""))
    assert LabelSpace.load("town", folder).source is None
    assert len(LabelMapping.load(Taxonomy.load(folder), "town").rows) == 5
    path.write_text(SPACE.replace("source: made up", "source: ''"))
    with pytest.raises(TaxonomyError, match=r"town\.yaml:2: source: is too short"):
        LabelSpace.load("town", folder)


PARTLY = """\
dataset: town
supervision: pixel
rest: ignore
labels:
  sign: sign/front
  street: {any: [flat], except: [parking]}
"""


def test_the_rest_is_ignored_if_the_mapping_says_so(folder: Path) -> None:
    tree = Taxonomy.load(folder)
    whole = LabelMapping.load(tree, "town")
    (folder / "town.yaml").write_text(PARTLY)
    mapping = LabelMapping.load(tree, "town")
    assert [(row.row, row.native_id, row.native_name) for row in mapping.rows] == [
        (row.row, row.native_id, row.native_name) for row in whole.rows
    ]
    assert [row.target.leaves for row in mapping.rows] == [
        frozenset(),
        frozenset(),
        frozenset(),
        whole.rows[3].target.leaves,
        whole.rows[4].target.leaves,
    ]
    assert [row.target.reason for row in mapping.rows[1:3]] == ["not named in the mapping"] * 2
    assert LabelMapping.from_records(tree, "town", json.loads(json.dumps(mapping.to_records()))) == mapping


@pytest.mark.parametrize("rest", ["rest: ignore\n", ""])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  sign:", "  sing:", r"LINE: town has no label 'sing'\. Did you mean 'sign'"),
        ("sign/front", "sign/frnt", r"LINE: unknown node 'sign/frnt'"),
    ],
)
def test_misspelt_names_are_found_before_labels_that_are_missing(
    folder: Path, rest: str, old: str, new: str, message: str
) -> None:
    """With the rest ignored or not: 'plate' and 'void' are not mapped here."""
    (folder / "town.yaml").write_text(PARTLY.replace("rest: ignore\n", rest).replace(old, new))
    with pytest.raises(TaxonomyError, match=message.replace("LINE", "5" if rest else "4")):
        LabelMapping.load(Taxonomy.load(folder), "town")


def test_what_else_rest_may_say(folder: Path) -> None:
    (folder / "town.yaml").write_text(PARTLY.replace("rest: ignore", "rest: skip"))
    with pytest.raises(TaxonomyError, match=r"town\.yaml:3: rest: must be 'ignore' \(got 'skip'\)"):
        LabelMapping.load(Taxonomy.load(folder), "town")
    (folder / "town.yaml").write_text(PARTLY.replace("rest: ignore\n", ""))
    with pytest.raises(TaxonomyError, match=r"2 native labels .* 'plate', 'void'.* or write 'rest: ignore'"):
        LabelMapping.load(Taxonomy.load(folder), "town")


def test_a_missing_mapping_names_the_ones_there_are(folder: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"no mapping for dataset 'twon'\. Did you mean 'town'\?"):
        LabelMapping.load(Taxonomy.load(folder), "twon")


@pytest.mark.parametrize("dataset", ["cityscapes", "mapillary-vistas-1.2", "mapillary-vistas-2.0", "gtsdb"])
def test_iv2018_maps_every_label_of_its_datasets(dataset: str) -> None:
    tree = Taxonomy.load("iv2018")
    mapping = LabelMapping.load(tree, dataset)
    assert [r.native_id for r in mapping.rows[1:]] == list(LabelSpace.load(dataset).ids)


def test_iv2018_uses_the_27_cityscapes_classes_of_the_authors() -> None:
    mapping = LabelMapping.load(Taxonomy.load("iv2018"), "cityscapes")
    ignored = {r.native_name for r in mapping.rows[1:] if r.target.ignored}
    assert ignored == {
        "unlabeled", "rectification border", "out of roi", "static", "dynamic", "ground", "license plate", "polegroup",
    }  # fmt: skip


ACCEPTED = MAPPING + 'accepted:\n  - {rule: one-child, at: sign, why: "only fronts are labelled"}\n'
ACCEPTED_FAULTS = {
    "unknown rule": ("rule: one-child", "rule: one-chid", "accepted.0.rule: must be 'one-child', 'unused-"),
    "unknown node": ("at: sign", "at: sing", "unknown node 'sing'. Did you mean 'sign'"),
    "leaf": ("at: sign", "at: sign/back", "'sign/back' is a leaf and owns no classifier"),
    "unknown label": ("one-child, at: sign", "unused-label, at: sing", "town has no label 'sing'. Did you mean 'sign'"),
    "no reason": (', why: "only fronts are labelled"', "", "the key 'why' is missing"),
    "unknown key": ("why:", "wyh:", "unknown key 'wyh'. Did you mean 'why'"),
    "unknown label of an overlap": (
        'accepted:\n  - {rule: one-child, at: sign, why: "only fronts are labelled"}\n',
        "overlaps:\n  - {label: sing, dataset: d, other: o, text: t}\n",
        "town has no label 'sing'. Did you mean 'sign'",
    ),
    "twice": ("accepted:\n", 'accepted:\n  - {rule: one-child, at: sign, why: "x"}\n', "accepted twice"),
}


@pytest.mark.parametrize("fault", ACCEPTED_FAULTS)
def test_a_fault_in_an_acknowledgement_is_named(fault: str, folder: Path) -> None:
    old, new, message = ACCEPTED_FAULTS[fault]
    assert old in ACCEPTED
    (folder / "town.yaml").write_text(ACCEPTED.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=message) as caught:
        LabelMapping.load(Taxonomy.load(folder), "town")
    line = 10 if fault == "twice" else 9
    assert str(caught.value).startswith(f"{folder / 'town.yaml'}:{line}: ")


def test_an_acknowledgement_is_no_part_of_what_the_table_means(folder: Path) -> None:
    tree = Taxonomy.load(folder)
    plain = LabelMapping.load(tree, "town")
    (folder / "town.yaml").write_text(ACCEPTED)
    accepting = LabelMapping.load(tree, "town")
    assert [(a.rule, a.at, a.why) for a in accepting.accepted] == [("one-child", "sign", "only fronts are labelled")]
    assert (accepting, accepting.digest, accepting.to_records()) == (plain, plain.digest, plain.to_records())


def test_a_set_means_the_union_of_its_members() -> None:
    tree = Taxonomy.load("iv2018")
    mapping = LabelMapping.load(tree, "gtsdb")
    longer = mapping.with_sets(tree, [[0, 11], [0, 18]])
    assert longer.rows[:44] == mapping.rows
    assert longer.row_of == mapping.row_of
    row = longer.rows[45]
    assert (row.row, row.native_id, row.native_name, row.supervision) == (45, None, "speed limit 20 | danger", "box")
    assert row.members == ["speed limit 20", "danger"]
    assert row.target.leaves == mapping.rows[1].target.leaves | mapping.rows[19].target.leaves
    assert LabelMapping.from_records(tree, "gtsdb", longer.to_records()) == longer
    table = whole_table(tree, [longer])
    front = tree.classifiers[-1]
    allowed = [child.name for child, here in zip(front.children, table.allowed[45, front.slice], strict=True) if here]
    assert allowed == ["speed limit 20", "danger"]


def test_a_set_with_an_ignored_member_is_ignored_and_unions_are_spelt_out() -> None:
    tree = Taxonomy.parse("name: t\ntree: {scene: {sign: [a, b, c], sky: }}")
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "none", "target": "ignore", "supervision": "box"},
        {"row": 1, "native_id": 10, "native_name": "ten", "target": "sky", "supervision": "box"},
        {
            "row": 2,
            "native_id": 20,
            "native_name": "x",
            "target": {"any": ["sign"], "except": ["b"]},
            "supervision": "box",
        },
        {"row": 3, "native_id": 30, "native_name": "no", "target": "ignore", "supervision": "box"},
    ]
    mapping = LabelMapping.from_records(tree, "mine", records)
    longer = mapping.with_sets(tree, [[10, 20], [10, 30]])
    union, ignored = longer.rows[4:]
    assert union.target.expression == {"any": ["sky", "scene/sign/a", "scene/sign/c"]}
    assert {tree.leaves[leaf].name for leaf in union.target.leaves} == {"sky", "a", "c"}
    assert ignored.target.ignored
    assert ignored.target.reason == "may show no, which is ignored"
    assert LabelMapping.from_records(tree, "mine", longer.to_records()) == longer


def test_a_row_has_the_colour_and_the_shape_of_the_lowest_node_that_holds_it(folder: Path) -> None:
    facts = "nodes:\n  stop: {color: [9, 9, 9], shape: octagon}\n  front: {color: [1, 2, 3], shape: circle}\n"
    (folder / "tree.yaml").write_text(TREE + facts + "  road: {color: [7, 7, 7]}\n  scene/car: {color: [4, 5, 6]}\n")
    tree = Taxonomy.load(folder)
    mapping = LabelMapping.load(tree, "town")
    nodes = [row.node(tree) for row in mapping.rows]
    assert [node and node.path for node in nodes] == [None, "car", None, "flat/road", "sign/front"]
    assert mapping.colors(tree) == ((0, 0, 0), (4, 5, 6), (0, 0, 0), (7, 7, 7), (1, 2, 3))
    assert [row.shape(tree) for row in mapping.rows] == [None, None, None, None, "circle"]
