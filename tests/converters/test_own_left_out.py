"""What of label files is not labelled, marked as a crowd or of a kind that is not read: it is counted, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.converters.init.describe import describe as init
from labelforge.errors import TaxonomyError
from tests.converters.layouts import Array, picture, save
from tests.converters.own_layouts import coco, cvat, cvat_polygon, describe, labelme, own, put, voc_xml

MARKED = "Not labelled, since marked as a crowd, as difficult or to be ignored: "
ADVICE = "With 'crowds: label' in dataset.yaml they are labelled."
UNREAD = "Left out, since shapes of this kind are not read: "
HALF = {"size": [20, 30], "counts": [0, 300, 300]}  # the left half, column by column


def one_image(root: Path, kind: str, form: str, labels: str, text: str, more: str = "") -> Array:
    """(20, 30) what the labels of an image "a" mean."""
    head = f"kind: {kind}\nformat: {form}\nimages: images/{{key}}.png\nlabels: {labels}\n{more}"
    supervision = "box" if kind == "boxes" else "pixel"
    describe(root, f"{head}classes: [road, sky, car, person]\n", supervision)
    save(root / "images/a.png", picture(0))
    put(root / labels.replace("{key}", "a"), text)
    converter = own(root)
    (source,) = converter.sources("all")
    return np.asarray(converter.labels(source).draw((20, 30), (20, 30), np.asarray))


def notes(root: Path) -> tuple[str, ...]:
    out = root.with_name(f"{root.name}-out")
    return convert(root / "dataset.yaml", None, out, split="all", overwrite=True).notes


BOX = {"image": "a", "name": "car", "bbox": [0, 0, 10, 10]}


@pytest.mark.parametrize("mark", [1, 1.0, True, "1", "true", "True"])
@pytest.mark.parametrize("name", ["iscrowd", "ignore"])
def test_marks_of_coco(name: str, mark: Any, tmp_path: Path) -> None:
    text = coco([{**BOX, name: mark}, {**BOX, "bbox": [20, 0, 5, 5], name: 0}], "a")
    ids = one_image(tmp_path / "a", "boxes", "coco", "x.json", text)
    assert (ids[:10, :10] == NO_ANNOTATION).all() and (ids[:5, 20:25] == 2).all()
    assert notes(tmp_path / "a") == (f"{MARKED}1 x box. {ADVICE}",)
    ids = one_image(tmp_path / "a", "boxes", "coco", "x.json", text, "crowds: label\n")
    assert (ids[:10, :10] == 2).all() and notes(tmp_path / "a") == ()


@pytest.mark.parametrize("mark", [0, 0.0, False, None, "0", "false"])
def test_what_is_not_marked(mark: Any, tmp_path: Path) -> None:
    ids = one_image(tmp_path / "a", "boxes", "coco", "x.json", coco([{**BOX, "iscrowd": mark}], "a"))
    assert (ids[:10, :10] == 2).all() and notes(tmp_path / "a") == ()


@pytest.mark.parametrize(("marks", "all_marked"), [((1, 1), True), ((1, 0), False)])
def test_masks_that_are_all_crowds(marks: tuple[int, int], all_marked: bool, tmp_path: Path) -> None:
    """As Datumaro writes every mask; with a polygon beside them, which it marks as none."""
    polygon = [[20.0, 0.0, 25.0, 0.0, 25.0, 10.0]]
    entries = [{"image": "a", "name": "car", "segmentation": HALF, "iscrowd": mark} for mark in marks]
    text = coco([*entries, {"image": "a", "name": "sky", "segmentation": polygon, "iscrowd": 0}], "a")
    one_image(tmp_path / "a", "polygons", "coco", "x.json", text)
    why = "All run lengths are marked: Datumaro and CVAT mark every mask so. " if all_marked else ""
    assert notes(tmp_path / "a") == (f"{MARKED}{sum(marks)} x mask in run lengths. {why}{ADVICE}",)
    ids = one_image(tmp_path / "a", "polygons", "coco", "x.json", text, "crowds: label\n")
    assert (ids[:, :15] == 2).all() and (ids == 1).any() and notes(tmp_path / "a") == ()
    (tmp_path / "a/dataset.yaml").unlink()
    found = " ".join(init(tmp_path / "a").text.replace("\n# ", " ").split())
    assert f"{sum(marks)} x mask in run lengths (in the labels of 1 image). {why}{ADVICE}" in found


def test_marks_of_csv_and_voc(tmp_path: Path) -> None:
    text = "image,xmin,ymin,xmax,ymax,class,iscrowd\na,0,0,10,10,car,1\na,20,0,25,5,car,0\n"
    one_image(tmp_path / "csv", "boxes", "csv", "boxes.csv", text)
    assert notes(tmp_path / "csv") == (f"{MARKED}1 x box. {ADVICE}",)
    ids = one_image(tmp_path / "csv", "boxes", "csv", "boxes.csv", text, "crowds: label\n")
    assert (ids[:10, :10] == 2).all()
    text = voc_xml([("car", 0, 0, 10, 10)]).replace("<difficult>0", "<difficult>1")
    one_image(tmp_path / "voc", "boxes", "voc", "x/{key}.xml", text)
    assert notes(tmp_path / "voc") == (f"{MARKED}1 x box. {ADVICE}",)


def test_formats_without_marks_take_no_rule_for_them(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="yolo marks no objects as crowds"):
        one_image(tmp_path, "boxes", "yolo", "x/{key}.txt", "", "crowds: label\n")


def test_shapes_that_are_not_read_are_named_with_their_classes(tmp_path: Path) -> None:
    """They are not said to cover no pixels."""
    shapes: list[dict[str, Any]] = [
        {"label": "car", "points": [[0, 0]] * 8, "shape_type": "cuboid"},
        {"label": "person", "points": [[0, 0], [5, 5]], "shape_type": "line"},
        {"label": "car", "points": [[0, 0], [9, 0], [9, 9]], "shape_type": "polygon"},
    ]
    one_image(tmp_path / "labelme", "polygons", "labelme", "images/{key}.json", labelme(shapes))
    line = "Left out, since it covers no pixels: 1 x line."
    assert notes(tmp_path / "labelme") == (line, f"{UNREAD}1 x cuboid of 'car'.")
    things = '<cuboid label="car"/><cuboid label="car"/><skeleton label="person"/>'
    text = cvat({"a": things + cvat_polygon("car", [(0, 0), (9, 0), (9, 9)])})
    one_image(tmp_path / "cvat", "polygons", "cvat", "x.xml", text)
    assert notes(tmp_path / "cvat") == (f"{UNREAD}2 x cuboid of 'car', 1 x skeleton of 'person'.",)
    objects = [{"classTitle": "car", "geometryType": "cuboid_3d"}]
    content = {"size": {"height": 20, "width": 30}, "objects": objects}
    one_image(tmp_path / "sly", "polygons", "supervisely", "x/{key}.json", json.dumps(content))
    assert notes(tmp_path / "sly") == (f"{UNREAD}1 x cuboid_3d of 'car'.",)


def test_the_smaller_mask_in_run_lengths_is_on_top(tmp_path: Path) -> None:
    """Its area is that of its pixels, whichever way the run lengths are written."""
    small = np.zeros((20, 30), np.uint8)
    small[2:6, 3:9] = 1
    runs = coco_mask.encode(np.asfortranarray(small))
    counts = {"size": [20, 30], "counts": runs["counts"].decode()}
    entries = [{"image": "a", "name": n, "segmentation": s} for n, s in (("person", counts), ("road", HALF))]
    ids = one_image(tmp_path, "polygons", "coco", "x.json", coco(entries, "a"))
    assert (ids[small == 1] == 3).all() and (ids[:, :15][small[:, :15] == 0] == 0).all()
