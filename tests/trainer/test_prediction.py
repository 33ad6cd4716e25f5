"""Prediction: id maps in the tree's and in native ids, overlays, legends, names, and images that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from labelforge.errors import ConfigError, DatasetError
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint import save_checkpoint
from labelforge.trainer.models.network import build_network
from labelforge.trainer.prediction import find_images, find_legend, output_names, predict
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.training import train
from tests.trainer import tiny
from tests.trainer.tiny import draw, open_both, tiny_config

TREE_IDS = {"sky": 0, "ground": 9, "left": 4, "right": 5, "thirty": 6, "car": 7}  # leaves 0-7, then scene, ground, ...
CLASSES = list(TREE_IDS)
DENSE_IDS = {"sky": 7, "ground": 0, "left": 20, "right": 20, "thirty": 20, "car": 21}
BOXES_IDS = {"left": 0, "right": 1, "thirty": 2}


def load(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return train(open_both(folder), folder / "run", tiny_config(steps=1)).out


@pytest.fixture
def segmenter(run: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """A network that decides every pixel for the class that its red channel names."""
    loaded = Segmenter.load(run, device="cpu")
    monkeypatch.setattr(loaded, "decide", lambda image: torch.from_numpy(image[..., 0].astype(np.int64) % 6))
    return loaded


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (19, 27, 3), np.uint8)).save(tmp_path / "street.png")
    return tmp_path / "street.png"


@pytest.mark.parametrize(
    ("space", "ids"), [("tree", TREE_IDS), ("dense", DENSE_IDS), ("boxes", BOXES_IDS)], ids=["tree", "dense", "boxes"]
)
def test_id_maps_and_overlays_pixel_by_pixel(
    segmenter: Segmenter, picture: Path, tmp_path: Path, space: str, ids: dict[str, int]
) -> None:
    written = predict(segmenter, [picture], tmp_path / "out", label_space=space)[0]
    assert (written.ids.name, written.overlay.name) == ("street.ids.png", "street.overlay.png")
    image = load(picture)
    id_map, overlay = load(written.ids), load(written.overlay)
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    colors = {entry["id"]: entry["color"] for entry in legend["classes"]}
    assert id_map.dtype == np.uint8
    for y, x in np.ndindex(19, 27):
        expected = ids.get(CLASSES[image[y, x, 0] % 6], 255)
        assert id_map[y, x] == expected
        if expected == 255:
            assert (overlay[y, x] == image[y, x]).all()
        else:
            mixed = image[y, x] * 0.45 + np.array(colors[expected]) * 0.55
            assert np.abs(overlay[y, x] - mixed).max() <= 0.51
    assert (legend["none"], legend["bits"], legend["label_space"]) == (255, 8, space)
    assert set(ids.values()) <= set(colors)


def test_label_spaces_are_those_of_the_training(segmenter: Segmenter) -> None:
    assert find_legend(segmenter, "tree").label_space == "tree"
    dense = {entry.id: entry.name for entry in find_legend(segmenter, "dense").entries}
    assert dense == {7: "sky", 0: "floor", 20: "sign", 21: "auto"}


def test_a_network_for_a_shipped_tree_writes_the_ids_of_every_dataset_mapped_to_it(tmp_path: Path) -> None:
    tree = Taxonomy.load("iv2018")
    layout, config = LogitLayout.compile(tree), tiny_config()
    weights = build_network(layout.sizes, config.model).state_dict()
    folder = save_checkpoint(
        tmp_path,
        step=1,
        config=config,
        layout=layout,
        mappings=[LabelMapping.load(tree, "gtsdb")],
        samples=[1],
        weights=weights,
        average=weights,
        state={},
        keep=1,
    )
    legend = find_legend(Segmenter.load(folder, device="cpu"), "cityscapes")
    road = next(entry for entry in legend.entries if entry.name == "road")
    assert (road.id, road.color) == (7, (128, 64, 128))  # as Cityscapes publishes them
    assert legend.id_of[layout.class_names.index("driveable/road")] == 7


def test_large_native_ids_need_16_bits_and_negative_ones_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    labels = [(300, "sky", "sky"), (-1, "floor", "ground"), (255, "auto", "car")]
    monkeypatch.setitem(tiny.LABELS, "dense", labels)
    shards = tiny.make_shards(tmp_path / "dense", "boxes", 1)
    image, rows = draw("dense", 0, (40, 40))
    dense = tiny.write_shards(tmp_path / "d", "dense", [("a", image, np.minimum(rows, 2))])
    train([shards, dense], tmp_path / "run", tiny_config(steps=1))
    segmenter = Segmenter.load(tmp_path / "run", device="cpu")
    monkeypatch.setattr(segmenter, "decide", lambda image: torch.from_numpy(image[..., 0].astype(np.int64) % 3))
    written = predict(segmenter, [picture], tmp_path / "out", label_space="dense")[0]
    id_map = load(written.ids)
    expected = np.array([300, 65535, 255])[load(picture)[..., 0] % 3]  # sky, ground, car
    np.testing.assert_array_equal(id_map, expected)
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert (legend["none"], legend["bits"]) == (65535, 16)
    assert [entry["id"] for entry in legend["classes"]] == [255, 300]


def test_an_unknown_label_space_names_the_known(run: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"knows no label space 'dens'\. Did you mean 'dense'\?"):
        predict(run, [picture], tmp_path / "out", label_space="dens", device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_real_network_decides_images_of_any_size(run: Path, tmp_path: Path) -> None:
    for height, width in ((1, 1), (7, 300), (65, 33)):
        Image.new("RGB", (width, height), (120, 170, 230)).save(tmp_path / f"{height}.png")
    written = predict(run, [tmp_path], tmp_path / "out", device="cpu")
    assert [load(item.ids).shape for item in written] == [(1, 1), (65, 33), (7, 300)]
    assert all(set(np.unique(load(item.ids))) <= set(TREE_IDS.values()) for item in written)


def test_images_are_found_in_files_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "sub/c.ppm", "sub/deep/d.jpeg", "x[1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(*items: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in find_images([tmp_path / item for item in items])]

    assert names(".") == ["a.JPG", "b.png", "sub/c.ppm", "sub/deep/d.jpeg", "x[1].png"]
    assert names("sub", "b.png", "sub/c.ppm") == ["sub/c.ppm", "sub/deep/d.jpeg", "b.png"]
    assert names("*.png") == ["b.png", "x[1].png"]
    assert names("**/*.jpeg") == ["sub/deep/d.jpeg"]
    assert names("x[1].png") == ["x[1].png"]  # a file by that very name, not a pattern
    for item, what in (("none.png", "no such file"), ("*.gif", "no such file")):
        with pytest.raises(ConfigError, match=what):
            names(item)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no image"):
        names("empty")


def test_images_of_one_name_keep_apart() -> None:
    files = ["/d/x/a.png", "/d/y/a.png", "/d/y/a.jpg", "/d/b.png", "/d/x/B.png", "/d/c.png", "/e/x/a.png"]
    names = output_names([Path(file) for file in files])
    assert names == ["d_x_a_png", "y_a_png", "a_jpg", "d_b_png", "x_B_png", "c", "e_x_a_png"]
    tricky = output_names([Path("/a_b/c.png"), Path("/a/b_c.png"), Path("/a/b/c.png")])
    assert len({name.casefold() for name in tricky}) == 3


def test_output_names_are_free_of_folders(tmp_path: Path) -> None:
    names = output_names([tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"])
    assert all(os.sep not in name for name in names)
    assert len(set(names)) == 2


def test_unreadable_images_are_one_line_and_leave_nothing_partial(run: Path, picture: Path, tmp_path: Path) -> None:
    whole = picture.read_bytes()
    broken = {
        "b_cut.png": (whole[: len(whole) // 2], "cannot be read ("),
        "c_text.png": (b"not a picture", "not an image"),
        "d_empty.jpg": (b"", "not an image"),
    }
    for name, (content, what) in broken.items():
        (tmp_path / name).write_bytes(content)
        out = tmp_path / f"out_{name}"
        with pytest.raises(DatasetError) as caught:
            predict(run, [picture, tmp_path / name], out, device="cpu")
        assert str(caught.value).startswith(f"{tmp_path / name}: {what}")
        assert "\n" not in str(caught.value)
        files = sorted(path.name for path in out.iterdir())
        assert files == ["classes.json", "legend.html", "street.ids.png", "street.overlay.png"]


def test_the_output_folder_must_be_one(run: Path, picture: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written \(File exists\)"):
        predict(run, [picture], picture, device="cpu")
