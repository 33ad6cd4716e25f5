"""Prediction: id maps in the tree's and in native ids, and overlays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint_writer import save_checkpoint
from labelforge.trainer.images import Pixels
from labelforge.trainer.label_spaces import find_legend
from labelforge.trainer.models.network import build_network
from labelforge.trainer.prediction import overlay, predict
from labelforge.trainer.readout import By
from labelforge.trainer.segmenter import Readings, Segmenter
from labelforge.trainer.training import train
from tests.trainer import tiny
from tests.trainer.tiny import draw, open_both, tiny_config

TREE_IDS = {"sky": 0, "ground": 9, "left": 4, "right": 5, "thirty": 6, "car": 7}  # leaves 0-7, then scene, ground, ...
CLASSES = list(TREE_IDS)
DENSE_IDS = {"sky": 7, "ground": 0, "left": 20, "right": 20, "thirty": 20, "car": 21}
BOXES_IDS = {"left": 0, "right": 1, "thirty": 2}


def load(path: Path | None) -> npt.NDArray[Any]:
    assert path is not None
    with Image.open(path) as picture:
        return np.asarray(picture)


pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return train(open_both(folder), folder / "run", tiny_config(steps=1)).out


def red_decides(classes: int, images: Sequence[Pixels], readout: Readings) -> list[tuple[torch.Tensor, ...]]:
    """Every pixel is of the class that its red channel names."""
    return [(torch.from_numpy(image[..., 0].astype(np.int64) % classes),) for image in images]


@pytest.fixture
def segmenter(run: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """A network that decides every pixel for the class that its red channel names."""
    loaded = Segmenter.load(run, device="cpu")
    monkeypatch.setattr(loaded, "look_all", partial(red_decides, 6))
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
    by: By = "winner"
    [written] = predict(segmenter, [picture], tmp_path / "out", label_space=space, by=by).written
    assert (written.ids, written.overlay) == (tmp_path / "out/ids/street.png", tmp_path / "out/overlays/street.jpg")
    image = load(picture)
    id_map = load(written.ids)
    shown = overlay(image, segmenter.decide(image).numpy(), find_legend(segmenter.checkpoint, space))
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    colors = {entry["id"]: entry["color"] for entry in legend["classes"]}
    assert id_map.dtype == np.uint8
    for y, x in np.ndindex(19, 27):
        expected = ids.get(CLASSES[image[y, x, 0] % 6], 255)
        assert id_map[y, x] == expected
        if expected == 255:
            assert (shown[y, x] == image[y, x]).all()
        else:
            mixed = image[y, x] * 0.45 + np.array(colors[expected]) * 0.55
            assert np.abs(shown[y, x] - mixed).max() <= 0.51
    assert (legend["void"], legend["bits"], legend["label_space"]) == (255, 8, space)
    assert np.abs(load(written.overlay).astype(int) - shown).mean() < 10, "the same picture, as a JPEG"
    assert set(ids.values()) <= set(colors)


def test_label_spaces_are_those_of_the_training(segmenter: Segmenter) -> None:
    assert find_legend(segmenter.checkpoint, "tree").label_space == "tree"
    dense = {entry.id: entry.name for entry in find_legend(segmenter.checkpoint, "dense").entries}
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
    legend = find_legend(Segmenter.load(folder, device="cpu").checkpoint, "cityscapes")
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
    monkeypatch.setattr(segmenter, "look_all", partial(red_decides, 3))
    [written] = predict(segmenter, [picture], tmp_path / "out", label_space="dense", by="winner").written
    id_map = load(written.ids)
    expected = np.array([300, 65535, 255])[load(picture)[..., 0] % 3]  # sky, ground, car
    np.testing.assert_array_equal(id_map, expected)
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert (legend["void"], legend["bits"]) == (65535, 16)
    assert [entry["id"] for entry in legend["classes"]] == [255, 300]


def test_an_unknown_label_space_names_the_known(run: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no mapping for label space 'dens'\. Did you mean 'dense'\?"):
        predict(run, [picture], tmp_path / "out", label_space="dens", device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_real_network_decides_images_of_any_size(run: Path, tmp_path: Path) -> None:
    for height, width in ((1, 1), (7, 300), (65, 33)):
        Image.new("RGB", (width, height), (120, 170, 230)).save(tmp_path / f"{height}.png")
    written = predict(run, [tmp_path], tmp_path / "out", device="cpu").written
    assert [load(item.ids).shape for item in written] == [(1, 1), (65, 33), (7, 300)]
    assert all(set(np.unique(load(item.ids))) <= set(TREE_IDS.values()) for item in written)


def test_the_output_folder_must_be_one(run: Path, picture: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a file\. Name a folder\."):
        predict(run, [picture], picture, device="cpu")


def test_images_of_one_size_are_looked_at_together(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a batch of 3: sizes a a a a b b a, one broken file among them; the same files as one by one."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, size in enumerate(["a", "a", "x", "a", "a", "b", "b", "a"]):
        file = folder / f"{number}.png"
        if size == "x":
            file.write_bytes(b"no picture")
        else:
            Image.fromarray(rng.integers(0, 256, (21 if size == "a" else 22, 30, 3), np.uint8)).save(file)
    single, batched = (Segmenter.load(run, device="cpu") for _ in range(2))
    monkeypatch.setattr(batched, "at_once", lambda image: 3)
    seen: list[int] = []
    whole = batched.look_all

    def look_all(images: Sequence[Pixels], readout: Readings) -> list[tuple[torch.Tensor, ...]]:
        seen.append(len(images))
        return whole(images, readout)

    monkeypatch.setattr(batched, "look_all", look_all)
    done: list[tuple[int, int]] = []
    one, many = (
        predict(segmenter, [folder], tmp_path / name, by="sum", label_space="dense", soft=True, progress=progress)
        for segmenter, name, progress in (
            (single, "one", None),
            (batched, "many", lambda *counts: done.append(counts)),
        )
    )
    assert seen == [3, 1, 2, 1]
    assert (
        [p.source.name for p in many.written]
        == [p.source.name for p in one.written]
        == [f"{n}.png" for n in (0, 1, 3, 4, 5, 6, 7)]
    )
    assert [str(fault) for fault in many.failures] == [str(fault) for fault in one.failures]
    assert done == [(n, 8) for n in range(1, 9)]
    for before, after in zip(one.written, many.written, strict=True):
        np.testing.assert_array_equal(load(before.ids), load(after.ids))
