"""Scenes on disk: the layouts, modes and numberings of the real datasets, and views of one world that disagree."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters import convert
from labelforge.demo import render_scene, write_dataset
from labelforge.demo.vocabulary import THINGS, native_ids
from labelforge.demo.writers import GTSDB
from labelforge.label_space import LabelSpace
from tests.converters.layouts import NOTHING, read_shards

SIZE = (192, 112)


def files(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def stored(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def mode_and_size(path: Path) -> tuple[str, tuple[int, int]]:
    with Image.open(path) as image:
        return image.mode, image.size


def test_another_process_that_writes_fewer_scenes_writes_the_same_bytes(tmp_path: Path) -> None:
    for dataset in ("cityscapes", "mapillary-vistas"):
        write_dataset(dataset, tmp_path / "here" / dataset, 1, 2, seed=5, size=SIZE)
    code = (
        "import sys, pathlib, labelforge.demo as s; root = pathlib.Path(sys.argv[1]);"
        f"s.write_dataset('mapillary-vistas', root / 'mapillary-vistas', 0, 1, seed=5, size={SIZE});"
        f"s.write_dataset('cityscapes', root / 'cityscapes', 1, 1, seed=5, size={SIZE})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True)
    there, here = files(tmp_path / "there"), files(tmp_path / "here")
    assert len(there) == 6 + 4
    assert there.items() <= here.items()


def test_cityscapes_layout(tmp_path: Path) -> None:
    write_dataset("cityscapes", tmp_path, 2, 1, size=SIZE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gtFine", "leftImg8bit"]
    labels = sorted((tmp_path / "gtFine").rglob("*_gtFine_labelIds.png"))
    assert len(labels) == 3
    for path in labels:
        image = tmp_path / "leftImg8bit" / path.relative_to(tmp_path / "gtFine")
        values = stored(path).astype(int)
        assert set(np.unique(values).tolist()) <= set(LabelSpace.load("cityscapes").ids)
        assert {1, 3, 7, 23} <= set(np.unique(values).tolist()), "hood, rim, road and sky are in every picture"
        assert mode_and_size(path) == ("L", SIZE)
        assert mode_and_size(image.with_name(image.name.replace("gtFine_labelIds", "leftImg8bit"))) == ("RGB", SIZE)
        instances = stored(path.with_name(path.name.replace("labelIds", "instanceIds"))).astype(int)
        things = (values >= 24) & (values <= 33)
        assert (instances[things] // 1000 == values[things]).all()
        assert (instances[~things] == values[~things]).all()
        for label in np.unique(values[things]):
            numbers = np.unique(instances[values == label] % 1000)
            assert numbers.tolist() == list(range(len(numbers))), "numbered from 0 without a gap"


def test_vistas_layout(tmp_path: Path) -> None:
    write_dataset("mapillary-vistas", tmp_path, 2, 1, size=SIZE)
    space = LabelSpace.load("mapillary-vistas-1.2")
    config = json.loads((tmp_path / "config.json").read_text())
    assert tuple(entry["name"] for entry in config["labels"]) == space.names
    keys = sorted(p.stem for p in (tmp_path / "training/images").iterdir())
    assert [len(key) for key in keys] == [22, 22]
    for key in keys:
        assert mode_and_size(tmp_path / f"training/images/{key}.jpg") == ("RGB", SIZE)
        assert mode_and_size(tmp_path / f"training/labels/{key}.png") == ("P", SIZE)
        with Image.open(tmp_path / f"training/labels/{key}.png") as picture:
            palette = picture.getpalette()
        assert palette is not None
        assert palette[: 3 * len(space.labels)] == [v for label in space.labels for v in label.color or ()]
        labels, instances = (stored(tmp_path / f"training/{k}/{key}.png").astype(int) for k in ("labels", "instances"))
        assert set(np.unique(labels).tolist()) <= set(space.ids)
        assert (instances // 256 == labels).all()
        alone = [i for i, entry in enumerate(config["labels"]) if not entry["instances"]]
        assert (instances % 256)[np.isin(labels, alone)].max() == 0
        assert len(np.unique(instances[labels == space.by_name["object--support--pole"].id])) > 1


def test_gtsdb_layout(tmp_path: Path) -> None:
    ticks: list[int] = []
    write_dataset("gtsdb", tmp_path, 9, 2, seed=3, size=SIZE, progress=lambda: ticks.append(1))
    assert len(ticks) == 11
    names = [*(f"{i:05d}.ppm" for i in range(9)), "00600.ppm", "00601.ppm"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [*names, "gt.txt"]
    expected = []
    for name in names:
        number = int(name[:5])
        series, index = ("gtsdb/train", number) if number < 600 else ("gtsdb/test", number - 600)
        scene = render_scene(3, index, SIZE, series, GTSDB)
        assert mode_and_size(tmp_path / name) == ("RGB", SIZE)
        assert (stored(tmp_path / name) == scene.image).all()
        expected += [f"{name};{s.left};{s.top};{s.right};{s.bottom};{s.class_id}" for s in scene.signs]
    assert (tmp_path / "gt.txt").read_text().splitlines() == expected
    boxed = {line.split(";")[0] for line in expected}
    assert set(names) - boxed == {"00007.ppm"}, "every eighth image has no sign"
    with pytest.raises(ValueError, match="600"):
        write_dataset("gtsdb", tmp_path / "more", 601, 0)


def test_a_file_that_was_interrupted_has_no_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.replace

    def fails_on_the_image(self: Path, target: Path) -> Path:
        if target.name.endswith("leftImg8bit.png"):
            raise OSError("no space left on device")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", fails_on_the_image)
    with pytest.raises(OSError, match="no space"):
        write_dataset("cityscapes", tmp_path, 1, 0, size=SIZE)
    finished = [p for p in tmp_path.rglob("*.png") if p.is_file()]
    assert {p.name.rsplit("_", 1)[1] for p in finished} == {"labelIds.png", "instanceIds.png"}
    assert all(mode_and_size(p)[1] == SIZE for p in finished)


def test_layouts_are_those_of_the_real_files(tmp_path: Path, shared_data: Path) -> None:
    real = {
        "cityscapes": shared_data / "cityscapes",
        "mapillary-vistas": shared_data / "mapillary_vistas_v1",
        "gtsdb": shared_data / "gtsdb" / "FullIJCNN2013",
    }
    patterns = (
        *(("cityscapes", f"*_{kind}.png") for kind in ("leftImg8bit", "gtFine_labelIds", "gtFine_instanceIds")),
        *(("mapillary-vistas", pattern) for pattern in ("labels/*.png", "instances/*.png", "images/*.jpg")),
        ("gtsdb", "*.ppm"),
    )
    for name in real:
        write_dataset(name, tmp_path / name, 1, 1, size=SIZE)
    for name, pattern in patterns:
        ours, theirs = next((tmp_path / name).rglob(pattern)), next(real[name].rglob(pattern))
        assert mode_and_size(ours)[0] == mode_and_size(theirs)[0]
        assert stored(ours).dtype == stored(theirs).dtype
        parts, expected = ours.relative_to(tmp_path / name).parts, theirs.relative_to(real[name]).parts
        assert len(parts) == len(expected)
        assert len(parts[-1]) == len(expected[-1]) or name == "cityscapes"


def test_the_configuration_says_what_the_real_one_says(tmp_path: Path, shared_data: Path) -> None:
    write_dataset("mapillary-vistas", tmp_path, 0, 0)
    made, real = (json.loads((p / "config.json").read_text()) for p in (tmp_path, shared_data / "mapillary_vistas_v1"))
    assert {key: real[key] for key in made if key != "labels"} == {k: v for k, v in made.items() if k != "labels"}
    for mine, label in zip(made["labels"], real["labels"], strict=True):
        assert {fact: label[fact] for fact in mine} == mine


def test_the_views_disagree_as_the_datasets_do() -> None:
    names = {
        space: {
            thing: next(x.name for x in LabelSpace.load(space).labels if x.id == native_ids(space)[value])
            for thing, value in THINGS.items()
        }
        for space in ("cityscapes", "mapillary-vistas-1.2")
    }
    cityscapes, vistas = names["cityscapes"], names["mapillary-vistas-1.2"]
    for thing in ("zebra crossing", "lane marking", "manhole", "bike lane", "service lane"):
        assert cityscapes[thing] == "road" != vistas[thing].rsplit("--", 1)[1]
    riders = ("bicyclist", "motorcyclist", "other rider")
    assert {cityscapes[thing] for thing in riders} == {"rider"}
    assert len({vistas[thing] for thing in riders}) == 3
    assert (cityscapes["sign front"], cityscapes["sign back"]) == ("traffic sign", "static")
    assert vistas["sign front"].endswith("--front") and vistas["sign back"].endswith("--back")
    assert sum(name == "static" for name in cityscapes.values()) > 5
    assert cityscapes["curb"] == "sidewalk" != vistas["curb"]


@pytest.mark.parametrize(
    ("dataset", "split"), [("cityscapes", "val"), ("mapillary-vistas", "validation"), ("gtsdb", "test")]
)
def test_what_was_written_comes_back_from_shards(tmp_path: Path, dataset: str, split: str) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    write_dataset(dataset, root, 1, 2, size=SIZE)
    convert(dataset, root, out, split=split)
    found = read_shards(out)
    assert len(found) == 2
    for image, ids, meta in found.values():
        assert np.array_equal(image, stored(root / meta["image"]))
        if dataset != "gtsdb":
            assert np.array_equal(ids, stored(root / meta["labels"]))
            continue
        outside = np.ones(ids.shape, dtype=bool)
        lines = [line.split(";") for line in (root / "gt.txt").read_text().splitlines()]
        for left, top, right, bottom, class_id in (map(int, box) for name, *box in lines if name == meta["image"]):
            outside[max(top - 1, 0) : bottom + 3, max(left - 1, 0) : right + 3] = False
            assert class_id in ids[top : bottom + 1, left : right + 1]
        assert (ids[outside] == NOTHING).all() and not outside.all()
