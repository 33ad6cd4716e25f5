"""COCO's objects and stuff: what lies over what, where the stuff comes from, and what a broken file is told."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from labelforge.converters import convert, recognise
from labelforge.converters.datasets.coco import Coco
from labelforge.converters.labels.contract import MOST_OBJECTS
from labelforge.errors import ConfigError, DatasetError
from tests.converters.coco_layouts import compressed, write_coco, write_coco_json, write_coco_panoptic
from tests.converters.layouts import read_shards
from tests.converters.pictures import NOTHING, Array, picture, save

JSON = "annotations/instances_val2017.json"


def run(root: Path, out: Path, **options: Any) -> dict[str, tuple[Array, Array, dict[str, Any]]]:
    convert("coco", root, out, split="val2017", taxonomy="streets", **options)
    return read_shards(out)


def change(root: Path, edit: Callable[[dict[str, Any]], object], name: str = JSON) -> Path:
    content = json.loads((root / name).read_text())
    edit(content)
    (root / name).write_text(json.dumps(content))
    return root / name


@pytest.mark.parametrize("stuff", ["json", "png", "no"])
def test_stuff_from_pictures_or_json_is_the_same(tmp_path: Path, stuff: str) -> None:
    written = write_coco(tmp_path / "root", stuff=stuff)
    found = run(tmp_path / "root", tmp_path / "out")
    for key, (_, ids, meta) in found.items():
        assert np.array_equal(ids, written[key].ids)
        folder = "annotations/stuff_val2017_pixelmaps"
        assert meta["labels"] == (f"{folder}/{key}.png" if stuff == "png" else JSON)
    assert (found["000000000030"][1] == NOTHING).all()  # listed, without an annotation


def test_things_alone(tmp_path: Path) -> None:
    write_coco(tmp_path / "root", stuff="png")
    written = write_coco(tmp_path / "things", stuff="no")
    options = {"stuff": "no"}
    for key, (_, ids, _) in run(tmp_path / "root", tmp_path / "out", options=options).items():
        assert np.array_equal(ids, written[key].ids)
    with pytest.raises(ConfigError, match="stuff cannot be 'png'"):
        Coco(tmp_path / "root", stuff="png")  # type: ignore[arg-type]


def test_that_there_is_no_stuff_is_said(tmp_path: Path) -> None:
    write_coco(tmp_path / "root", stuff="no")
    notes = convert("coco", tmp_path / "root", tmp_path / "out", split="val2017", taxonomy="streets").notes
    assert list(notes) == [
        "Only things are annotated: there is no stuff "
        "(annotations/stuff_val2017_pixelmaps or annotations/stuff_val2017.json)."
    ]
    assert Coco(tmp_path / "root", stuff="no").notes("val2017") == []


def test_other_places_of_the_folders(tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = write_coco(root, stuff="png")
    (root / "images").mkdir()
    (root / "val2017").rename(root / "images" / "val2017")
    (root / "annotations/stuff_val2017_pixelmaps").rename(root / "stuff_val2017_pixelmaps")
    found = run(root, tmp_path / "out")
    assert {key: meta["image"] for key, (_, _, meta) in found.items()} == {
        key: f"images/val2017/{key}.jpg" for key in written
    }
    assert all(np.array_equal(found[key][1], written[key].ids) for key in written)


def test_as_small_as_wanted(tmp_path: Path) -> None:
    """The shapes are scaled before they are drawn; at half the size they are those of every second pixel."""
    written = write_coco(tmp_path / "root")
    for key, (_, ids, _) in run(tmp_path / "root", tmp_path / "out", short_side=10).items():
        assert ids.shape == (10, 15)
        same = ids == written[key].ids[1::2, 1::2]
        assert same.mean() > 0.9


def test_images_that_are_not_there_are_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_coco(root)
    (root / "val2017" / "000000000025.jpg").unlink()
    conversion = convert("coco", root, tmp_path / "out", split="val2017", taxonomy="streets")
    assert "Left out because their images are not on disk: 000000000025." in conversion.notes
    for path in (root / "val2017").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"val2017: holds none of the 3 images of instances_val2017\.json"):
        Coco(root).sources("val2017")
    (root / "val2017").rmdir()
    with pytest.raises(DatasetError, match=r"val2017: no such folder, but .* \(or in images/val2017\)\. Unpack"):
        Coco(root).sources("val2017")


def test_lists_in_any_order_and_annotations_of_other_images(tmp_path: Path) -> None:
    written = write_coco(tmp_path / "root")

    def turn(content: dict[str, Any]) -> None:
        for name in ("images", "categories", "annotations", "info"):
            content[name] = content.pop(name)
        content["annotations"].insert(0, {**content["annotations"][0], "image_id": 99})
        for name in ("images", "categories"):
            content[name] = content.pop(name)

    change(tmp_path / "root", turn)
    found = run(tmp_path / "root", tmp_path / "out")
    assert all(np.array_equal(found[key][1], written[key].ids) for key in written)
    assert Coco(tmp_path / "root").missing("val2017") == []


def first(content: dict[str, Any], **values: Any) -> None:
    content["annotations"][0].update(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: first(c, category_id=12), r"annotation 0 has the category 12, which the file does not list"),
        (lambda c: first(c, category_id="car"), r"annotation 0 is not of the form expected \('str' object"),
        (lambda c: first(c, image_id=[3]), r"annotation 0 is not of the form expected \(unhashable"),
        (lambda c: c["annotations"][2].pop("image_id"), r"annotation 2 has no 'image_id'"),
        (lambda c: c["annotations"].insert(1, 5), r"annotation 1 is not of the form expected \('int' object"),
        (lambda c: c.pop("annotations"), r"holds no list 'annotations'"),
        (lambda c: c.pop("categories"), r"holds no list 'categories'"),
        (lambda c: c["images"][1].pop("id"), r"image 1 has no 'id'"),
        (
            lambda c: [i.update(id=str(i["id"])) for i in c["images"]],
            r"no annotation is of .*; the first is of image 3",
        ),
        (lambda c: c["images"][1].update(id=3), r"two images have the id 3"),
        (lambda c: c["images"][1].update(file_name="../secret.jpg"), r"image 1 .*'\.\./secret\.jpg' leads out of"),
        (lambda c: c["images"][1].update(file_name="/etc/secret.jpg"), r"image 1 .* leads out of the folder"),
        (lambda c: c["images"][1].update(file_name="a\\b.jpg"), r"image 1 .* is no file name"),
        (lambda c: c["images"][0].update(height=-20), r"image 0 is not of the form expected \(a size of 30 x -20\)"),
        (lambda c: [c["images"][0].pop(side) for side in ("height", "width")], r"image 3 has no 'height'"),
        (lambda c: c["categories"][0].update(name="persona"), r"category 1 is 'persona'; in coco-stuff-171 it is 'per"),
        (
            lambda c: c["categories"].append({"id": 12, "name": "street sign"}),
            r"category 12, 'street sign', is none of",
        ),
        (lambda c: c["categories"][3].pop("name"), r"category 3 has no 'name'"),
    ],
)
def test_files_that_are_broken_are_refused_before_an_image_is_read(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    write_coco(tmp_path)
    path = change(tmp_path, edit)
    with pytest.raises(DatasetError, match=message) as caught:
        Coco(tmp_path).sources("val2017")
    assert caught.value.where == str(path) and caught.value.cure


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda c: first(c, segmentation=[[1, 1, 5, 1, 5]]),
            r"annotation 0 of image 3 .* 5 numbers, which are no pairs",
        ),
        (lambda c: first(c, segmentation=[[1, 1, 5, 1, 5, 1e200]]), r"the coordinate 1e\+200 is no place in an image"),
        (lambda c: first(c, segmentation=[[1, 1, 5, 1, 5, 1e6]]), r"an outline of .* is none of an image of 30 x 20"),
        (lambda c: first(c, segmentation={"size": [20, 30], "counts": [7]}), r"of 7 pixels, but the image has 600"),
        (lambda c: first(c, segmentation={"size": [30, 20], "counts": [600]}), r"have size \(30, 20\)"),
        (lambda c: first(c, segmentation={"counts": [600]}), r"annotation 0 of image 3 has no 'size'"),
        (lambda c: c["annotations"][0].pop("area"), r"annotation 0 of image 3 has no 'area'"),
        (lambda c: c["annotations"][0].pop("segmentation"), r"annotation 0 of image 3 has no 'segmentation'"),
        (lambda c: c["images"][0].update(height=21), r".* but the image has|is 30 x 20 pixels"),
    ],
)
def test_annotations_that_are_broken_are_errors_or_skipped(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    write_coco(tmp_path / "root")
    change(tmp_path / "root", edit)
    with pytest.raises(DatasetError, match=message):
        run(tmp_path / "root", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert set(run(tmp_path / "root", tmp_path / "out", on_error="skip")) == {"000000000025", "000000000030"}


def test_a_file_that_is_missing_or_cut_short(tmp_path: Path) -> None:
    write_coco(tmp_path)
    text = (tmp_path / JSON).read_bytes()
    (tmp_path / JSON).write_bytes(text[: text.index(b'"segmentation"') + 30])
    with pytest.raises(DatasetError, match=r"instances_val2017\.json: is no whole JSON: it breaks off at byte "):
        Coco(tmp_path).sources("val2017")
    (tmp_path / JSON).rename(tmp_path / "annotations" / "instances_train2017.json")
    with pytest.raises(
        DatasetError, match=r"instances_val2017\.json: this file is missing\. Make or unpack the annotations"
    ):
        Coco(tmp_path).sources("val2017")


def test_more_objects_than_an_image_can_have(tmp_path: Path) -> None:
    write_coco(tmp_path)
    change(tmp_path, lambda c: c["annotations"].extend([{"image_id": 3, "category_id": 1}] * (MOST_OBJECTS + 1)))
    with pytest.raises(DatasetError, match=r"image 3 has more than 20,000 objects\. No image has so many"):
        Coco(tmp_path).sources("val2017")


def test_pictures_of_stuff_that_do_not_fit(tmp_path: Path) -> None:
    write_coco(tmp_path / "root", stuff="png")
    path = tmp_path / "root/annotations/stuff_val2017_pixelmaps/000000000139.png"
    save(path, np.full((10, 30), 157, np.uint8))
    with pytest.raises(DatasetError, match=r"139\.png: is 30 x 10 pixels, but the annotations say 30 x 20"):
        run(tmp_path / "root", tmp_path / "out")
    values = np.full((20, 30), 157, np.uint8)
    values[11, 3] = 12  # below the truck, and between the pixels of a smaller map
    save(path, values)
    with pytest.raises(DatasetError, match=r"139\.png: label value 12 not in the table of coco-stuff-171: 1 pixel"):
        run(tmp_path / "root", tmp_path / "out", short_side=4)
    path.unlink()
    with pytest.raises(DatasetError, match=r"139\.png: sample 000000000139 needs this file, and it is missing"):
        run(tmp_path / "root", tmp_path / "out")


def test_annotations_that_change_meanwhile_are_noticed(tmp_path: Path) -> None:
    write_coco(tmp_path)
    converter = Coco(tmp_path)
    before = {source.key: source for source in converter.sources("val2017")}
    change(tmp_path, lambda c: first(c, category_id=4))
    with pytest.raises(DatasetError, match=r"instances_val2017\.json: it has changed since"):
        converter.labels(before["000000000139"])
    after = {source.key: source for source in converter.sources("val2017")}
    assert [key for key in after if after[key].annotations != before[key].annotations] == ["000000000139"]


def test_nothing_of_the_annotations_stays_in_the_converter(tmp_path: Path) -> None:
    write_coco(tmp_path)
    converter = Coco(tmp_path)
    before = pickle.dumps(converter)
    sources = converter.sources("val2017")
    assert pickle.dumps(converter) == before and len(before) < 1000
    assert all(len(source.annotations or "") < 200 for source in sources)


def test_a_root_with_both_kinds_of_annotations_looks_like_both(tmp_path: Path) -> None:
    write_coco(tmp_path)
    write_coco_panoptic(tmp_path)
    with pytest.raises(DatasetError, match=r"looks like several datasets: coco, coco-panoptic\. Name one of them"):
        recognise(tmp_path)


@pytest.fixture
def real(shared_data: Path, tmp_path: Path) -> Path:
    """Two real images, with what of their panoptic annotation the detection and stuff tasks have too."""
    source = shared_data / "coco_panoptic"
    content = json.loads((source / "panoptic_coco_detection_format.json").read_text())
    shutil.copytree(source / "input_images", tmp_path / "root" / "val2017")
    for name, ids in (("instances", range(1, 91)), ("stuff", range(92, 184))):
        annotations = [entry for entry in content["annotations"] if entry["category_id"] in ids]
        write_coco_json(tmp_path / f"root/annotations/{name}_val2017.json", content["images"], annotations, ids)
    return tmp_path / "root"


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # pycocotools' own
def test_real_annotations_are_those_that_pycocotools_draws(real: Path, tmp_path: Path) -> None:
    found = run(real, tmp_path / "out")
    with contextlib.redirect_stdout(io.StringIO()):
        kinds = [COCO(real / f"annotations/{kind}_val2017.json") for kind in ("stuff", "instances")]
    assert len(found) == 2
    for key, (_, ids, _) in found.items():
        expected = np.full(ids.shape, NOTHING)
        for number, coco in enumerate(kinds):
            entries = coco.loadAnns(coco.getAnnIds(imgIds=[int(key)]))
            for entry in sorted(entries, key=lambda entry: (1 - entry["iscrowd"] if number else 0, -entry["area"])):
                expected[coco.annToMask(entry) == 1] = entry["category_id"]
        assert len(np.unique(expected)) > 2
        assert np.array_equal(ids, expected)


def test_real_stuff_as_pictures_is_the_same(real: Path, tmp_path: Path) -> None:
    with_json = run(real, tmp_path / "json")
    things = run(real, tmp_path / "things", options={"stuff": "no"})
    for key, (_, ids, _) in with_json.items():
        stuff = np.where((ids >= 92) & (things[key][1] == NOTHING), ids, 0).astype(np.uint8)
        save(real / f"annotations/stuff_val2017_pixelmaps/{key}.png", stuff)
    (real / "annotations/stuff_val2017.json").unlink()
    for key, (_, ids, _) in run(real, tmp_path / "png").items():
        assert np.array_equal(ids, with_json[key][1])


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # pycocotools' own
def test_polygons_that_overlap_and_leave_the_image(tmp_path: Path) -> None:
    """Drawn by pycocotools and painted here: the larger first."""
    rng = np.random.default_rng(3)
    images = [{"id": 1, "file_name": "a/one.jpg", "height": 40, "width": 60}]
    entries: list[dict[str, Any]] = []
    for i in range(25):
        parts = [(rng.normal((30, 20), 6, 2) + rng.normal(0, 12, (7, 2))).ravel().tolist() for _ in range(1 + i % 3)]
        entries.append({"id": i, "image_id": 1, "category_id": i % 9 + 1, "area": i * 7 % 11, "segmentation": parts})
    mask = rng.random((40, 60)) > 0.7
    entries.append({"id": 99, "image_id": 1, "category_id": 20, "area": 0, "segmentation": compressed(mask)})
    entries[-1]["iscrowd"] = 1
    write_coco_json(tmp_path / "root" / JSON, images, entries, range(1, 91))
    save(tmp_path / "root/val2017/a/one.jpg", picture(0, 40, 60))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(tmp_path / "root" / JSON)
    expected = np.full((40, 60), NOTHING)
    for entry in [entries[-1], *sorted(entries[:-1], key=lambda entry: -entry["area"])]:
        expected[coco.annToMask(entry) == 1] = entry["category_id"]
    found = run(tmp_path / "root", tmp_path / "out")
    assert list(found) == ["a/one"]
    assert np.array_equal(found["a/one"][1], expected)


def test_a_copy_of_another_year(tmp_path: Path) -> None:
    written = write_coco(tmp_path)
    for path in sorted(tmp_path.rglob("*val2017*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.replace("2017", "2014")))
    converter = Coco(tmp_path)
    assert converter.splits == ("train2017", "val2017", "val2014")
    assert [source.key for source in converter.sources("val2014")] == sorted(written)
    assert recognise(tmp_path) == "coco"
