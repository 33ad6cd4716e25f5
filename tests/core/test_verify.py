"""Checking shards: whole ones have no problem, and every kind of damage is found, named, and does not hide another."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from labelforge.errors import ShardError
from labelforge.inspection import verify_shards
from labelforge.inspection.problems import MOST
from labelforge.shards import IMAGE_SUFFIXES, EncodedSample, encode_image, encode_label, open_folder
from labelforge.shards.codec import ImageSuffix
from tests.core import shard_folders

COLORS = [(i, 0, 7) for i in range(6)]
Edit = Callable[[Path], object]


def sample(key: str, seed: int, suffix: ImageSuffix = "png") -> EncodedSample:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    label = rng.integers(0, 6, (9, 12))
    made = shard_folders.encoded(key, image, label, COLORS, suffix)
    meta = {"key": key, "size": [9, 12]}
    return EncodedSample(made.key, (*made.members[:2], ("json", json.dumps(meta).encode())), 9, 12, made.pixels)


def folder(path: Path, suffix: ImageSuffix = "png") -> Path:
    """Two shards of two samples."""
    samples = [sample(f"s.{i}", i, suffix) for i in range(4)]
    shard_folders.write(path, [samples[:2], samples[2:]], shard_folders.mapping(5))
    return path


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("intact") / "shards")


@pytest.fixture
def shards(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(intact, tmp_path / "shards"))


def found(path: Path, **options: Any) -> list[str]:
    """The problems, without the folder's name."""
    result = verify_shards(path, **options)
    assert result.more == 0
    assert all(problem.cure.endswith(".") and "\n" not in str(problem) for problem in result.problems)
    return [str(problem).removeprefix(f"{path}/") for problem in result.problems]


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Edit:
    def apply(path: Path) -> None:
        content = json.loads((path / name).read_text())
        change(content)
        (path / name).write_text(json.dumps(content))

    return apply


def rewrite(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    """The first shard with other members, and index and manifest that fit them in all but the pixel counts."""
    with tarfile.open(path / "shard-00000.tar") as tar:
        members = [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(path / "shard-00000.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    fit(path)


def fit(path: Path) -> None:
    """Make index and manifest state the first shard's checksum, size and offsets as they are now."""
    data = (path / "shard-00000.tar").read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    with tarfile.open(path / "shard-00000.tar") as tar:
        places = {info.name: {"offset": info.offset_data, "size": info.size} for info in tar}

    def relocate(index: dict[str, Any]) -> None:
        index.update(facts)
        for record in index["samples"]:
            for member in record["members"]:
                member.update(places.get(f"{record['key']}.{member['suffix']}", {}))

    edit("shard-00000.index.json", relocate)(path)
    edit("manifest.json", lambda m: m["shards"][0].update(facts))(path)


def replaced(suffix: str, content: bytes) -> Edit:
    """The first sample's member is another, and all checksums are right."""
    key = f"s%2E0.{suffix}"
    return lambda path: rewrite(path, lambda all_: [(n, content if n == key else data) for n, data in all_])


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_whole_shards_have_no_problem(tmp_path: Path, suffix: ImageSuffix) -> None:
    folder(tmp_path / "shards", suffix)
    seen: list[tuple[int, int]] = []
    assert found(tmp_path / "shards", progress=lambda *at: seen.append(at)) == []
    assert seen == [(n, 4) for n in range(5)]
    assert found(tmp_path / "shards", quick=True) == []


def test_processes_find_the_same(shards: Path) -> None:
    (shards / "shard-00001.index.json").unlink()
    damage(shards / "shard-00000.tar", 700)
    seen: list[tuple[int, int]] = []
    assert found(shards, workers=2, progress=lambda *at: seen.append(at)) == found(shards)
    assert len(found(shards)) >= 2
    assert seen[-1] == (4, 4)


def test_behind_a_url(shards: Path) -> None:
    place = open_folder("memory://verify/shards")
    try:
        for file in shards.iterdir():
            place.write(file.name, file.read_bytes())
        assert verify_shards("memory://verify/shards").problems == ()
        data = bytearray((shards / "shard-00001.tar").read_bytes())
        data[600] ^= 1
        place.write("shard-00001.tar", bytes(data))
        assert "SHA-256 differs" in str(verify_shards("memory://verify/shards").problems[0])
    finally:
        fsspec.filesystem("memory").rm("/verify", recursive=True)


def damage(file: Path, at: int, bits: int = 0xFF) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= bits
    file.write_bytes(data)


def test_every_flipped_bit_of_a_tar_is_found(shards: Path) -> None:
    """Wherever it is: in a header, in a member, in the padding or at the end."""
    file = shards / "shard-00000.tar"
    rng = np.random.default_rng(5)
    size = file.stat().st_size
    for at in {*rng.integers(0, size, 60).tolist(), 0, 156, 257, 512, size - 1}:
        bit = 1 << int(rng.integers(8))
        damage(file, at, bit)
        problems = found(shards)
        assert any("SHA-256 differs" in problem for problem in problems), at
        assert all(problem.startswith("shard-00000.tar: ") for problem in problems)
        damage(file, at, bit)
    assert found(shards) == []


def test_every_flipped_bit_of_the_json_files_is_found_or_means_nothing(shards: Path) -> None:
    """An index or manifest that says something else is found; only options and the digest of inputs are no facts."""
    rng = np.random.default_rng(6)
    for name in ("manifest.json", "shard-00001.index.json"):
        file = shards / name
        good = file.read_bytes()
        for at in rng.integers(0, len(good), 80).tolist():
            damage(file, at, 1 << int(rng.integers(7)))
            try:
                problems = found(shards, quick=True)
            except ShardError:
                problems = ["unreadable"]
            if not problems:
                old, new = json.loads(good), json.loads(file.read_bytes())
                free = {"inputs", "options", "split", "protocol"}
                differs = {key for key in old | new if old.get(key) != new.get(key)}
                colors_only = differs == {"taxonomy"} and "colo" in str(new["taxonomy"])
                assert differs <= free or colors_only, (name, at, differs)
            file.write_bytes(good)


@pytest.mark.parametrize("keep", [0, 300, 512, 700, 5000])
def test_a_tar_that_was_cut_short(shards: Path, keep: int) -> None:
    data = (shards / "shard-00000.tar").read_bytes()
    (shards / "shard-00000.tar").write_bytes(data[:keep])
    for quick in (False, True):
        problems = found(shards, quick=quick)
        assert f"shard-00000.tar: cut short: {keep} bytes instead of {len(data)}" in problems[0]
        assert any("sample s%2E1: the tar file has no member s%2E1.json" in problem for problem in problems)
        assert not any("shard-00001" in problem for problem in problems)


def png(rows: Any) -> bytes:
    return encode_label(np.asarray(rows), COLORS)


IMAGE = encode_image(np.zeros((9, 12, 3), np.uint8), "png")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            replaced("label.png", png(np.full((9, 12), 77))),
            "sample s%2E0: its label map has values above 5, the last of the label table: 77 (108 pixels)",
        ),
        (replaced("label.png", png(np.full((9, 12), 3))), "other pixel counts than its index says (row 0: 0, not "),
        (replaced("label.png", png(np.zeros((12, 9), int))), "its label map is 9x12, and its index says 12x9"),
        (replaced("label.png", b"no picture"), "its label map cannot be decoded"),
        (replaced("label.png", IMAGE), "its label map cannot be decoded (a label map has palette mode"),
        (replaced("png", encode_image(np.zeros((9, 11, 3), np.uint8), "png")), "its image is 11x9, and its index"),
        (replaced("png", encode_image(np.zeros((9, 12, 3), np.uint8), "jpg")), "its image cannot be decoded"),
        (replaced("png", IMAGE[:-30]), "its image cannot be decoded"),
        (replaced("json", b"{"), "its json is no JSON"),
        (replaced("json", b"[" * 100_000), "its json is no JSON"),
        (replaced("json", b'"text"'), "its json is no JSON object"),
        (replaced("json", b'{"key": "s.1"}'), "its json belongs to another sample, s.1"),
        (replaced("json", b'{"size": [3, 4]}'), "its json says 4x3, and its index 12x9"),
    ],
)
def test_a_member_that_is_wrong_though_every_checksum_is_right(shards: Path, change: Edit, expected: str) -> None:
    change(shards)
    (problem, *others) = found(shards)
    assert expected in problem and problem.startswith("shard-00000.tar: sample s%2E0: ")
    assert all("other pixel counts" in other for other in others)
    assert found(shards, quick=True) == []


def test_a_header_that_claims_gigabytes_is_not_believed(shards: Path) -> None:
    """The claim is refused by the size on record, before any pixel is made."""
    forged = bytearray(IMAGE)
    forged[16:24] = (60_000).to_bytes(4) * 2
    import zlib

    forged[29:33] = zlib.crc32(forged[12:29]).to_bytes(4)
    replaced("png", bytes(forged))(shards)
    (problem,) = found(shards)
    assert "its image cannot be decoded" in problem or "its image is 60000x60000, and its index says 12x9" in problem


def drop(suffix: str) -> Edit:
    def apply(path: Path) -> None:
        rewrite(path, lambda members: [m for m in members if m[0] != f"s%2E0.{suffix}"])
        edit("shard-00000.index.json", lambda index: remove(index["samples"][0]["members"], suffix))(path)

    return apply


def remove(members: list[dict[str, Any]], suffix: str) -> None:
    members[:] = [member for member in members if member["suffix"] != suffix]


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("png", "has no image"), ("label.png", "has no members label.png"), ("json", "has no members json")],
)
def test_a_member_that_is_not_there(shards: Path, suffix: str, expected: str) -> None:
    drop(suffix)(shards)
    (problem,) = found(shards)
    assert problem.startswith(f"shard-00000.tar: sample s%2E0: {expected}")


def swap_indexes(path: Path) -> None:
    first, second = path / "shard-00000.index.json", path / "shard-00001.index.json"
    first_text, second_text = first.read_text(), second.read_text()
    first.write_text(second_text)
    second.write_text(first_text)


def append_member(path: Path) -> None:
    with tarfile.open(path / "shard-00000.tar", "a") as tar:
        info = tarfile.TarInfo("stowaway.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    fit(path)


def append_behind_the_end(path: Path) -> None:
    with (path / "shard-00000.tar").open("ab") as file:
        file.write(b"\1" * 10240)
    fit(path)


def link(path: Path) -> None:
    def change(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return members

    rewrite(path, change)
    with tarfile.open(path / "shard-00000.tar", "a") as tar:
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    fit(path)


INDEX = "shard-00000.index.json"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda p: (p / "shard-00001.tar").unlink(),
            "shard-00001.tar: the manifest lists this file's shard, but it is",
        ),
        (lambda p: (p / INDEX).unlink(), f"{INDEX}: the manifest lists this file's shard, but it is missing"),
        (lambda p: (p / INDEX).write_text("{"), f"{INDEX}: is not JSON"),
        (lambda p: (p / "shard-00009.tar").touch(), "shard-00009.tar: the manifest does not list this file"),
        (lambda p: (p / "notes.txt").touch(), "notes.txt: the manifest does not list this file"),
        (lambda p: (p / ".shard-00001.tar.partial").touch(), ".partial: a file that was not written to its end"),
        (swap_indexes, f"{INDEX}: it is the index of another shard, shard-00001.tar"),
        (append_member, "shard-00000.tar: the tar file has a member stowaway.txt at byte"),
        (append_behind_the_end, "shard-00000.tar: the tar file goes on after its last member"),
        (link, "shard-00000.tar: the tar file's member link.png is no regular file"),
        (edit(INDEX, lambda m: m["samples"][0].update(key="x")), "sample x: the tar file has no member x.png"),
        (edit(INDEX, lambda m: m["samples"][0].update(height=8)), f"{INDEX}: sample s%2E0: its labels have 108 pixels"),
        (edit(INDEX, lambda m: m["samples"][0]["members"][0].update(offset=1024)), "no member s%2E0.png of"),
        (edit(INDEX, lambda m: m["samples"][0].update(key="../x")), "sample ../x: its key has signs that tar files"),
        (edit(INDEX, lambda m: m["samples"].pop()), f"{INDEX}: it lists 1 samples, and the manifest 2"),
        (edit(INDEX, lambda m: m["samples"].append(m["samples"][0])), "shard-00000.tar has a sample of the same key"),
        (edit(INDEX, lambda m: m.update(sha256="0" * 64)), f"{INDEX}: its sha256 is 000"),
        (
            edit(INDEX, lambda m: m["samples"][0].update(pixels={"9": 108})),
            "the indexes have 108 pixels of row 9, which",
        ),
        (edit("manifest.json", lambda m: m["totals"].update(samples=5)), "its totals say 5 samples, and the indexes"),
        (edit("manifest.json", lambda m: m["totals"].update(pixels=7)), "its totals say 7 pixels, and the indexes"),
        (edit("manifest.json", lambda m: m["totals"].update(used=7)), "its totals say 7 pixels used, and its label"),
        (edit("manifest.json", lambda m: m["labels"][2].update(pixels=7)), "says 7 pixels of row 2 (label 1), and the"),
        (edit("manifest.json", lambda m: m["labels"][2].update(target="car")), "digest of its label table does not"),
        (edit("manifest.json", lambda m: m["labels"][2].update(target="plane")), "unknown node 'plane'"),
        (
            edit("manifest.json", lambda m: m["taxonomy"]["definition"].update(name="other")),
            "manifest.json: the digest of its taxonomy 'toy' does not match",
        ),
        (edit("manifest.json", lambda m: m["shards"].append(m["shards"][0])), "lists shard-00000.tar 2 times"),
        (
            edit("manifest.json", lambda m: m["totals"]["skipped"].append({"key": "k", "reason": "r"})),
            "its totals say 1 samples left out, and the indexes together 0",
        ),
    ],
)
def test_what_does_not_fit_together(shards: Path, change: Edit, expected: str) -> None:
    change(shards)
    assert any(expected in problem for problem in found(shards, quick=True))
    assert any(expected in problem for problem in found(shards))


def test_one_problem_does_not_hide_another(shards: Path) -> None:
    replaced("label.png", png(np.full((9, 12), 77)))(shards)
    damage(shards / "shard-00001.tar", 600)
    (shards / "extra.bin").touch()
    edit("manifest.json", lambda m: m["totals"].update(samples=9))(shards)
    text = "\n".join(found(shards))
    for part in ("values above 5", "shard-00001.tar: its content has changed", "extra.bin", "say 9 samples"):
        assert part in text


def test_a_damaged_header_does_not_hide_the_members_behind_it(shards: Path) -> None:
    damage(shards / "shard-00000.tar", 10)
    problems = found(shards)
    missing = [problem for problem in problems if "has no member" in problem]
    assert len(missing) == 1 and "s%2E0.png" in missing[0]


def test_a_list_of_problems_ends_somewhere(tmp_path: Path) -> None:
    """Of an index whose samples are all elsewhere, the first are listed and the rest is counted."""
    samples = [sample(f"s{i:04d}", i) for i in range(100)]
    shard_folders.write(tmp_path, [samples], shard_folders.mapping(5))

    def move(index: dict[str, Any]) -> None:
        for record in index["samples"]:
            record["key"] += "x"

    edit("shard-00000.index.json", move)(tmp_path)
    result = verify_shards(tmp_path, quick=True)
    assert len(result.problems) == MOST
    assert result.more == 600 - MOST  # three members each that are missing, and three that nobody listed


def test_without_a_manifest_nothing_can_be_said(shards: Path) -> None:
    (shards / "manifest.json").unlink()
    with pytest.raises(ShardError, match=r"holds no manifest\.json"):
        verify_shards(shards)


def test_names_with_control_characters_are_shown_as_escapes(tmp_path: Path) -> None:
    folder(tmp_path / "shards")
    edit(INDEX, lambda m: m["samples"][0].update(key="a\x1b[31m\nb"))(tmp_path / "shards")
    text = "".join(found(tmp_path / "shards", quick=True))
    assert "a\\x1b[31m\\nb" in text and "\x1b" not in text
