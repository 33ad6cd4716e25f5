"""Datasets with a label map beside each image: what each has of its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert, recognise
from labelforge.converters.datasets.a2d2 import A2d2
from labelforge.converters.datasets.idd import Idd
from labelforge.converters.datasets.kitti import Kitti
from labelforge.errors import ConfigError, DatasetError
from labelforge.label_space import LabelSpace
from tests.converters.layouts import (
    picture,
    read_shards,
    save,
    write_a2d2,
    write_ade20k,
    write_cityscapes,
    write_idd,
    write_idd_maps,
    write_kitti,
)


def test_a_split_without_labels_is_converted_as_such(tmp_path: Path) -> None:
    write_kitti(tmp_path / "kitti")
    save(tmp_path / "kitti/testing/image_2/000000_10.png", picture(1))
    totals = convert("kitti", tmp_path / "kitti", tmp_path / "one", split="testing", taxonomy="streets").manifest.totals
    assert totals.unannotated == totals.pixels == 600
    write_idd(tmp_path / "idd")
    save(tmp_path / "idd/leftImg8bit/test/7/000001_leftImg8bit.jpg", picture(1))
    totals = convert("idd", tmp_path / "idd", tmp_path / "two", split="test", taxonomy="streets").manifest.totals
    assert totals.unannotated == totals.pixels == 600


def test_label_maps_without_an_image_are_said(tmp_path: Path) -> None:
    write_kitti(tmp_path / "kitti")
    (tmp_path / "kitti/training/image_2/000001_10.png").unlink()
    assert Kitti(tmp_path / "kitti").missing("training") == ["000001_10"]
    write_idd(tmp_path / "idd")
    (tmp_path / "idd/leftImg8bit/train/1/005506_leftImg8bit.png").unlink()  # drive 0 has a frame of that name
    assert Idd(tmp_path / "idd").missing("train") == ["005506"]
    assert [source.key for source in Idd(tmp_path / "idd").sources("train")] == ["0/005506", "1/000003"]


def test_idd_from_polygons_is_idd_from_label_maps(tmp_path: Path) -> None:
    write_idd_maps(tmp_path / "maps")
    write_idd(tmp_path / "polygons")
    for name in ("maps", "polygons"):
        convert("idd", tmp_path / name, tmp_path / f"{name}-out", split="train", taxonomy="streets")
    maps, polygons = (read_shards(tmp_path / f"{name}-out") for name in ("maps", "polygons"))
    assert len(maps) == 3
    for key, (_, ids, _) in maps.items():
        assert np.array_equal(ids, polygons[key][1])
    with pytest.raises(ConfigError, match="labels cannot be 'masks'"):
        Idd(tmp_path / "maps", labels="masks")  # type: ignore[arg-type]


def test_idd_and_cityscapes_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    write_idd(tmp_path / "idd")
    write_cityscapes(tmp_path / "cityscapes")
    assert recognise(tmp_path / "idd") == "idd" and recognise(tmp_path / "cityscapes") == "cityscapes"
    write_cityscapes(tmp_path / "idd")
    with pytest.raises(DatasetError, match=r"looks like several datasets: cityscapes, idd\. Name one of them"):
        recognise(tmp_path / "idd")


def test_ade20k_recognises_maps_with_one_subtracted(tmp_path: Path) -> None:
    written = write_ade20k(tmp_path / "root")
    path = tmp_path / "root/annotations/training" / f"{min(written)}.png"
    save(path, np.asarray(Image.open(path)) - np.uint8(1))
    with pytest.raises(DatasetError, match=r"255 not in the table of ade20k-150.*with 1 subtracted"):
        convert("ade20k", tmp_path / "root", tmp_path / "out", split="training", taxonomy="streets")


@pytest.mark.parametrize("split", ["training", "validation"])
def test_real_ade20k_comes_through_unchanged(split: str, shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "ade20k/ADEChallengeData2016"
    convert("ade20k", root, tmp_path, split=split, taxonomy="streets")
    assert recognise(root) == "ade20k"
    ((key, (image, ids, _)),) = read_shards(tmp_path).items()
    assert np.array_equal(ids, np.asarray(Image.open(root / "annotations" / split / f"{key}.png")))
    assert np.array_equal(image, np.asarray(Image.open(root / "images" / split / f"{key}.jpg")))


def test_a2d2_reads_the_published_class_list(shared_data: Path, tmp_path: Path) -> None:
    """Every colour of the list, those of numbered instances too, becomes the label that it names."""
    names = {label.id: label.name for label in LabelSpace.load("a2d2-38").labels}
    merged = json.loads((shared_data / "label_tables/a2d2_class_list.json").read_text())
    counts = Counter(merged.values())
    content = {color: names[n] + f" {i}" * (counts[n] > 1) for i, (color, n) in enumerate(merged.items())}
    (tmp_path / "root").mkdir()
    (tmp_path / "root/class_list.json").write_text(json.dumps(content))
    colors = [bytes.fromhex(color[1:]) for color in content]
    labels = np.array([list(color) for color in colors], np.uint8)[None]
    save(tmp_path / "root/20180807_145028/camera/cam_side_left/1_camera_sideleft_1.png", picture(1, 1, len(colors)))
    save(tmp_path / "root/20180807_145028/label/cam_side_left/1_label_sideleft_1.png", labels)
    convert("a2d2", tmp_path / "root", tmp_path / "out", split="all", taxonomy="streets")
    ((_, (_, ids, meta)),) = read_shards(tmp_path / "out").items()
    assert len(content) == 55 and ids[0].tolist() == list(merged.values())
    assert meta["native"] == {"drive": "20180807_145028", "camera": "cam_side_left"}


def test_a2d2_with_a_wrong_class_list(tmp_path: Path) -> None:
    write_a2d2(tmp_path)
    path = tmp_path / "class_list.json"
    for content, what in [
        ('{"#ff0000": "Cat 1"}', "has the label 'Cat 1', which a2d2-38 has not"),
        ('{"#ff00": "Car 1"}', "has the label 'Car 1'"),
        ('{"red": "Car 1"}', "the class list is not of the form expected"),
        ("[]", "the class list is not of the form expected"),
        ('{"#ff0000": "Car 1", "#FF0000": "Truck 1"}', "'Car' and 'Truck' have the same colour"),
    ]:
        path.write_text(content)
        with pytest.raises(DatasetError, match=what):
            A2d2(tmp_path)
