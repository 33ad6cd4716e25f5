"""What predict writes and leaves alone: files that cannot be read, old results, names, videos, the legend."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from labelforge.errors import ConfigError, DatasetError
from labelforge.logits import LogitLayout
from labelforge.trainer.prediction import predict
from labelforge.trainer.segmenter import Segmenter
from tests.core.html_reader import Reader
from tests.trainer.scripted import ScriptedSegmenter
from tests.trainer.tiny import TREE, mapping

SHOWN = {"sky": 0, "left": 4, "thirty": 6, "car": 7}
"""What the red channel of a test image means, counting from 0, and the tree's ids for it."""


def load(path: Path | None) -> npt.NDArray[Any]:
    assert path is not None
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def segmenter() -> Segmenter:
    mappings = [mapping("dense"), mapping("boxes")]
    layout = LogitLayout.compile(TREE, mappings)
    ends = [name.split("/")[-1] for name in layout.class_names]
    class_of = np.array([ends.index(name) for name in SHOWN])
    return ScriptedSegmenter(layout, lambda image: class_of[image[..., 0] % 4], mappings)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (19, 27, 3), np.uint8)).save(tmp_path / "street.png")
    return tmp_path / "street.png"


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


def test_files_that_cannot_be_read_do_not_stop_the_others(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    broken = break_files(tmp_path, picture)
    (tmp_path / "z.png").write_bytes(picture.read_bytes())
    steps: list[tuple[int, int]] = []
    out = tmp_path / "out"
    result = predict(segmenter, [*broken, picture, tmp_path / "z.png"], out, progress=lambda *step: steps.append(step))
    assert [item.source.name for item in result.written] == ["street.png", "z.png"]
    for fault, path in zip(result.failures, broken, strict=True):
        assert str(fault).startswith(f"{path}: {BROKEN[path.name][1]}")
        assert "\n" not in str(fault)
    assert steps == [(i, 6) for i in range(1, 7)]
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    pictures = ["ids/street.png", "ids/z.png", "overlays/street.jpg", "overlays/z.jpg"]
    assert files == ["classes.json", *pictures[:2], "legend.html", *pictures[2:]]


def test_if_nothing_can_be_read_nothing_is_written(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    broken = break_files(tmp_path, picture)
    with pytest.raises(DatasetError, match="not an image"):
        predict(segmenter, [broken[1]], tmp_path / "out")
    with pytest.raises(DatasetError, match=r"none of the 4 files can be read\. The first: .*b_cut\.png: cannot be"):
        predict(segmenter, broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(DatasetError, match="not an image"):
        predict(segmenter, [broken[1]], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


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
    Image.new("RGB", (5, 4), (3, 0, 0)).save(picture)
    [second] = predict(segmenter, [tmp_path], tmp_path / "out", overwrite=True).written
    assert first == second
    assert load(second.ids).tolist() == [[7] * 5] * 4


def test_names_and_ids_for_a_benchmark(segmenter: Segmenter, tmp_path: Path) -> None:
    image = tmp_path / "left" / "ulm_000001_000019_leftImg8bit.png"
    image.parent.mkdir()
    Image.new("RGB", (3, 2)).save(image)
    [written] = predict(segmenter, [tmp_path], tmp_path / "out", name_as="{folder}/{stem}").written
    assert written.ids == tmp_path / "out/ids/left/ulm_000001_000019_leftImg8bit.png"
    assert written.overlay == tmp_path / "out/overlays/left/ulm_000001_000019_leftImg8bit.jpg"
    with pytest.raises(ConfigError, match="no mapping for label space 'cityscapes'"):
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
    source = video(tmp_path / "drive.mkv", 4)
    out = tmp_path / "out"
    [written] = predict(segmenter, [source], out, video_ids=True).written
    assert written.ids == out / "ids/drive"
    assert [path.name for path in sorted(written.ids.iterdir())] == [f"{number:06d}.png" for number in range(4)]
    for number, value in enumerate(SHOWN.values()):
        assert (load(written.ids / f"{number:06d}.png") == np.full((16, 32), value)).all()
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
    for name, reds in {"a": [0, 0, 0, 3], "b": [0, 2, 1, 1], "c": [2, 2, 2, 2]}.items():
        red = np.array([reds], np.uint8)
        Image.fromarray(np.stack([red] * 3, axis=-1)).save(tmp_path / f"{name}.png")
    predict(segmenter, [tmp_path], tmp_path / "out", label_space="boxes")
    page = Reader((tmp_path / "out" / "legend.html").read_text())
    rows = [[text for text in row if text] for row in cells(page)]
    assert rows == [
        ["limit 30", "2", "41.67%"],
        ["keep left", "0", "16.67%"],
        ["not painted: no label of boxes fits", "255", "41.67%"],
    ]
    [image] = page.all("img")
    assert image["alt"].startswith("b,"), "it shows both"
    assert "1 more could occur" in "".join(element["text"] for element in page.elements)
    every = json.loads((tmp_path / "out" / "classes.json").read_text())["classes"]
    assert [entry["name"] for entry in every] == ["keep left", "keep right", "limit 30"]


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
