"""Prediction: id maps in the tree's and in native ids, overlays, legends, names, and images that cannot be read."""

from __future__ import annotations

import json
import sys
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
from labelforge.trainer.label_spaces import find_legend
from labelforge.trainer.models.network import build_network
from labelforge.trainer.prediction import overlay, predict
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.training import train
from tests.core.html_reader import Reader
from tests.trainer import tiny
from tests.trainer.tiny import draw, open_both, tiny_config

TREE_IDS = {"sky": 0, "road": 1, "grass": 2, "back": 3, "left": 4, "right": 5, "thirty": 6, "car": 7}
LEAVES = list(TREE_IDS)
DENSE_IDS = {"sky": 7, "road": 0, "grass": 0, "left": 20, "right": 20, "thirty": 20, "car": 21}
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


@pytest.fixture
def segmenter(run: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """A network that decides every pixel for the leaf that its red channel names."""
    loaded = Segmenter.load(run, device="cpu")
    monkeypatch.setattr(loaded, "decide", lambda image: torch.from_numpy(image[..., 0].astype(np.int64) % 8))
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
    [written] = predict(segmenter, [picture], tmp_path / "out", label_space=space).written
    assert (written.ids, written.overlay) == (tmp_path / "out/ids/street.png", tmp_path / "out/overlays/street.jpg")
    image = load(picture)
    id_map = load(written.ids)
    shown = overlay(image, image[..., 0].astype(np.int64) % 8, find_legend(segmenter.checkpoint, space))
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    colors = {entry["id"]: entry["color"] for entry in legend["classes"]}
    assert id_map.dtype == np.uint8
    for y, x in np.ndindex(19, 27):
        expected = ids.get(LEAVES[image[y, x, 0] % 8], 255)
        assert id_map[y, x] == expected
        if expected == 255:
            assert (shown[y, x] == image[y, x]).all()
        else:
            mixed = image[y, x] * 0.45 + np.array(colors[expected]) * 0.55
            assert np.abs(shown[y, x] - mixed).max() <= 0.51
    assert (legend["void"], legend["bits"], legend["label_space"]) == (255, 8, space)
    assert np.abs(load(written.overlay).astype(int) - shown).mean() < 10, "the same picture, as a JPEG"
    assert sorted(colors) == sorted(set(ids.values()))


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
        taxonomy=tree,
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
    monkeypatch.setattr(segmenter, "decide", lambda image: torch.from_numpy(image[..., 0].astype(np.int64) % 8))
    [written] = predict(segmenter, [picture], tmp_path / "out", label_space="dense").written
    id_map = load(written.ids)
    leaf = load(picture)[..., 0] % 8
    expected = np.full(leaf.shape, 65535)
    expected[leaf == LEAVES.index("sky")] = 300
    expected[leaf == LEAVES.index("car")] = 255
    np.testing.assert_array_equal(id_map, expected)
    legend = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert (legend["void"], legend["bits"]) == (65535, 16)
    assert [entry["id"] for entry in legend["classes"]] == [255, 300]


def test_an_unknown_label_space_names_the_known(run: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"knows no label space 'dens'\. Did you mean 'dense'\?"):
        predict(run, [picture], tmp_path / "out", label_space="dens", device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_real_network_decides_images_of_any_size(run: Path, tmp_path: Path) -> None:
    for height, width in ((1, 1), (7, 300), (65, 33)):
        Image.new("RGB", (width, height), (120, 170, 230)).save(tmp_path / f"{height}.png")
    written = predict(run, [tmp_path], tmp_path / "out", device="cpu").written
    assert [load(item.ids).shape for item in written] == [(1, 1), (65, 33), (7, 300)]
    assert all(load(item.ids).max() <= 7 for item in written)


BROKEN = {
    "b_cut.png": (None, "cannot be read ("),
    "c_text.png": (b"not a picture", "not an image"),
    "d_empty.jpg": (b"", "not an image"),
    "e_text.mp4": (b"not a video", "is no video that can be read ("),
}


def break_files(folder: Path, picture: Path) -> list[Path]:
    whole = picture.read_bytes()
    for name, (content, _) in BROKEN.items():
        (folder / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    return [folder / name for name in BROKEN]


def test_files_that_cannot_be_read_do_not_stop_the_others(run: Path, picture: Path, tmp_path: Path) -> None:
    broken = break_files(tmp_path, picture)
    (tmp_path / "z.png").write_bytes(picture.read_bytes())
    steps: list[tuple[int, int]] = []
    out = tmp_path / "out"
    result = predict(
        run, [*broken, picture, tmp_path / "z.png"], out, device="cpu", progress=lambda *step: steps.append(step)
    )
    assert [item.source.name for item in result.written] == ["street.png", "z.png"]
    for fault, path in zip(result.failures, broken, strict=True):
        assert str(fault).startswith(f"{path}: {BROKEN[path.name][1]}")
        assert "\n" not in str(fault)
    assert steps == [(i, 6) for i in range(1, 7)]
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    pictures = ["ids/street.png", "ids/z.png", "overlays/street.jpg", "overlays/z.jpg"]
    assert files == ["classes.json", *pictures[:2], "legend.html", *pictures[2:]]


def test_if_nothing_can_be_read_nothing_is_written(run: Path, picture: Path, tmp_path: Path) -> None:
    broken = break_files(tmp_path, picture)
    with pytest.raises(DatasetError, match="not an image"):
        predict(run, [broken[1]], tmp_path / "out", device="cpu")
    with pytest.raises(DatasetError, match=r"none of the 4 files can be read\. The first: .*b_cut\.png: cannot be"):
        predict(run, broken, tmp_path / "out", device="cpu")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("file", ["ids/street.png", "overlays/street.jpg", "legend.html", "classes.json"])
def test_nothing_is_overwritten_unasked(file: str, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / file
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(ConfigError, match=rf"{path}: exists already\. Add --overwrite"):
        predict(tmp_path / "no run: nothing is loaded before", [picture], tmp_path / "out")
    assert [item for item in (tmp_path / "out").rglob("*") if item.is_file()] == [path]
    assert path.read_text() == "precious"


def test_overwriting_replaces_what_there_is(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    [first] = predict(segmenter, [tmp_path], tmp_path / "out").written
    Image.new("RGB", (5, 4), (7, 0, 0)).save(picture)
    [second] = predict(segmenter, [tmp_path], tmp_path / "out", overwrite=True).written
    assert first == second
    assert load(second.ids).tolist() == [[7] * 5] * 4


def test_names_and_ids_for_a_benchmark(segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "left" / "ulm_000001_000019_leftImg8bit.png"
    image.parent.mkdir()
    Image.new("RGB", (3, 2)).save(image)
    [written] = predict(segmenter, [tmp_path], tmp_path / "out", name_as="{folder}/{stem}").written
    assert written.ids == tmp_path / "out/ids/left/ulm_000001_000019_leftImg8bit.png"
    assert written.overlay == tmp_path / "out/overlays/left/ulm_000001_000019_leftImg8bit.jpg"
    with pytest.raises(ConfigError, match="knows no label space 'cityscapes'"):
        predict(segmenter, [image], tmp_path / "other", name_as="cityscapes")


def video(file: Path, count: int) -> Path:
    """A video of flat frames, whose red channel (and so the decision of the scripted network) grows."""
    av = pytest.importorskip("av")
    with av.open(file, "w") as container:
        stream = container.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 32, 16, "rgb24"
        for number in range(count):
            image = np.full((16, 32, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return file


def test_a_video_becomes_a_video(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    source = video(tmp_path / "drive.mkv", 5)
    steps: list[tuple[int, int]] = []
    out = tmp_path / "out"
    result = predict(segmenter, [source, picture], out, progress=lambda *step: steps.append(step))
    assert [(item.ids, item.overlay) for item in result.written] == [
        (None, out / "overlays/drive.mp4"),
        (out / "ids/street.png", out / "overlays/street.jpg"),
    ]
    assert steps[-1] == (6, 6) and steps == sorted(steps)
    assert not (out / "ids" / "drive").exists()
    page = (out / "legend.html").read_text()
    assert "6 pictures" in page


def test_the_ids_of_every_frame_if_asked_for(segmenter: Segmenter, tmp_path: Path) -> None:
    source = video(tmp_path / "drive.mkv", 5)
    out = tmp_path / "out"
    [written] = predict(segmenter, [source], out, video_ids=True).written
    assert written.ids == out / "ids/drive"
    assert [path.name for path in sorted(written.ids.iterdir())] == [f"{number:06d}.png" for number in range(5)]
    for number in range(5):
        assert (load(written.ids / f"{number:06d}.png") == np.full((16, 32), number)).all()
    with pytest.raises(ConfigError, match="exists already"):
        predict(segmenter, [source], out, video_ids=True)
    video(source, 2)
    predict(segmenter, [source], out, video_ids=True, overwrite=True)
    assert [path.name for path in sorted(written.ids.iterdir())] == ["000000.png", "000001.png"], "none of the old ones"


def test_a_video_without_pyav_is_refused_before_anything_is_done(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "drive.mp4").touch()
    with pytest.raises(ConfigError, match=r"drive\.mp4: reading a video needs the package av"):
        predict(tmp_path / "no run", [picture, tmp_path / "drive.mp4"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_legend_shows_what_occurs_and_the_picture_that_shows_most(segmenter: Segmenter, tmp_path: Path) -> None:
    for name, reds in {"a": [0, 0, 0, 3], "b": [0, 7, 4, 4], "c": [7, 7, 7, 7]}.items():
        red = np.array([reds], np.uint8)
        Image.fromarray(np.stack([red] * 3, axis=-1)).save(tmp_path / f"{name}.png")
    predict(segmenter, [tmp_path], tmp_path / "out", label_space="dense")
    page = Reader((tmp_path / "out" / "legend.html").read_text())
    rows = [[text for text in row if text] for row in cells(page)]
    assert rows == [
        ["auto", "21", "41.67%"],
        ["sky", "7", "33.33%"],
        ["sign", "20", "16.67%"],
        ["not painted: no label of dense fits", "255", "8.33%"],
    ]
    [image] = page.all("img")
    assert image["alt"].startswith("b,"), "three classes"
    assert "1 more could occur" in "".join(element["text"] for element in page.elements)
    every = json.loads((tmp_path / "out" / "classes.json").read_text())["classes"]
    assert [entry["name"] for entry in every] == ["floor", "sky", "sign", "auto"]


def cells(page: Reader) -> list[list[str]]:
    """Text of the cells of the page's data table, by row."""
    (table,) = page.all("table", class_="data")

    def above(index: int) -> list[int]:
        parent = page.elements[index]["parent"]
        return [] if parent is None else [parent, *above(parent)]

    elements = page.elements
    body = next(i for i, e in enumerate(elements) if e["tag"] == "tbody" and table is elements[e["parent"]])
    rows = [i for i, e in enumerate(elements) if e["tag"] == "tr" and e["parent"] == body]
    return [[e["text"].strip() for i, e in enumerate(elements) if row in above(i)] for row in rows]
