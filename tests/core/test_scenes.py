"""Synthetic scenes: the same bytes for a seed, labels that the real tables know, boxes that hold their signs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.label_space import LabelSpace
from labelforge.scenes import (
    NUM_SIGNS,
    THINGS,
    draw_sign,
    native_ids,
    render_scene,
    thing,
    write_cityscapes,
    write_gtsdb,
    write_mapillary_vistas,
)
from labelforge.scenes.street import sign_classes
from labelforge.taxonomy import Taxonomy

SIZE = (192, 112)


def files(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def mode_and_size(path: Path) -> tuple[str, tuple[int, int]]:
    """Mode and (width, height) of a picture file."""
    with Image.open(path) as image:
        return image.mode, image.size


def test_a_scene_depends_on_its_seed_series_and_number_alone() -> None:
    one, again = render_scene(3, 1, SIZE, "a"), render_scene(3, 1, SIZE, "a")
    assert one.image.tobytes() == again.image.tobytes()
    assert one.signs == again.signs
    for other in (render_scene(4, 1, SIZE, "a"), render_scene(3, 2, SIZE, "a"), render_scene(3, 1, SIZE, "b")):
        assert one.image.tobytes() != other.image.tobytes()


def test_another_process_that_writes_fewer_scenes_writes_the_same_bytes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "here", 2, 1, seed=5, size=SIZE)
    code = (
        "import sys, pathlib, labelforge.scenes as s;"
        f"s.write_cityscapes(pathlib.Path(sys.argv[1]), 1, 1, seed=5, size={SIZE})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True)
    there, here = files(tmp_path / "there"), files(tmp_path / "here")
    assert len(there) == 6
    assert there.items() <= here.items()


def test_every_thing_turns_up() -> None:
    seen: set[int] = set()
    for i in range(40):
        scene = render_scene(0, i, SIZE)
        assert scene.image.shape == (SIZE[1], SIZE[0], 3)
        assert scene.things.shape == scene.instances.shape == (SIZE[1], SIZE[0])
        seen |= set(np.unique(scene.things).tolist())
    missing = {entry.name for i, entry in enumerate(THINGS) if i not in seen}
    assert missing == {"void", "ego vehicle"}


def test_a_box_shows_the_sign_of_its_class() -> None:
    right = total = 0
    for i in range(10):
        scene = render_scene(1, i, (480, 288))
        for box in scene.signs:
            patch = scene.image[box.top : box.bottom + 1, box.left : box.right + 1]
            seen = np.asarray(Image.fromarray(patch).resize((24, 24)), float)
            masked = [(draw_sign(c, 24)[0].astype(float), draw_sign(c, 24)[1]) for c in range(NUM_SIGNS)]
            likeness = [np.corrcoef(seen[mask].ravel(), rgb[mask].ravel())[0, 1] for rgb, mask in masked]
            right += int(np.argmax(likeness)) == box.class_id
            total += 1
    assert total > 15
    assert right / total > 0.8


def test_boxes_are_the_extent_of_their_sign() -> None:
    found = 0
    for i in range(12):
        scene = render_scene(2, i, (320, 192))
        front = scene.things == thing("sign front")
        for box in scene.signs:
            inside = front[box.top : box.bottom + 1, box.left : box.right + 1]
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            found += 1
    assert found > 20


def test_the_deck_deals_every_sign_before_it_deals_one_again() -> None:
    dealt = [c for i in range(43) for c in sign_classes(0, i, "gtsdb/train")]
    for deck in range(4):
        assert sorted(dealt[deck * NUM_SIGNS : (deck + 1) * NUM_SIGNS]) == list(range(NUM_SIGNS))


SHARE = {"circle": np.pi / 4, "triangle up": 0.5, "triangle down": 0.5, "diamond": 0.5, "octagon": 0.8284}


@pytest.mark.parametrize("class_id", range(NUM_SIGNS))
def test_a_sign_has_the_shape_that_the_tree_says(class_id: int) -> None:
    (node,) = (n for n in Taxonomy.load("iv2018").leaves if n.class_id == 65 + class_id)
    assert node.shape is not None
    rgb, mask = draw_sign(class_id, 64)
    assert rgb.shape == (64, 64, 3)
    assert mask.mean() == pytest.approx(SHARE[node.shape], abs=0.03)
    top, bottom = mask[:16].sum(), mask[-16:].sum()
    if node.shape.startswith("triangle"):
        assert (top < bottom) == (node.shape == "triangle up")
    others = [draw_sign(c, 24)[0].astype(int) for c in range(NUM_SIGNS) if c != class_id]
    mine = draw_sign(class_id, 24)[0].astype(int)
    assert min(np.abs(mine - other).mean() for other in others) > 1, "no two signs look the same"


def test_cityscapes_layout(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, 2, 1, size=SIZE)
    labels = sorted((tmp_path / "gtFine").rglob("*_gtFine_labelIds.png"))
    assert len(labels) == 3
    table = set(LabelSpace.load("cityscapes").ids)
    for path in labels:
        image = tmp_path / "leftImg8bit" / path.relative_to(tmp_path / "gtFine")
        image = image.with_name(image.name.replace("gtFine_labelIds", "leftImg8bit"))
        values = np.asarray(Image.open(path))
        assert values.dtype == np.uint8
        assert set(np.unique(values).tolist()) <= table
        assert np.asarray(Image.open(image)).shape == (*values.shape, 3)
        instances = np.asarray(Image.open(path.with_name(path.name.replace("labelIds", "instanceIds")))).astype(int)
        assert (np.where(instances >= 1000, instances // 1000, instances) == values).all()


@pytest.mark.parametrize("release", ["1.2", "2.0"])
def test_vistas_layout(tmp_path: Path, release: str) -> None:
    write_mapillary_vistas(tmp_path, 2, 1, size=SIZE, release=release)
    config = "config.json" if release == "1.2" else "config_v2.0.json"
    space = LabelSpace.load(f"mapillary-vistas-{release}")
    assert tuple(entry["name"] for entry in json.loads((tmp_path / config).read_text())["labels"]) == space.names
    folder = tmp_path / "training" / ("labels" if release == "1.2" else "v2.0/labels")
    for path in folder.iterdir():
        assert len(path.stem) == 22
        image = Image.open(path)
        assert image.mode == "P"
        palette = image.getpalette()
        assert palette is not None
        assert tuple(palette[3 * 7 : 3 * 7 + 3]) == space.by_id[7].color
        assert set(np.unique(np.asarray(image)).tolist()) <= set(space.ids)
        assert (tmp_path / "training" / "images" / f"{path.stem}.jpg").is_file()


def test_gtsdb_layout(tmp_path: Path) -> None:
    write_gtsdb(tmp_path, 9, 2, size=SIZE)
    assert sorted(p.name for p in tmp_path.glob("*.ppm")) == [
        *(f"{i:05d}.ppm" for i in range(9)),
        "00600.ppm",
        "00601.ppm",
    ]
    lines = [line.split(";") for line in (tmp_path / "gt.txt").read_text().splitlines()]
    assert "00007.ppm" not in {line[0] for line in lines}, "every eighth image has no sign"
    for name, left, top, right, bottom, class_id in lines:
        _, (width, height) = mode_and_size(tmp_path / name)
        assert 0 <= int(left) <= int(right) < width
        assert 0 <= int(top) <= int(bottom) < height
        assert 0 <= int(class_id) < NUM_SIGNS


def test_layouts_are_those_of_the_real_files(tmp_path: Path, shared_data: Path) -> None:
    write_cityscapes(tmp_path / "c", 1, 0, size=SIZE)
    write_mapillary_vistas(tmp_path / "v", 0, 1, size=SIZE)
    pairs = (
        (tmp_path / "c", shared_data / "cityscapes", "*_gtFine_labelIds.png"),
        (tmp_path / "c", shared_data / "cityscapes", "*_gtFine_instanceIds.png"),
        (tmp_path / "c", shared_data / "cityscapes", "*_leftImg8bit.png"),
        (tmp_path / "v", shared_data / "mapillary_vistas_v1", "labels/*.png"),
        (tmp_path / "v", shared_data / "mapillary_vistas_v1", "instances/*.png"),
        (tmp_path / "v", shared_data / "mapillary_vistas_v1", "images/*.jpg"),
    )
    for made, real, pattern in pairs:
        ours, theirs = next(made.rglob(pattern)), next(real.rglob(pattern))
        assert mode_and_size(ours)[0] == mode_and_size(theirs)[0]
        assert len(ours.relative_to(made).parts) == len(theirs.relative_to(real).parts)


def test_the_views_disagree_as_the_datasets_do() -> None:
    def name(space: str, what: str) -> str:
        return LabelSpace.load(space).by_id[int(native_ids(space)[thing(what)])].name

    assert name("cityscapes", "lane marking") == "road"
    assert name("cityscapes", "curb") == "sidewalk"
    assert name("cityscapes", "bicyclist") == name("cityscapes", "motorcyclist") == "rider"
    assert name("mapillary-vistas-1.2", "bicyclist") == "human--rider--bicyclist"
    assert name("mapillary-vistas-2.0", "crosswalk") == "marking--discrete--crosswalk-zebra"
