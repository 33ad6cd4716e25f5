"""The universal street tree: what every dataset's labels mean in it, and that all of it can be learnt."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.label_space import LabelSpace
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.targets import SILENT, TargetTable
from labelforge.taxonomy import Node, Taxonomy, shipped_folder
from tests.core.random_trees import whole_table

DATASETS = sorted(p.stem for p in (shipped_folder() / "label_spaces").glob("*.yaml"))
LABEL = tuple[str, str]


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.load("streets")


@pytest.fixture(scope="module")
def mappings(tree: Taxonomy) -> dict[str, LabelMapping]:
    return {name: LabelMapping.load(tree, name) for name in DATASETS}


@pytest.fixture(scope="module")
def meaning(mappings: dict[str, LabelMapping]) -> dict[LABEL, frozenset[int]]:
    """(dataset, native label) -> leaf set."""
    return {(name, row.native_name): row.target.leaves for name, m in mappings.items() for row in m.rows[1:]}


def leaves(tree: Taxonomy, paths: str) -> frozenset[int]:
    """The leaves of "a + b - c", with full paths below the root."""
    by_path = {node.path: frozenset(node.leaves) for node in tree.nodes}
    first, *rest = re.split(r" ([+-]) ", paths)
    found = by_path[first]
    for sign, path in zip(rest[::2], rest[1::2], strict=True):
        found = found | by_path[path] if sign == "+" else found - by_path[path]
    return found


def test_every_label_space_is_mapped_and_every_native_label_has_a_row(mappings: dict[str, LabelMapping]) -> None:
    for name, mapping in mappings.items():
        space = LabelSpace.load(name)
        assert mapping.dataset == name
        assert [(row.native_id, row.native_name) for row in mapping.rows[1:]] == list(
            zip(space.ids, space.names, strict=True)
        )
        assert mapping.supervision == ("box" if name in ("gtsdb", "bdd100k-boxes") else "pixel")


def test_ignored_labels_are_few_and_say_why(mappings: dict[str, LabelMapping]) -> None:
    ignored = {name: [r for r in m.rows[1:] if r.target.ignored] for name, m in mappings.items()}
    assert all(row.target.reason for rows in ignored.values() for row in rows)
    assert {name: len(rows) for name, rows in ignored.items()} == {
        "a2d2-38": 3,
        "ade20k-150": 6,
        "bdd100k": 1,
        "bdd100k-boxes": 2,
        "bdd100k-panoptic": 3,
        "camvid-11": 1,
        "camvid-32": 2,
        "cityscapes": 6,
        "coco-panoptic-133": 1,
        "coco-stuff-171": 7,
        "gtsdb": 0,
        "idd": 5,
        "kitti": 6,
        "mapillary-vistas-1.2": 1,
        "mapillary-vistas-2.0": 3,
        "railsem19": 1,
        "wilddash-2": 5,
        "wilddash-2-80": 5,
    }


SIGN = "object/traffic sign"
PROHIBITORY = f"{SIGN}/front/prohibitory sign"
DRIVEABLE = "flat/driveable"
PARKING = f"{DRIVEABLE}/parking space + {DRIVEABLE}/parking aisle + {DRIVEABLE}/driveway"
ROAD = f"{DRIVEABLE} - " + PARKING.replace(" + ", " - ")
MOTOR = "vehicle/motor vehicle"
SPOT_CHECKS = [
    ("cityscapes", "road", ROAD),
    ("cityscapes", "parking", PARKING),
    ("cityscapes", "sidewalk", "flat/walkable - flat/walkable/stairs"),
    ("cityscapes", "rail track", "flat/railway"),
    ("cityscapes", "ground", "flat + nature/terrain + nature/snow + nature/water"),
    ("cityscapes", "car", "vehicle/motor vehicle/car + vehicle/motor vehicle/van"),
    ("cityscapes", "truck", f"{MOTOR}/truck + {MOTOR}/pickup + {MOTOR}/truck trailer"),
    ("cityscapes", "trailer", f"{MOTOR}/trailer"),
    ("cityscapes", "train", "vehicle/rail vehicle"),
    ("cityscapes", "traffic sign", f"{SIGN}/front"),
    ("cityscapes", "terrain", "nature/terrain"),
    ("cityscapes", "polegroup", "object/pole + object/utility pole + object/traffic sign frame + object/street light"),
    ("cityscapes", "ego vehicle", "ego vehicle"),
    ("kitti", "rider", "human/rider"),
    ("bdd100k", "road", ROAD),
    ("bdd100k-panoptic", "building", "construction/building - construction/building/garage"),
    ("bdd100k-panoptic", "parking sign", f"{SIGN}/front/parking sign + {SIGN}/back"),
    ("bdd100k-panoptic", "traffic sign", f"{SIGN} - {SIGN}/front/parking sign"),
    ("bdd100k-panoptic", "traffic device", "object/traffic device"),
    ("mapillary-vistas-1.2", "animal--ground-animal", "animal/ground animal"),
    ("mapillary-vistas-1.2", "construction--barrier--curb", "flat/walkable/curb"),
    ("mapillary-vistas-1.2", "construction--barrier--other-barrier", "construction/road barrier"),
    (
        "mapillary-vistas-1.2",
        "construction--flat--service-lane",
        "flat/driveable/service lane + flat/driveable/road shoulder",
    ),
    (
        "mapillary-vistas-1.2",
        "marking--general",
        "flat/driveable/lane marking - flat/driveable/lane marking/zebra crossing",
    ),
    ("mapillary-vistas-1.2", "nature--terrain", "nature/terrain - nature/terrain/sand"),
    ("mapillary-vistas-1.2", "object--billboard", "object/signage"),
    ("mapillary-vistas-1.2", "object--traffic-sign--back", f"{SIGN}/back"),
    (
        "mapillary-vistas-2.0",
        "construction--flat--parking",
        f"{DRIVEABLE}/parking space + {DRIVEABLE}/marked parking space",
    ),
    ("mapillary-vistas-2.0", "construction--flat--rail-track", "flat/railway + flat/driveable/tramway"),
    ("mapillary-vistas-2.0", "construction--structure--garage", "construction/building/garage"),
    ("mapillary-vistas-2.0", "human--person--person-group", "human/person"),
    ("mapillary-vistas-2.0", "marking--continuous--zigzag", "flat/driveable/lane marking/line/zigzag line"),
    ("mapillary-vistas-2.0", "marking--discrete--arrow--left", "flat/driveable/lane marking/arrow/arrow left"),
    ("mapillary-vistas-2.0", "marking-only--discrete--crosswalk-zebra", "flat/driveable/lane marking/zebra crossing"),
    ("mapillary-vistas-2.0", "object--manhole", "flat/driveable/ground fixture/manhole"),
    ("mapillary-vistas-2.0", "object--sign--ambiguous", "object/signage"),
    ("mapillary-vistas-2.0", "object--traffic-light--pedestrians", "object/traffic light/pedestrian light"),
    ("mapillary-vistas-2.0", "object--traffic-sign--ambiguous", SIGN),
    (
        "mapillary-vistas-2.0",
        "object--traffic-sign--front",
        f"{SIGN}/front - {SIGN}/front/direction sign - {SIGN}/front/parking sign - {SIGN}/front/temporary sign",
    ),
    ("mapillary-vistas-2.0", "object--vehicle--vehicle-group", "vehicle/two-wheeler + vehicle/motor vehicle"),
    ("gtsdb", "speed limit 30", f"{PROHIBITORY}/speed limit/speed limit 30"),
    ("gtsdb", "no entry", f"{PROHIBITORY}/no entry"),
    ("gtsdb", "danger", f"{SIGN}/front/danger sign/general danger"),
    ("gtsdb", "snow", f"{SIGN}/front/danger sign/snow or ice"),
    ("gtsdb", "keep right", f"{SIGN}/front/mandatory sign/keep right"),
    ("gtsdb", "priority road", f"{SIGN}/front/priority sign/priority road"),
    ("gtsdb", "restriction ends 80", f"{SIGN}/front/end of restriction/restriction ends 80"),
    ("camvid-32", "Bicyclist", "human/rider/bicyclist + vehicle/two-wheeler/bicycle"),
    ("camvid-32", "Child", "human/person"),
    ("camvid-32", "SUVPickupTruck", "vehicle/motor vehicle/car + vehicle/motor vehicle/pickup"),
    ("camvid-32", "VegetationMisc", "nature/vegetation/plant + nature/vegetation/flower + nature/terrain/grass"),
    ("camvid-11", "Car", "vehicle/motor vehicle + vehicle/rail vehicle"),
    ("idd", "autorickshaw", "vehicle/motor vehicle/autorickshaw"),
    ("idd", "non-drivable fallback", "nature/terrain + nature/water"),
    ("idd", "obs-str-bar-fallback", "construction + object"),
    ("idd", "traffic sign", SIGN),
    ("wilddash-2", "van", "vehicle/motor vehicle/van"),
    ("wilddash-2", "road-marking", "flat/driveable/lane marking"),
    ("railsem19", "construction", "construction - construction/fence - construction/guard rail"),
    ("railsem19", "human", "human"),
    ("railsem19", "rail-embedded", "flat/driveable/tramway/embedded rail"),
    ("railsem19", "rail-raised", "flat/railway/raised rail"),
    ("railsem19", "road", "flat/driveable - flat/driveable/tramway"),
    ("ade20k-150", "person", "human - human/belongings"),
    ("ade20k-150", "minibike", "vehicle/two-wheeler/motorcycle"),
    ("ade20k-150", "signboard", f"{SIGN} + object/signage"),
    ("ade20k-150", "skyscraper", "construction/building/high-rise"),
    ("ade20k-150", "wall", "construction/wall + construction/building + off street/interior"),
    ("coco-panoptic-133", "stop sign", f"{SIGN}/front/priority sign/stop"),
    ("coco-panoptic-133", "zebra", "animal/ground animal/zebra"),
    ("coco-panoptic-133", "water-other", "nature/water/still water"),
    ("coco-panoptic-133", "railroad", "flat/railway"),
    ("coco-panoptic-133", "teddy bear", "off street/household item"),
    ("coco-stuff-171", "skyscraper", "construction/building/high-rise"),
    ("coco-stuff-171", "furniture-other", "off street/furniture + off street/appliance"),
    ("coco-stuff-171", "waterdrops", "nature/water"),
    ("a2d2-38", "Bicycle", "vehicle/two-wheeler/bicycle + human/rider/bicyclist"),
    ("a2d2-38", "Drivable cobblestone", "flat/driveable/road/cobblestone road"),
    ("a2d2-38", "Nature object", "nature"),
    ("a2d2-38", "Non-drivable street", "flat - flat/driveable"),
    ("a2d2-38", "RD restricted area", "flat/driveable/lane marking/hatching"),
]


@pytest.mark.parametrize(("dataset", "label", "expected"), SPOT_CHECKS)
def test_meaning(tree: Taxonomy, meaning: dict[LABEL, frozenset[int]], dataset: str, label: str, expected: str) -> None:
    assert meaning[dataset, label] == leaves(tree, expected)


HOMONYMS = {
    ("gtsdb", "construction"),
    ("gtsdb", "snow"),
    ("mapillary-vistas-2.0", "marking--discrete--symbol--bicycle"),
    ("mapillary-vistas-2.0", "object--sign--back"),
}
"""Signs and markings named like what they show, and signs of two kinds with a back."""


def test_labels_named_like_a_node_mean_it_or_part_of_it(tree: Taxonomy, meaning: dict[LABEL, frozenset[int]]) -> None:
    nodes = {node.name: frozenset(node.leaves) for node in tree.nodes}
    alike = 0
    for (dataset, label), found in meaning.items():
        name = label.split("--")[-1].replace("-", " ").lower()
        if name in nodes and found and (dataset, label) not in HOMONYMS:
            alike += 1
            assert found & nodes[name], (dataset, label)
    assert alike > 400


def test_labels_that_datasets_took_over_from_cityscapes_mean_the_same(meaning: dict[LABEL, frozenset[int]]) -> None:
    cityscapes = {label: found for (dataset, label), found in meaning.items() if dataset == "cityscapes"}
    assert cityscapes == {label: found for (dataset, label), found in meaning.items() if dataset == "kitti"}
    finer = {  # what the release split off from the label
        "bdd100k": {},
        "wilddash-2": {
            "car": ["van"],
            "truck": ["pickup"],
            "road": ["road-marking"],
            "train": ["on rails"],
            "pole": ["streetlight"],
            "polegroup": ["streetlight"],
        },
        "bdd100k-panoptic": {
            "building": ["garage"],
            "pole": ["street light", "traffic sign frame"],
            "polegroup": ["street light", "traffic sign frame"],
        },
    }
    others = {  # what its own text defines in another way
        "bdd100k": {"traffic sign", "pole"},
        "wilddash-2": {"ego vehicle", "wall", "guard rail"},
        "bdd100k-panoptic": {"traffic sign", "guard rail"},
    }
    for dataset, parts in finer.items():
        own = {label: found for (name, label), found in meaning.items() if name == dataset}
        for label in cityscapes.keys() & (own.keys() | parts.keys()):
            pieces = [own.get(label, frozenset()), *(own[part] for part in parts.get(label, []))]
            same = frozenset().union(*pieces) == cityscapes[label]
            assert same == (label not in others[dataset]), (dataset, label)
            assert all(a.isdisjoint(b) for a, b in itertools.combinations(pieces, 2)), (dataset, label)


CAMVID_GROUPS = {  # as SegNet's authors grouped the 32 classes
    "Sky": ["Sky"],
    "Building": ["Bridge", "Building", "Wall", "Tunnel", "Archway"],
    "Pole": ["Column_Pole", "TrafficCone"],
    "Road": ["Road", "LaneMkgsDriv", "LaneMkgsNonDriv"],
    "Pavement": ["Sidewalk"],  # without ParkingBlock and RoadShoulder: see the header of the mapping
    "Tree": ["Tree", "VegetationMisc"],
    "SignSymbol": ["SignSymbol", "Misc_Text", "TrafficLight"],
    "Fence": ["Fence"],
    "Bicyclist": ["Bicyclist", "MotorcycleScooter"],
}


def test_the_classes_of_camvid_11_are_unions_of_those_of_camvid_32(meaning: dict[LABEL, frozenset[int]]) -> None:
    for group, members in CAMVID_GROUPS.items():
        union = frozenset().union(*(meaning["camvid-32", member] for member in members))
        assert meaning["camvid-11", group] == union, group
    for vehicle in ("Car", "SUVPickupTruck", "Truck_Bus", "Train"):
        assert meaning["camvid-32", vehicle] <= meaning["camvid-11", "Car"]


def test_vistas_2_refines_vistas_1(tree: Taxonomy, meaning: dict[LABEL, frozenset[int]]) -> None:
    old, new = "mapillary-vistas-1.2", "mapillary-vistas-2.0"
    common = [label for label in LabelSpace.load(old).names if (new, label) in meaning]
    assert len(common) == 61
    for label in common:
        assert meaning[new, label] <= meaning[old, label], label
    renamed = {
        "human--person": ["human--person--individual", "human--person--person-group"],
        "marking--crosswalk-zebra": ["marking--discrete--crosswalk-zebra", "marking-only--discrete--crosswalk-zebra"],
        "object--billboard": [n for n in LabelSpace.load(new).names if n.startswith("object--sign--")],
        "object--traffic-light": [n for n in LabelSpace.load(new).names if n.startswith("object--traffic-light--")],
    }
    for label, parts in renamed.items():
        assert frozenset().union(*(meaning[new, part] for part in parts)) == meaning[old, label], label


def test_vistas_releases_of_one_real_crop_agree(shared_data: Path, tree: Taxonomy) -> None:
    """Wherever both releases train a classifier on a pixel, what 2.0 allows there lies within what 1.2 allows."""
    tables, masks = [], []
    for release in ("1.2", "2.0"):
        mapping = LabelMapping.load(tree, f"mapillary-vistas-{release}")
        (file,) = (shared_data / "mapillary_vistas_v2" / "training" / f"v{release}" / "labels").glob("*.png")
        ids = np.asarray(Image.open(file))
        masks.append(np.vectorize(mapping.row_of.__getitem__)(ids))
        tables.append(whole_table(tree, [mapping]))
    trained = 0
    for old, new in {(int(a), int(b)) for a, b in zip(masks[0].ravel(), masks[1].ravel(), strict=True)}:
        for columns in tables[0].layout.slices:
            before, after = tables[0].allowed[old, columns], tables[1].allowed[new, columns]
            if before.any() and after.any():
                trained += 1
                assert not (after & ~before).any()
    assert trained >= 6  # building, street light and pole, each at the root and one level below


def children_named(tree: Taxonomy, node: Node, label: frozenset[int]) -> set[int]:
    """The children of a node that a label names; none where it reaches out of the node or means all of it."""
    if not label <= set(node.leaves):
        return set()
    named = {child for child in node.children if not label.isdisjoint(tree.nodes[child].leaves)}
    return named if len(named) < len(node.children) else set()


def test_every_choice_can_be_learnt(tree: Taxonomy, mappings: dict[str, LabelMapping]) -> None:
    """What the pixel labels that allow a child have in common is this child, or a box label says exactly this child.

    Only boxes know the families and classes of signs.
    """
    labels = {
        kind: {
            r.target.leaves
            for m in mappings.values()
            for r in m.rows[1:]
            if r.supervision == kind and not r.target.ignored
        }
        for kind in ("pixel", "box")
    }
    box_only: set[str] = set()
    for node in tree.nodes:
        named = {kind: [children_named(tree, node, label) for label in labels[kind]] for kind in labels}
        for child in node.children:
            allowing = [children for children in named["pixel"] if child in children]
            if allowing and set.intersection(*allowing) == {child}:
                continue
            assert {child} in named["box"], tree.nodes[child].path
            box_only.add(tree.nodes[child].path)
    front = {n.path for n in tree.nodes if n.path.startswith(f"{SIGN}/front/")}
    pixels_know = {"direction sign", "parking sign", "temporary sign", "priority sign", "priority sign/stop"}
    assert box_only == front - {f"{SIGN}/front/{name}" for name in pixels_know}
    acknowledged = [n for n in tree.nodes if n.box_only]
    assert all(any(path.startswith(n.path) for n in acknowledged) for path in box_only)


def test_every_label_teaches_something(tree: Taxonomy, meaning: dict[LABEL, frozenset[int]]) -> None:
    for label, found in meaning.items():
        if found:
            assert any(children_named(tree, node, found) for node in tree.nodes if node.children), label


def test_no_classifier_is_left_with_one_answer(tree: Taxonomy, mappings: dict[str, LabelMapping]) -> None:
    """Over all datasets, no child is allowed by every label that trains its classifier."""
    labels = [r.target.leaves for m in mappings.values() for r in m.rows[1:] if not r.target.ignored]
    for node in tree.nodes:
        if node.children:
            named = [children for label in labels if (children := children_named(tree, node, label))]
            assert not set.intersection(*named), node.path


def test_datasets_with_one_answer_to_all_are_acknowledged(tree: Taxonomy, mappings: dict[str, LabelMapping]) -> None:
    """One child that all labels of a dataset allow: a risk ("always that") that only other datasets balance.

    Boxes are not asked there.
    """
    for name, mapping in mappings.items():
        if mapping.supervision == "box":
            assert "one-child" not in {entry.rule for entry in mapping.accepted}
            continue
        labels = [row.target.leaves for row in mapping.rows[1:] if not row.target.ignored]
        one_sided = set()
        for node in tree.nodes:
            named = [children for label in labels if (children := children_named(tree, node, label))]
            always = set.intersection(*named) if named else set()
            if len(always) == 1:
                one_sided.add(node.path)
        accepted = {tree.node(entry.at).path for entry in mapping.accepted if entry.rule == "one-child"}
        assert accepted == one_sided, name


def test_shape_of_the_tree(tree: Taxonomy) -> None:
    assert tree.boxes == "path"  # the families of signs have no other teacher than boxes
    assert all(len(node.children) != 1 for node in tree.nodes)
    assert len({node.name for node in tree.nodes}) == len(tree.nodes)
    assert len({node.color for node in tree.nodes}) == len(tree.nodes)
    assert [tree.nodes[i].name for i in tree.nodes[0].children] == [
        "flat",
        "construction",
        "object",
        "nature",
        "sky",
        "human",
        "vehicle",
        "animal",
        "ego vehicle",
        "car mount",
        "off street",
    ]


PARTNERS = [
    ("arrow left", "arrow right"),
    ("arrow left or straight", "arrow right or straight"),
    ("bend left", "bend right"),
    ("go left", "go right"),
    ("go left or straight", "go right or straight"),
    ("keep left", "keep right"),
]


def test_mirror_images(tree: Taxonomy) -> None:
    by_name = {node.name: node for node in tree.nodes}
    for left, right in PARTNERS:
        assert by_name[left].mirror == by_name[right].index
        assert by_name[right].mirror == by_name[left].index
    paired = {name for pair in PARTNERS for name in pair}
    assert {n.name for n in tree.nodes if n.mirror is not None and n.mirror >= 0} == paired
    symmetric = (
        "priority road, give way, no entry, no traffic both ways, general danger, uneven road, go straight, stop line"
    )
    assert all(by_name[name].mirror is None for name in symmetric.split(", "))
    lost = "speed limit 20, speed limit 120, restriction ends 80, stop, bend, road narrows, no overtaking, roundabout"
    assert all(by_name[name].mirror == -1 for name in lost.split(", "))


RENAMED_SIGNS = {
    "danger": "general danger",
    "construction": "construction ahead",
    "traffic signal": "traffic signal ahead",
    "snow": "snow or ice",
    "animals": "animals crossing",
}
"""GTSDB names that would read like other nodes of the tree."""


def test_sign_shapes_and_families_follow_the_categories_of_gtsdb(
    shared_data: Path, tree: Taxonomy, meaning: dict[LABEL, frozenset[int]]
) -> None:
    readme = (shared_data / "gtsdb" / "FullIJCNN2013" / "ReadMe.txt").read_text(encoding="latin-1")
    table = re.findall(r"^\d+ = (.+) \((prohibitory|mandatory|danger|other)\)\s*$", readme, re.MULTILINE)
    expected = {
        "prohibitory": ("circle", "prohibitory sign"),
        "mandatory": ("circle", "mandatory sign"),
        "danger": ("triangle up", "danger sign"),
    }
    others = {"no entry": ("circle", "prohibitory sign"), "priority road": ("diamond", "priority sign")}
    others |= {"give way": ("triangle down", "priority sign"), "stop": ("octagon", "priority sign")}
    for name, category in table:
        (leaf,) = meaning["gtsdb", name]
        node = tree.leaves[leaf]
        shape, family = expected.get(category) or others.get(name, ("circle", "end of restriction"))
        assert node.shape == shape, name
        assert node.path.startswith(f"{SIGN}/front/{family}/"), name
        assert node.name == RENAMED_SIGNS.get(name, name)
    assert len({leaf for (dataset, _), found in meaning.items() if dataset == "gtsdb" for leaf in found}) == 43


def test_all_mappings_compile_together_and_every_classifier_is_trained(
    tree: Taxonomy, mappings: dict[str, LabelMapping]
) -> None:
    table = TargetTable.compile(tree, list(mappings.values()))
    assert table.datasets == tuple(DATASETS)
    assert table.layout.classes == LogitLayout.compile(tree).classes
    assert (table.target != SILENT).any(axis=0).all()
