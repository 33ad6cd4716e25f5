"""COCO's JSON as one's own: boxes, polygons and run lengths, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.errors import DatasetError
from tests.converters.layouts import Array
from tests.converters.own_checks import MASK, drawn, placed, read
from tests.converters.own_layouts import (
    CLASSES,
    coco,
    own,
    put,
    write_coco_boxes,
    write_csv,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 2, 3]}, "annotation 7 is not of the form expected"),
        (
            {"bbox": None},
            r"7 is not of the .*\(its bbox None is not left, top, width and height\)\. Correct",
        ),
        ({"iscrowd": "maybe"}, "annotation 7 is not of the form expected .'maybe' is neither 0 nor 1"),
        ({"bbox": ["x", 2, 3, 4]}, "annotation 7 is not of the form expected"),
        ({"bbox": [1e300, 2, 3, 4]}, "is no place in an image"),
        ({"category_id": 5}, "annotation 7 has the category 5, which the file does not list"),
        ({"image_id": 5}, "there are annotations of image 5, which the file does not list"),
    ],
)
def test_annotations_that_coco_does_not_write(change: dict[str, object], message: str, tmp_path: Path) -> None:
    write_coco_boxes(tmp_path)
    entry = {"id": 7, "image": "three", "name": "car", "bbox": [1, 2, 3, 4], **change}
    put(tmp_path / "annotations/instances.json", coco([entry]))
    with pytest.raises(DatasetError, match=message):
        convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")


def test_an_entry_of_coco_that_is_no_object(tmp_path: Path) -> None:
    write_coco_boxes(tmp_path)
    put(tmp_path / "annotations/instances.json", '{"images": [], "annotations": [{"id": 3}, 7], "categories": []}')
    with pytest.raises(DatasetError, match="annotation 3 has no 'category_id'"):
        own(tmp_path).sources("all")
    put(tmp_path / "annotations/instances.json", '{"images": [], "annotations": [7], "categories": []}')
    message = r"annotation number 1 of the list is not of the form expected \(it is '7', no object\)"
    with pytest.raises(DatasetError, match=message):
        own(tmp_path).sources("all")


def test_categories_are_known_by_name(tmp_path: Path) -> None:
    write_csv(tmp_path / "csv")
    write_coco_boxes(tmp_path / "coco")
    text = (tmp_path / "coco/annotations/instances.json").read_text()
    (tmp_path / "coco/annotations/instances.json").write_text(text.replace('"sky"', '"sly"'))
    with pytest.raises(DatasetError, match=r"'sly' is no class of the dataset\. Did you mean 'sky'"):
        own(tmp_path / "coco").sources("all")
    assert CLASSES[2] == "car" and drawn(tmp_path / "csv", "one")[4, 4] == 2


def compressed(mask: Array) -> str:
    return bytes(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]).decode()


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "~",
        "0",
        3,
        None,
        [1, "x"],
        [-1, 601],
        [599],
        [601],
        [2**62, 2**62],
        "oooooooooooooooooooooooooo",
        [True, 599],
        "é",
    ],
)
def test_run_lengths_that_do_not_fit_are_never_drawn(counts: object, tmp_path: Path) -> None:
    entry = {"image": "a", "name": "car", "segmentation": {"size": [20, 30], "counts": counts}}
    with pytest.raises(DatasetError, match=r"annotation 0 is not of the form expected \(.*run lengths"):
        read(tmp_path, "coco", "x.json", coco([entry], "a"))


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools up to 2.0.11
def test_objects_of_coco(tmp_path: Path) -> None:
    """Drawn by COCO's code, smallest on top; crowds are not labelled, objects without a polygon left out."""
    rle = {"size": [20, 30], "counts": compressed(placed(MASK, 4, 6))}
    big, small = [0.0, 0.0, 30.0, 0.0, 30.0, 12.0, 0.0, 12.0], [2.0, 2.0, 10.0, 2.0, 10.0, 10.0]
    entries: list[dict[str, Any]] = [
        {"image": "a", "name": "person", "segmentation": rle, "iscrowd": 0},
        {"image": "a", "name": "car", "segmentation": [small, [20.0, 2.0, 25.0, 2.0, 25.0, 8.0]]},
        {"image": "a", "name": "road", "segmentation": [big]},
        {"image": "a", "name": "sky", "segmentation": {"size": [20, 30], "counts": [0, 40, 560]}, "iscrowd": 1},
        {"image": "a", "name": "sky", "segmentation": []},
    ]
    expected = np.full((20, 30), NO_ANNOTATION)
    for value, polygons in ((0, [big]), (2, entries[1]["segmentation"])):
        expected[coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 20, 30))) == 1] = value
    expected[:, :2] = NO_ANNOTATION  # 40 pixels down the first columns, less than the car has
    expected[placed(MASK, 4, 6)] = 3
    ids = read(tmp_path, "coco", "x.json", coco(entries, "a"))
    assert np.array_equal(ids, expected)
    assert own(tmp_path).notes("all") == [
        "Left out, since it covers no pixels: 1 x object without a polygon.",
        "Not labelled, since marked as a crowd, as difficult or to be ignored: 1 x mask in run lengths. "
        "With 'crowds: label' in dataset.yaml they are labelled.",
    ]


def test_far_corners_take_no_memory(tmp_path: Path) -> None:
    entry = {"image": "a", "name": "car", "segmentation": [[0, 0, 9e6, 0, 9e6, 9e6]]}
    with pytest.raises(DatasetError, match="an outline of 27000000 pixels is none of an image of 30 x 20"):
        read(tmp_path, "coco", "x.json", coco([entry], "a"))


def test_run_lengths_of_another_size_are_one_clear_line(tmp_path: Path) -> None:
    entry = {"image": "a", "name": "car", "segmentation": {"size": [30, 20], "counts": [600]}}
    with pytest.raises(DatasetError, match=r"annotation 0 is not .*have size \(30, 20\), but the image has \(20, 30\)"):
        read(tmp_path, "coco", "x.json", coco([entry], "a"))


def test_long_outlines_of_coco_are_refused(tmp_path: Path) -> None:
    zigzag = [number for i in range(10_000) for number in (0.0, 0.0, 400.0, float(i % 20))]
    with pytest.raises(DatasetError, match="an outline of 8000000 pixels is none of an image of 30 x 20"):
        read(tmp_path, "coco", "x.json", coco([{"image": "a", "name": "car", "segmentation": [zigzag]}], "a"))
