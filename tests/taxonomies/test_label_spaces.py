"""The shipped label spaces against the datasets' own published tables and real label files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy, shipped_folder

SIZES = {
    "a2d2-38": 38,
    "ade20k-150": 151,
    "bdd100k": 20,
    "bdd100k-boxes": 13,
    "bdd100k-panoptic": 41,
    "camvid-11": 12,
    "camvid-32": 32,
    "cityscapes": 35,
    "coco-panoptic-133": 133,
    "coco-stuff-171": 172,
    "gtsdb": 43,
    "idd": 40,
    "kitti": 35,
    "mapillary-vistas-1.2": 66,
    "mapillary-vistas-2.0": 124,
    "railsem19": 20,
    "wilddash-2": 39,
    "wilddash-2-80": 81,
}
"""Labels per space: the published number of classes, plus the values that mean "not labelled"."""

VOID = {
    "a2d2-38": None,
    "ade20k-150": "other objects",
    "bdd100k": "unlabeled",
    "bdd100k-boxes": None,
    "bdd100k-panoptic": "unlabeled",
    "camvid-11": "void",
    "camvid-32": "Void",
    "cityscapes": "unlabeled",
    "coco-panoptic-133": 0,
    "coco-stuff-171": 0,
    "gtsdb": None,
    "idd": "unlabeled",
    "kitti": "unlabeled",
    "mapillary-vistas-1.2": "void--unlabeled",
    "mapillary-vistas-2.0": "void--unlabeled",
    "railsem19": "void",
    "wilddash-2": "unlabeled",
    "wilddash-2-80": "unlabeled",
}
"""The label that means "no label", or its value where the published table does not list it."""

ROW = tuple[int, str, tuple[int, int, int] | None]


def rows(name: str) -> list[ROW]:
    return [(label.id, label.name, label.color) for label in LabelSpace.load(name).labels]


def published(table: Path) -> Any:
    return json.loads(table.read_text(encoding="utf-8"))


def by_position(labels: list[dict[str, Any]]) -> list[ROW]:
    return [(i, label["name"], tuple(label["color"])) for i, label in enumerate(labels)]


def test_all_shipped_label_spaces_are_known_here() -> None:
    assert {p.stem for p in (shipped_folder() / "label_spaces").glob("*.yaml")} == set(SIZES)


@pytest.mark.parametrize("name", VOID)
def test_the_void_is_the_published_one_and_means_nothing_in_any_tree(name: str) -> None:
    space, label = LabelSpace.load(name), VOID[name]
    assert space.void == (space.by_name[label].id if isinstance(label, str) else label)
    for tree in map(Taxonomy.load, Taxonomy.shipped()):
        if name in LabelMapping.available(tree):
            meanings = {row.native_id: row.target.leaves for row in LabelMapping.load(tree, name).rows}
            assert not meanings.get(space.void), "a map could not say whether such a pixel is decided"


@pytest.mark.parametrize("name", SIZES)
def test_size_name_and_uniqueness(name: str) -> None:
    space = LabelSpace.load(name)
    assert space.name == name
    assert space.source is not None and len(space.source) > 20
    assert len(set(space.ids)) == len(set(space.names)) == len(space.labels) == SIZES[name]


def test_cityscapes_ids_run_as_published() -> None:
    space = LabelSpace.load("cityscapes")
    assert space.ids == (*range(34), -1)
    known = {"road": 7, "sidewalk": 8, "building": 11, "pole": 17, "sky": 23, "rider": 25, "bicycle": 33}
    assert {name: space.by_name[name].id for name in known} == known
    assert space.by_name["license plate"].id == -1


def test_cityscapes_agrees_with_wilddash_which_extends_it(shared_data: Path) -> None:
    table = by_position(published(shared_data / "label_tables" / "wilddash-config.json")["labels"])[:34]
    ours = rows("cityscapes")[:34]
    assert [n for _, n, _ in ours] == [n.replace("on rails", "train") for _, n, _ in table]
    drawn = slice(4, 34)  # the borders have colours of their own in WildDash
    assert [c for _, _, c in ours[drawn]] == [c for _, _, c in table[drawn]]


def test_kitti_and_bdd100k_take_over_cityscapes() -> None:
    assert rows("kitti") == rows("cityscapes")
    cityscapes = LabelSpace.load("cityscapes").by_name
    *classes, unlabeled = LabelSpace.load("bdd100k").labels
    assert [label.id for label in classes] == list(range(19))
    assert unlabeled.id == 255
    assert all(cityscapes[label.name].color == label.color for label in classes)
    ids = [cityscapes[label.name].id for label in classes]
    assert ids == [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]  # the 19 of the benchmark


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mapillary-vistas-1.2", "mapillary_vistas_v1/config.json"),
        ("mapillary-vistas-1.2", "mapillary_vistas_v2/config_v1.2.json"),
        ("mapillary-vistas-2.0", "mapillary_vistas_v2/config_v2.0.json"),
        ("wilddash-2", "label_tables/wilddash-config.json"),
    ],
)
def test_configuration_files(shared_data: Path, name: str, table: str) -> None:
    assert rows(name) == by_position(published(shared_data / table)["labels"])


def test_the_final_release_of_wilddash_continues_the_benchmark() -> None:
    benchmark, release = LabelSpace.load("wilddash-2"), LabelSpace.load("wilddash-2-80")
    assert release.ids == tuple(range(81))  # "80 labels", and 0
    renamed = {"rectification border": "overlay"}
    for label in benchmark.labels:
        same = release.labels[label.id]
        assert same.name == renamed.get(label.name, label.name.replace(" ", "").replace("-", "")), label.name
        if label.id not in (0, 3, 4, 17, 18):  # black in the benchmark, and the two greys of poles
            assert same.color == label.color, label.name
    known = {"junctionbox": 39, "curb": 52, "trafficsignback": 54, "autorickshaw": 58, "banner": 66, "curbcut": 80}
    assert {name: release.by_name[name].id for name in known} == known


def test_railsem19(shared_data: Path) -> None:
    table = by_position(published(shared_data / "label_tables" / "rs19-config.json")["labels"])
    assert rows("railsem19") == [*table, (255, "void", (0, 0, 0))]


def test_gtsdb(shared_data: Path) -> None:
    readme = (shared_data / "gtsdb" / "FullIJCNN2013" / "ReadMe.txt").read_text(encoding="latin-1")
    table = re.findall(r"^(\d+) = (.+) \((?:prohibitory|mandatory|danger|other)\)\s*$", readme, re.MULTILINE)
    assert rows("gtsdb") == [(int(number), name, None) for number, name in table]


def test_camvid_32(shared_data: Path) -> None:
    lines = (shared_data / "camvid" / "label_colors.txt").read_text().split("\n")
    words = [line.split() for line in lines if line.strip()]
    assert rows("camvid-32") == [(i, w[3], (int(w[0]), int(w[1]), int(w[2]))) for i, w in enumerate(words)]


def test_camvid_11_holds_every_value_of_the_real_label_files(shared_data: Path) -> None:
    files = sorted((shared_data / "camvid" / "trainannot").glob("*.png"))
    seen = {int(v) for file in files[::20] for v in np.unique(np.asarray(Image.open(file)))}
    assert seen == set(LabelSpace.load("camvid-11").ids)


def test_cityscapes_holds_every_value_of_the_real_label_files(shared_data: Path) -> None:
    files = sorted((shared_data / "cityscapes" / "gtFine").rglob("*_labelIds.png"))
    seen = {int(v) for file in files for v in np.unique(np.asarray(Image.open(file)))}
    assert seen <= set(LabelSpace.load("cityscapes").ids)
    assert {7, 8, 11, 21, 23, 26} <= seen


def test_ade20k_names_are_the_first_published_synonyms(shared_data: Path) -> None:
    with (shared_data / "label_tables" / "ade20k_objectInfo150.csv").open(newline="") as file:
        table = {int(row["Idx"]): row["Name"] for row in csv.DictReader(file)}
    zero, *labels = LabelSpace.load("ade20k-150").labels
    assert zero.id == 0
    assert [label.id for label in labels] == sorted(table) == list(range(1, 151))
    for label in labels:  # the table has ";" between synonyms and between the words of one
        assert f"{table[label.id]};".startswith(f"{label.name.replace(' ', ';')};")


def test_coco_panoptic(shared_data: Path) -> None:
    table = published(shared_data / "label_tables" / "panoptic_coco_categories.json")
    assert rows("coco-panoptic-133") == [(c["id"], c["name"], tuple(c["color"])) for c in table]


MERGED = {  # what COCO panoptic's stuff was made of: the names of COCO-Stuff
    "building-other-merged": {"building-other", "skyscraper"},
    "cabinet-merged": {"cabinet", "cupboard"},
    "ceiling-merged": {"ceiling-other", "ceiling-tile"},
    "dirt-merged": {"dirt", "mud"},
    "fence-merged": {"cage", "fence", "railing"},
    "floor-other-merged": {"floor-marble", "floor-other", "floor-tile"},
    "food-other-merged": {"food-other", "salad", "vegetable"},
    "grass-merged": {"grass", "moss", "straw"},
    "mountain-merged": {"hill", "mountain"},
    "paper-merged": {"napkin", "paper"},
    "pavement-merged": {"floor-stone", "pavement"},
    "rock-merged": {"rock", "stone"},
    "rug-merged": {"carpet", "mat", "rug"},
    "sky-other-merged": {"clouds", "fog", "sky-other"},
    "table-merged": {"desk-stuff", "table"},
    "tree-merged": {"branch", "bush", "leaves", "tree"},
    "wall-other-merged": {"wall-concrete", "wall-other", "wall-panel"},
}
LEFT_OUT = (
    "cloth clothes furniture-other ground-other metal plant-other plastic solid-other structural-other textile-other "
    "waterdrops wood"
)


def test_coco_stuff_numbers_and_names_its_labels_as_coco_panoptic_does() -> None:
    stuff, panoptic = LabelSpace.load("coco-stuff-171"), LabelSpace.load("coco-panoptic-133")
    assert stuff.ids == (*(i for i in panoptic.ids if i <= 90), *range(92, 184))
    assert stuff.names[80:-1] == tuple(sorted(stuff.names[80:-1]))  # as published: in alphabetical order
    same = [label for label in panoptic.labels if not label.name.endswith("-merged")]
    assert len(same) == 80 + 36 and set(same) <= set(stuff.labels)
    joined = [name for members in MERGED.values() for name in members]
    rest = set(stuff.names) - {label.name for label in same} - {"other"}
    assert sorted([*joined, *LEFT_OUT.split()]) == sorted(rest)


def test_coco_stuff_means_what_coco_panoptic_means_or_less() -> None:
    tree = Taxonomy.load("streets")
    meaning = {
        space: {row.native_name: row.target.leaves for row in LabelMapping.load(tree, space).rows[1:]}
        for space in ("coco-stuff-171", "coco-panoptic-133")
    }
    stuff, panoptic = meaning["coco-stuff-171"], meaning["coco-panoptic-133"]
    for name in stuff.keys() & panoptic.keys():
        assert stuff[name] == panoptic[name], name
    finer = set()
    for joined, members in MERGED.items():
        assert frozenset().union(*(stuff[name] for name in members)) == panoptic[joined], joined
        finer |= {name for name in members if stuff[name] < panoptic[joined]}
    assert finer == {"building-other", "skyscraper", "cage", "fence"}


def test_a2d2_colours_are_the_first_of_each_published_class(shared_data: Path) -> None:
    table: dict[str, int] = published(shared_data / "label_tables" / "a2d2_class_list.json")
    first: dict[int, str] = {}
    for color, number in table.items():
        first.setdefault(number, color)
    ours = {label.id: "#{:02x}{:02x}{:02x}".format(*(label.color or ())) for label in LabelSpace.load("a2d2-38").labels}
    assert ours == first


def test_bdd100k_panoptic_ids_are_those_of_the_toolkit_sample(shared_data: Path) -> None:
    folder = shared_data / "bdd100k" / "toolkit_testcases" / "label" / "panseg_bdd100k"
    names = {label["category"] for label in published(folder / "panseg_bdd100k.json")[0]["labels"]}
    drawn = {int(v) for v in np.unique(np.asarray(Image.open(folder / "panseg_mask.png"))[..., 0])}
    space = LabelSpace.load("bdd100k-panoptic")
    assert {space.by_name[name].id for name in names} == drawn - {0}
    assert space.ids == tuple(range(41))


def test_idd_colours_are_those_of_cityscapes_where_both_have_a_label() -> None:
    cityscapes = LabelSpace.load("cityscapes").by_name
    idd = LabelSpace.load("idd")
    common = [label for label in idd.labels if label.name in cityscapes]
    assert len(common) == 31
    assert all(cityscapes[label.name].color == label.color for label in common)
    assert idd.ids == tuple(range(40))
