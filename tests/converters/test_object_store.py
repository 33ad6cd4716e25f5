"""Conversions into an object store: a real server that speaks S3, through s3fs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelforge.converters import convert
from labelforge.errors import ShardError
from labelforge.shards import ShardReader, open_folder
from labelforge.shards.remote_folder import RemoteFolder
from tests.converters.layouts import contents
from tests.servers import s3_server

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with s3_server() as found:
        yield found


@pytest.fixture
def url(store: dict[str, str], tmp_path: Path) -> str:
    return f"s3://bucket/{tmp_path.name}/train"


def run(root: Path, out: Path | str, **options: Any) -> Any:
    return convert("cityscapes", root, out, split="train", samples_per_shard=2, **options)


def held(url: str) -> dict[str, bytes]:
    folder = open_folder(url)
    return {name: bytes(folder.read(name)) for name in folder.names()}


@pytest.fixture
def calls(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests that this process sends, by what they ask for."""
    import s3fs

    counts: Counter[str] = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        counts[method] += 1
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    return counts


def test_the_same_bytes_as_on_a_disk(root: Path, tmp_path: Path, url: str) -> None:
    run(root, tmp_path / "out")
    expected = contents(tmp_path / "out")
    run(root, url)
    assert held(url) == expected
    run(root, url + "-two", workers=2)
    assert held(url + "-two") == expected
    there, here = ShardReader(url), ShardReader(tmp_path / "out")
    there.verify()
    for one, other in zip(there, here, strict=True):
        assert np.array_equal(one.image, other.image) and np.array_equal(one.local_rows, other.local_rows)
    assert np.array_equal(there.positions, here.positions)


def test_few_requests(root: Path, url: str, calls: Counter[str]) -> None:
    run(root, url)
    assert "copy_object" not in calls and "create_bucket" not in calls
    assert calls["put_object"] == 3 + 3 + 1 + 2  # shards, indexes, .writing; report and manifest
    calls.clear()
    reader = ShardReader(url)
    assert calls["list_objects_v2"] == 1 and calls["get_object"] == 1 + 3  # the manifest and the indexes
    calls.clear()
    assert len(list(reader)) == 5
    assert calls == {"get_object": 5}


def test_an_interrupted_conversion_goes_on(root: Path, tmp_path: Path, url: str) -> None:
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import StuckCityscapes;"
        f"convert(StuckCityscapes, {str(root)!r}, {url!r}, split='train', samples_per_shard=1)"
    )
    folder = open_folder(url)
    with subprocess.Popen([sys.executable, "-c", code], cwd=HERE) as process:
        deadline = time.monotonic() + 30
        while folder.size("shard-00001.index.json") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    finished = ["shard-00000.index.json", "shard-00000.tar", "shard-00001.index.json", "shard-00001.tar"]
    assert folder.names() == [".writing", *finished]  # nothing of the third
    assert convert("cityscapes", root, url, split="train", samples_per_shard=1).kept == 2
    convert("cityscapes", root, tmp_path / "fresh", split="train", samples_per_shard=1)
    assert held(url) == contents(tmp_path / "fresh")


def test_an_upload_that_is_killed_leaves_nothing_under_its_name(url: str) -> None:
    import s3fs

    code = f"from labelforge.shards import open_folder; open_folder({url!r}).write('big', bytes(120 << 20))"
    store = s3fs.S3FileSystem()
    with subprocess.Popen([sys.executable, "-c", code], cwd=HERE) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            if store.call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads"):
                break
        process.kill()
    assert open_folder(url).size("big") in (None, 120 << 20)


def test_an_upload_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    call = s3fs.S3FileSystem._call_s3
    parts: list[int] = []

    async def failing(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "upload_part":
            parts.append(len(options["Body"]))
            if len(parts) == 3:
                raise ConnectionResetError("Connection reset by peer")
        return await call(self, method, *arguments, **options)

    folder = open_folder(url)
    folder.write("big", b"old")
    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", failing)
    with pytest.raises(ShardError, match=r"/big: cannot be written \(Connection reset by peer\)\. Check the URL"):
        folder.write("big", bytes(40 << 20))
    assert max(parts) == 8 << 20  # so little is in memory
    assert held(url) == {"big": b"old"}


def test_of_two_who_create_a_file_at_once_one_does(url: str) -> None:
    folder = open_folder(url)
    assert isinstance(folder, RemoteFolder)
    folder.names()
    won: list[bool] = []
    start = threading.Barrier(4)

    def create(number: int) -> None:
        start.wait()
        won.append(folder.create_new("x", str(number).encode()))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    assert not folder.create_new("x", b"again")


def test_a_bucket_that_is_not_there_is_not_made(root: Path, store: dict[str, str]) -> None:
    with pytest.raises(ShardError, match=r"s3://bukket/x/\.writing: cannot be written \(.*bucket"):
        run(root, "s3://bukket/x")


def test_a_server_that_does_not_answer(root: Path, store: dict[str, str]) -> None:
    """In a process of its own, since s3fs keeps connections."""
    command = [sys.executable, "-m", "labelforge", "convert", "cityscapes", str(root), "s3://bucket/nowhere"]
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    failed = subprocess.run(command, capture_output=True, text=True, cwd=HERE, env=environment, check=False)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: s3://bucket/nowhere: cannot be read (") and failed.stderr.count("\n") == 1


def test_what_no_conversion_has_written_is_no_owner(root: Path, url: str) -> None:
    open_folder(url).write(".writing", json.dumps({"token": "of another version"}).encode())
    assert run(root, url).kept == 0
