"""The shipped protocols against what the benchmarks publish: their flags, their tables, their packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelforge import LabelSpace, Protocol
from labelforge.taxonomy import shipped_folder

NUMBERS = {
    "a2d2-38": (36, 0),
    "ade20k-150": (150, 0),
    "bdd100k": (19, 0),
    "camvid-11": (11, 0),
    "camvid-32": (31, 0),
    "cityscapes": (19, 7),
    "coco-panoptic-133": (133, 0),
    "gtsdb": (43, 0),
    "idd": (26, 0),
    "kitti": (19, 7),
    "mapillary-vistas-1.2": (65, 7),
    "mapillary-vistas-2.0": (116, 8),
    "railsem19": (19, 0),
    "wilddash-2": (30, 0),
}
"""Classes and categories of every label space that has a protocol."""


def protocol(name: str) -> Protocol:
    found = LabelSpace.load(name).protocol
    assert found is not None
    return found


def labels_of(name: str) -> list[tuple[str, ...]]:
    return [entry.labels for entry in protocol(name).classes]


def flags(table: Path) -> list[tuple[str, bool]]:
    labels: list[dict[str, Any]] = json.loads(table.read_text(encoding="utf-8"))["labels"]
    return [(label["name"], label["evaluate"]) for label in labels]


@pytest.mark.parametrize("name", NUMBERS)
def test_as_many_classes_as_published_and_a_source(name: str) -> None:
    found = protocol(name)
    assert (len(found.classes), len(found.categories)) == NUMBERS[name]
    assert len(found.source) > 30


def test_every_label_space_with_a_benchmark_is_known_here() -> None:
    spaces = [LabelSpace.load(path.stem) for path in (shipped_folder() / "label_spaces").glob("*.yaml")]
    without = {space.name for space in spaces if space.protocol is None}
    assert {space.name for space in spaces} - without >= set(NUMBERS)
    assert "cityscapes" not in without


def test_cityscapes_and_kitti_are_those_of_the_official_package() -> None:
    table = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    evaluated = sorted((label for label in table if not label.ignoreInEval), key=lambda label: label.trainId)
    assert [label.trainId for label in evaluated] == list(range(19))
    assert labels_of("cityscapes") == labels_of("kitti") == [(label.name,) for label in evaluated]
    for name in ("cityscapes", "kitti"):
        assert {label.name: label.category for label in evaluated} == {
            member: category for category, members in protocol(name).categories.items() for member in members
        }


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mapillary-vistas-1.2", "mapillary_vistas_v1/config.json"),
        ("mapillary-vistas-1.2", "mapillary_vistas_v2/config_v1.2.json"),
        ("mapillary-vistas-2.0", "mapillary_vistas_v2/config_v2.0.json"),
        ("railsem19", "label_tables/rs19-config.json"),
        ("wilddash-2", "label_tables/wilddash-config.json"),
    ],
)
def test_evaluated_labels_are_those_with_the_flag(shared_data: Path, name: str, table: str) -> None:
    evaluated = [label for label, flag in flags(shared_data / table) if flag]
    assert labels_of(name) == [(label,) for label in evaluated]
    categories = protocol(name).categories
    if categories:
        pairs = [(label, category) for category, members in categories.items() for label in members]
        assert sorted(pairs) == sorted((label, label.split("--", maxsplit=1)[0]) for label in evaluated)


def test_bdd100k_evaluates_the_train_ids_in_their_order() -> None:
    assert labels_of("bdd100k") == [(label.name,) for label in LabelSpace.load("bdd100k").labels if label.id < 19]
    assert labels_of("bdd100k") == labels_of("cityscapes")


def test_idd_has_the_26_classes_of_level_3() -> None:
    """Column level3Id of AutoNUE's table: the labels that share an id, and the order of the ids."""
    shared = {
        1: {"parking", "drivable fallback"},
        3: {"rail track", "non-drivable fallback"},
        4: {"person", "animal"},
        12: {"caravan", "trailer", "train", "vehicle fallback"},
        20: {"pole", "polegroup"},
        23: {"bridge", "tunnel"},
        25: {"sky", "fallback background"},
    }
    classes = labels_of("idd")
    assert {i: set(members) for i, members in enumerate(classes) if len(members) > 1} == shared
    first = [min(LabelSpace.load("idd").by_name[name].id for name in members) for members in classes]
    assert first == sorted(first)
    everything = {label.name for label in LabelSpace.load("idd").labels}
    void = {"unlabeled", "ego vehicle", "rectification border", "out of roi", "license plate"}
    assert {name for members in classes for name in members} == everything - void


def test_ade20k_counts_every_class_and_coco_those_that_occur() -> None:
    assert labels_of("ade20k-150") == [(name,) for name in LabelSpace.load("ade20k-150").names[1:]]
    ade = protocol("ade20k-150")
    assert (ade.mean_over, ade.other_decisions) == ("all", "wrong")
    coco = protocol("coco-panoptic-133")
    assert (coco.mean_over, coco.other_decisions) == ("labelled", "left-out")
