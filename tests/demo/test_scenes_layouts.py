"""Scenes on disk: the layouts, modes and numberings of the real datasets, and three views of one world."""

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

from labelforge.demo import (
    CITYSCAPES,
    GTSDB,
    NUM_SIGNS,
    THINGS,
    VISTAS,
    native_ids,
    render_scene,
    thing,
    write_cityscapes,
    write_gtsdb,
    write_mapillary_vistas,
)
from labelforge.label_space import LabelSpace

SIZE = (192, 112)


def files(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def stored(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def mode_and_size(path: Path) -> tuple[str, tuple[int, int]]:
    """Mode and (width, height) of a picture file."""
    with Image.open(path) as image:
        return image.mode, image.size


def test_another_process_that_writes_fewer_scenes_writes_the_same_bytes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "here/c", 2, 1, seed=5, size=SIZE)
    write_mapillary_vistas(tmp_path / "here/v", 1, 2, seed=5, size=SIZE, release="2.0")
    code = (
        "import sys, pathlib, labelforge.demo as s; root = pathlib.Path(sys.argv[1]);"
        f"s.write_mapillary_vistas(root / 'v', 0, 1, seed=5, size={SIZE}, release='2.0');"
        f"s.write_cityscapes(root / 'c', 1, 1, seed=5, size={SIZE})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True)
    there, here = files(tmp_path / "there"), files(tmp_path / "here")
    assert len(there) == 6 + 7
    assert there.items() <= here.items()


def test_cityscapes_layout(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, 2, 1, size=SIZE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gtFine", "leftImg8bit"]
    labels = sorted((tmp_path / "gtFine").rglob("*_gtFine_labelIds.png"))
    assert len(labels) == 3
    counted: set[int] = set()
    for path in labels:
        image = tmp_path / "leftImg8bit" / path.relative_to(tmp_path / "gtFine")
        image = image.with_name(image.name.replace("gtFine_labelIds", "leftImg8bit"))
        values = stored(path).astype(int)
        assert set(np.unique(values).tolist()) <= set(LabelSpace.load("cityscapes").ids)
        assert {1, 3, 7, 23} <= set(np.unique(values).tolist()), "hood, rim, road and sky are in every picture"
        assert mode_and_size(path) == ("L", SIZE)
        assert mode_and_size(image) == ("RGB", SIZE)
        instances = stored(path.with_name(path.name.replace("labelIds", "instanceIds"))).astype(int)
        things = (values >= 24) & (values <= 33)
        assert (instances[things] // 1000 == values[things]).all()
        assert (instances[~things] == values[~things]).all()
        for label in np.unique(values[things]):
            numbers = np.unique(instances[values == label] % 1000)
            assert numbers.tolist() == list(range(len(numbers))), "numbered from 0 without a gap"
        counted |= set(np.unique(values[things]).tolist())
    assert 26 in counted


@pytest.mark.parametrize("release", ["1.2", "2.0"])
def test_vistas_layout(tmp_path: Path, release: str) -> None:
    write_mapillary_vistas(tmp_path, 2, 1, size=SIZE, release=release)
    releases = ("1.2",) if release == "1.2" else ("1.2", "2.0")
    keys = sorted(p.stem for p in (tmp_path / "training/images").iterdir())
    assert len(keys) == 2
    assert all(len(key) == 22 for key in keys)
    for name in releases:
        space = LabelSpace.load(f"mapillary-vistas-{name}")
        config = json.loads((tmp_path / ("config.json" if release == "1.2" else f"config_v{name}.json")).read_text())
        assert tuple(entry["name"] for entry in config["labels"]) == space.names
        folder = tmp_path / "training" / ("" if release == "1.2" else f"v{name}")
        for key in keys:
            assert mode_and_size(tmp_path / f"training/images/{key}.jpg") == ("RGB", SIZE)
            assert mode_and_size(folder / f"labels/{key}.png") == ("P", SIZE)
            with Image.open(folder / f"labels/{key}.png") as picture:
                palette = picture.getpalette()
            assert palette is not None
            assert palette[: 3 * len(space.labels)] == [v for label in space.labels for v in label.color or ()]
            labels, instances = (stored(folder / f"{kind}/{key}.png").astype(int) for kind in ("labels", "instances"))
            assert set(np.unique(labels).tolist()) <= set(space.ids)
            assert (instances // 256 == labels).all()
            alone = [i for i, entry in enumerate(config["labels"]) if not entry["instances"]]
            assert (instances % 256)[np.isin(labels, alone)].max() == 0
            assert len(np.unique(instances[labels == space.by_name["object--support--pole"].id])) > 1


def test_gtsdb_layout(tmp_path: Path) -> None:
    ticks: list[int] = []
    write_gtsdb(tmp_path, 9, 2, seed=3, size=SIZE, progress=lambda: ticks.append(1))
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


def test_all_43_signs_are_in_either_part_of_gtsdb() -> None:
    for series in ("gtsdb/train", "gtsdb/test"):
        found = {s.class_id for i in range(12) for s in render_scene(0, i, (128, 80), series, GTSDB).signs}
        assert found == set(range(NUM_SIGNS))


def test_gtsdb_has_only_so_many_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="600"):
        write_gtsdb(tmp_path, 601, 0)
    with pytest.raises(ValueError, match="300"):
        write_gtsdb(tmp_path, 0, 301)
    with pytest.raises(ValueError, match=r"3\.0"):
        write_mapillary_vistas(tmp_path, 1, 0, release="3.0")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_interrupted_has_no_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.replace

    def fails_on_the_image(self: Path, target: Path) -> Path:
        if target.name.endswith("leftImg8bit.png"):
            raise OSError("no space left on device")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", fails_on_the_image)
    with pytest.raises(OSError, match="no space"):
        write_cityscapes(tmp_path, 1, 0, size=SIZE)
    finished = [p for p in tmp_path.rglob("*.png") if p.is_file()]
    assert {p.name.rsplit("_", 1)[1] for p in finished} == {"labelIds.png", "instanceIds.png"}
    assert all(mode_and_size(p)[1] == SIZE for p in finished)


def test_layouts_are_those_of_the_real_files(tmp_path: Path, shared_data: Path) -> None:
    write_cityscapes(tmp_path / "c", 1, 0, size=SIZE)
    write_mapillary_vistas(tmp_path / "v1", 0, 1, size=SIZE)
    write_mapillary_vistas(tmp_path / "v2", 1, 0, size=SIZE, release="2.0")
    write_gtsdb(tmp_path / "g", 1, 0, size=SIZE)
    real = {
        "c": shared_data / "cityscapes",
        "v1": shared_data / "mapillary_vistas_v1",
        "v2": shared_data / "mapillary_vistas_v2",
        "g": shared_data / "gtsdb" / "FullIJCNN2013",
    }
    patterns = (
        *(("c", f"*_{kind}.png") for kind in ("leftImg8bit", "gtFine_labelIds", "gtFine_instanceIds")),
        *(("v1", pattern) for pattern in ("labels/*.png", "instances/*.png", "images/*.jpg")),
        *(("v2", pattern) for pattern in ("v1.2/labels/*.png", "v2.0/labels/*.png", "images/*.jpg")),
        ("g", "*.ppm"),
    )
    for name, pattern in patterns:
        ours, theirs = next((tmp_path / name).rglob(pattern)), next(real[name].rglob(pattern))
        assert mode_and_size(ours)[0] == mode_and_size(theirs)[0]
        assert stored(ours).dtype == stored(theirs).dtype
        parts, expected = ours.relative_to(tmp_path / name).parts, theirs.relative_to(real[name]).parts
        assert len(parts) == len(expected)
        assert {*parts[:-1], *expected[:-1]} - {"linden", "aachen"} == {*parts[:-1]} - {"linden"}
        assert len(parts[-1]) - len(parts[0]) == len(expected[-1]) - len(expected[0]) or name == "c"


def test_configurations_say_what_the_real_ones_say(tmp_path: Path, shared_data: Path) -> None:
    write_mapillary_vistas(tmp_path / "v1", 0, 0)
    write_mapillary_vistas(tmp_path / "v2", 0, 0, release="2.0")
    pairs = (
        ("v1/config.json", "mapillary_vistas_v1/config.json"),
        ("v2/config_v1.2.json", "mapillary_vistas_v2/config_v1.2.json"),
        ("v2/config_v2.0.json", "mapillary_vistas_v2/config_v2.0.json"),
    )
    for ours, theirs in pairs:
        made, real = json.loads((tmp_path / ours).read_text()), json.loads((shared_data / theirs).read_text())
        assert {key: real[key] for key in made if key != "labels"} == {k: v for k, v in made.items() if k != "labels"}
        assert len(made["labels"]) == len(real["labels"])
        for mine, label in zip(made["labels"], real["labels"], strict=True):
            facts = ("name", "color", "instances", "evaluate")
            assert {f: mine[f] for f in facts} == {f: label[f] for f in facts}


def name_of(space: str, what: str) -> str:
    labels = LabelSpace.load(space).labels
    wanted = int(native_ids(space)[thing(what)])
    return next(label.name for label in labels if label.id == wanted)


def test_the_views_disagree_as_the_datasets_do() -> None:
    for marking in ("zebra crossing", "dashed line", "arrow left", "manhole", "bike lane", "service lane"):
        assert name_of("cityscapes", marking) == "road"
    assert name_of("cityscapes", "curb") == "sidewalk"
    assert name_of("cityscapes", "bicyclist") == name_of("cityscapes", "motorcyclist") == "rider"
    assert name_of("cityscapes", "sign back") == "static"
    assert name_of("mapillary-vistas-1.2", "bicyclist") == "human--rider--bicyclist"
    assert name_of("mapillary-vistas-1.2", "arrow left") == "marking--general"
    assert name_of("mapillary-vistas-2.0", "arrow left") == "marking--discrete--arrow--left"
    assert name_of("mapillary-vistas-2.0", "zebra crossing") == "marking--discrete--crosswalk-zebra"


def test_one_world_under_two_releases(tmp_path: Path) -> None:
    """Both label maps of release 2.0 tell the same scene, by way of the map of things."""
    write_mapillary_vistas(tmp_path, 1, 0, seed=9, size=SIZE, release="2.0")
    scene = render_scene(9, 0, SIZE, "mapillary-vistas/training", VISTAS)
    for release in ("1.2", "2.0"):
        path = next((tmp_path / f"training/v{release}/labels").iterdir())
        names = np.array(LabelSpace.load(f"mapillary-vistas-{release}").names)[stored(path)]
        expected = np.array([e.vistas_1 if release == "1.2" else e.vistas_2 for e in THINGS])[scene.things]
        assert (names == expected).all()


def test_styles_do_not_give_the_dataset_away_by_a_colour_cast() -> None:
    """The mean colours of scenes of the three datasets overlap: no threshold on one channel tells them apart."""
    means = [
        np.array([render_scene(0, i, (96, 64), name, style).image.mean(axis=(0, 1)) for i in range(12)])
        for name, style in (("c", CITYSCAPES), ("v", VISTAS), ("g", GTSDB))
    ]
    for one in means:
        for other in means:
            assert (one.min(axis=0) < other.max(axis=0)).all()
            hues, others = (m / m.sum(axis=1, keepdims=True) for m in (one, other))
            assert (hues.min(axis=0) < others.max(axis=0)).all()
