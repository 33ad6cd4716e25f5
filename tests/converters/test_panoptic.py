"""Panoptic annotations in COCO's format: COCO's own, WildDash 2's, Mapillary Vistas'."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.datasets.coco_panoptic import CocoPanoptic
from labelforge.converters.datasets.mapillary_vistas import MapillaryVistas
from labelforge.converters.datasets.wilddash2 import WildDash2
from labelforge.errors import ConfigError, DatasetError
from labelforge.label_space import LabelSpace
from tests.converters.coco_layouts import segment_png, write_coco_panoptic, write_panoptic, write_wilddash2
from tests.converters.layouts import read_shards, write_vistas
from tests.converters.pictures import NOTHING, Array, picture, save

JSON = "annotations/panoptic_val2017.json"


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return path


def run(root: Path, out: Path, **options: Any) -> dict[str, tuple[Array, Array, dict[str, Any]]]:
    convert("coco-panoptic", root, out, split="val2017", taxonomy="streets", **options)
    return read_shards(out)


def drawn(path: Path, segments: list[dict[str, Any]], nothing: int) -> Array:
    """The categories of a picture of segments, as panopticapi reads one."""
    color = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    numbers = color[:, :, 0] + 256 * color[:, :, 1] + 256 * 256 * color[:, :, 2]
    ids = np.full(numbers.shape, nothing)
    for segment in segments:
        ids[numbers == segment["id"]] = segment["category_id"]
    return ids


def test_other_places_of_the_folders(tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = write_coco_panoptic(root)
    (root / "images").mkdir()
    (root / "val2017").rename(root / "images" / "val2017")
    (root / "annotations/panoptic_val2017").rename(root / "panoptic_val2017")
    for key, (_, ids, meta) in run(root, tmp_path / "out").items():
        assert np.array_equal(ids, written[key].ids)
        assert (meta["image"], meta["labels"]) == (f"images/val2017/{key}.jpg", f"panoptic_val2017/{key}.png")


def test_an_image_without_annotation_has_none(tmp_path: Path) -> None:
    write_coco_panoptic(tmp_path / "root")
    change(tmp_path / "root" / JSON, lambda c: c["annotations"].pop())
    _, ids, meta = run(tmp_path / "root", tmp_path / "out")["000000000025"]
    assert (ids == NOTHING).all() and meta["labels"] is None


def test_images_that_are_not_there_are_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_coco_panoptic(root)
    (root / "val2017" / "000000000139.jpg").unlink()
    conversion = convert("coco-panoptic", root, tmp_path / "out", split="val2017", taxonomy="streets")
    assert "Left out because their images are not on disk: 000000000139." in conversion.notes
    (root / "val2017" / "000000000025.jpg").unlink()
    with pytest.raises(DatasetError, match=r"val2017: holds none of the images that are annotated, such as 0+25\.jpg"):
        CocoPanoptic(root).sources("val2017")


def test_a_segment_that_is_not_in_the_list(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_coco_panoptic(root)
    change(root / JSON, lambda c: c["annotations"][0]["segments_info"].pop(0))
    with pytest.raises(DatasetError, match=r"139\.png: 1 segment is not in the list of segments: 70001, \d+ pixels"):
        run(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert set(run(root, tmp_path / "out", on_error="skip")) == {"000000000025"}


def segment(content: dict[str, Any], **values: Any) -> None:
    content["annotations"][1]["segments_info"][1].update(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: segment(c, category_id=12), r"a segment of 0+25\.jpg has the category 12, which the file does not"),
        (lambda c: segment(c, category_id=1.5), r"annotation 1 is not of the form expected \('float' object"),
        (lambda c: segment(c, id=None), r"annotation 1 is not of the form expected \('NoneType' object"),
        (lambda c: segment(c, id=70_001), r"annotation 1 is not of the form expected \(two segments have the same id"),
        (lambda c: c["annotations"][1].pop("segments_info"), r"annotation 1 has no 'segments_info'"),
        (lambda c: c["annotations"][1].update(file_name="../a.png"), r"annotation 1 .* leads out of the folder"),
        (lambda c: c["annotations"].append(c["annotations"][0]), r"image 7 has two annotations"),
        (
            lambda c: [i.update(id=str(i["id"])) for i in c["images"]],
            r"no annotation is of .*; the first is of image 7",
        ),
        (lambda c: c["images"].append({"id": 7, "file_name": "b.jpg"}), r"two images have the id 7"),
        (lambda c: c["images"][0].update(file_name=5), r"image 0 .*\(5 is no file name\)"),
        (lambda c: c["categories"][0].update(name="rider"), r"category 1 is 'rider'; in coco-panoptic-133 it is 'pers"),
        (lambda c: c["categories"][0].update(id=12), r"category 12, 'person', is none of coco-panoptic-133\. Give"),
        (lambda c: c.pop("categories"), r"holds no list 'categories'"),
        (lambda c: c.update(images=[], annotations=[]), r"no image is listed"),
    ],
)
def test_files_that_are_broken(tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str) -> None:
    write_coco_panoptic(tmp_path)
    change(tmp_path / JSON, edit)
    with pytest.raises(DatasetError, match=message) as caught:
        CocoPanoptic(tmp_path).sources("val2017")
    assert caught.value.cure


def test_pictures_that_are_none_of_segments(tmp_path: Path) -> None:
    write_coco_panoptic(tmp_path / "root")
    path = tmp_path / "root/annotations/panoptic_val2017/000000000139.png"
    save(path, np.zeros((20, 30), np.uint8))
    with pytest.raises(DatasetError, match=r"139\.png: is not a colour picture \(mode L\)"):
        run(tmp_path / "root", tmp_path / "out")
    path.unlink()
    with pytest.raises(DatasetError, match=r"139\.png: sample 000000000139 needs this file, and it is missing"):
        run(tmp_path / "root", tmp_path / "out")


def test_real_segments(shared_data: Path, tmp_path: Path) -> None:
    source, root = shared_data / "coco_panoptic", tmp_path / "root"
    shutil.copytree(source / "input_images", root / "val2017")
    shutil.copytree(source / "panoptic_examples", root / "annotations" / "panoptic_val2017")
    shutil.copy(source / "panoptic_examples.json", root / JSON)
    found = run(root, tmp_path / "out")
    annotations = json.loads((source / "panoptic_examples.json").read_text())["annotations"]
    assert len(found) == len(annotations) == 2
    assert any(segment["iscrowd"] for entry in annotations for segment in entry["segments_info"])
    for entry in annotations:
        key = Path(entry["file_name"]).stem
        image, ids, _ = found[key]
        assert np.array_equal(image, np.asarray(Image.open(source / "input_images" / f"{key}.jpg").convert("RGB")))
        assert np.array_equal(ids, drawn(source / "panoptic_examples" / f"{key}.png", entry["segments_info"], NOTHING))
        # The authors' own picture of the same: the category in the red channel.
        channels = np.asarray(Image.open(source / "panoptic_examples_2ch_format" / f"{key}.png")).astype(int)
        assert np.array_equal(ids, np.where(channels[:, :, 0] == 0, NOTHING, channels[:, :, 0]))


@pytest.mark.parametrize("space", ["wilddash-2", "wilddash-2-80"])
@pytest.mark.parametrize("spelled", [str, lambda name: name.replace(" ", "").replace("-", ""), "{}(void)".format])
def test_the_release_of_wilddash_follows_from_its_categories(
    tmp_path: Path, space: str, spelled: Callable[[str], str]
) -> None:
    write_wilddash2(tmp_path, space)
    change(tmp_path / "panoptic.json", lambda c: [x.update(name=spelled(x["name"])) for x in c["categories"]])
    assert WildDash2(tmp_path).label_space == space
    assert len(WildDash2(tmp_path).sources("public")) == 2


def test_wilddash_reduced_to_the_benchmark_by_its_own_tool(tmp_path: Path) -> None:
    """remap_coco.py keeps of the categories those of the benchmark that something is mapped to."""
    kept = [(0, "unlabeled"), (1, "egovehicle"), (7, "road"), (14, "guardrail"), (31, "onrails"), (37, "streetlight")]
    written = write_panoptic(tmp_path / "root", "images", "panoptic", "panoptic.json", kept, void=0)
    convert("wilddash2", tmp_path / "root", tmp_path / "out", split="public", taxonomy="streets")
    for key, (_, ids, meta) in read_shards(tmp_path / "out").items():
        assert np.array_equal(ids, written[key].ids) and meta["dataset"] == "wilddash-2"


def test_wilddash_with_other_categories(tmp_path: Path) -> None:
    write_wilddash2(tmp_path)
    path = change(tmp_path / "panoptic.json", lambda c: c["categories"][4].update(name="moving"))
    with pytest.raises(DatasetError, match=r"category 5 is 'moving'; in wilddash-2-80 it is 'dynamic'") as caught:
        WildDash2(tmp_path)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(DatasetError, match=r"expected panoptic\.json and panoptic and images in it"):
        WildDash2(tmp_path)


def write_vistas_segments(root: Path, release: str, folder: str, ids: dict[str, Array]) -> Path:
    """The panoptic annotation beside the label maps: categories from 1, named as the dataset does, void left out."""
    labels = [
        label for label in LabelSpace.load(f"mapillary-vistas-{release}").labels if label.name != "void--unlabeled"
    ]
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    for i, label in enumerate(labels):
        name = label.name.split("--")[-1].title()
        content["categories"].append({"id": i + 1, "name": name, "supercategory": label.name, "isthing": 1})
    of = {label.id: i + 1 for i, label in enumerate(labels)}
    for key, values in ids.items():
        numbers = np.where(np.isin(values, list(of)), values * 256 + 1, 0)
        segment_png(root / folder / f"{key}.png", numbers)
        segments = [{"id": n, "category_id": of[n // 256]} for n in np.unique(numbers).tolist() if n]
        content["images"].append({"id": key, "file_name": f"{key}.jpg", "height": 20, "width": 30})
        content["annotations"].append({"image_id": key, "file_name": f"{key}.png", "segments_info": segments})
    path = root / folder / f"panoptic_20{20 if release == '2.0' else 18}.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("release", "releases", "folder"),
    [
        ("1.2", ["1.2"], "validation/panoptic"),
        ("1.2", ["2.0", "1.2"], "validation/v1.2/panoptic"),
        ("2.0", ["1.2", "2.0"], "validation/v2.0/panoptic"),
    ],
)
def test_segments_of_vistas_are_its_label_maps(tmp_path: Path, release: str, releases: list[str], folder: str) -> None:
    root = tmp_path / "root"
    written = write_vistas(root, releases=releases)
    write_vistas_segments(root, release, folder, {key: sample.ids for key, sample in written.items()})
    options = {"labels": "panoptic", "release": release}
    conversion = convert("mapillary-vistas", root, tmp_path / "out", split="validation", options=options)
    assert conversion.manifest.options["converter_options"] == options
    found = read_shards(tmp_path / "out")
    assert set(found) == set(written)
    for key, (_, ids, meta) in found.items():
        assert np.array_equal(ids, written[key].ids)
        assert meta["labels"] == f"{folder}/{key}.png" and meta["native"] == {"release": release}


def test_vistas_without_segments_or_with_those_of_the_other_release(tmp_path: Path) -> None:
    written = write_vistas(tmp_path)
    with pytest.raises(ConfigError, match="labels cannot be 'polygons'"):
        MapillaryVistas(tmp_path, labels="polygons")  # type: ignore[arg-type]
    converter = MapillaryVistas(tmp_path, labels="panoptic")
    with pytest.raises(DatasetError, match=r"holds no labels of release 2\.0 \(v2\.0/panoptic\)\. Unpack the labels"):
        converter.sources("validation")
    folder = "validation/v2.0/panoptic"
    path = write_vistas_segments(tmp_path, "2.0", folder, {key: sample.ids for key, sample in written.items()})
    save(tmp_path / "testing" / "images" / "t.jpg", picture(0))
    assert [source.labels for source in converter.sources("testing")] == [None]
    (tmp_path / "validation/images/zz7.jpg").unlink()
    assert converter.missing("validation") == ["zz7"]
    change(path, lambda c: c["categories"][3].update(supercategory="animal--fish"))
    with pytest.raises(DatasetError, match=r"category 4, .* of 'animal--fish', is no label of mapillary-vistas-2\.0"):
        converter.sources("validation")
    path.unlink()
    with pytest.raises(DatasetError, match=r"v2\.0/panoptic: no panoptic_<year>\.json, which lists the segments"):
        converter.sources("validation")


def test_real_segments_of_vistas_are_its_real_label_map(shared_data: Path, tmp_path: Path) -> None:
    """The list of segments is not in the sample: it is made from the map of instances, label x 256 + number."""
    source, root = shared_data / "mapillary_vistas_v1", tmp_path / "root"
    shutil.copytree(source, root)
    for folder in [root, *root.rglob("*")]:
        folder.chmod(0o755)
    (path,) = (root / "validation" / "panoptic").glob("*.png")
    color = np.asarray(Image.open(path)).astype(np.int64)
    numbers = color[:, :, 0] + 256 * color[:, :, 1] + 65536 * color[:, :, 2]
    instances = np.asarray(Image.open(root / "validation" / "instances" / path.name)).astype(np.int64)
    pairs = np.unique(np.stack([numbers.ravel(), instances.ravel() // 256]), axis=1).T.tolist()
    labels = LabelSpace.load("mapillary-vistas-1.2").labels
    segments = [{"id": number, "category_id": label + 1} for number, label in pairs if number]
    assert len(segments) == len({entry["id"] for entry in segments}) > 20
    content = {
        "images": [{"id": path.stem, "file_name": f"{path.stem}.jpg"}],
        "annotations": [{"image_id": path.stem, "file_name": path.name, "segments_info": segments}],
        "categories": [{"id": label.id + 1, "name": "-", "supercategory": label.name} for label in labels],
    }
    (path.parent / "panoptic_2018.json").write_text(json.dumps(content))
    convert("mapillary-vistas", root, tmp_path / "out", split="validation", options={"labels": "panoptic"})
    ((_, ids, _),) = read_shards(tmp_path / "out").values()
    assert np.array_equal(ids, np.asarray(Image.open(root / "validation" / "labels" / path.name)))
