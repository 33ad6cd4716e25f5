"""Folders for shards: nothing partial has a final name, on the disk and behind URLs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from labelforge.errors import DatasetError, ShardError
from labelforge.shards import EncodedSample, ShardReader, open_folder, write_shard
from tests.core import shard_folders


@pytest.fixture(params=["disk", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path / "a" / "b")
        return
    yield "memory://storage/a/b"
    fsspec.filesystem("memory").rm("/storage", recursive=True)


def sample(key: str) -> EncodedSample:
    return shard_folders.encoded(key, np.zeros((2, 2, 3), np.uint8), np.ones((2, 2), int), [(0, 0, 0)] * 2)


def test_files(url: str) -> None:
    folder = open_folder(url)
    assert folder.names() == [] and folder.size("x") is None
    folder.write("x", b"0123456789")
    assert folder.names() == ["x"] and folder.size("x") == 10
    assert bytes(folder.read("x")) == b"0123456789"
    assert bytes(folder.read("x", 3, 4)) == b"3456"
    assert bytes(folder.read("x", 8, 4)) == b"89"
    folder.write("x", b"new")
    assert bytes(folder.read("x")) == b"new"
    folder.write("empty", b"")
    assert bytes(folder.read("empty")) == b""
    folder.remove("x")
    folder.remove("x")
    assert folder.names() == ["empty"]
    with pytest.raises(ShardError, match=f"{url}/x: no such file"):
        folder.read("x")


def test_a_file_has_its_name_only_when_it_is_complete(url: str) -> None:
    folder = open_folder(url)
    folder.write("x", b"old")
    with pytest.raises(RuntimeError, match="lightning"), folder.create("x") as file:
        file.write(b"half")
        assert bytes(folder.read("x")) == b"old"
        raise RuntimeError("lightning")
    assert folder.names() == ["x"]
    assert bytes(folder.read("x")) == b"old"


def test_a_broken_sample_leaves_nothing_of_its_shard(url: str) -> None:
    def samples() -> Iterator[EncodedSample]:
        yield sample("a")
        raise DatasetError("broken")

    folder = open_folder(url)
    write_shard(folder, 0, [sample("a")], options={}, inputs="")
    with pytest.raises(DatasetError):
        write_shard(folder, 1, samples(), options={}, inputs="")
    assert folder.names() == ["shard-00000.index.json", "shard-00000.tar"]


def test_an_index_never_describes_an_older_shard(url: str) -> None:
    folder = open_folder(url)
    write_shard(folder, 0, [sample("a")], options={}, inputs="")

    def samples() -> Iterator[EncodedSample]:
        assert folder.names()[-1] == "shard-00000.tar"
        assert "shard-00000.index.json" not in folder.names()
        yield sample("b")

    write_shard(folder, 0, samples(), options={}, inputs="")
    assert folder.names() == ["shard-00000.index.json", "shard-00000.tar"]


def test_shards_behind_a_url_are_the_same_bytes(tmp_path: Path) -> None:
    samples = [[sample("a"), sample("b")], [sample("c")]]
    shard_folders.write(tmp_path, samples, shard_folders.mapping(1))
    url = "memory://same-bytes"
    shard_folders.write(url, samples, shard_folders.mapping(1))
    memory = open_folder(url)
    assert memory.names() == sorted(path.name for path in tmp_path.iterdir())
    for path in tmp_path.iterdir():
        assert bytes(memory.read(path.name)) == path.read_bytes()
    reader = ShardReader(url)
    reader.verify()
    assert [s.key for s in reader] == ["a", "b", "c"]
    assert np.array_equal(reader[1].local_rows, ShardReader(f"file://{tmp_path}")[1].local_rows)


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ShardError, match="file: is a file, not a folder"):
        open_folder(tmp_path / "file").names()
    with pytest.raises(ShardError, match=r"file/inside/x: cannot be written \(Not a directory\)"):
        open_folder(tmp_path / "file" / "inside").write("x", b"")
    open_folder(tmp_path / "file" / "inside").remove("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ShardError, match=r"folder: cannot be removed \(.*\)\. Give an output folder"):
        open_folder(tmp_path).remove("folder")
    with pytest.raises(ShardError, match="nowhere://x: cannot be opened"):
        open_folder("nowhere://x")


def test_a_service_whose_package_is_not_installed() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\nfrom labelforge.shards import open_folder\n"
        "try: open_folder('s3://bucket/x')\nexcept Exception as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("s3://bucket/x: cannot be opened (") and said.count("\n") == 1
    assert "Install labelforge[s3] for s3://" in said
