"""The difference of two trees: small edits with what they are, and laws that hold for all trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.treediff import LabelChange, TreeDiff, diff_taxonomies
from tests.core.random_trees import World, trees, worlds

OLD = """\
name: small
tree:
  scene:
    flat: [road, parking, path]
    car:
    sign:
      back:
      front: [left, right, stop]
nodes:
  left: {mirror: right, shape: circle}
  right: {mirror: left}
"""
EDITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a colour": ("circle}", "circle, color: [1, 2, 3]}", {}),
    "the tree's name": ("name: small", "name: large", {}),
    "the root's name": ("  scene:", "  world:", {}),
    "a new leaf": ("stop]", "stop, yield]", {"added": ("sign/front/yield",)}),
    "a leaf gone": (", path]", "]", {"removed": ("flat/path",)}),
    "a leaf renamed": ("    car:", "    auto:", {"removed": ("car",), "added": ("auto",)}),
    "a leaf divided": ("car:", "car: [sedan, van]", {"added": ("car/sedan", "car/van")}),
    "an inner node merged": (
        "flat: [road, parking, path]",
        "flat:",
        {"removed": ("flat/road", "flat/parking", "flat/path")},
    ),
    "a leaf moved": ("parking, path]\n", "parking]\n    path:\n", {"moved": (("flat/path", "path"),)}),
    "an inner node moved": ("      front: [", "    front: [", {"moved": (("sign/front", "front"),)}),
    "a level added": (
        "flat: [road, parking, path]",
        "ground: {flat: [road, parking, path]}",
        {"added": ("ground",), "moved": (("flat", "ground/flat"),)},
    ),
    "an inner node renamed": (
        "flat: [road, parking, path]",
        "ground: [road, parking, path]",
        {
            "removed": ("flat",),
            "added": ("ground",),
            "moved": (("flat/road", "ground/road"), ("flat/parking", "ground/parking"), ("flat/path", "ground/path")),
        },
    ),
    "another order": ("[road, parking, path]", "[parking, road, path]", {"reordered": ("flat",)}),
    "a namesake that holds known nodes": (
        "car:\n    sign:\n      back:\n",
        "sign:\n      car: [back, lamp]\n",
        {
            "removed": ("car",),
            "added": ("sign/car", "sign/car/lamp"),
            "moved": (("sign/back", "sign/car/back"),),
        },
    ),
    "a mirror": ("{mirror: right, shape", "{mirror: none, shape", {"facts": (("sign/front/left", "mirror"),)}),
    "a shape": ("shape: circle", "shape: octagon", {"facts": (("sign/front/left", "shape"),)}),
    "a box_only": ("circle}", "circle}\n  front: {box_only: true}", {"facts": (("sign/front", "box_only"),)}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_told_as_what_it_is(edit: str) -> None:
    before, after, expected = EDITS[edit]
    assert before in OLD
    found = TreeDiff(Taxonomy.parse(OLD), Taxonomy.parse(OLD.replace(before, after, 1)))
    got = {
        "removed": found.removed,
        "added": found.added,
        "moved": found.moved,
        "reordered": found.reordered,
        # Ids are the positions of leaves here, so most edits shift some.
        "facts": tuple((change.node, change.fact) for change in found.facts if change.fact != "id"),
    }
    nothing: dict[str, Any] = dict.fromkeys(got, ())
    assert got == {**nothing, **expected}


def test_ids_are_compared_with_their_values() -> None:
    found = TreeDiff(Taxonomy.parse(OLD), Taxonomy.parse(OLD.replace("    car:\n", "")))
    changes = {change.node: (change.old, change.new) for change in found.facts}
    assert changes == {
        "sign/back": (4, 3), "sign/front/left": (5, 4), "sign/front/right": (6, 5), "sign/front/stop": (7, 6),
    }  # fmt: skip


def test_a_mirror_partner_that_moved_along_is_the_same() -> None:
    moved = OLD.replace("    sign:\n", "    post:\n      sign:\n").replace("      back", "        back")
    found = TreeDiff(Taxonomy.parse(OLD), Taxonomy.parse(moved.replace("      front:", "        front:")))
    assert [(c.node, c.fact) for c in found.facts if c.fact != "id"] == []
    assert found.moved == (("sign", "post/sign"),)


LABELS: dict[str, tuple[str, str, Any, Any, bool]] = {
    "the node itself": ("", "", "flat", "flat", True),
    "written otherwise": ("", "", "flat", {"any": ["road", "parking", "path"]}, True),
    "another node": ("", "", "road", "parking", False),
    "now ignored": ("", "", "road", "ignore", False),
    "still ignored": ("", "", "ignore", {"ignore": "why"}, True),
    "moved": ("      front: [", "    front: [", "front", "front", True),
    "divided": ("    car:", "    car: [sedan, van]", "car", "car", True),
    "divided, one part": ("    car:", "    car: [sedan, van]", "car", "sedan", False),
    "merged": ("flat: [road, parking, path]", "flat:", "flat", "flat", True),
    "part of what was merged": ("flat: [road, parking, path]", "flat:", "road", "flat", False),
    "grown with its node": ("stop]", "stop, yield]", "front", "front", True),
    "not grown with its node": ("stop]", "stop, yield]", "front", {"any": ["left", "right", "stop"]}, False),
    "moved into the node": ("path]\n    car:", "path, car]", "flat", "flat", False),
    "moved out of the node": (", path]\n", "]\n    path:\n", "flat", "flat", False),
    "moved out, and named": (", path]\n", "]\n    path:\n", "flat", {"any": ["flat", "path"]}, True),
    "gone": ("    car:\n", "", "car", "flat", False),
}


def table(tree: Taxonomy, target: Any) -> LabelMapping:
    """A label table with one label."""
    rows = [(None, "(no annotation)", "ignore"), (7, "label", target)]
    keys = ("row", "native_id", "native_name", "target", "supervision")
    records = [dict(zip(keys, (i, *row, "pixel"), strict=True)) for i, row in enumerate(rows)]
    return LabelMapping.from_records(tree, "town", records)


@pytest.mark.parametrize("case", LABELS)
def test_a_label_means_the_same_if_its_leaves_are_what_became_of_the_old_ones(case: str) -> None:
    before, after, old, new, same = LABELS[case]
    assert before in OLD
    trees = Taxonomy.parse(OLD), Taxonomy.parse(OLD.replace(before, after, 1))
    changed = TreeDiff(*trees).mapping(table(trees[0], old), table(trees[1], new)).labels
    assert (changed == ()) is same
    if not same:
        assert (changed[0].label, changed[0].old) == ("label", old)


def renested(tree: Taxonomy, draw: st.DrawFn) -> Taxonomy:
    """The same tree with every node's children in another order, and some of its leaves divided."""
    definition = tree.to_dict()

    def redo(children: dict[str, Any] | None) -> dict[str, Any] | None:
        if children is None:
            return None
        return {name: redo(children[name]) for name in draw(st.permutations(sorted(children)))}

    nested = redo(definition["tree"]["root"])
    plain = Taxonomy.from_dict({"name": "random", "tree": {"root": nested}})
    divided = draw(st.sets(st.sampled_from([leaf.name for leaf in plain.leaves])))

    def split(children: dict[str, Any]) -> dict[str, Any]:
        return {
            name: split(below) if below else ({f"{name}a": None, f"{name}b": None} if name in divided else None)
            for name, below in children.items()
        }

    return Taxonomy.from_dict({"name": "random", "tree": {"root": split(nested or {})}})


@st.composite
def divided_worlds(draw: st.DrawFn) -> tuple[World, Taxonomy]:
    """A world, and its tree in another order with some leaves divided."""
    world = draw(worlds())
    return world, renested(world.tree, draw)


@given(divided_worlds())
@settings(max_examples=80)
def test_order_and_division_change_no_label(case: tuple[World, Taxonomy]) -> None:
    world, tree = case
    found = TreeDiff(world.tree, tree)
    again = LabelMapping.from_records(tree, "random", world.mapping.to_records())
    assert found.mapping(world.mapping, again).labels == ()
    assert (found.removed, found.moved) == ((), ())
    assert {path.rsplit("/", 1)[-1][:-1] for path in found.added} == {
        leaf.name for leaf in world.tree.leaves if not tree.node(leaf.name).is_leaf
    }


@given(trees(), trees())
@settings(max_examples=60)
def test_what_one_way_adds_the_other_removes(one: Taxonomy, other: Taxonomy) -> None:
    there, back = TreeDiff(one, other), TreeDiff(other, one)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert len(one.nodes) - len(there.removed) == len(other.nodes) - len(there.added) == len(there.match)
    assert len(set(there.match.values())) == len(there.match)
    assert {(b, a) for a, b in there.moved} == set(back.moved)


@given(trees())
@settings(max_examples=40)
def test_a_tree_does_not_differ_from_itself(tree: Taxonomy) -> None:
    found = TreeDiff(tree, tree)
    content = found.to_dict()
    assert content.pop("old") == content.pop("new")
    assert content == {"removed": [], "added": [], "moved": [], "reordered": [], "facts": []}


def test_folders_are_compared_with_their_mappings(tmp_path: Path) -> None:
    for name, tree, datasets in (("a", OLD, ("town", "city")), ("b", OLD.replace("car", "auto"), ("town", "land"))):
        folder = tmp_path / name
        (folder / "label_spaces").mkdir(parents=True)
        (folder / "tree.yaml").write_text(tree)
        for dataset in datasets:
            space = f"name: {dataset}\nsource: made up\nlabels: [{{id: 0, name: auto}}, {{id: 1, name: road}}]\n"
            (folder / "label_spaces" / f"{dataset}.yaml").write_text(space)
            kind, target = ("pixel", "car") if name == "a" else ("box", "auto")
            text = f"dataset: {dataset}\nsupervision: {kind}\nlabels:\n  auto: {target}\n  road: road\n"
            (folder / f"{dataset}.yaml").write_text(text)
    found = diff_taxonomies(tmp_path / "a", tmp_path / "b")
    assert (found.removed, found.added) == (("city",), ("land",))
    (town,) = found.mappings
    assert (town.dataset, town.supervision) == ("town", ("pixel", "box"))
    assert town.labels == (LabelChange("auto", "car", "auto"),)
    read = json.loads(json.dumps(found.to_dict()))
    assert read["tree"]["removed"] == ["car"]
    assert read["datasets"] == {"removed": ["city"], "added": ["land"]}
    assert read["mappings"][0]["labels"] == [{"label": "auto", "old": "car", "new": "auto"}]
