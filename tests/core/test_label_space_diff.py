"""The difference of two label spaces: real releases against what is known of them, small ones by hand, and laws."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.errors import TaxonomyError
from labelforge.label_space import LabelSpace
from labelforge.label_space_diff import LabelSpaceDiff, diff_label_spaces
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

OLD, NEW = "mapillary-vistas-1.2", "mapillary-vistas-2.0"


@pytest.fixture(scope="module", params=["iv2018", "streets"])
def vistas(request: pytest.FixtureRequest) -> LabelSpaceDiff:
    return diff_label_spaces(OLD, NEW, request.param)


def ids(diff: LabelSpaceDiff) -> dict[int, tuple[str, set[int]]]:
    """Old id -> what became of it, and the new ids."""
    return {fate.label.id: (fate.kind, {label.id for label in fate.became}) for fate in diff.fates}


def test_ids_of_the_releases_that_people_ask_for() -> None:
    found = ids(diff_label_spaces(OLD, NEW, "streets"))
    assert found[0] == ("same", {0})  # bird
    assert found[2] == ("renumbered", {4})  # curb
    assert found[44] == ("renumbered", {84})  # street light
    assert found[45] == ("renumbered", {85})  # pole
    assert found[17] == ("split", {27, 28})  # building: garages are told apart
    assert found[10] == ("split", {17, 18})  # parking: parking aisles are told apart
    assert found[19] == ("split", {30, 31})  # person: individuals and groups
    assert found[48] == ("split", {90, 91, 92, 93, 94, 95})  # traffic lights
    assert found[49] == ("split", {97, 98, 102})  # backs of signs
    assert found[50] == ("split", {99, 100, 101, 103})  # fronts
    assert found[35] == ("split", {78, 79, 80, 81, 82, 83})  # billboard: all kinds of signs
    assert found[65] == ("renumbered", {123})  # unlabelled


def test_by_names_a_label_keeps_its_published_place(shared_data: Path) -> None:
    places = []
    for release in ("1.2", "2.0"):
        table = json.loads((shared_data / "mapillary_vistas_v2" / f"config_v{release}.json").read_text())
        places.append({label["name"]: i for i, label in enumerate(table["labels"])})
    found = ids(diff_label_spaces(OLD, NEW))
    kept = {places[0][name]: places[1][name] for name in places[0] if name in places[1]}
    assert len(kept) == 61
    for old, new in kept.items():
        assert found[old] == ("same" if old == new else "renumbered", {new})
    others = {old: fate for old, fate in found.items() if old not in kept}
    assert {kind for kind, _ in others.values()} == {"split", "gone"}
    assert {old for old, (kind, _) in others.items() if kind == "gone"} == {23, 24, 35}  # markings, billboard


def test_new_labels_are_those_that_release_2_added(vistas: LabelSpaceDiff) -> None:
    added = {label.name for label in vistas.added}
    assert {"object--parking-meter", "object--traffic-cone", "object--water-valve"} <= added
    assert {"void--dynamic", "void--static", "construction--barrier--ambiguous"} <= added
    assert not any(name.startswith(("human--", "animal--", "nature--", "object--traffic-light")) for name in added)
    ambiguous = vistas.new.by_name["construction--barrier--ambiguous"]
    assert {label.name.rpartition("--")[2] for label in vistas.sources(ambiguous)} >= {"fence", "guard-rail", "wall"}


def test_pixels_of_a_real_crop_went_where_the_difference_says(shared_data: Path, vistas: LabelSpaceDiff) -> None:
    masks = []
    for release in ("1.2", "2.0"):
        (file,) = (shared_data / "mapillary_vistas_v2" / "training" / f"v{release}" / "labels").glob("*.png")
        masks.append(np.asarray(Image.open(file)).ravel().tolist())
    pairs = set(zip(*masks, strict=True))
    assert pairs == {(17, 27), (44, 84), (45, 85)}
    became = {fate.label.id: {label.id for label in fate.became} for fate in vistas.fates}
    assert all(new in became[old] for old, new in pairs)


def test_a_label_space_and_itself_are_the_same() -> None:
    for through in (None, "streets"):
        found = diff_label_spaces("cityscapes", "kitti", through)
        assert [fate.kind for fate in found.fates] == ["same"] * 35
        assert found.added == ()


def test_other_spellings_are_the_same_name() -> None:
    found = {fate.label.name: fate for fate in diff_label_spaces("wilddash-2", "wilddash-2-80").fates}
    assert [label.name for label in found["traffic sign"].became] == ["trafficsign"]
    assert found["traffic sign"].kind == "renamed"
    assert found["rectification border"].kind == "gone"
    assert found["road"].kind == "same"


SPACES = {
    "old": ["thing--a", "thing--b", "thing--c", "pair", "whole", "lost", "void"],
    "new": ["thing--c", "thing--a", "bee", "one", "two", "everything", "fresh", "void"],
}
MEANINGS: dict[str, dict[str, Any]] = {
    "old": dict(zip(SPACES["old"], ["a", "b", "c", "{any: [d, e]}", "f", "i", "ignore"], strict=True)),
    "new": dict(zip(SPACES["new"], ["c", "a", "b", "d", "{any: [e, h]}", "{any: [f, g]}", "h", "ignore"], strict=True)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree.yaml").write_text("name: t\ntree:\n  scene: {x: [a, b, c, d, e], y: [f, g, h, i]}\n")
    (tmp_path / "label_spaces").mkdir()
    for name, labels in SPACES.items():
        entries = "".join(f"  - {{id: {i}, name: {label}}}\n" for i, label in enumerate(labels))
        (tmp_path / "label_spaces" / f"{name}.yaml").write_text(f"name: {name}\nsource: made up\nlabels:\n{entries}")
        rows = "".join(f"  {label}: {target}\n" for label, target in MEANINGS[name].items())
        (tmp_path / f"{name}.yaml").write_text(f"dataset: {name}\nsupervision: pixel\nlabels:\n{rows}")
    return tmp_path


def test_every_kind_on_a_small_example(folder: Path) -> None:
    found = diff_label_spaces("old", "new", folder)
    assert {f.label.name: (f.kind, [label.name for label in f.became]) for f in found.fates} == {
        "thing--a": ("renumbered", ["thing--a"]),
        "thing--b": ("renamed", ["bee"]),
        "thing--c": ("renumbered", ["thing--c"]),
        "pair": ("split", ["one", "two"]),
        "whole": ("merged", ["everything"]),
        "lost": ("gone", []),
        "void": ("renumbered", ["void"]),
    }
    assert [label.name for label in found.added] == ["fresh"]
    assert found.to_dict()["counts"] == {
        "same": 0, "renumbered": 3, "renamed": 1, "split": 1, "merged": 1, "gone": 1, "new": 1,
    }  # fmt: skip


def test_files_can_be_compared_by_name(folder: Path) -> None:
    files = [folder / "label_spaces" / f"{name}.yaml" for name in ("old", "new")]
    found = diff_label_spaces(*files)
    assert {f.label.name: f.kind for f in found.fates} == {
        "thing--a": "renumbered", "thing--b": "gone", "thing--c": "renumbered", "pair": "gone", "whole": "gone",
        "lost": "gone", "void": "renumbered",
    }  # fmt: skip


def test_labels_of_other_names_that_became_one_are_merged(folder: Path) -> None:
    text = (folder / "old.yaml").read_text().replace("thing--a: a", "thing--a: b")
    (folder / "old.yaml").write_text(text)
    found = {f.label.name: f.kind for f in diff_label_spaces("old", "new", folder).fates}
    assert (found["thing--a"], found["thing--b"]) == ("merged", "merged")


def test_a_tree_that_does_not_map_a_space_says_so() -> None:
    with pytest.raises(TaxonomyError, match="tree 'iv2018' has no mapping for dataset 'kitti'"):
        diff_label_spaces("cityscapes", "kitti", "iv2018")


def test_what_a_label_became_covers_it_as_far_as_anything_does() -> None:
    """No leaf that some new label means is lost, and what is called the same is no wider; for unlike spaces."""
    tree = Taxonomy.load("streets")
    names = ["cityscapes", "idd", "mapillary-vistas-1.2", "mapillary-vistas-2.0", "wilddash-2-80", "camvid-11"]
    spaces = {name: LabelMapping.load(tree, name) for name in names}
    meaning = {name: {r.native_name: r.target.leaves for r in m.rows[1:]} for name, m in spaces.items()}
    for old, new in itertools.permutations(names, 2):
        anywhere = frozenset().union(*meaning[new].values())
        for fate in diff_label_spaces(old, new, tree.folder).fates:
            meant = meaning[old][fate.label.name]
            held = frozenset().union(*(meaning[new][label.name] for label in fate.became))
            if meant and held:
                assert meant & anywhere <= held, (old, new, fate.label.name)
            if fate.kind in ("same", "renumbered", "renamed") and meant and held:
                assert held <= meant, (old, new, fate.label.name)
            assert all(meaning[new][label.name] - meant for label in fate.or_else)
            assert not set(fate.became) & set(fate.or_else)


def test_the_json_holds_every_label_once() -> None:
    found = diff_label_spaces(OLD, NEW, "streets").to_dict()
    assert [entry["id"] for entry in found["labels"]] == list(LabelSpace.load(OLD).ids)
    assert sum(found["counts"].values()) == 66 + found["counts"]["new"]
    became = {entry["id"] for label in found["labels"] for entry in label["became"]}
    assert became | {label["id"] for label in found["new_labels"]} == set(LabelSpace.load(NEW).ids)
    json.dumps(found)
