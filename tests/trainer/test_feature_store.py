"""The folder of features: exact round trips, a bound that is kept, damage that is noticed, and several processes."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.trainer.data.feature_store import FeatureStore, StoredCrop

ROOM = 10**9


def crop(seed: int, side: int = 6) -> StoredCrop:
    generator = torch.Generator().manual_seed(seed)
    maps = tuple(torch.randn(3, side // n, side // n, generator=generator).half() for n in (1, 2))
    rows = torch.randint(0, 300, (side, side), generator=generator).to(torch.uint16 if seed % 2 else torch.uint8)
    return StoredCrop(maps, rows, bool(seed % 3))


def assert_same(a: StoredCrop | None, b: StoredCrop) -> None:
    assert a is not None
    assert len(a.maps) == len(b.maps)
    for first, second in zip((*a.maps, a.local_rows), (*b.maps, b.local_rows), strict=True):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    assert a.flipped == b.flipped


def names(store: FeatureStore, count: int) -> list[str]:
    return [store.name("dense", "ab" * 32, f"key{i}", 0) for i in range(count)]


def stored_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.features"))


def test_what_is_added_comes_back_here_and_in_another_process(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "new" / "folder", "recipe", ROOM)
    for seed, name in enumerate(names(store, 6)):
        assert store.read(name) is None
        assert store.add(name, crop(seed)) is None
    worker: FeatureStore = pickle.loads(pickle.dumps(store))
    for seed, name in enumerate(names(store, 6)):
        assert_same(worker.read(name), crop(seed))


def test_everything_that_decides_the_content_is_in_the_name(tmp_path: Path) -> None:
    store, other = FeatureStore(tmp_path, "recipe", ROOM), FeatureStore(tmp_path, "another", ROOM)
    varied = [
        store.name("dense", "ab", "key", 0),
        other.name("dense", "ab", "key", 0),
        store.name("boxes", "ab", "key", 0),
        store.name("dense", "cd", "key", 0),
        store.name("dense", "ab", "key1", 0),
        store.name("dense", "ab", "key", 1),
        store.name("dense", "ab", "key", 10),
    ]
    assert len(set(varied)) == len(varied)
    assert store.name("dense", "ab", "key", 1) == FeatureStore(tmp_path, "recipe", 1).name("dense", "ab", "key", 1)


def test_the_bound_is_kept_and_said_once(tmp_path: Path) -> None:
    probe = FeatureStore(tmp_path / "probe", "recipe", ROOM)
    probe.add("aa", crop(0))
    size = stored_bytes(tmp_path / "probe")
    store = FeatureStore(tmp_path / "full", "recipe", 3 * size + size // 2)
    told = [store.add(name, crop(0)) for name in names(store, 6)]
    assert told[:3] == [None] * 3 and told[4:] == [None] * 2
    assert told[3] is not None and told[3].startswith("is full: ")
    assert store.full
    assert stored_bytes(tmp_path / "full") == 3 * size
    assert [store.read(name) is not None for name in names(store, 6)] == [True] * 3 + [False] * 3
    # Whoever comes next counts what is there; with more room it goes on.
    later = FeatureStore(tmp_path / "full", "recipe", 3 * size + size // 2)
    assert later.add(names(store, 6)[5], crop(0)) is not None
    assert FeatureStore(tmp_path / "full", "recipe", 4 * size).add(names(store, 6)[5], crop(0)) is None
    assert stored_bytes(tmp_path / "full") == 4 * size


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data[:3],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: data[:-4] + bytes(4),
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_file_is_not_there_and_can_be_replaced(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = FeatureStore(tmp_path, "recipe", ROOM)
    (name,) = names(store, 1)
    store.add(name, crop(1))
    (file,) = tmp_path.rglob("*.features")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert store.read(name) is None
    assert FeatureStore(tmp_path, "recipe", len(whole)).add(name, crop(1)) is None  # the damaged one makes room
    assert file.read_bytes() == whole
    assert not list(tmp_path.rglob("*.partial"))


def test_what_a_crash_left_is_cleared_and_counted_anew(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "recipe", ROOM)
    (name,) = names(store, 1)
    store.add(name, crop(1))
    (file,) = tmp_path.rglob("*.features")
    (file.parent / f".{file.name}.partial").write_bytes(b"half")
    (tmp_path / "total").write_text("999999999999")
    FeatureStore(tmp_path, "recipe", ROOM)
    assert not list(tmp_path.rglob("*.partial"))
    assert int((tmp_path / "total").read_text()) == stored_bytes(tmp_path)


def test_a_folder_that_goes_away_stops_the_keeping_only(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "gone", "recipe", ROOM)
    store.remove()
    assert not (tmp_path / "gone").exists()
    told = store.add("ab", crop(1))
    assert told is not None and told.startswith("cannot be written to (")
    assert store.add("ab", crop(1)) is None
    assert store.read("ab") is None


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        FeatureStore(tmp_path / "file", "recipe", ROOM)


def _fill(folder: Path, order: list[int], limit: int) -> None:
    store = FeatureStore(folder, "recipe", limit)
    every = names(store, len(order))
    for number in order:
        if store.read(every[number]) is None:
            store.add(every[number], crop(number))


def test_processes_that_write_at_once_keep_every_file_whole_and_the_bound(tmp_path: Path) -> None:
    count = 60
    probe = FeatureStore(tmp_path / "probe", "recipe", ROOM)
    sizes: list[int] = []
    for number, name in enumerate(names(probe, count)):
        probe.add(name, crop(number))
        sizes.append(stored_bytes(tmp_path / "probe") - sum(sizes))
    limit = sum(sizes) * 2 // 3
    context = multiprocessing.get_context("fork")
    orders = [list(range(count)), list(reversed(range(count))), [(7 * i) % count for i in range(count)]]
    processes = [context.Process(target=_fill, args=(tmp_path / "shared", order, limit)) for order in orders]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = FeatureStore(tmp_path / "shared", "recipe", limit)
    found = [(number, store.read(name)) for number, name in enumerate(names(store, count))]
    there = [number for number, stored in found if stored is not None]
    for number, stored in found:
        if stored is not None:
            assert_same(stored, crop(number))
    assert stored_bytes(tmp_path / "shared") == sum(sizes[number] for number in there) <= limit
    assert sum(sizes[number] for number in there) > limit - 3 * max(
        sizes
    )  # each gives up at the first that is too much
