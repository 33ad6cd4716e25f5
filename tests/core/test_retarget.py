"""Retargeting: only the manifest changes, to what a conversion with the new tree would have written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from labelforge.errors import LabelforgeError, ShardError, TaxonomyError
from labelforge.mapping import LabelMapping
from labelforge.retarget import plan_retargeting, retarget
from labelforge.shards import Manifest, ShardReader, open_folder
from labelforge.taxonomy import Taxonomy
from labelforge.treediff import LabelChange
from tests.core import shard_folders

OLD = """\
name: old
tree:
  scene:
    ground: [road, path]
    sign: [left, right]
    rest:
nodes:
  left: {shape: circle, mirror: right}
  right: {shape: circle, mirror: left}
"""
NEW = """\
name: new
tree:
  world:
    flat: [road, path, parking]
    sign: {front: [left, right], back: }
nodes:
  left: {shape: circle}
  right: {shape: diamond}
"""
SPACE = "name: town\nsource: made up\nlabels:\n" + "".join(
    f"  - {{id: {i}, name: {name}}}\n"
    for i, name in ((-1, "void"), (7, "street"), (8, "left"), (9, "right"), (11, "x"))
)


def tree_folder(folder: Path, tree: str, targets: str, kind: str = "pixel") -> Path:
    """A folder with a tree, a label space, and its mapping with targets in the order of the label space."""
    (folder / "label_spaces").mkdir(parents=True)
    (folder / "tree.yaml").write_text(tree)
    (folder / "label_spaces" / "town.yaml").write_text(SPACE)
    names = re.findall(r"name: (\w+)}", SPACE)
    labels = "".join(f"  {name}: {target}\n" for name, target in zip(names, targets.split(";"), strict=True))
    (folder / "town.yaml").write_text(f"dataset: town\nsupervision: {kind}\nlabels:\n{labels}")
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The tree that the shards are made for."""
    return tree_folder(tmp_path / "old", OLD, "ignore;ground;left;right;rest")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Another tree."""
    return tree_folder(tmp_path / "new", NEW, "ignore;{any: [flat], except: [parking]};left;right;ignore")


def convert(out: Path, folder: Path, *, sets: bool = False) -> Manifest:
    """Shards of two samples for a tree, as a conversion writes them."""
    tree = Taxonomy.load(folder)
    table = LabelMapping.load(tree, "town")
    if sets:
        table = table.with_sets(tree, [[8, 9]])
    rows = np.arange(len(table.rows), dtype=np.uint8)
    label = np.repeat(rows[:, None], 3, axis=1)  # three pixels of every row
    image = np.zeros((*label.shape, 3), np.uint8)
    samples = [shard_folders.encoded(key, image, label, [(i, i, i) for i in rows.tolist()]) for key in ("a", "b")]
    return shard_folders.write(out, [samples[:1], samples[1:]], table, tree)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("sets", [False, True])
def test_it_becomes_what_a_conversion_would_have_made(sets: bool, old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old, sets=sets)
    expected = convert(tmp_path / "expected", new, sets=sets)
    before = contents(tmp_path / "shards")
    (plan,) = retarget([tmp_path / "shards"], new)
    assert Manifest.load(open_folder(tmp_path / "shards")) == expected == plan.new
    after = contents(tmp_path / "shards")
    assert {name for name in after if after[name] != before.get(name)} == {"manifest.json"}
    assert set(after) == set(before), "nothing is left behind"
    reader = ShardReader(tmp_path / "shards")
    reader.verify()
    assert reader.taxonomy.digest == Taxonomy.load(new).digest
    assert (reader.mapping.rows[2].target.text, len(reader)) == ("flat except parking", 2)
    if sets:
        assert reader.mapping.rows[6].target.expression == {"any": ["left", "right"]}


def test_it_says_which_labels_change_and_how_many_pixels(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    (plan,) = retarget([tmp_path / "shards"], new)
    assert plan.changes.labels == (LabelChange("x", "rest", "ignore"),), "street still means road and path"
    assert plan.pixels() == 6
    assert (plan.old.totals.used, plan.new.totals.used) == (24, 18)
    assert (plan.old.totals.ignored, plan.new.totals.ignored) == (6, 12)


def test_the_way_back_restores_the_manifest_byte_by_byte(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old, sets=True)
    before = contents(tmp_path / "shards")
    retarget([tmp_path / "shards"], new)
    assert contents(tmp_path / "shards") != before
    retarget([tmp_path / "shards"], old)
    assert contents(tmp_path / "shards") == before


def test_the_same_tree_writes_nothing(old: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    manifest = tmp_path / "shards" / "manifest.json"
    inode = manifest.stat().st_ino
    (plan,) = retarget([tmp_path / "shards"], Taxonomy.load(old))
    assert not plan.needed
    assert manifest.stat().st_ino == inode


def test_an_edit_of_the_same_tree_is_taken_over(old: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    mapping = old / "town.yaml"
    mapping.write_text(mapping.read_text().replace("street: ground", "street: road"))
    (plan,) = retarget([tmp_path / "shards"], old)
    assert plan.changes.labels == (LabelChange("street", "ground", "road"),)
    assert plan.tree.to_dict()["old"] == plan.tree.to_dict()["new"]
    colour = (old / "tree.yaml").read_text().replace("shape: circle, mirror: right", "shape: circle, color: [1, 2, 3]")
    (old / "tree.yaml").write_text(colour.replace("mirror: left", "box_only: true"))
    (plan,) = retarget([tmp_path / "shards"], old)
    assert plan.needed
    assert plan.changes.labels == ()
    assert ShardReader(tmp_path / "shards").taxonomy.node("left").color == (1, 2, 3)


def test_boxes_keep_the_shape_they_were_drawn_with(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    for folder in (old, new):
        text = (folder / "town.yaml").read_text()
        (folder / "town.yaml").write_text(text.replace("supervision: pixel", "supervision: box"))
    (plan,) = retarget([tmp_path / "shards"], new)
    assert plan.changes.supervision == ("pixel", "box")
    assert plan.redrawn == ("right",)
    assert {record.supervision for record in plan.new.labels} == {"box"}


REFUSALS = {
    "another id": ("id: 8", "id: 18", r"row 3 is 'left' \(id 8\) in these shards, and 'left' \(id 18\) in the label"),
    "another name": ("name: right", "name: east", r"row 4 is 'right' \(id 9\) in these shards, and 'east' \(id 9\)"),
    "another order": (
        "  - {id: 8, name: left}\n  - {id: 9, name: right}\n",
        "  - {id: 9, name: right}\n  - {id: 8, name: left}\n",
        r"row 3 is 'left' \(id 8\) in these shards, and 'right' \(id 9\)",
    ),
    "a new label": ("name: x}", "name: x}\n  - {id: 12, name: y}", r"row 6 is missing in these shards, and 'y'"),
    "a label gone": ("  - {id: 11, name: x}\n", "", r"row 5 is 'x' \(id 11\) in these shards, and missing in the"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_rows_that_are_not_the_label_spaces_are_refused(case: str, old: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    before = contents(tmp_path / "shards")
    text, other, message = REFUSALS[case]
    assert text in SPACE
    (old / "label_spaces" / "town.yaml").write_text(SPACE.replace(text, other))
    mapping = (old / "town.yaml").read_text()
    swaps = {"another name": ("  right:", "  east:"), "a label gone": ("  x: rest\n", "")}
    mapping = mapping.replace(*swaps.get(case, ("", ""))) + ("  y: rest\n" if case == "a new label" else "")
    (old / "town.yaml").write_text(mapping)
    with pytest.raises(ShardError, match=message) as caught:
        retarget([tmp_path / "shards"], old)
    assert str(caught.value).startswith(f"{tmp_path / 'shards'}: ")
    assert "Convert the dataset again" in str(caught.value)
    assert contents(tmp_path / "shards") == before


def test_a_tree_without_a_mapping_for_the_dataset_is_refused(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    (new / "town.yaml").rename(new / "village.yaml")
    with pytest.raises(TaxonomyError, match="tree 'new' has no mapping for dataset 'town'") as caught:
        retarget([tmp_path / "shards"], new)
    assert caught.value.where == str(tmp_path / "shards")


def test_nothing_is_written_unless_all_shards_fit(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "good", old)
    manifest = convert(tmp_path / "bad", old)
    labels = (*manifest.labels[:2], manifest.labels[2].model_copy(update={"native_id": 70}), *manifest.labels[3:])
    manifest.model_copy(update={"labels": labels}).write(open_folder(tmp_path / "bad"))
    before = contents(tmp_path / "good")
    for shards in ([tmp_path / "good", tmp_path / "bad"], [tmp_path / "good", tmp_path / "missing"]):
        with pytest.raises(LabelforgeError, match=r"row 2 is 'street' \(id 70\)|no such folder"):
            retarget(shards, new)
    assert contents(tmp_path / "good") == before


def test_a_set_row_that_names_no_native_labels_is_refused(old: Path, new: Path, tmp_path: Path) -> None:
    manifest = convert(tmp_path / "shards", old, sets=True)
    labels = (*manifest.labels[:-1], manifest.labels[-1].model_copy(update={"native_name": "left | rigth"}))
    manifest.model_copy(update={"labels": labels}).write(open_folder(tmp_path / "shards"))
    with pytest.raises(
        ShardError, match=r"row 6, 'left \| rigth', is not a set of native labels. Did you mean 'right'"
    ):
        retarget([tmp_path / "shards"], new)


def test_a_plan_alone_writes_nothing(old: Path, new: Path, tmp_path: Path) -> None:
    convert(tmp_path / "shards", old)
    before = contents(tmp_path / "shards")
    assert plan_retargeting(tmp_path / "shards", Taxonomy.load(new)).needed
    assert contents(tmp_path / "shards") == before
