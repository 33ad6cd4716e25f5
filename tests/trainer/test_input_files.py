"""Inputs: files, folders and patterns; and that what labelforge wrote is never one of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelforge.errors import ConfigError
from labelforge.trainer.input_files import InputFile, find_inputs

CLASSES = json.dumps({"label_space": "tree", "checkpoint": "runs/first", "classes": []})


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, *items: str, out: str = "out") -> list[str]:
    found = find_inputs([folder / item for item in items], folder / out)
    return [file.path.relative_to(folder).as_posix() for file in found]


def test_images_are_found_in_files_folders_and_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "notes.txt", "sub/c.ppm", "sub/deep/d.jpeg", "x[1].png", "sub/v.MP4")
    assert names(tmp_path, ".") == ["a.JPG", "b.png", "sub/c.ppm", "sub/deep/d.jpeg", "sub/v.MP4", "x[1].png"]
    assert names(tmp_path, "sub", "b.png", "sub/c.ppm") == ["sub/c.ppm", "sub/deep/d.jpeg", "sub/v.MP4", "b.png"]
    assert names(tmp_path, "*.png") == ["b.png", "x[1].png"]
    assert names(tmp_path, "**/*.jpeg") == ["sub/deep/d.jpeg"]
    assert names(tmp_path, "x[1].png") == ["x[1].png"]  # a file by that very name, not a pattern
    for item, what in (("none.png", "no such file"), ("*.gif", "no such file")):
        with pytest.raises(ConfigError, match=what):
            names(tmp_path, item)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no image or video"):
        names(tmp_path, "empty")


@pytest.mark.parametrize(
    ("item", "folder"), [(".", "a/b"), ("a", "b"), ("a/*/*.png", "b"), ("**/c.png", "a/b"), ("a/b/c.png", "")]
)
def test_an_input_knows_where_it_is_below_what_was_given(
    item: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/b/c.png")
    assert [file.folder for file in find_inputs([tmp_path / item], tmp_path / "out")] == [folder]
    monkeypatch.chdir(tmp_path)
    assert [file.folder for file in find_inputs([item], "out")] == [folder]


def test_videos_are_told_by_their_suffix() -> None:
    assert InputFile(Path("a/DRIVE.MOV")).is_video
    assert not InputFile(Path("a/mp4.png")).is_video


@pytest.mark.parametrize("out", ["photos/x", "photos", "."])
def test_the_own_output_is_never_found(out: str, tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.png", "photos/day/b.png")
    expected = ["photos/a.png", "photos/day/b.png"]
    assert names(tmp_path, "photos", out=out) == expected
    root = tmp_path / out
    touch(root, "ids/a.png", "overlays/a.jpg", "overlays/v.mp4", "confidence/a.png", "ids/v/000000.png")
    for first in (True, False):
        assert names(tmp_path, "photos", out=out) == expected, "whether or not it got as far as classes.json"
        assert names(tmp_path, "**/*.png", out=out) == expected
        if first:
            (root / "classes.json").write_text(CLASSES)
    assert names(tmp_path, "photos", out="elsewhere") == expected, "an earlier output is known by its classes.json"
    with pytest.raises(ConfigError, match="is output of labelforge"):
        names(tmp_path, f"{out}/overlays/a.jpg", out=out)
    with pytest.raises(ConfigError, match=r"overlays: holds only what labelforge wrote\."):
        names(tmp_path, f"{out}/overlays", out="elsewhere")
    assert names(tmp_path, f"{out}/overlays/a.jpg", out="elsewhere"), "named as a file, it is wanted"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"classes": ["a"]}'], ids=["empty", "list", "broken", "other"])
def test_folders_of_other_programs_are_inputs(content: str, tmp_path: Path) -> None:
    touch(tmp_path, "set/ids/a.png", "set/overlays/b.png")
    assert names(tmp_path, "set") == ["set/ids/a.png", "set/overlays/b.png"]
    (tmp_path / "set" / "classes.json").write_text(content)
    assert names(tmp_path, "set") == ["set/ids/a.png", "set/overlays/b.png"]
