"""An output folder holds a whole export or none, whatever happens; and what may go into it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelforge.errors import ConfigError, LabelforgeError, ShardError
from labelforge.exports import export_shards
from labelforge.exports.folder import MARKER, STAGING, whole_export
from labelforge.exports.samples import file_name, open_sets
from labelforge.shards import Manifest, open_folder
from labelforge.taxonomy import Taxonomy
from tests.exports.sets import table, toy_rows, write_set


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    samples: Any = {f"s{i}": (toy_rows(i), "png") for i in range(3)}
    return write_set(tmp_path / "in", samples, table())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(shards: Path, out: Path, **more: Any) -> None:
    export_shards([shards], out, to=more.pop("to", "masks"), classes=more.pop("classes", "leaves"), **more)


def test_the_same_shards_give_the_same_bytes(shards: Path, tmp_path: Path) -> None:
    for i in (1, 2):
        export(shards, tmp_path / str(i) / "out")
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert not [name for name in contents(tmp_path / "1") if "incomplete" in name or "lock" in name]
    told = json.loads((tmp_path / "1" / "out" / MARKER).read_text())
    assert set(told["contents"]) == {path.name for path in (tmp_path / "1" / "out").iterdir()}


def test_an_export_is_replaced_only_if_asked(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(shards, out)
    before = contents(out)
    with pytest.raises(ConfigError, match=r"holds an export already\. .*--overwrite"):
        export(shards, out)
    assert contents(out) == before
    export(shards, out, to="yolo", overwrite=True)
    assert {path.name for path in out.iterdir()} == {
        "images",
        "labels",
        "data.yaml",
        "README.txt",
        "report.html",
        MARKER,
    }
    assert not list(out.rglob("labels/*/*/*.png"))


def test_what_labelforge_did_not_write_is_never_removed(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(shards, out)
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds files that are no export: thesis\.tex"):
        export(shards, out, overwrite=True)
    assert (out / "thesis.tex").exists() and (out / MARKER).exists()
    victim = tmp_path / "victim"
    victim.mkdir()
    for contents_ in (["../victim", str(victim)], "victim", {"a": 1}, None):
        shutil.rmtree(out)
        out.mkdir()
        (out / MARKER).write_text(json.dumps({"labelforge": "1", "contents": contents_}))
        with pytest.raises(ConfigError, match=r"no export: classes\.json"):
            export(shards, out, overwrite=True)
    assert victim.exists()


@pytest.mark.parametrize("to", ["masks", "coco", "yolo"])
def test_a_fault_in_the_middle_leaves_nothing(
    shards: Path, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    export(shards, old)
    before = contents(old)
    with (shards / "shard-00000.tar").open("r+b") as file:  # the last label map
        file.seek(-9 * 512, os.SEEK_END)
        start = max(0, file.tell() - 4096)
        file.seek(start)
        content = file.read()
        at = content.rfind(b"IDAT")
        file.seek(start + at + 4)
        file.write(b"\xff\xff\xff")
    with pytest.raises(ShardError, match="sample s2 is broken"):
        export(shards, tmp_path / "new", to=to)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ShardError, match="sample s2 is broken"):
        export(shards, old, to=to, overwrite=True)
    assert contents(old) == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShardError):
        export(shards, tmp_path / "empty", to=to)
    assert not list((tmp_path / "empty").iterdir())


SLOW = """
import sys, time
from labelforge.exports import export_shards
def slow(done, total):
    if done:
        print(done, flush=True)
        time.sleep(60)
export_shards([sys.argv[1]], sys.argv[2], to="masks", classes="leaves", overwrite=True, progress=slow)
"""


def test_killed_and_begun_again(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(shards, tmp_path / "whole" / "out")
    command = [sys.executable, "-c", SLOW, str(shards), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        with pytest.raises(ConfigError, match="another process is exporting into this folder"):
            export(shards, out)
        process.send_signal(signal.SIGKILL)
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {STAGING}  # it says what it is
    export(shards, out)
    assert contents(out) == contents(tmp_path / "whole" / "out")


@pytest.mark.parametrize("moved", range(6))
def test_interrupted_while_moving(shards: Path, tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash after any number of moves: no marker, so no export; and the next run puts all right."""
    out = tmp_path / "out"
    export(shards, out)
    want = contents(out)
    rename = Path.rename
    calls: list[Path] = []

    def crash(self: Path, target: Path) -> Path:
        if len(calls) == moved:
            raise KeyboardInterrupt
        calls.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        export(shards, out, overwrite=True)
    monkeypatch.undo()
    assert not (out / MARKER).exists() and (out / STAGING).exists()
    export(shards, out)
    assert contents(out) == want


def test_folders_that_cannot_be(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out, message in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "x", "is a file|cannot be written")):
        with pytest.raises(ConfigError, match=message):
            export(shards, out)
    with pytest.raises(ConfigError, match="is a URL"):
        export_shards([shards], "memory://out", to="masks", classes="leaves")
    with pytest.raises(ConfigError, match=r"there is no format 'mask'\. Did you mean 'masks'"):
        export(shards, tmp_path / "out", to="mask")
    with pytest.raises(ConfigError, match="there are no shards"):
        export_shards([], tmp_path / "out", to="masks", classes="leaves")


def test_the_output_is_not_named(shards: Path, tmp_path: Path) -> None:
    """Two shard sets, and OUT forgotten: the second would be the output."""
    before = contents(shards)
    with pytest.raises(ConfigError, match=r"These are shards: the last folder that is named is the one to write to"):
        export(tmp_path / "in", shards, overwrite=True)
    assert contents(shards) == before


def test_a_link_in_the_folder_is_removed_not_followed(shards: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    export(shards, out)
    shutil.move(out / "images", kept)
    (out / "images").symlink_to(kept)
    before = contents(kept)
    export(shards, out, overwrite=True)
    assert contents(kept) == before and not (out / "images").is_symlink()


def test_the_marker_comes_last(tmp_path: Path) -> None:
    with whole_export(tmp_path / "out", overwrite=False) as folder:
        (folder / MARKER).write_text("{}")
        (folder / "zzz").write_text("")
        assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == [STAGING]
    times = {path.name: path.stat().st_ctime_ns for path in (tmp_path / "out").iterdir()}
    assert set(times) == {MARKER, "zzz"} and times[MARKER] >= times["zzz"]


@pytest.mark.parametrize(
    ("key", "name"), [("a/b_c", "a/b_c"), ("a%2Eb", "a.b"), ("50%25", "50%"), ("%C3%A9", "é"), ("a%20b", "a b")]
)
def test_keys_become_the_names_they_were(key: str, name: str) -> None:
    assert file_name(key, "x") == name


@pytest.mark.parametrize(
    "key",
    [
        "%2E%2E/a",
        "a/../b",
        "%2Fetc/passwd",
        "/a",
        "a//b",
        "a/",
        ".",
        "a%00b",
        "a%0Ab",
        "a%09b",
        "a%5Cb",
        "%FF",
        "x" * 201,
    ],
)
def test_keys_that_lead_elsewhere_are_refused(key: str) -> None:
    with pytest.raises(ShardError, match="cannot become a file"):
        file_name(key, "x")


def test_names_that_meet_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="has a sample 's0' of toy-labels in train too"):
        open_sets([shards, shards])
    samples: Any = {"s0": (toy_rows(), "png")}
    other = write_set(tmp_path / "other", samples, table(), split="training")
    with pytest.raises(ShardError, match="in train too"):
        open_sets([shards, other])
    assert [s.split for s in open_sets([shards, other], {"training": "more"})] == ["train", "more"]
    with pytest.raises(ConfigError, match=r"no shards are of a split 'trian'\. Did you mean 'train'"):
        open_sets([shards], {"trian": "x"})
    with pytest.raises(ShardError, match=r"the split '\.\.' is no name of a folder"):
        open_sets([shards], {"train": ".."})


def test_trees_must_be_one(shards: Path, tmp_path: Path) -> None:
    tree = Taxonomy.parse("name: toy\ntree:\n  scene: [road, car, sky]\n")
    mapping = table({"road": "road"}, "other", tree)
    other = write_set(tmp_path / "other", {"a": (np.zeros((2, 2), np.uint8), "png")}, mapping, tree)
    with pytest.raises(ShardError, match=r"its tree is toy \(.*'labelforge retarget SHARDS\.\.\. --taxonomy TREE'"):
        open_sets([shards, other])


def test_a_value_outside_the_label_table_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())
    manifest = Manifest.load(open_folder(folder))
    short = table({"road": "road"})
    records = [record for record in manifest.labels if record.row < len(short.rows)]
    manifest.model_copy(update={"labels": tuple(records)}).write(open_folder(folder))
    with pytest.raises(LabelforgeError, match=r"sample a is broken .*the label table ends at 1"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_image_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.exports.sets.encode_image", lambda image, suffix: b"no picture")
    folder = write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())
    with pytest.raises(ShardError, match="the image of sample toy-labels/a is broken"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_one_disk_takes_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on disks that tell no capital from small letters: the second file is refused, not written over the first."""
    samples: Any = {"A": (toy_rows(), "png"), "a": (toy_rows(1), "png")}
    write_set(tmp_path / "in", samples, table())
    plain = Path.open

    def forgetful(self: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        return plain(self.with_name(self.name.lower()) if mode == "xb" else self, mode, *more, **options)

    monkeypatch.setattr(Path, "open", forgetful)
    with pytest.raises(ConfigError, match=r"two samples would become the same file, images/train/toy-labels/a\.png"):
        export(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
