"""BDD100K: its three kinds of labels, on fixtures and on the files of its toolkit's own tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.datasets.bdd100k import Bdd100k
from labelforge.errors import ConfigError, DatasetError
from labelforge.label_space import LabelSpace
from labelforge.shards import ShardReader
from tests.converters.layouts import NOTHING, picture, read_shards, save, write_bdd100k

CLASSES = {label.name: label.id for label in LabelSpace.load("bdd100k-boxes").labels}


def frame(name: str, *boxes: tuple[str, float, float, float, float], crowd: bool | str = False) -> dict[str, Any]:
    corners = [dict(zip(("x1", "y1", "x2", "y2"), box[1:], strict=True)) for box in boxes]
    labels = [
        {"id": str(i), "category": box[0], "attributes": {"crowd": crowd, "occluded": True}, "box2d": corner}
        for i, (box, corner) in enumerate(zip(boxes, corners, strict=True))
    ]
    return {"name": name, "attributes": {"weather": "clear"}, "timestamp": 10000, "labels": labels}


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    frames = [
        frame("a.jpg", ("car", 2, 3, 9, 7), ("pedestrian", 8, 1, 12, 18), ("traffic sign", 20, 2, 20, 2)),
        frame("b.jpg", ("bus", -4, 10, 40, 30)),
        frame("crowded.jpg", ("pedestrian", 0, 0, 9, 9), crowd=True),
        {"name": "empty.jpg"},
        frame("gone.jpg", ("car", 1, 1, 5, 5)),
    ]
    for i, name in enumerate(["a", "b", "crowded", "empty", "unnamed"]):
        save(tmp_path / "images/100k/val" / f"{name}.jpg", picture(i))
    save(tmp_path / "images/100k/test/t.jpg", picture(9))
    (tmp_path / "labels/det_20").mkdir(parents=True)
    (tmp_path / "labels/det_20/det_val.json").write_text(json.dumps(frames, indent=2))
    return tmp_path


def test_boxes_hold_their_first_and_last_pixel(boxes: Path, tmp_path: Path) -> None:
    conversion = convert("bdd100k", boxes, tmp_path / "out", split="val", taxonomy="streets")
    assert conversion.notes == (
        "Left out because their images are not on disk: gone.",
        "Not labelled, since marked as a crowd: 1 x box.",
    )
    found = {key: ids for key, (_, ids, _) in read_shards(tmp_path / "out").items()}
    want = np.full((20, 30), NOTHING)
    want[1:19, 8:13] = CLASSES["pedestrian"]  # the larger box: below the car
    want[3:8, 2:10] = CLASSES["car"]
    want[2, 20] = CLASSES["traffic sign"]
    assert np.array_equal(found["a"], want)
    assert (found["b"][10:] == CLASSES["bus"]).all() and (found["b"][:10] == NOTHING).all()
    assert all((found[key] == NOTHING).all() for key in ("crowded", "empty", "unnamed"))
    assert ShardReader(tmp_path / "out").manifest.labels[1].supervision == "box"


def test_boxes_that_overlap_become_sets(boxes: Path, tmp_path: Path) -> None:
    convert("bdd100k", boxes, tmp_path / "out", split="val", taxonomy="streets", options={"overlaps": "set"})
    reader = ShardReader(tmp_path / "out")
    (row,) = [record.row for record in reader.manifest.labels[1:] if record.native_id is None]
    assert reader.manifest.labels[row].native_name == "pedestrian | car"
    assert reader.manifest.labels[row].pixels == 2 * 5


def test_the_test_split_has_no_labels(boxes: Path, tmp_path: Path) -> None:
    conversion = convert("bdd100k", boxes, tmp_path / "out", split="test", taxonomy="streets")
    assert conversion.manifest.totals.unannotated == 600


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[{}]", "a frame has no 'name'"),
        (json.dumps([frame("a.jpg", ("cat", 1, 1, 2, 2))]), r"a\.jpg has a box of the class 'cat', which is none"),
        (
            json.dumps([frame("a.jpg", ("car", 1, 1, 1e12, 2))]),
            r"the box \(1, 1, 1e\+12, 3\) is no place",
        ),
        ('[{"name": "a.jpg", "labels": [{"category": "car", "box2d": {"x1": 3}}]}]', r"the frame a\.jpg has no 'y1'"),
        (
            json.dumps([frame("a.jpg", ("car", 1, 1, 2, 2), crowd="perhaps")]),
            r"the frame a\.jpg is not of the form expected \('perhaps' is neither 0 nor 1\)",
        ),
        ('{"frames": [{"name": "a.jpg", "labels": 3}]}', r"the frame a\.jpg is not of the form expected"),
    ],
)
def test_broken_box_files(boxes: Path, content: str, what: str) -> None:
    path = boxes / "labels/det_20/det_val.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=what) as caught:
        Bdd100k(boxes).sources("val")
    assert caught.value.where == str(path)


def test_bitmasks_hold_the_label_in_their_first_channel(tmp_path: Path) -> None:
    written = write_bdd100k(tmp_path / "root")
    panoptic = LabelSpace.load("bdd100k-panoptic").ids
    rng = np.random.default_rng(3)
    for key in written:
        mask = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
        mask[..., 0] = rng.choice(panoptic, (20, 30))
        save(tmp_path / "root/labels/pan_seg/bitmasks/train" / f"{key}.png", mask)
        written[key] = type(written[key])(written[key].image, mask[..., 0].astype(int))
    convert(
        "bdd100k", tmp_path / "root", tmp_path / "out", split="train", taxonomy="streets", options={"labels": "pan_seg"}
    )
    assert ShardReader(tmp_path / "out").dataset == "bdd100k-panoptic"
    for key, (_, ids, _) in read_shards(tmp_path / "out").items():
        assert np.array_equal(ids, written[key].ids)


def test_a_colour_picture_in_the_place_of_a_mask(tmp_path: Path) -> None:
    written = write_bdd100k(tmp_path / "root")
    with pytest.raises(DatasetError, match="is a colour picture"):
        save(tmp_path / "root/labels/sem_seg/masks/train" / f"{min(written)}.png", picture(0))
        convert("bdd100k", tmp_path / "root", tmp_path / "out", split="train", taxonomy="streets")
    with pytest.raises(ConfigError, match="labels cannot be 'masks'"):
        Bdd100k(tmp_path / "root", labels="masks")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "mask", "space"),
    [
        ("sem_seg/masks", "semseg_mask.png", "bdd100k"),
        ("pan_seg/bitmasks", "panseg_bdd100k/panseg_mask.png", "bdd100k-panoptic"),
    ],
)
def test_masks_of_the_toolkit_come_through_unchanged(
    kind: str, mask: str, space: str, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "bdd100k/toolkit_testcases/label" / mask
    stored = np.asarray(Image.open(source))
    want = stored[..., 0] if stored.ndim == 3 else stored
    target = tmp_path / "root/labels" / kind / "val" / "x.png"
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    save(tmp_path / "root/images/10k/val/x.jpg", picture(0, *want.shape))
    convert("bdd100k", tmp_path / "root", tmp_path / "out", split="val", taxonomy="streets")
    _, ids, _ = read_shards(tmp_path / "out")["x"]
    assert np.array_equal(ids, want) and ShardReader(tmp_path / "out").dataset == space
    assert len(np.unique(want)) > 1


def test_boxes_of_the_toolkit_are_those_of_its_file(shared_data: Path, tmp_path: Path) -> None:
    """Also its older names: 'person' is none of the classes of 2020, and is said."""
    source = shared_data / "bdd100k/toolkit_testcases/label/example_ignore_annotation.json"
    frames = json.loads(source.read_text())
    (tmp_path / "labels/det_20").mkdir(parents=True)
    path = tmp_path / "labels/det_20/det_train.json"
    path.write_bytes(source.read_bytes())
    for content in frames:
        save(tmp_path / "images/100k/train" / content["name"], picture(0, 720, 1280))
    with pytest.raises(DatasetError, match="has a box of the class 'person', which is none"):
        Bdd100k(tmp_path).sources("train")
    path.write_text(source.read_text().replace('"person"', '"pedestrian"'))
    convert("bdd100k", tmp_path, tmp_path / "out", split="train", taxonomy="streets")
    shards = read_shards(tmp_path / "out")
    for content in frames:
        ids = shards[content["name"].removesuffix(".jpg")][1]
        for label in content["labels"] or ():
            box = label["box2d"]
            middle = ids[int((box["y1"] + box["y2"]) / 2), int((box["x1"] + box["x2"]) / 2)]
            assert middle in {CLASSES.get(other["category"], CLASSES["pedestrian"]) for other in content["labels"]}
