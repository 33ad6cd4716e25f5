"""Trees: numbering, references, round trips, and every fault of a tree file with its line and cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from labelforge.errors import TaxonomyError
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import trees

SMALL = """\
name: small
tree:
  scene:
    flat: [road, parking]
    car:
    sign:
      back:
      front: [go left, go right, stop]
nodes:
  go left: {mirror: go right, shape: circle}
  stop: {mirror: none, color: [200, 0, 0]}
"""


def test_nodes_and_classifiers_stand_depth_first() -> None:
    tree = Taxonomy.parse(SMALL)
    assert [n.path for n in tree.nodes] == [
        "scene", "flat", "flat/road", "flat/parking", "car", "sign", "sign/back", "sign/front",
        "sign/front/go left", "sign/front/go right", "sign/front/stop",
    ]  # fmt: skip
    assert [(c.node.path, c.slice.start, c.slice.stop, c.parent, c.branch) for c in tree.classifiers] == [
        ("scene", 0, 3, None, None),
        ("flat", 3, 5, 0, 0),
        ("sign", 5, 7, 0, 2),
        ("sign/front", 7, 10, 2, 1),
    ]
    assert list(tree.node("sign").leaves) == [3, 4, 5, 6]
    assert [n.class_id for n in tree.leaves] == list(range(7))


@given(trees())
@settings(max_examples=60)
def test_a_tree_survives_its_definition(tree: Taxonomy) -> None:
    again = Taxonomy.from_dict(json.loads(json.dumps(tree.to_dict())))
    assert again == tree
    assert again.digest == tree.digest
    for node in tree.nodes:
        assert {tree.leaves[i].index for i in node.leaves} == {
            leaf.index for leaf in tree.leaves if leaf is node or node in tree.ancestors(leaf)
        }


def test_the_digest_sees_meaning_but_not_colour() -> None:
    base = Taxonomy.parse(SMALL).digest
    assert Taxonomy.parse(SMALL.replace("[200, 0, 0]", "[0, 0, 200]")).digest == base
    changes = [("car:", "truck:"), ("mirror: none", "mirror: stop"), ("[road, parking]", "[parking, road]")]
    for old, new in [*changes, ("name: small", "name: small\nboxes: path")]:
        assert Taxonomy.parse(SMALL.replace(old, new)).digest != base


def test_iv2018_is_the_tree_of_the_paper(shared_data: Path) -> None:
    published = json.loads((shared_data / "label_tables" / "iv2018_training_problem_def.json").read_text())
    tree = Taxonomy.load("iv2018")
    assert [(c.node.name, len(c.children)) for c in tree.classifiers] == [
        ("scene", 53), ("driveable", 10), ("rider", 3), ("traffic sign", 2), ("front", 43),
    ]  # fmt: skip
    assert tree.num_logits == 111
    assert [n.class_id for n in tree.classes] == list(range(108))
    vistas = [label.lower().replace(" - ", " ") for label in published["cids2labels"][:65]]
    ours = [n.name if n.name not in ("back", "front") else f"traffic sign ({n.name})" for n in tree.classes[:65]]
    assert ours == vistas
    readme = (shared_data / "gtsdb" / "FullIJCNN2013" / "ReadMe.txt").read_text()
    for node in tree.classes[65:]:
        assert node.class_id is not None
        assert f"\n{node.class_id - 65} = {node.name} (" in readme


def test_node_colours_of_iv2018_tell_all_classes_apart() -> None:
    colors = [n.color for n in Taxonomy.load("iv2018").classes]
    assert len(set(colors)) == len(colors)


def test_references_are_unique_names_or_path_suffixes() -> None:
    tree = Taxonomy.parse(SMALL.replace("car:", "back:"))
    assert tree.node("sign/back").path == "sign/back"
    assert tree.node("scene/back").path == "back"
    with pytest.raises(TaxonomyError, match=r"'back' is ambiguous\. Write 'scene/back' or 'sign/back'"):
        tree.node("back")
    for wrong, right in {"scene/car": "car", "trafic sign/front": "traffic sign/front", "sceen/cra": ""}.items():
        what, cure = Taxonomy.load("streets").references.explain(wrong)
        assert what == f"unknown node {wrong!r}" and (cure == f"Did you mean {right!r}?" or not right)
    with pytest.raises(TaxonomyError, match=r"unknown node 'parkin'\. Did you mean 'parking'"):
        tree.node("parkin")


FAULTS = {
    "unknown top-level key": ("nodes:\n", "node:\n", 9, r"unknown key 'node'. Did you mean 'nodes'\?"),
    "unknown kind of box supervision": ("tree:\n", "boxes: all\ntree:\n", 2, "boxes: must be 'own' or 'path'"),
    "no name": ("name: small\n", "", 1, "the key 'name' is missing"),
    "name not text": ("name: small", "name: 3", 1, "name: must be text"),
    "two roots": ("  scene:", "  other: [a]\n  scene:", 2, "a tree has one root"),
    "tree is a list": ("tree:\n  scene:", "tree:\n  - scene:", 2, "tree: must be a mapping"),
    "key repeated": ("    car:\n", "    flat:\n", 5, r"the key 'flat' is repeated \(first on line 4\)"),
    "leaf repeated": ("[road, parking]", "[road, road]", 4, "the node 'road' is repeated under 'flat'"),
    "no children": ("[road, parking]", "[]", 4, "'flat' has no children. Write 'flat:' for a leaf"),
    "child not a name": ("[road, parking]", "[road, 3]", 4, "holds leaf names, not 3. Quote a number"),
    "children are text": ("[road, parking]", "road", 4, r"must be a mapping or a list. Write 'flat: \[road\]'"),
    "slash in a name": ("    car:\n", "    car/van:\n", 5, "cannot be a node's name"),
    "reserved name": ("    car:\n", "    ignore:\n", 5, "is a reserved word of label expressions"),
    "too many children": (
        "[road, parking]",
        "[" + ", ".join(f"r{i}" for i in range(257)) + "]",
        4,
        "'flat' has 257 children; at most 256 fit",
    ),
    "fact of an unknown node": ("  stop: {", "  stopp: {", 11, r"unknown node 'stopp'. Did you mean 'stop'"),
    "fact of an ambiguous node": (
        "    car:\n",
        "    car: [stop, van]\n",
        11,
        "the node name 'stop' is ambiguous. Write 'car/stop' or 'front/stop'",
    ),
    "mirror ambiguous": (
        "    car:\n",
        "    car: [go right, van]\n",
        10,
        "'go right' is ambiguous. Write 'car/go right' or",
    ),
    "unknown fact": ("shape: circle", "shap: circle", 10, "unknown key 'shap'. Did you mean 'shape'"),
    "unknown shape": ("shape: circle", "shape: cirle", 10, "shape: must be 'rectangle', 'circle'"),
    "colour out of range": ("[200, 0, 0]", "[200, 0, 256]", 11, "less than or equal to 255"),
    "colour too short": ("[200, 0, 0]", "[200, 0]", 11, "color"),
    "id taken twice": ("mirror: none", "id: 2", 11, "the class id 2 is used twice, by 'scene/car' and"),
    "id negative": ("mirror: none", "id: -1", 11, "greater than or equal to 0"),
    "mirror unknown": ("mirror: go right", "mirror: go rigth", 10, "unknown node 'go rigth'. Did you mean 'go right'"),
    "mirror is inner": ("mirror: go right", "mirror: flat", 10, "'flat' is an inner node. Name a leaf"),
    "mirror of an inner node": ("  stop: {mirror", "  flat: {mirror", 11, "only leaves have a mirror"),
    "facts twice": ("  stop: {", "  front/stop: {id: 6}\n  stop: {", 12, "has facts twice"),
    "facts not a mapping": ("{mirror: none, color: [200, 0, 0]}", "circle", 11, "'stop' must be a mapping, not text"),
    "broken YAML": ("[road, parking]", "[road, parking", 5, "not valid YAML"),
    "tab": ("    car:", "\tcar:", 5, "not valid YAML"),
    "alias in itself": ("    car:\n", "    car: &car\n      van: *car\n", 5, "a YAML alias that contains itself"),
    "foreign tag": ("    car:\n", "    car: !!python/name:os.system\n", 5, "the YAML tag"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_line_and_cure(fault: str, tmp_path: Path) -> None:
    old, new, line, message = FAULTS[fault]
    assert old in SMALL
    (tmp_path / "tree.yaml").write_text(SMALL.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=message) as caught:
        Taxonomy.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'tree.yaml'}:{line}: ")
    assert "\n" not in str(caught.value)


WHOLE_FILES = {
    "nothing": (b"", r":1: the file must be a mapping, not nothing\. Write 'key: value' lines\."),
    "a list": (b"- name: small\n", r":1: the file must be a mapping, not a list"),
    "text": (b"small\n", r":1: the file must be a mapping, not text"),
    "no UTF-8": ("name: stra\u00dfe\n".encode("latin-1"), r": not UTF-8 text \(.*\)\. Save the file as UTF-8\."),
    "two documents": (b"name: small\n---\nname: large\n", r":2: not valid YAML: but found another document"),
}


@pytest.mark.parametrize("fault", WHOLE_FILES)
def test_a_file_that_is_no_tree_at_all(fault: str, tmp_path: Path) -> None:
    content, message = WHOLE_FILES[fault]
    (tmp_path / "tree.yaml").write_bytes(content)
    with pytest.raises(TaxonomyError, match=r"tree\.yaml" + message):
        Taxonomy.load(tmp_path)


def test_an_unknown_tree_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="Did you mean 'iv2018'"):
        Taxonomy.load("iv2081")
    with pytest.raises(TaxonomyError, match=r"tree\.yaml: no such file"):
        Taxonomy.load(tmp_path)


def test_names_that_yaml_1_1_takes_for_booleans_are_names() -> None:
    tree = Taxonomy.parse("name: n\ntree:\n  s:\n    no:\n    on: [yes, off]\n    007:\n")
    assert [n.name for n in tree.nodes] == ["s", "no", "on", "yes", "off", "007"]
