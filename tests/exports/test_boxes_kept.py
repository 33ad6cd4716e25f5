"""Every dataset of boxes keeps them in its shards, so that objects that touch stay apart in exports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import convert
from labelforge.exports import export_shards
from tests.converters.layouts import picture, read_shards, save
from tests.converters.own_every import OWN
from tests.converters.own_layouts import BOXES, put

CARS = [(5, 5, 15, 15), (15, 5, 25, 15), (8, 8, 12, 12)]  # two that touch, and one inside another
TEXTS = {
    "csv": (
        "labels.csv",
        "image,class,xmin,ymin,xmax,ymax\n" + "".join(f"a.png,car,{','.join(map(str, car))}\n" for car in CARS),
    ),
    "yolo": (
        "{key}.txt",
        "".join(f"0 {(a + c) / 60} {(b + d) / 40} {(c - a) / 30} {(d - b) / 20}\n" for a, b, c, d in CARS),
    ),
    "voc": (
        "{key}.xml",
        "<annotation>"
        + "".join(
            f"<object><name>car</name><bndbox><xmin>{a + 1}</xmin><ymin>{b + 1}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
            "</bndbox></object>"
            for a, b, c, d in CARS
        )
        + "</annotation>",
    ),
    "coco": (
        "labels.json",
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}],
                "categories": [{"id": 0, "name": "car"}],
                "annotations": [
                    {"id": i, "image_id": 1, "category_id": 0, "bbox": [a, b, c - a, d - b], "iscrowd": 0}
                    for i, (a, b, c, d) in enumerate(CARS)
                ],
            }
        ),
    ),
}


@pytest.mark.parametrize("short_side", [None, 10])
@pytest.mark.parametrize("form", TEXTS)
def test_objects_that_touch_stay_apart(form: str, short_side: int | None, tmp_path: Path) -> None:
    name, text = TEXTS[form]
    root = tmp_path / "root"
    save(root / "images/a.png", picture(0))
    put(root / "labels" / name.replace("{key}", "a"), text)
    put(
        root / "dataset.yaml",
        f"name: cars\nkind: boxes\nformat: {form}\nimages: images/{{key}}.png\nlabels: labels/{name}\nclasses: [car]\n",
    )
    put(root / "mapping.yaml", "dataset: cars\ntaxonomy: streets\nsupervision: box\nlabels: {car: car}\n")
    convert(root / "dataset.yaml", None, tmp_path / "shards", split="all", short_side=short_side)
    export_shards([tmp_path / "shards"], tmp_path / "yolo", to="yolo", classes="car")
    lines = (tmp_path / "yolo/labels/all/cars/a.txt").read_text().splitlines()
    found = [tuple(map(float, line.split()[1:])) for line in lines]
    want = [((a + c) / 60, (b + d) / 40, (c - a) / 30, (d - b) / 20) for a, b, c, d in CARS]
    assert np.allclose(sorted(found), sorted(want), atol=1e-5)
    export_shards([tmp_path / "shards"], tmp_path / "coco", to="coco", classes="car")
    entries = json.loads((tmp_path / "coco/annotations/all.json").read_text())["annotations"]
    scale = 1.0 if short_side is None else 0.5
    boxes = [tuple(np.array(entry["bbox"]) / scale) for entry in entries]
    assert np.allclose(sorted(boxes), sorted((a, b, c - a, d - b) for a, b, c, d in CARS))


@pytest.mark.parametrize("name", [name for name in OWN if name in ("csv", "yolo", "voc", "coco boxes")])
def test_shards_of_own_boxes_hold_as_many_as_the_files(name: str, tmp_path: Path) -> None:
    OWN[name].write(tmp_path / "root")
    convert(tmp_path / "root/dataset.yaml", None, tmp_path / "out", split="all")
    for key, (_, _, meta) in read_shards(tmp_path / "out").items():
        assert len(meta["boxes"]) == len([box for box in BOXES[key] if box[1] < box[3] and box[2] < box[4]])


def test_shards_without_boxes_say_that_they_are_rebuilt(tmp_path: Path) -> None:
    """Those of an earlier version, whose json members have none."""
    OWN["csv"].write(tmp_path / "root")
    convert(tmp_path / "root/dataset.yaml", None, tmp_path / "out", split="all")
    for shard in (tmp_path / "out").glob("*.tar"):
        data = shard.read_bytes()
        shard.write_bytes(re.sub(rb'"boxes":', b'"bones":', data))
    done = export_shards([tmp_path / "out"], tmp_path / "yolo", to="yolo", classes="leaves")
    assert any(re.match(r"\d images of a dataset of boxes keep only pixels", note) for note in done.notes)
