"""``labelforge init`` on boxes and polygons: formats, splits, classes, and what it says where it finds nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters.init.describe import describe
from labelforge.errors import DatasetError
from tests.converters.init_checks import converted, init
from tests.converters.layouts import (
    NOTHING,
    picture,
    save,
)
from tests.converters.own_layouts import (
    CLASSES,
    coco,
    cvat,
    cvat_polygon,
    labelme,
    put,
    write_labelme,
    write_yolo,
    write_yolo_polygons,
)


@pytest.mark.parametrize("form", ["images/{0}/{1}.jpg labels/{0}/{1}.txt", "{0}/images/{1}.jpg {0}/labels/{1}.txt"])
@pytest.mark.parametrize("names", [None, "classes.txt", "data.yaml"])
@pytest.mark.parametrize("kind", ["boxes", "polygons"])
def test_yolo_as_its_tools_write_it(form: str, names: str | None, kind: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = {"boxes": write_yolo, "polygons": write_yolo_polygons}[kind](tmp_path / "other")
    for split in ("train", "valid", "test"):
        for key in written:
            image, labels = form.format(split, key.replace("/", "-")).split()
            save(root / image, picture(0))
            put(root / labels, (tmp_path / f"other/labels/{key}.txt").read_text())
    texts = {"classes.txt": "\n".join(CLASSES), "data.yaml": f"train: ../x\nnc: 4\nnames: [{', '.join(CLASSES)}]\n"}
    if names:
        put(root / names, texts[names])
    found = init(root)
    assert [*found.dataset.splits] == ["train", "valid", "test"] and found.dataset.kind == kind
    assert ("guessed name" in found.text) == (names is None)
    got = converted(root, "valid", tmp_path / "out")
    want = {key.replace("/", "-"): sample.ids.tolist() for key, sample in written.items()}
    assert {k: v.tolist() for k, v in got.items()} == want


COCO_LAYOUTS = {
    "folders": ("{split}2017/{key}.png", "annotations/instances_{split}2017.json"),
    "one folder": ("images/{key}.png", "annotations/instances_{split}.json"),
    "roboflow": ("{split}/{key}.png", "{split}/_annotations.coco.json"),
    "odd names": ("{split}/{key}.png", "coco_{split}_v1.json"),
}


@pytest.mark.parametrize("name", COCO_LAYOUTS)
def test_coco_files_of_several_splits(name: str, tmp_path: Path) -> None:
    images, labels = COCO_LAYOUTS[name]
    root = tmp_path / "root"
    for i, split in enumerate(("train", "val")):
        keys = [f"{split}{j}" for j in range(3)]
        for key in keys:
            save(root / images.format(split=split, key=key), picture(i))
        entries = [{"image": key, "name": "car", "bbox": [j, 0, 5, 5], "iscrowd": 0} for j, key in enumerate(keys)]
        put(root / labels.format(split=split), coco(entries, keys))
    own = init(root).dataset
    assert own.kind == "boxes" and own.format == "coco" and len(own.splits) == 2
    assert own.labels == (labels.replace("2017", ""),)
    assert [label.id for label in own.space.labels] == [997, 998, 999, 1000]  # as the files have them
    got = converted(root, next(split for split in own.splits if split.startswith("val")), tmp_path / "out")
    assert sorted(got) == ["val0", "val1", "val2"]
    assert (got["val2"][0, 2:7] == 2).all() and got["val2"][0, 1] == NOTHING


def test_of_two_files_for_the_same_images_one_is_taken(tmp_path: Path) -> None:
    for key in ("a", "b"):
        save(tmp_path / f"images/{key}.png", picture(0))
    entries = [{"image": key, "name": "car", "bbox": [0, 0, 5, 5], "iscrowd": 0} for key in ("a", "b")]
    put(tmp_path / "annotations/a_keypoints.json", coco(entries, ("a", "b")))
    put(tmp_path / "annotations/instances.json", coco(entries, ("a", "b")))
    assert init(tmp_path).dataset.labels == ("annotations/instances.json",)


def test_a_csv_file_with_numbers_of_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0))
    put(tmp_path / "boxes.csv", "image,xmin,ymin,xmax,ymax,class_id\na.png,0,0,5,5,10\na.png,9,9,12,12,2\n")
    found = init(tmp_path)
    assert [(label.id, label.name) for label in found.dataset.space.labels] == [(2, "class 2"), (10, "class 10")]
    assert found.text.count("# guessed name") == 2
    (ids,) = converted(tmp_path, "all", tmp_path / "out").values()
    assert (ids[0, 0], ids[10, 10], ids[19, 29]) == (10, 2, NOTHING)


def test_cvat_tasks_in_several_files(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for i in range(2):
        save(root / f"images/task{i}/a.png", picture(i))
        text = cvat({f"task{i}/a": cvat_polygon(CLASSES[i], [(0, 0), (10, 0), (10, 10), (0, 10)])})
        put(root / f"task_{i}.xml", text)
    own = init(root).dataset
    assert own.images == ("images/{key}.png",) and len(own.labels) == 2
    got = converted(root, "all", tmp_path / "out")
    assert {key: int(ids[5, 5]) for key, ids in got.items()} == {"task0/a": 0, "task1/a": 1}


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("{}/{{key}}.png", "annotations/instances_{}.json"),
        ("images/{}/{{key}}.png", "{}.json"),
        ("{}2017/{{key}}.png", "annotations/instances_{}2017.json"),
        ("{}/images/{{key}}.png", "labels/{}/boxes.json"),
    ],
)
def test_a_file_per_split_and_images_of_one_name_in_all(image: str, labels: str, tmp_path: Path) -> None:
    """The split that a file is called after says which image is meant."""
    root = tmp_path / "root"
    for i, split in enumerate(("train", "val")):
        for name in ("0001", "0002"):
            save(root / image.format(split).format(key=name), picture(i))
        boxes = [{"image": name, "name": CLASSES[i], "bbox": [2, 3, 9, 8 - i]} for name in ("0001", "0002")]
        put(root / labels.format(split), coco(boxes, ("0001", "0002")))
    own = init(root).dataset
    assert [path.replace("{split}", "val").replace("2017", "") for path in (*own.images, *own.labels)] == [
        path.format("val").format(key="{key}").replace("2017", "") for path in (image, labels)
    ]
    for i, split in enumerate(own.splits):
        for ids in converted(root, split, tmp_path / split).values():
            expected = np.full((20, 30), NOTHING)
            expected[3 : 11 - i, 2:11] = i
            assert np.array_equal(ids, expected)


def test_names_that_yaml_would_read_otherwise(tmp_path: Path) -> None:
    names = ["no", "12", "true", "a: b", "{x}", "#5", "ünï", "1e5", "it's", 'say "x"', "- a", "null", "1, 2", "ends "]
    shapes = [{"label": name, "points": [[0, 0], [5, 0], [5, 5]], "shape_type": "polygon"} for name in names]
    save(tmp_path / "images/a b.png", picture(0))
    content = {"shapes": shapes, "imagePath": "a", "imageHeight": 20, "imageWidth": 30}
    put(tmp_path / "images/a b.json", json.dumps(content))
    assert sorted(init(tmp_path).dataset.space.names) == sorted(names)


def test_a_name_that_cannot_be_printed(tmp_path: Path) -> None:
    write_labelme(tmp_path)
    (tmp_path / "dataset.yaml").unlink()
    path = tmp_path / "images/one.json"
    path.write_text(path.read_text().replace('"road"', '"ro\\u0007ad"'))
    text = describe(tmp_path).text
    assert "is no name of a class" in text.replace("\n# ", " ") and "\a" not in text


def test_a_folder_per_frame(tmp_path: Path) -> None:
    """Of very many folders, not every file is opened to see what it is."""
    for i in range(60):
        save(tmp_path / f"root/frame{i:02d}/image.png", picture(0, 20, 30))
        shape = {"label": "car", "points": [[0, 0], [9, 0], [9, 9]], "shape_type": "polygon"}
        put(tmp_path / f"root/frame{i:02d}/image.json", labelme([shape]))
    own = init(tmp_path / "root").dataset
    assert own.format == "labelme" and len(converted(tmp_path / "root", "all", tmp_path / "out")) == 60


def test_tracks_of_a_video_are_said(tmp_path: Path) -> None:
    save(tmp_path / "frame_0.png", picture(0))
    put(tmp_path / "annotations.xml", "<annotations><version>1.1</version><track id='0' label='car'/></annotations>")
    message = r"no labels that belong to images were found \(annotations\.xml: holds tracks of a video\. Export it from"
    with pytest.raises(DatasetError, match=message):
        describe(tmp_path)
    save(tmp_path / "frame_0_mask.png", np.zeros((20, 30), np.uint8))
    text = describe(tmp_path).text.replace("\n# ", " ")
    assert "Not used: annotations.xml: holds tracks of a video. Export it from CVAT as 'CVAT for images 1.1'." in text


def test_equal_names_beside_each_coco_file(tmp_path: Path) -> None:
    """Of pictures of one name, those in the folder of the label file are meant."""
    root = tmp_path / "root"
    for i, split in enumerate(("train", "valid")):
        save(root / split / "0.png", picture(i))
        entry = {"image": "0", "name": CLASSES[i], "bbox": [0, 0, 5, 5], "iscrowd": 0}
        put(root / split / "_annotations.coco.json", coco([entry], ["0"]))
    assert [*init(root).dataset.splits] == ["train", "valid"]
    for i, split in enumerate(("train", "valid")):
        assert converted(root, split, tmp_path / split)["0"][0, 0] == i


def test_names_that_mean_several_pictures_or_one_elsewhere(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        save(tmp_path / f"ambiguous/{folder}/0.png", picture(0))
        save(tmp_path / f"apart/{folder}/{folder}.png", picture(0))
    entry = {"image": "0", "name": "car", "bbox": [0, 0, 5, 5], "iscrowd": 0}
    put(tmp_path / "ambiguous/labels.json", coco([entry], ["0"]))
    put(tmp_path / "apart/labels.json", coco([{**entry, "image": "front/a"}], ["front/a"]))
    with pytest.raises(DatasetError, match=r"\(labels\.json: '0\.png' may be a/0\.png, b/0\.png\)"):
        describe(tmp_path / "ambiguous")
    with pytest.raises(DatasetError, match=r"it names 'front/a\.png', but the picture is a/a\.png"):
        describe(tmp_path / "apart")


def test_classes_of_a_file_that_is_not_used(tmp_path: Path) -> None:
    """As COCO has things and stuff of the same images in two files."""
    save(tmp_path / "a.png", picture(0))
    entry = {"image": "a", "name": "car", "bbox": [0, 0, 5, 5], "iscrowd": 0}
    put(tmp_path / "annotations/instances.json", coco([entry], ["a"]))
    put(tmp_path / "annotations/stuff.json", coco([entry], ["a"]).replace('"road"', '"pavement"'))
    found = init(tmp_path)
    assert sorted(found.dataset.space.names) == sorted(CLASSES)
    assert "Labels: 1 object in the labels of 1 image." in found.text.replace("\n# ", " ")


def test_boxes_with_a_confidence_are_no_polygons(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0))
    save(tmp_path / "images/b.png", picture(0))
    put(tmp_path / "labels/a.txt", "2 0.5 0.5 0.2 0.2 0.93\n")
    put(tmp_path / "labels/b.txt", "2.0 0.5 0.5 0.2 0.2\n")
    found = init(tmp_path)
    assert found.dataset.kind == "boxes"
    assert "6 words are no box, but perhaps one with a confidence" in found.text.replace("\n# ", " ")


def test_label_files_of_which_none_can_be_read_say_why(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0))
    put(tmp_path / "images/a.xml", '<?xml version="1.0" encoding="gbk"?><annotation><object></object></annotation>')
    with pytest.raises(DatasetError, match=r"no label could be read; .*a\.xml"):
        init(tmp_path)


def test_a_folder_of_images_without_an_object_is_described(tmp_path: Path) -> None:
    """Nothing is wrong with it: nobody has drawn anything yet."""
    save(tmp_path / "images/a.png", picture(0))
    put(tmp_path / "images/a.xml", "<annotation></annotation>")
    with pytest.raises(DatasetError) as caught:
        init(tmp_path)
    assert caught.value.cure and "what was found" not in str(caught.value)
