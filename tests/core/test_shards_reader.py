"""Reading shards: what was written comes back, from any process, and every kind of damage has its own clear line."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelforge.errors import ShardError
from labelforge.shards import IMAGE_SUFFIXES, EncodedSample, ShardReader, escape_key
from labelforge.shards.codec import ImageSuffix
from tests.core import shard_folders
from tests.core.shard_folders import Array

COLORS = [(i % 256, i // 256, 7) for i in range(400)]


def arrays(seed: int, height: int, width: int, labels: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image, rng.integers(0, labels + 1, (height, width))


def folder(path: Path, shards: int = 2, suffix: ImageSuffix = "png") -> list[tuple[str, Array, Array]]:
    """Two samples per shard of a table of 5 labels; returns what was written."""
    written = [(f"s.{i}", *arrays(i, 4 + i, 19 - i, 5)) for i in range(2 * shards)]
    samples = [shard_folders.encoded(key, image, label, COLORS[:6], suffix) for key, image, label in written]
    shard_folders.write(path, [samples[i : i + 2] for i in range(0, len(samples), 2)], shard_folders.mapping(5))
    return written


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    labels = data.draw(st.sampled_from([1, 2, 3, 15, 255, 256, 300]), label="native labels")
    suffix: ImageSuffix = data.draw(st.sampled_from(IMAGE_SUFFIXES), label="suffix")
    keys = data.draw(st.lists(st.text("ab./%é ", min_size=1, max_size=5), max_size=5, unique=True), label="keys")
    per_shard = data.draw(st.integers(1, 3), label="samples per shard")
    sides = st.integers(1, 40)
    written = [(key, *arrays(i, data.draw(sides), data.draw(sides), labels)) for i, key in enumerate(sorted(keys))]
    samples = [shard_folders.encoded(k, image, label, COLORS[: labels + 1], suffix) for k, image, label in written]
    shards = [samples[i : i + per_shard] for i in range(0, len(samples), per_shard)]
    out = tmp_path_factory.mktemp("shards")
    shard_folders.write(out, shards, shard_folders.mapping(labels))

    reader = ShardReader(out)
    reader.verify()
    assert len(reader) == len(written)
    assert reader.keys == tuple(escape_key(key) for key, _, _ in written)
    assert reader.sizes.tolist() == [list(label.shape) for _, _, label in written]
    counts = sum((np.bincount(label.ravel(), minlength=labels + 1) for _, _, label in written), np.zeros(labels + 1))
    assert reader.pixels_per_label.tolist() == counts.tolist()
    for i in reversed(range(len(written))):
        key, image, label = written[i]
        sample = reader[i]
        assert sample.meta == {"name": key}
        assert sample.local_rows.dtype == (np.uint8 if labels < 256 else np.uint16)
        assert np.array_equal(sample.local_rows, label)
        assert reader.pixels(i) == {int(v): int(n) for v, n in zip(*np.unique(label, return_counts=True), strict=True)}
        if suffix == "jpg":  # lossy: near in the mean, even for noise
            assert sample.image.shape == image.shape
            assert np.abs(sample.image.astype(int) - image).mean() < 12
        else:
            assert np.array_equal(sample.image, image)


def test_the_table_and_tree_of_the_manifest(tmp_path: Path) -> None:
    folder(tmp_path)
    reader = ShardReader(tmp_path)
    assert reader.taxonomy == shard_folders.TREE
    assert reader.mapping == shard_folders.mapping(5)
    assert (reader.dataset, reader.split, reader.url) == ("toy-labels", "train", str(tmp_path))
    assert [sample.key for sample in reader] == ["s%2E0", "s%2E1", "s%2E2", "s%2E3"]
    assert reader[-1].key == "s%2E3"
    with pytest.raises(IndexError):
        reader[4]


def test_npy_images_are_views_of_the_file(tmp_path: Path) -> None:
    written = folder(tmp_path, suffix="npy")
    reader = ShardReader(tmp_path)
    sample, again = reader[1], reader[1]
    assert np.shares_memory(sample.image, again.image)  # one mapping of the file, no copy
    assert not sample.image.flags.writeable
    assert np.array_equal(sample.image, written[1][1])
    del reader, again
    assert np.array_equal(sample.image, written[1][1])  # the array keeps its mapping alive


def _read(reader: ShardReader, number: int) -> list[Any]:
    sample = reader[number]
    return [sample.key, sample.image.tolist(), sample.local_rows.tolist()]


def test_a_pickled_reader_opens_its_files_again(tmp_path: Path) -> None:
    key, image, label = folder(tmp_path)[2]
    reader = ShardReader(tmp_path)
    reader[2]  # a mapping is open now
    expected = [escape_key(key), image.tolist(), label.tolist()]
    assert _read(pickle.loads(pickle.dumps(reader)), 2) == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read, (reader, 2)) == expected


def test_more_shards_than_open_mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelforge.shards.local_folder.OPEN_MAPS", 2)
    written = folder(tmp_path, shards=5, suffix="npy")
    reader = ShardReader(tmp_path)
    samples = [reader[i] for i in (0, 9, 4, 2, 6, 1, 8)]
    for sample, i in zip(samples, (0, 9, 4, 2, 6, 1, 8), strict=True):
        assert np.array_equal(sample.image, written[i][1])


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads((path / name).read_text())
        change(content)
        (path / name).write_text(json.dumps(content))

    return damage


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path / name, length)


def remove(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


def append(path: Path) -> None:
    with (path / "shard-00000.tar").open("ab") as file:
        file.write(bytes(512))


@pytest.mark.parametrize(
    ("damage", "place", "what"),
    [
        (remove("manifest.json"), "", "holds no manifest.json"),
        (cut("manifest.json", 100), "/manifest.json", "is not JSON"),
        (cut("manifest.json", 0), "/manifest.json", "is not JSON"),
        (lambda p: (p / "manifest.json").write_text("[" * 100_000), "/manifest.json", "is not JSON"),
        (edit("manifest.json", lambda m: m.clear()), "/manifest.json", "it states no version"),
        (edit("manifest.json", lambda m: m.update(version=3)), "/manifest.json", "version 3; .* reads 1 and 2"),
        (edit("manifest.json", lambda m: m.update(version=0)), "/manifest.json", "version 0; .* Convert the dataset"),
        (edit("manifest.json", lambda m: m.pop("labels")), "/manifest.json", "labels: Field required"),
        (remove("shard-00001.tar"), "/shard-00001.tar", "the manifest lists this shard, but it is missing"),
        (cut("shard-00001.tar", 5000), "/shard-00001.tar", "cut short: 5000 bytes instead of 10240"),
        (append, "/shard-00000.tar", "longer than it was written: 10752 bytes instead of 10240"),
        (remove("shard-00001.index.json"), "/shard-00001.index.json", "no such file"),
        (cut("shard-00001.index.json", 77), "/shard-00001.index.json", "is not JSON"),
        (
            edit("shard-00001.index.json", lambda m: m["samples"].pop()),
            "/shard-00001.tar",
            "its index and the manifest describe different shards",
        ),
        (
            edit("shard-00000.index.json", lambda m: m["samples"][0]["members"][0].update(offset=7)),
            "/shard-00000.index.json",
            r"samples\.0\.members\.0\.offset: Input should be a multiple of 512",
        ),
    ],
)
def test_damage_is_found_on_opening(tmp_path: Path, damage: Callable[[Path], object], place: str, what: str) -> None:
    folder(tmp_path)
    damage(tmp_path)
    with pytest.raises(ShardError, match=what) as caught:
        ShardReader(tmp_path)
    assert caught.value.where == f"{tmp_path}{place}"
    assert caught.value.cure


def flip(path: Path, offset: int) -> None:
    data = bytearray((path / "shard-00000.tar").read_bytes())
    data[offset] ^= 0xFF
    (path / "shard-00000.tar").write_bytes(data)


def test_verify_finds_a_changed_byte(tmp_path: Path) -> None:
    folder(tmp_path)
    ShardReader(tmp_path).verify()
    flip(tmp_path, 9999)  # in the padding, where nobody reads
    reader = ShardReader(tmp_path)
    assert len(list(reader)) == 4
    with pytest.raises(ShardError, match=r"shard-00000\.tar: its content has changed .* \(SHA-256 differs\)"):
        reader.verify()


def test_verify_finds_an_index_of_other_members(tmp_path: Path) -> None:
    folder(tmp_path)
    edit("shard-00000.index.json", lambda m: m["samples"][1].update(key="other"))(tmp_path)
    with pytest.raises(ShardError, match="it does not hold the members that its index lists"):
        ShardReader(tmp_path).verify()


def test_a_broken_member_names_its_sample(tmp_path: Path) -> None:
    folder(tmp_path)
    flip(tmp_path, 512)  # the first image's signature
    reader = ShardReader(tmp_path)
    with pytest.raises(ShardError, match=r"shard-00000\.tar: sample s%2E0 is broken"):
        reader[0]
    assert reader[1].key == "s%2E1"


def test_sizes_that_do_not_agree(tmp_path: Path) -> None:
    image, label = arrays(0, 6, 5, 3)
    members = shard_folders.encoded("a", image[:5], label, COLORS[:4]).members
    shard_folders.write(tmp_path, [[EncodedSample("a", members, 6, 5, {0: 30})]], shard_folders.mapping(3))
    with pytest.raises(ShardError, match=r"sample a is broken \(image \(5, 5\), label map \(6, 5\), index \(6, 5\)\)"):
        ShardReader(tmp_path)[0]


def test_a_tree_edited_by_hand(tmp_path: Path) -> None:
    folder(tmp_path)
    edit("manifest.json", lambda m: m["taxonomy"]["definition"].update(name="other"))(tmp_path)
    with pytest.raises(ShardError, match="the digest of the manifest's taxonomy 'toy' does not match"):
        _ = ShardReader(tmp_path).taxonomy
