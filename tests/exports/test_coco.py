"""Exports as COCO: pycocotools opens them, and every mask is exactly the pixels of its class."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from labelforge.converters import convert
from labelforge.exports import export_shards
from labelforge.exports.coco import category_ids
from labelforge.exports.cut import Cut, Draft
from labelforge.shards import ShardReader
from tests.converters.layouts import picture, save
from tests.exports.sets import TREE, read_ids, street_shards, table, toy_rows, write_set

# pycocotools' own, when it decodes: nothing that an export could do otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return street_shards(tmp_path_factory.mktemp("streets"))


def check_against_masks(coco: Path, masks: Path, split: str) -> COCO:
    """All annotations of a class in an image are together its pixels in the label map, and no pixel more."""
    opened = COCO(coco / "annotations" / f"{split}.json")
    numbers = {c["name"]: c["id"] for c in opened.loadCats(opened.getCatIds())}
    told = json.loads((masks / "classes.json").read_text())["classes"]
    assert [c["name"] for c in told] == list(numbers)
    for image in opened.loadImgs(opened.getImgIds()):
        with Image.open(coco / "images" / split / image["file_name"]) as shown:
            assert shown.size == (image["width"], image["height"])
        ids = read_ids((masks / "labels" / split / image["file_name"]).with_suffix(".png"))
        drawn: dict[int, Any] = {number: np.zeros(ids.shape, bool) for number in numbers.values()}
        for annotation in opened.loadAnns(opened.getAnnIds(imgIds=[image["id"]])):
            mask = opened.annToMask(annotation).astype(bool)
            assert annotation["area"] == mask.sum() and annotation["iscrowd"] == 0
            drawn[annotation["category_id"]] |= mask
        for c in told:
            assert np.array_equal(drawn[numbers[c["name"]]], ids == c["id"])
    return opened


def test_pycocotools_reads_exactly_the_classes(streets: list[Path], tmp_path: Path) -> None:
    for form in ("coco", "masks"):
        export_shards(streets, tmp_path / form, to=form, classes="cityscapes:evaluated")
    train = check_against_masks(tmp_path / "coco", tmp_path / "masks", "train")
    val = check_against_masks(tmp_path / "coco", tmp_path / "masks", "val")
    assert (len(train.imgs), len(val.imgs)) == (7, 3)
    assert len(train.anns) > 50
    assert not set(train.imgs) & set(val.imgs) and not set(train.anns) & set(val.anns)
    assert min(train.anns) > 0 and min(train.cats) > 0  # tools take 0 for nothing
    assert train.cats[1]["supercategory"] == "flat"
    assert not list((tmp_path / "coco" / "annotations").glob(".*"))
    readme = (tmp_path / "coco" / "README.txt").read_text()
    assert "classes.json plus 1" in readme and "it is a box" in readme
    (path,) = re.findall(r'COCO\("(.*)"\)', readme)
    assert COCO(tmp_path / "coco" / path).imgs


def test_a_dataset_of_pixels_has_one_annotation_per_class_and_image(tmp_path: Path) -> None:
    rows = toy_rows()
    write_set(tmp_path / "in", {"a": (rows, "png"), "empty": (np.zeros((3, 4), np.uint8), "png")}, table())
    export_shards([tmp_path / "in"], tmp_path / "out", to="coco", classes="flat, vehicle, sky")
    opened = COCO(tmp_path / "out" / "annotations" / "train.json")
    found = opened.loadAnns(opened.getAnnIds())
    assert [(a["image_id"], a["category_id"]) for a in found] == [(1, 1), (1, 2)]
    for annotation, of in zip(found, ([1, 2], [3]), strict=True):
        y, x = np.nonzero(np.isin(rows, of))
        assert annotation["bbox"] == [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
    assert len(opened.imgs) == 2


def test_boxes_are_the_datasets_own(tmp_path: Path) -> None:
    """Three signs, two of the same class; one is hidden behind another; the images are scaled down by half."""
    boxes = [(10, 20, 29, 39, 13), (50, 10, 69, 29, 13), (12, 22, 17, 27, 1)]
    root = tmp_path / "gtsdb"
    save(root / "00000.ppm", picture(0, 80, 120))
    (root / "gt.txt").write_text("".join(f"00000.ppm;{';'.join(map(str, box))}\n" for box in boxes))
    convert("gtsdb", root, tmp_path / "in", split="train", taxonomy="streets", short_side=40)
    for form in ("coco", "masks"):
        export_shards([tmp_path / "in"], tmp_path / form, to=form, classes="gtsdb")
    opened = check_against_masks(tmp_path / "coco", tmp_path / "masks", "train")
    names = {number: c["name"] for number, c in opened.cats.items()}
    found = [(names[a["category_id"]], a["bbox"]) for a in opened.loadAnns(opened.getAnnIds())]
    assert sorted(found) == [
        ("give way", [5.0, 10.0, 10.0, 10.0]),
        ("give way", [25.0, 5.0, 10.0, 10.0]),
        ("speed limit 30", [6.0, 11.0, 3.0, 3.0]),
    ]


def test_boxes_of_labels_in_no_class_are_left_out(streets: list[Path], tmp_path: Path) -> None:
    export_shards(streets, tmp_path / "out", to="coco", classes="vegetation")
    opened = COCO(tmp_path / "out" / "annotations" / "train.json")
    signs = [i for i in opened.imgs if opened.imgs[i]["file_name"].startswith("gtsdb/")]
    assert len(signs) == 2 and not opened.getAnnIds(imgIds=signs) and opened.anns


@pytest.mark.parametrize(("ids", "numbers"), [([0, 1], [1, 2]), ([1, 200], [1, 200]), ([7, 0], [8, 1])])
def test_category_ids_are_the_ids_of_the_classes_or_one_more(ids: list[int], numbers: list[int]) -> None:
    drafts = [Draft(f"c{number}", frozenset({i}), id=number) for i, number in enumerate(ids)]
    assert category_ids(Cut.of("x", TREE, drafts, dataset="x")) == numbers


def test_real_boxes(shared_data: Path, tmp_path: Path) -> None:
    convert("gtsdb", shared_data / "gtsdb", tmp_path / "in", split="all", taxonomy="streets")
    for form in ("coco", "masks"):
        export_shards([tmp_path / "in"], tmp_path / form, to=form, classes="leaves")
    opened = check_against_masks(tmp_path / "coco", tmp_path / "masks", "all")
    lines = (shared_data / "gtsdb" / "FullIJCNN2013" / "gt.txt").read_text().splitlines()
    want = [line.split(";") for line in lines if line.startswith(("00715", "00813"))]
    boxes = sorted([float(x) for x in line[1:5]] for line in want)
    found = [a["bbox"] for a in opened.loadAnns(opened.getAnnIds())]
    assert sorted([x, y, x + w - 1, y + h - 1] for x, y, w, h in found) == boxes
    assert len(ShardReader(tmp_path / "in")) == 2
