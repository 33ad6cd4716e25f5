"""A command that is refused leaves nothing behind: in a new folder, with new folders above it, or in an empty one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from labelforge.cli import cli
from labelforge.errors import DatasetError, LabelforgeError
from labelforge.shards import open_folder
from tests.converters.layouts import save, write_cityscapes
from tests.exports.sets import table, toy_rows, write_set
from tests.trainer.tiny import make_shards, tiny_backbone

SETTINGS = ["device=cpu", "model.backbone=tiny", "model.features=16", "data.crop=[32, 48]", "data.workers=0", "steps=3"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The one line about a command that is refused."""
    result = run(*arguments)
    assert isinstance(result.exception, LabelforgeError), result.output
    return str(result.exception)


def train(*shards: Path, out: Path, more: tuple[str, ...] = ()) -> list[object]:
    settings = [text for item in (*SETTINGS, *more) for text in ("--set", item)]
    return ["train", *shards, "--out", out, *settings]


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def spoil_pictures(folder: Path) -> Path:
    """Break the pixels of all pictures in a folder of shards; sizes stay."""
    for tar in folder.glob("*.tar"):
        data, place = bytearray(tar.read_bytes()), 0
        while (place := data.find(b"IDAT", place)) >= 0:
            data[place + 10 : place + 40] = b"\xff" * 30
            place += 10
        tar.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the commands are given, by name; much of it is broken."""
    folder = tmp_path_factory.mktemp("given")
    write_cityscapes(folder / "first")
    write_cityscapes(folder / "late")
    write_cityscapes(folder / "all", count=3)
    broken = sorted(folder.glob("*/gtFine/train/*/*labelIds.png"), key=lambda path: (path.parts[-5], path.name))
    for path in broken:
        which = [other for other in broken if other.parts[-5] == path.parts[-5]].index(path)
        if {"first": which == 0, "late": which == 4, "all": True}[path.parts[-5]]:
            cut_short(path)
    save(folder / "own/images/a.png", np.zeros((20, 30, 3), np.uint8))
    save(folder / "own/labels/a.png", np.full((20, 30, 3), 3, np.uint8))
    (folder / "own/dataset.yaml").write_text(
        "kind: masks\nformat: rgb\nimages: images/{key}.png\nlabels: labels/{key}.png\n"
        "classes: [{name: road, color: [9, 9, 9]}]\nmapping: mapping.yaml\n"
    )
    (folder / "own/mapping.yaml").write_text(
        "dataset: own\ntaxonomy: streets\nsupervision: pixel\nlabels: {road: road}\n"
    )
    spoil_pictures(write_set(folder / "toys", {"a": (toy_rows(), "png")}, table()))
    make_shards(folder / "dense", "dense", 3)
    spoil_pictures(make_shards(folder / "bad", "dense", 2, first=20))
    (folder / "no.png").write_bytes(b"\x89PNG")
    (folder / "no.mp4").write_bytes(b"\0\0\0\x18ftypmp42broken")
    save(folder / "good.png", np.zeros((32, 48, 3), np.uint8))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tiny_backbone():
        assert run(*train(folder / "dense", out=folder / "run")).exit_code == 0
        yield folder
    torch.set_num_threads(threads)


def frozen(given: Path) -> tuple[str, ...]:
    return "model.freeze=backbone", "data.views=2", f"start_from={given / 'run'}"


COMMANDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "convert": lambda given, out: ["convert", "cityscapes", given / "first", out, "--workers", 0],
    "convert in small shards": lambda given, out: [
        *("convert", "cityscapes", given / "first", out, "--workers", 0, "--samples-per-shard", 1)
    ],
    "convert, one task for two workers": lambda given, out: [
        "convert",
        "cityscapes",
        given / "all",
        out,
        "--workers",
        2,
    ],
    "convert with two workers": lambda given, out: [
        *("convert", "cityscapes", given / "all", out, "--workers", 2, "--samples-per-shard", 2)
    ],
    "convert auto": lambda given, out: ["convert", "auto", given / "first", out, "--workers", 0],
    "convert dataset.yaml": lambda given, out: ["convert", given / "own", out, "--workers", 0],
    "convert, all skipped": lambda given, out: [
        *("convert", "cityscapes", given / "all", out, "--workers", 0, "--on-error", "skip")
    ],
    "convert behind a URL": lambda given, out: ["convert", "cityscapes", given / "first", f"local://{out}"],
    "export masks": lambda given, out: ["export", given / "toys", out, "--format", "masks", "--classes", "leaves"],
    "export coco": lambda given, out: ["export", given / "toys", out, "--format", "coco", "--classes", "leaves"],
    "export yolo": lambda given, out: ["export", given / "toys", out, "--format", "yolo", "--classes", "leaves"],
    "train": lambda given, out: train(given / "bad", out=out),
    "train, the loss breaks": lambda given, out: train(given / "dense", out=out, more=("optim.lr=1e38",)),
    "train, validation breaks": lambda given, out: [*train(given / "dense", out=out), "--val", given / "bad"],
    "train with kept features": lambda given, out: train(given / "bad", out=out, more=frozen(given)),
    "evaluate": lambda given, out: ["evaluate", given / "run", given / "bad", "--out", out],
    "predict": lambda given, out: ["predict", given / "run", given / "no.png", "--out", out],
    "predict a video": lambda given, out: ["predict", given / "run", given / "no.mp4", "--out", out],
}


@pytest.mark.parametrize("there", [[], ["a", "a/out"]], ids=["new", "empty"])
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_left(name: str, there: list[str], given: Path, tmp_path: Path) -> None:
    for folder in there:
        (tmp_path / folder).mkdir()
    refused(*COMMANDS[name](given, tmp_path / "a" / "out"))
    assert tree(tmp_path) == there


def test_nothing_is_left_in_a_store_without_folders(given: Path) -> None:
    refused("convert", "cityscapes", given / "first", "memory://leftovers/a/out", "--workers", 0)
    store = fsspec.filesystem("memory")
    assert not store.exists("/leftovers") and not open_folder("memory://leftovers/a/out").names()


@pytest.mark.parametrize("workers", [0, 2])
def test_finished_shards_stay_and_the_error_says_so(workers: int, given: Path, tmp_path: Path) -> None:
    arguments = ["--samples-per-shard", 2, "--workers", workers]
    said = refused("convert", "cityscapes", given / "late", tmp_path / "out", *arguments)
    assert said.endswith("--on-error skip. 2 finished shards are kept: the same command goes on from there.")
    held = ["shard-00000.index.json", "shard-00000.tar", "shard-00001.index.json", "shard-00001.tar"]
    assert tree(tmp_path / "out") == held
    said = refused("convert", "cityscapes", given / "late", tmp_path / "out", *arguments, "--short-side", 10)
    assert "kept" not in said, "this command does not go on from there"
    assert tree(tmp_path / "out") == held


@pytest.mark.parametrize("finished", [False, True])
def test_an_interrupted_conversion_says_whether_it_can_go_on(
    finished: bool, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelforge.converters.datasets.cityscapes import Cityscapes

    labels = Cityscapes.labels

    def interrupted(self: Cityscapes, source: Any) -> Any:
        if not finished or source.key.startswith("ulm"):
            raise KeyboardInterrupt
        return labels(self, source)

    monkeypatch.setattr(Cityscapes, "labels", interrupted)
    out = tmp_path / "a" / "out"
    result = run("convert", "cityscapes", given / "late", out, "--workers", 0, "--samples-per-shard", 2)
    then = "the same command continues from the finished shards" if finished else "no shard was finished yet"
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, f"Interrupted; {then}.")
    assert tree(tmp_path) == (["a", "a/out", *(f"a/out/shard-00000.{end}" for end in ("index.json", "tar"))] * finished)


def test_a_run_with_a_checkpoint_stays_and_the_error_says_so(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = refused(*train(given / "dense", out=out, more=("optim.lr=1e38", "checkpoint_every=1")))
    step = out / "checkpoints" / "step-0000001"
    assert said.endswith(f"and train again. {step} is kept: --resume goes on from there.")
    assert (step / "checkpoint.json").is_file() and (out / "config.yaml").is_file()


def test_a_run_without_a_checkpoint_keeps_its_log(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = refused(*train(given / "dense", out=out, more=("optim.lr=1e38", "log_every=1", "steps=9")))
    assert said.endswith(f" Its log is kept: {out / 'metrics.jsonl'}.")
    assert (out / "metrics.jsonl").read_text().count("\n") > 0


def test_a_folder_of_features_that_was_there_stays_though_it_is_in_the_runs(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "features").mkdir(parents=True)
    (out / "features" / "mine").write_text("x")
    refused(*train(given / "dense", out=out, more=("optim.lr=1e38",)))
    assert (out / "features" / "mine").read_text() == "x"
    named = (*frozen(given), f"data.feature_folder={tmp_path / 'new' / 'features'}", "optim.lr=1e38")
    refused(*train(given / "dense", out=tmp_path / "new", more=named))
    assert list((tmp_path / "new" / "features").glob("*/*.features"))


def test_a_resumed_run_that_fails_keeps_everything(given: Path, tmp_path: Path) -> None:
    shards, out = shutil.copytree(given / "dense", tmp_path / "dense"), tmp_path / "run"
    assert run(*train(shards, out=out, more=("steps=1",))).exit_code == 0
    before = set(tree(out))
    spoil_pictures(shards)
    refused(*train(shards, out=out), "--resume")
    assert before <= set(tree(out))


@pytest.mark.parametrize("shards", ["bad", "both"])
def test_a_named_folder_of_features_stays(shards: str, given: Path, tmp_path: Path) -> None:
    features = tmp_path / "a" / "features"
    more = (*frozen(given), f"data.feature_folder={features}", *(("optim.lr=1e38",) if shards == "both" else ()))
    refused(*train(given / ("bad" if shards == "bad" else "dense"), out=tmp_path / "run", more=more))
    assert not (tmp_path / "run").exists()
    assert features.is_dir() and bool(list(features.glob("*/*.features"))) == (shards == "both")


def test_a_full_disk_while_predicting(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelforge import files
    from labelforge.trainer import output_folder

    write, room = files.write_atomically, 0

    def full(path: Path, data: bytes) -> Path:
        nonlocal room
        if room == 0:
            raise OSError(28, "No space left on device")
        room -= 1
        return write(path, data)

    monkeypatch.setattr(output_folder, "write_atomically", full)
    arguments = ["predict", given / "run", given / "good.png", "--out", tmp_path / "a" / "out"]
    assert refused(*arguments).endswith("(No space left on device). Name a folder that you may write to.")
    assert tree(tmp_path) == []
    Image.new("RGB", (48, 32)).save(tmp_path / "other.png")
    room = 2  # the ids and the overlay of the first
    assert refused(*arguments, tmp_path / "other.png").endswith("What was finished is kept: 1 overlay.")
    assert (tmp_path / "a/out/overlays/good.jpg").is_file() and (tmp_path / "a/out/classes.json").is_file()


def test_the_frames_of_a_video_that_breaks_off(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")
    from labelforge.trainer import video

    with av.open(tmp_path / "drive.mkv", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    decode = video._decode

    def breaking(file: Path, container: Any) -> Iterator[Any]:
        for number, frame in enumerate(decode(file, container)):
            if number == 3:
                raise DatasetError("cannot be read after 3 frames", where=file)
            yield frame

    monkeypatch.setattr(video, "_decode", breaking)
    arguments = ["predict", given / "run", tmp_path / "drive.mkv", "--out", tmp_path / "out", "--video-ids"]
    assert "after 3 frames" in refused(*arguments)
    assert tree(tmp_path) == ["drive.mkv"]
    result = run(*arguments, given / "good.png")
    assert result.exit_code == 1 and "after 3 frames" in result.stderr
    assert tree(tmp_path / "out") == [
        *("classes.json", "ids", "ids/good.png", "legend.html", "overlays", "overlays/good.jpg")
    ]


@pytest.mark.parametrize("stage", ["_render", "_train"])
@pytest.mark.parametrize("there", [[], ["a", "a/demo"]], ids=["new", "empty"])
def test_a_demo(stage: str, there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rendered(demo: Any, _: Any) -> None:
        (demo.settings.out / "data").mkdir()

    def converted(demo: Any, _: Any) -> None:
        write_set(demo.shards("train")[0], {"a": (toy_rows(), "png")}, table())

    def full(*_: Any) -> None:
        raise LabelforgeError("the disk is full", cure="Make room.")

    stages = {"_render": rendered, "_convert": converted, "_draw_tree": lambda *_: None, stage: full}
    for name, replacement in stages.items():
        monkeypatch.setattr(f"labelforge.demo.run.{name}", replacement)
    for folder in there:
        (tmp_path / folder).mkdir()
    out = tmp_path / "a" / "demo"
    said = refused("demo", "--out", out, "--steps", 1)
    if stage == "_render":
        assert said == "the disk is full. Make room." and tree(tmp_path) == there
    else:
        assert said == f"the disk is full. Make room. {out / 'shards'} stays."
        assert (out / "shards").is_dir() and (out / "data").is_dir()


def test_of_two_files_of_a_draft_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelforge import files

    write = files.write_atomically

    def refusing(path: Path, data: Any) -> Path:
        if Path(path).name == "mapping.yaml":
            raise PermissionError(13, "Permission denied")
        return write(path, data)

    monkeypatch.setattr(files, "write_atomically", refusing)
    (tmp_path / "labels.txt").write_text("road\ncar\n")
    arguments = ["taxonomy", "draft", tmp_path / "labels.txt", "-o", tmp_path / "mapping.yaml"]
    refused(*arguments, "--label-space", tmp_path / "space.yaml")
    assert tree(tmp_path) == ["labels.txt"]
    (tmp_path / "space.yaml").write_text("an older one")
    refused(*arguments, "--label-space", tmp_path / "space.yaml", "--overwrite")
    assert tree(tmp_path) == ["labels.txt", "space.yaml"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_is_in_the_way(name: str, given: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    run(*COMMANDS[name](given, tmp_path / "a" / "out"))
    assert tree(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "mine"
