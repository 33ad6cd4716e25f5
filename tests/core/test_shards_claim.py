"""One conversion at a time writes into a folder, on a disk and behind a URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import fsspec
import pytest

from labelforge.errors import ShardError
from labelforge.shards import claim, open_folder
from labelforge.shards.claim import LOCK_NAME, OWNER_NAME, Owner, check_token, check_unclaimed, only_writer

BUSY = r"another labelforge convert \(process \d+ on .*, started 20\d\d-.* UTC\) is writing here\. Wait until"


@pytest.fixture(params=["disk", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path / "out")
        return
    yield "memory://claims/out"
    if fsspec.filesystem("memory").exists("/claims"):
        fsspec.filesystem("memory").rm("/claims", recursive=True)


def test_the_second_is_told_and_touches_nothing(url: str) -> None:
    folder = open_folder(url)
    check_unclaimed(folder)
    with only_writer(folder) as first:
        folder.write("shard-00000.tar", b"begun")
        names = folder.names()
        for _ in range(2):
            with pytest.raises(ShardError, match=BUSY):
                check_unclaimed(open_folder(url))
            with pytest.raises(ShardError, match=BUSY), only_writer(open_folder(url)):
                raise AssertionError
        assert folder.names() == names
        first.check()
        check_token(folder, first.token, 0.0)
    assert folder.names() == ["shard-00000.tar"]
    check_unclaimed(folder)
    with only_writer(folder):
        pass


def test_it_ends_with_an_exception(url: str) -> None:
    folder = open_folder(url)
    with pytest.raises(KeyboardInterrupt), only_writer(folder):
        raise KeyboardInterrupt
    assert folder.names() == []


@pytest.mark.parametrize("scheme", ["", "local://"])
def test_a_folder_that_was_made_in_vain_is_removed(scheme: str, tmp_path: Path) -> None:
    folder = open_folder(f"{scheme}{tmp_path}/new/out")
    with pytest.raises(KeyboardInterrupt), only_writer(folder):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), only_writer(folder):
        folder.write("shard-00000.tar", b"whole")
        raise KeyboardInterrupt
    assert folder.names() == ["shard-00000.tar"]
    folder.remove("shard-00000.tar")
    with pytest.raises(KeyboardInterrupt), only_writer(folder):
        raise KeyboardInterrupt
    assert Path(tmp_path, "new/out").is_dir(), "it was there before"


@pytest.mark.parametrize("scheme", ["", "local://"])
def test_the_second_never_removes_the_folder_of_the_first(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, late = (open_folder(f"{scheme}{tmp_path}/new/out") for _ in range(2))
    making = late.making()  # the second looked before the first had made the folder
    monkeypatch.setattr(late, "making", lambda: making)
    with only_writer(folder) as first:
        with pytest.raises(ShardError, match=BUSY), only_writer(late):
            raise AssertionError
        check_token(folder, first.token, 0.0)


def test_the_first_never_removes_the_folder_of_the_second(tmp_path: Path) -> None:
    """The second claims it in the moment in which the first has failed and given it up."""
    folder = open_folder(tmp_path / "new" / "out")
    second = only_writer(open_folder(tmp_path / "new" / "out"))
    with pytest.raises(KeyboardInterrupt), folder.making():
        with only_writer(folder):
            pass
        second.__enter__()
        raise KeyboardInterrupt
    assert LOCK_NAME in folder.names()
    second.__exit__(None, None, None)


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import time; from labelforge.shards.claim import only_writer; from labelforge.shards import open_folder\n"
        f"with only_writer(open_folder({str(out)!r})): time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as process:
        deadline = time.monotonic() + 30
        while not (out / OWNER_NAME).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(ShardError, match=rf"\(process {process.pid} on "):
            check_unclaimed(open_folder(out))
        process.kill()
    assert sorted(path.name for path in out.iterdir()) == [OWNER_NAME, LOCK_NAME]
    check_unclaimed(open_folder(out))
    with only_writer(open_folder(out)):
        pass
    assert not list(out.iterdir())


def gone_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({"process": os.getppid()}, False),  # another process of this machine, that runs
        ({"host": "elsewhere", "process": 1}, False),
        ({"host": "elsewhere", "renewed": -100}, False),  # seconds from now
        ({"host": "elsewhere", "renewed": -300}, True),
        ({"process": None}, True),
        ({"process": None, "machine": "another of the same name"}, False),
    ],
)
def test_whose_claim_still_counts_behind_a_url(change: dict[str, object], free: bool) -> None:
    folder = open_folder("memory://claims/out")
    if change.get("process", 0) is None:
        change = {**change, "process": gone_process()}
    if isinstance(seconds := change.get("renewed"), int):
        change = {**change, "renewed": time.time() + seconds}
    folder.write(OWNER_NAME, json.dumps({**asdict(Owner.new()), **change}).encode())
    try:
        if free:
            with only_writer(folder):
                pass
            assert folder.names() == []
        else:
            with pytest.raises(ShardError, match=f"{BUSY}.* If it was killed on another machine, .* after 3 minutes"):
                check_unclaimed(folder)
    finally:
        folder.remove(OWNER_NAME)


def test_a_claim_is_renewed_and_can_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "RENEWED", 0.02)
    folder = open_folder("memory://claims/out")
    with only_writer(folder) as first:
        before = Owner.of(folder)
        assert before is not None
        deadline = time.monotonic() + 10
        while (now := Owner.of(folder)) in (None, before) and time.monotonic() < deadline:  # None: just being written
            time.sleep(0.01)
        assert now is not None and now == replace(before, renewed=now.renewed) and now.renewed > before.renewed
        other = Owner.new()
        while time.monotonic() < deadline:  # a renewal may be under way
            folder.write(OWNER_NAME, other.to_bytes())
            time.sleep(0.05)
            try:
                first.check()
            except ShardError as error:
                assert "another conversion has taken over here" in str(error)
                break
        else:
            raise AssertionError
        folder.write(OWNER_NAME, other.to_bytes())
    assert Owner.of(folder) == other  # it is the other's to remove
    folder.remove(OWNER_NAME)


def test_a_worker_of_a_conversion_that_has_ended_stops(url: str) -> None:
    folder = open_folder(url)
    with only_writer(folder) as first:
        token = first.token
    with pytest.raises(ShardError, match=r"\.writing of this conversion is not here: it has ended"):
        check_token(folder, token, 0.0)
    with only_writer(folder) as second:
        start = time.monotonic()
        with pytest.raises(ShardError, match="it has ended"):
            check_token(folder, token, 0.2)
        assert time.monotonic() - start >= 0.2
        check_token(folder, second.token, 0.0)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ShardError, match=r"file/out: cannot be written \(Not a directory\)"),
        only_writer(open_folder(tmp_path / "file" / "out")),
    ):
        raise AssertionError
