"""COCO's panoptic format as one's own: which picture is meant, crowds, and what is refused."""

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
from labelforge.errors import DatasetError, TaxonomyError
from tests.converters.coco_layouts import segment_png
from tests.converters.init_checks import check, converted, init
from tests.converters.layouts import NOTHING, Written, picture, read_shards, save
from tests.converters.own_layouts import own, put, write_segments

CROWD = 70_001 * 4 + 5
MARKED = "Not labelled, since marked as a crowd, as difficult or to be ignored: 3 x segment. With 'crowds: label' in"


def edit(root: Path, change: Callable[[dict[str, Any]], object], name: str = "panoptic.json") -> None:
    content = json.loads((root / name).read_text())
    change(content)
    put(root / name, json.dumps(content))


def say(root: Path, old: str, new: str) -> None:
    """Change the dataset.yaml."""
    text = (root / "dataset.yaml").read_text()
    assert old in text
    put(root / "dataset.yaml", text.replace(old, new))


def shards(root: Path, split: str = "all") -> tuple[dict[str, Any], tuple[str, ...]]:
    conversion = convert(root / "dataset.yaml", None, root.with_name("out"), split=split, overwrite=True)
    return {key: ids for key, (_, ids, _) in read_shards(root.with_name("out")).items()}, conversion.notes


def test_crowds_are_labelled_if_that_is_said(tmp_path: Path) -> None:
    written = write_segments(tmp_path / "root")
    found, notes = shards(tmp_path / "root")
    assert len(notes) == 1 and notes[0].startswith(MARKED)
    say(tmp_path / "root", "format: panoptic", "format: panoptic\ncrowds: label")
    labelled, notes = shards(tmp_path / "root")
    assert notes == ()
    for key, sample in written.items():
        color = np.asarray(Image.open(tmp_path / "root/panoptic" / f"{key}.png")).astype(int)
        crowd = color[:, :, 0] + 256 * color[:, :, 1] + 65536 * color[:, :, 2] == CROWD
        assert crowd.any() and np.array_equal(found[key], sample.ids)
        assert np.array_equal(labelled[key], np.where(crowd, 3, sample.ids))


def test_segments_without_pixels_are_counted(tmp_path: Path) -> None:
    written = write_segments(tmp_path / "root")
    edit(
        tmp_path / "root", lambda c: c["annotations"][0]["segments_info"].append({"id": 3, "category_id": 999})
    )  # no pixel has it
    found, notes = shards(tmp_path / "root")
    assert "Left out, since it covers no pixels: 1 x segment." in notes
    check(found, written)


def test_a_segment_that_the_file_does_not_list(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_segments(root)
    edit(root, lambda c: c["annotations"][1]["segments_info"].pop(0))
    with pytest.raises(DatasetError, match=r"two\.png: 1 segment is not in the list of segments: \d+, \d+ pixels"):
        shards(root)
    assert not (tmp_path / "out/manifest.json").exists()


def test_pictures_and_annotations_that_are_not_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_segments(root)
    (root / "panoptic/one.png").unlink()
    edit(root, lambda c: c["annotations"].pop(1))
    found, notes = shards(root)
    assert [*found] == ["three"]
    assert "1 picture of segments is not on disk, and the images are left out: one.png." in notes
    assert "1 image is in no label file and is left out, such as images/sub/two.png." in notes
    (root / "panoptic/three.png").unlink()
    with pytest.raises(
        DatasetError, match=r"panoptic\.json: names none of 1 picture of segments, such as panoptic/sub/two"
    ):
        shards(root)
    shutil.rmtree(root / "panoptic")
    with pytest.raises(DatasetError, match=r"no file fits the path of the segments, panoptic/\{key\}\.png"):
        shards(root)


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "category": (lambda c: c["categories"][0].update(name="raod"), r"'raod' is no class .*Did you mean 'road'"),
    "unlisted": (
        lambda c: c["categories"].pop(0),
        r"a segment of one\.png has the category 1000, which the file does not list",
    ),
    "twice": (lambda c: c["annotations"].append(c["annotations"][0]), "image 0 has two annotations"),
    "mark": (
        lambda c: c["annotations"][0]["segments_info"][0].update(iscrowd="maybe"),
        "annotation 0 is not of the form expected .'maybe' is neither 0 nor 1",
    ),
    "name": (lambda c: c["annotations"][0].update(file_name="../x.png"), "leads out of the folder"),
    "no segments": (lambda c: c["annotations"][0].pop("segments_info"), "annotation 0 has no 'segments_info'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_files_that_are_wrong(name: str, tmp_path: Path) -> None:
    change, message = FAULTS[name]
    write_segments(tmp_path / "root")
    edit(tmp_path / "root", change)
    with pytest.raises(DatasetError, match=message) as caught:
        shards(tmp_path / "root")
    assert caught.value.where == str(tmp_path / "root/panoptic.json") and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("segments: panoptic/{key}.png\n", "", "labels in the format panoptic need 'segments'"),
        ("{key}.png\nclasses", "one.png\nclasses", r"'panoptic/one\.png' is no path of many pictures"),
        ("panoptic/{key}", "p/{split}/{key}", r"\{split\} is in the path of the segments alone"),
        ("classes:", "void: 0\nclasses:", "labels in the format panoptic have no 'void'"),
        ("format: panoptic", "format: ids", "ids has no pictures of segments|has no {key}"),
    ],
)
def test_what_a_dataset_yaml_says_of_them(old: str, new: str, message: str, tmp_path: Path) -> None:
    write_segments(tmp_path / "root")
    say(tmp_path / "root", old, new)
    with pytest.raises(TaxonomyError, match=message):
        own(tmp_path / "root")


def coco_like(root: Path, images: str, pictures: str, jsons: str, suffix: str = "png") -> dict[str, Written]:
    """Two splits, each with its JSON file, and what "val" means; where splits are the first folders, names repeat."""
    for split in ("train", "val"):
        write_segments(root / "made")
        seed = 10 if split == "train" else 20
        entries = json.loads((root / "made/panoptic.json").read_text())
        written = {}
        for i, annotation in enumerate(entries["annotations"]):
            numbers = np.asarray(Image.open(root / "made/panoptic" / annotation["file_name"])).astype(int)
            numbers = numbers @ [1, 256, 65536]
            key = f"{'' if images.startswith('{split}/') else split}{Path(annotation['file_name']).stem}"
            annotation["file_name"] = f"{key}.png"
            numbers = np.roll(numbers, seed, axis=1)
            segment_png(root / pictures.format(split=split) / f"{key}.png", numbers)
            image = save(root / images.format(split=split) / f"{key}.{suffix}", picture(seed + i))
            entries["images"][i]["file_name"] = f"{key}.{suffix}"
            ids = np.where((numbers == 0) | (numbers == CROWD), NOTHING, numbers // 70_001 - 1)
            written[key] = Written(np.asarray(Image.open(image)), ids)
        put(root / jsons.format(split=split), json.dumps(entries))
        shutil.rmtree(root / "made")
    return written


LAYOUTS = {
    "coco": ("{split}2017", "annotations/panoptic_{split}2017", "annotations/panoptic_{split}2017.json", "jpg"),
    "images called alike": ("images/{split}", "panoptic/{split}", "panoptic/{split}.json", "png"),
    "folders of splits": ("{split}/rgb", "{split}/ids", "{split}/segments.json", "png"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_init_tells_pictures_of_segments_from_images(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    images, pictures, jsons, suffix = LAYOUTS[name]
    written = coco_like(root, images, pictures, jsons, suffix)
    found = init(root)
    assert (found.dataset.kind, found.dataset.format, len(found.dataset.splits)) == ("masks", "panoptic", 2)
    assert found.dataset.segments == (f"{pictures.replace('2017', '')}/{{key}}.png",)
    split = next(split for split in found.dataset.splits if split.startswith("val"))
    check(converted(root, split, tmp_path / "out"), written)


def test_init_says_what_there_is(tmp_path: Path) -> None:
    """Shares by pixels, things and stuff, crowds, and segments that only one of both has."""
    root = tmp_path / "root"
    written = write_segments(root)
    everything = np.concatenate([sample.ids.ravel() for sample in written.values()])
    edit(root, lambda c: c["annotations"][0]["segments_info"].append({"id": 3, "category_id": 999}))
    found = init(root)
    for i, (name, kind) in enumerate([("road", "stuff"), ("sky", "stuff"), ("car", "thing"), ("person", "thing")]):
        share = f"{(everything == i).mean():.2%}"
        assert f"{{id: {1000 - i}, name: {name}}}  # {kind}; {share} of the pixels, in 3 of 3 files" in found.text
    assert "  # guessed" not in found.text
    comments = " ".join(line.removeprefix("# ") for line in found.text.splitlines())
    assert "Left out, since it covers no pixels: 1 x segment (in 3 pictures)." in comments
    assert "as difficult or to be ignored: 3 x segment (in 3 pictures)." in comments
    edit(root, lambda c: [c["annotations"][2]["segments_info"].pop(0), [x.pop("isthing") for x in c["categories"]]])
    text = init(root).text
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines())
    assert "Label file panoptic/three.png: 1 segment (70001;" in comments and "is not in panoptic.json." in comments
    assert "thing;" not in text and "stuff;" not in text


def test_init_where_the_pictures_are_not_there(tmp_path: Path) -> None:
    """Images of the same name are no pictures of segments."""
    root = tmp_path / "root"
    write_segments(root)
    shutil.rmtree(root / "panoptic")
    with pytest.raises(DatasetError, match=r"panoptic\.json: the pictures of segments that it names were not found"):
        init(root)


def test_real_pictures(shared_data: Path, tmp_path: Path) -> None:
    """Two of COCO's own, as panopticapi's rgb2id reads them."""
    root = tmp_path / "root"
    for name in ("input_images", "panoptic_examples"):
        shutil.copytree(shared_data / "coco_panoptic" / name, root / name)
    shutil.copy(shared_data / "coco_panoptic/panoptic_examples.json", root)
    found = init(root)
    assert found.dataset.segments == ("panoptic_examples/{key}.png",) and len(found.dataset.space.ids) == 133
    say(root, "format: panoptic", "crowds: label\nformat: panoptic")
    got, _ = shards(root)
    content = json.loads((root / "panoptic_examples.json").read_text())
    for annotation in content["annotations"]:
        color = np.asarray(Image.open(root / "panoptic_examples" / annotation["file_name"])).astype(int)
        numbers = color[:, :, 0] + 256 * color[:, :, 1] + 256 * 256 * color[:, :, 2]
        ids = np.full(numbers.shape, NOTHING)
        for segment in annotation["segments_info"]:
            ids[numbers == segment["id"]] = segment["category_id"]
        assert np.array_equal(got[annotation["file_name"].removesuffix(".png")], ids)
    assert len(got) == 2
