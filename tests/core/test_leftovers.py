"""What a block that fails has made is removed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelforge.errors import ConfigError
from labelforge.files import writing_into
from labelforge.leftovers import NewFolder, nothing_left

OWN = ("deep", ".hid*", "link", "dangling")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fill(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").write_text("x")
    (folder / ".hidden").write_text("x")
    (folder / "link").symlink_to(folder.parent)
    (folder / "dangling").symlink_to("nowhere")


@pytest.mark.parametrize("fault", [ConfigError("no"), OSError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [[], ["a"], ["a", "a/b"], ["a", "a/b", "a/b/out"]])
def test_all_that_was_made_is_removed(there: list[str], fault: BaseException, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(type(fault)), nothing_left(NewFolder.at(tmp_path / "a/b/out"), OWN):
        (tmp_path / "a/b/out").mkdir(parents=True, exist_ok=True)
        fill(tmp_path / "a/b/out")
        raise fault
    assert tree(tmp_path) == there


def test_a_folder_of_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError), nothing_left(NewFolder.at(Path("out")), OWN):
        fill(Path("out"))
        raise OSError
    assert tree(tmp_path) == []


def test_what_held_something_is_not_touched_and_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConfigError) as caught, nothing_left(NewFolder.at(tmp_path), OWN, lambda: "It stays."):
        fill(tmp_path)
        raise ConfigError("no", cure="Do it.")
    assert tree(tmp_path) == [".hidden", "dangling", "deep", "deep/er", "deep/er/file", "link", "mine"]
    assert str(caught.value) == "no. Do it."


@pytest.mark.parametrize(("kept", "said"), [("It stays.", "no. It stays."), ("", "no.")])
def test_what_is_worth_keeping_stays_and_the_error_says_so(kept: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught, nothing_left(NewFolder.at(tmp_path / "a" / "out"), OWN, lambda: kept):
        fill(tmp_path / "a" / "out")
        raise ConfigError("no")
    assert str(caught.value) == said
    assert len(tree(tmp_path / "a" / "out")) == 6


def test_where_anything_else_is_nothing_is_removed(tmp_path: Path) -> None:
    with pytest.raises(OSError), nothing_left(NewFolder.at(tmp_path / "out"), OWN):
        fill(tmp_path / "out")
        (tmp_path / "out" / "notes.txt").write_text("mine")
        raise OSError
    assert len(tree(tmp_path / "out")) == 7


def test_a_path_over_a_folder_that_is_not_there_leads_to_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "deep").write_text("mine")
    with pytest.raises(OSError), nothing_left(NewFolder.at(tmp_path / "new" / ".." / "photos"), OWN):
        raise OSError
    assert tree(tmp_path) == ["photos", "photos/deep"]


def test_a_folder_above_that_others_use_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(OSError), nothing_left(NewFolder.at(tmp_path / "a" / "out"), OWN):
        fill(tmp_path / "a" / "out")
        (tmp_path / "a" / "other").mkdir()
        raise OSError
    assert tree(tmp_path) == ["a", "a/other"]


def test_success_and_folders_that_were_never_made(tmp_path: Path) -> None:
    with nothing_left(NewFolder.at(tmp_path / "a" / "out"), OWN):
        fill(tmp_path / "a" / "out")
    assert len(tree(tmp_path / "a" / "out")) == 6
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError), nothing_left(NewFolder.at(tmp_path / "empty" / "b" / "out"), OWN):
        raise OSError
    assert (tmp_path / "empty").is_dir()


def test_writing_into_a_folder_removes_it_only_if_it_is_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"), writing_into(tmp_path / "a" / "b"):
        raise OSError(28, "No space left on device")
    assert tree(tmp_path) == []
    with pytest.raises(ConfigError, match="cannot be written"), writing_into(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").write_text("x")
        raise OSError(28, "No space left on device")
    assert tree(tmp_path) == ["a", "a/b", "a/b/file"]
