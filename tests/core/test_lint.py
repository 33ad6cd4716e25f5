"""Lint on small files: each rule with its place, reason and cure; what an author may accept; what fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelforge.errors import TaxonomyError
from labelforge.lint import Finding, LintReport, lint_mappings, lint_taxonomy
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

TREE = """\
name: small
tree:
  scene:
    flat: [road, parking, path]
    car:
    sign:
      back:
      front: [left, right, stop]
nodes:
  left: {mirror: right}
  right: {mirror: left}
"""
SPACES = {
    "pixels": ["road", "parking", "path", "car", "sign back", "sign front", "left", "right", "stop"],
    "town": ["street", "plate"],
    "boxes": ["left", "right", "stop"],
}
MAPPINGS = {
    "pixels": ["road", "parking", "path", "car", "back", "front", "left", "right", "stop"],
    "town": ["{any: [flat], except: [parking]}", "{any: [flat, car]}"],
    "boxes": ["left", "right", "stop"],
}


def write(folder: Path, dataset: str, targets: list[str], extra: str = "") -> None:
    """Write a label space and its mapping; the first label stands in line 4 of the mapping."""
    names = SPACES[dataset]
    labels = "".join(f"  - {{id: {i}, name: {name}}}\n" for i, name in enumerate(names))
    (folder / "label_spaces").mkdir(exist_ok=True)
    (folder / "label_spaces" / f"{dataset}.yaml").write_text(f"name: {dataset}\nsource: made up\nlabels:\n{labels}")
    rows = "".join(f"  {name}: {target}\n" for name, target in zip(names, targets, strict=True))
    kind = "box" if dataset == "boxes" else "pixel"
    (folder / f"{dataset}.yaml").write_text(f"dataset: {dataset}\nsupervision: {kind}\nlabels:\n{rows}{extra}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree with one dataset, about which there is nothing to say."""
    (tmp_path / "tree.yaml").write_text(TREE)
    write(tmp_path, "pixels", MAPPINGS["pixels"])
    return tmp_path


def only(report: LintReport, rule: str) -> Finding:
    """The one finding of a rule."""
    (finding,) = [finding for finding in report.findings if finding.rule == rule]
    return finding


def test_a_tree_that_one_dataset_teaches_all_of_is_clean(folder: Path) -> None:
    report = lint_taxonomy(folder)
    assert report.findings == ()
    assert not report.fails(strict=True)


def test_a_child_that_nobody_names_is_found_where_it_stands(folder: Path) -> None:
    (folder / "tree.yaml").write_text(TREE.replace("    car:\n", "    car:\n    boat:\n"))
    found = only(lint_taxonomy(folder), "no-signal")
    assert (found.severity, found.node, found.children) == ("warning", "scene", ("boat",))
    assert (found.file, found.line) == (str(folder / "tree.yaml"), 6)
    assert "any signal for 'boat'" in found.what
    assert found.cure == "Map a label to it or below it, or remove the node."


def test_a_classifier_that_nobody_teaches_is_one_finding(folder: Path) -> None:
    write(folder, "pixels", [*MAPPINGS["pixels"][:6], "front", "front", "front"])
    found = only(lint_taxonomy(folder), "no-signal")
    assert (found.node, found.children, found.line) == ("sign/front", ("left", "right", "stop"), 8)


def test_boxes_that_only_train_their_own_class_are_told_of_the_other_way(folder: Path) -> None:
    (folder / "tree.yaml").write_text(TREE + "  front: {box_only: true}\n")
    write(folder, "pixels", [*MAPPINGS["pixels"][:5], "sign", "sign", "sign", "sign"])
    write(folder, "boxes", MAPPINGS["boxes"])
    found = only(lint_taxonomy(folder), "no-signal")
    assert (found.node, found.children) == ("sign", ("front",))
    assert "boxes: path" in found.cure
    (folder / "tree.yaml").write_text("boxes: path\n" + TREE + "  front: {box_only: true}\n")
    found = only(lint_taxonomy(folder), "no-signal")
    assert "loss.lone_boxes" in found.cure
    assert [f.rule for f in lint_taxonomy(folder, lone_boxes=True).findings if f.rule == "no-signal"] == []


def test_children_that_only_come_together_cannot_be_told_apart(folder: Path) -> None:
    both = "{any: [road, path]}"
    write(folder, "pixels", [both, "parking", both, *MAPPINGS["pixels"][3:]])
    found = only(lint_taxonomy(folder), "inseparable")
    assert (found.node, found.children, found.line) == ("flat", ("road", "path"), 4)
    assert "they are one answer" in found.what
    write(folder, "pixels", ["road", "parking", both, *MAPPINGS["pixels"][3:]])
    found = only(lint_taxonomy(folder), "inseparable")
    assert found.children == ("path",)
    assert "allows 'road' too" in found.what


ONE_CHILD = {
    "always the same child": (
        ["road", "{any: [flat, car]}"],
        "warning",
        ("road",),
        ("street",),
        "always choose 'road'",
    ),
    "a set and a member": (["{any: [road, path]}", "road"], "warning", ("road",), ("street", "plate"), "'road'"),
    "only excludes": (MAPPINGS["town"], "info", ("road", "path"), ("street",), "never there: 'parking'"),
    "several sets": (["{any: [road, path]}"] * 2, "info", ("road", "path"), ("street", "plate"), "'parking'"),
}


@pytest.mark.parametrize("case", ONE_CHILD)
def test_a_dataset_with_a_constant_answer(case: str, folder: Path) -> None:
    targets, severity, children, labels, words = ONE_CHILD[case]
    write(folder, "town", targets)
    (found,) = [f for f in lint_taxonomy(folder).findings if f.rule == "one-child" and f.node == "flat"]
    assert (found.severity, found.children, found.labels, found.dataset) == (severity, children, labels, "town")
    assert (found.file, found.line) == (str(folder / "town.yaml"), 4)
    assert words in found.what


def test_counter_examples_of_the_same_dataset_end_it(folder: Path) -> None:
    write(folder, "town", ["{any: [flat], except: [parking]}", "parking"])
    assert [f for f in lint_taxonomy(folder).findings if f.rule == "one-child" and f.node == "flat"] == []


def test_a_constant_that_nobody_contradicts_is_an_error_and_cannot_be_accepted(folder: Path) -> None:
    accepted = 'accepted:\n  - {rule: one-child, at: front, why: "so it is"}\n'
    write(folder, "pixels", [*MAPPINGS["pixels"][:6], "left", "left", "left"], accepted)
    report = lint_taxonomy(folder)
    found = only(report, "one-child")
    assert (found.severity, found.node, found.accepted) == ("error", "sign/front", None)
    assert "has nothing to decide: 'left'" in found.what
    assert report.findings[0] == found, "errors come first"
    assert report.fails(strict=False)
    assert {f.children for f in report.findings if f.rule == "no-signal"} == {("right",), ("stop",)}


def test_a_warning_is_accepted_with_a_reason_until_it_is_gone(folder: Path) -> None:
    accepted = 'accepted:\n  - {rule: one-child, at: scene/flat, why: "toll roads only"}\n'
    write(folder, "town", ["road", "ignore"], accepted)
    report = lint_taxonomy(folder)
    accepted_at = {f.node: f.accepted for f in report.findings if f.rule == "one-child"}
    assert accepted_at == {"scene": None, "flat": "toll roads only"}, "the root's classifier is another"
    assert report.fails(strict=True)
    write(folder, "town", ["road", "car"], accepted)
    report = lint_taxonomy(folder)
    assert only(report, "one-child").accepted == "toll roads only"
    assert not report.fails(strict=True)
    assert report.to_dict()["counts"] == {"error": 0, "warning": 0, "info": 0, "accepted": 1}
    write(folder, "town", ["flat", "car"], accepted)
    report = lint_taxonomy(folder)
    found = only(report, "stale-acceptance")
    assert (found.dataset, found.file, found.line) == ("town", str(folder / "town.yaml"), 7)
    assert report.fails(strict=True)


UNUSED = {
    "everything": ("town", "scene", "reaches into every child of 'scene'"),
    "one leaf of every branch": ("town", "{any: [road, car, stop]}", "reaches into every child of 'scene'"),
    "a box at the root": ("boxes", "car", "car is decided by the root's classifier alone"),
    "a box across branches": ("boxes", "{any: [car, left]}", "decided by the root's classifier alone"),
}


@pytest.mark.parametrize("case", UNUSED)
def test_a_label_that_trains_no_classifier(case: str, folder: Path) -> None:
    dataset, target, words = UNUSED[case]
    write(folder, dataset, [target, *["ignore"] * (len(SPACES[dataset]) - 1)])
    report = lint_taxonomy(folder)
    found = only(report, "unused-label")
    assert (found.severity, found.labels, found.line) == ("warning", (SPACES[dataset][0],), 4)
    assert words in found.what
    assert "{ignore: 'why'}" in found.cure
    accepted = f'accepted:\n  - {{rule: unused-label, at: {SPACES[dataset][0]}, why: "later"}}\n'
    write(folder, dataset, [target, *["ignore"] * (len(SPACES[dataset]) - 1)], accepted)
    assert only(lint_taxonomy(folder), "unused-label").accepted == "later"


@pytest.mark.parametrize("node", ["front", "sign", "left"])
def test_classes_from_boxes_alone_are_found_unless_meant(node: str, folder: Path) -> None:
    write(folder, "pixels", [*MAPPINGS["pixels"][:6], "front", "front", "front"])
    write(folder, "boxes", MAPPINGS["boxes"])
    found = only(lint_taxonomy(folder), "only-boxes")
    assert (found.severity, found.node, found.children) == ("warning", "sign/front", ("left", "right", "stop"))
    assert "boxes (boxes)" in found.what
    fact = "{mirror: right}\n"
    text = TREE.replace(fact, fact.replace("}", ", box_only: true}")) if node == "left" else TREE
    (folder / "tree.yaml").write_text(text if node == "left" else text + f"  {node}: {{box_only: true}}\n")
    report = lint_taxonomy(folder)
    assert [f.children for f in report.findings if f.rule == "only-boxes"] == (
        [("right", "stop")] if node == "left" else []
    )
    assert not [f for f in report.findings if f.rule == "stale-acceptance"]


def test_box_only_is_stale_where_pixels_teach_too(folder: Path) -> None:
    (folder / "tree.yaml").write_text(TREE + "  front: {box_only: true}\n")
    found = only(lint_taxonomy(folder), "stale-acceptance")
    assert (found.node, found.file, found.line) == ("sign/front", str(folder / "tree.yaml"), 12)


def test_mirror_partners_that_disagree(folder: Path) -> None:
    for partner, words in (("right: {mirror: none}", "'none'"), ("right: {shape: circle}", "no mirror")):
        (folder / "tree.yaml").write_text(TREE.replace("right: {mirror: left}", partner))
        found = only(lint_taxonomy(folder), "mirror-pair")
        assert (found.node, found.line) == ("sign/front/left", 10)
        assert found.what == f"'left' names 'right' as its mirror image, but 'right' names {words}"
        assert found.cure.startswith("Write 'mirror: left' at 'right'")


def test_siblings_of_one_colour(folder: Path) -> None:
    colours = "  road: {color: [9, 9, 9]}\n  path: {color: [9, 9, 9]}\n  car: {color: [9, 9, 9]}\n"
    (folder / "tree.yaml").write_text(TREE + colours)
    found = only(lint_taxonomy(folder), "same-colour")
    assert (found.node, found.children, found.line) == ("flat", ("road", "path"), 13)
    assert "[9, 9, 9]" in found.what


def test_an_inner_node_with_one_child(folder: Path) -> None:
    (folder / "tree.yaml").write_text(TREE.replace("    car:\n", "    car: [sedan]\n"))
    found = only(lint_taxonomy(folder), "lone-child")
    assert (found.node, found.children, found.line) == ("car", ("sedan",), 5)


def test_labels_that_are_left_to_decide_are_counted(folder: Path) -> None:
    write(folder, "town", ['{ignore: "TODO: look"}', "{ignore: to do}"])
    report = lint_taxonomy(folder)
    found = only(report, "todo")
    assert (found.severity, found.dataset, found.labels, found.line) == ("warning", "town", ("street",), 4)
    assert found.what == "1 label of town is left to decide: 'street'"
    assert report.fails(strict=True)
    assert not report.fails(strict=False)


def test_labels_of_one_meaning_are_noted_and_never_fail(folder: Path) -> None:
    write(folder, "town", ["{any: [road, parking]}", "{any: [flat], except: [path]}"])
    report = lint_taxonomy(folder)
    found = only(report, "same-meaning")
    assert (found.severity, found.labels, found.line) == ("info", ("street", "plate"), 4)


def test_a_tree_without_mappings_gets_no_signal(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(TREE)
    report = lint_taxonomy(tmp_path)
    assert [(f.rule, f.node) for f in report.findings] == [
        ("no-signal", node) for node in ("scene", "flat", "sign", "sign/front")
    ]


def test_without_files_there_are_findings_but_no_places() -> None:
    tree = Taxonomy.parse(TREE)
    report = lint_mappings(tree, [])
    assert {(f.file, f.line) for f in report.findings} == {(None, None)}


def test_the_report_is_json(folder: Path) -> None:
    write(folder, "town", ["road", "car"])
    report = lint_taxonomy(folder)
    read = json.loads(json.dumps(report.to_dict()))
    assert read["taxonomy"]["name"] == "small"
    assert read["boxes"] == "own"
    assert [d["name"] for d in read["datasets"]] == ["pixels", "town"]
    assert read["supervision"][1] == {
        "classifier": "flat",
        "children": {
            "road": {"pixels": "strong", "town": "strong"},
            "parking": {"pixels": "strong"},
            "path": {"pixels": "strong"},
        },
    }
    assert read["rules"] == {"one-child": 1}
    (finding,) = read["findings"]
    assert finding["where"] == f"{folder / 'town.yaml'}:4"
    assert (finding["node"], finding["dataset"], finding["labels"]) == ("flat", "town", ["street"])


def test_a_broken_file_is_an_error_with_its_line(folder: Path) -> None:
    (folder / "pixels.yaml").write_text((folder / "pixels.yaml").read_text().replace("  car: car", "  car: cat"))
    with pytest.raises(TaxonomyError, match=r"pixels\.yaml:7: unknown node 'cat'"):
        lint_taxonomy(folder)


@pytest.mark.parametrize("name", Taxonomy.shipped())
def test_shipped_trees_pass_strictly(name: str) -> None:
    report = lint_taxonomy(name)
    assert [f"{f.file}:{f.line}: {f.what}" for f in report.findings if f.counts] == []
    assert len(report.mappings) == len(LabelMapping.available(Taxonomy.load(name)))
    assert all(f.file is not None and f.line is not None for f in report.findings)
    assert all(len(f.accepted) > 15 for f in report.findings if f.accepted is not None), "a reason, not a word"


def test_children_that_are_never_told_apart_need_labels_of_their_own(folder: Path) -> None:
    """A label of the node itself, which there is, would not help."""
    (folder / "tree.yaml").write_text(TREE.replace("    car:\n", "    car: [van, coach]\n"))
    found = only(lint_taxonomy(folder), "no-signal")
    assert found.node == "car" and "its 2 children are never told apart" in found.what
    assert found.cure == "Map labels to its children, or remove the node."
