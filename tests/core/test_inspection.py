"""Numbers of shards against brute force over their label maps, and the choice of samples that differ."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelforge as lf
from labelforge.errors import ConfigError
from labelforge.inspection import LabelCounts, choose_different
from labelforge.inspection.finding import find_label, find_sample, most_of
from labelforge.inspection.labels import absence
from labelforge.mapping import LabelMapping
from labelforge.shards import ShardReader
from labelforge.wording import printable
from tests.core import shard_folders
from tests.core.shard_folders import TREE

NAMES = ("NA", "=cmd()", 'with "quotes", and\nlines', "none", "lost")
TARGETS: tuple[Any, ...] = ("road", "sidewalk", {"any": ["road", "car"]}, "flat", {"ignore": "of no use"})


def table(names: tuple[str, ...] = NAMES) -> LabelMapping:
    """Names that CSV files are known to lose; the third means nodes of two branches, the last is ignored."""
    first = {"row": 0, "native_id": None, "native_name": "(none)", "target": "ignore", "supervision": "pixel"}
    rest = [
        {"row": i + 1, "native_id": 10 * i, "native_name": name, "target": target, "supervision": "pixel"}
        for i, (name, target) in enumerate(zip(names, TARGETS, strict=True))
    ]
    return LabelMapping.from_records(TREE, "odd", [first, *rest])


def write(path: Path, labels: dict[str, Any], names: tuple[str, ...] = NAMES) -> ShardReader:
    """Shards with these label maps."""
    samples = [
        shard_folders.encoded(key, np.zeros((*label.shape, 3), np.uint8), label, [(0, 0, 0)] * 6)
        for key, label in labels.items()
    ]
    shard_folders.write(path, [samples[:3], samples[3:]], table(names))
    return ShardReader(path)


def random_labels(seed: int, number: int) -> dict[str, Any]:
    """Label maps of several sizes; label 4 is nowhere, and each misses some others."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(number):
        kinds = rng.choice([0, 1, 2, 3, 5], rng.integers(1, 5), replace=False)
        found[f"k.{i}"] = rng.choice(kinds, (int(rng.integers(1, 9)), int(rng.integers(1, 9))))
    return found


@pytest.fixture
def two(tmp_path: Path) -> list[ShardReader]:
    return [write(tmp_path / "a", random_labels(1, 7)), write(tmp_path / "b", random_labels(2, 4))]


def read_back(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(frame.to_csv(index=False, lineterminator="\n")), keep_default_na=False)


def records(frame: pd.DataFrame) -> list[Any]:
    """The rows of a table."""
    return list(frame.itertuples())


def test_statistics_per_label(two: list[ShardReader]) -> None:
    frame = read_back(lf.label_statistics(two))
    assert len(frame) == 2 * 6
    for reader in two:
        maps = [sample.local_rows for sample in reader]
        total = sum(label.size for label in maps)
        for row, line in frame[frame.shards == reader.url].reset_index(drop=True).iterrows():
            pixels = sum(int((label == row).sum()) for label in maps)
            assert (line.row, line.pixels, line.images) == (row, pixels, sum((label == row).any() for label in maps))
            assert line.share == pytest.approx(pixels / total)
    first = frame[frame.shards == two[0].url]
    assert list(first.native_name) == ["(none)", *NAMES]
    assert list(first.native_id) == ["", "0", "10", "20", "30", "40"]
    assert list(first.node) == ["", "flat/road", "flat/sidewalk", "scene", "flat", ""]
    assert list(first.means)[3:] == ["road | car", "flat", "ignore"]
    assert set(frame.dataset) == {"odd"} and set(frame.split) == {"train"} and set(frame.supervision) == {"pixel"}


def test_statistics_per_sample(two: list[ShardReader]) -> None:
    frame = read_back(lf.label_statistics(two, "sample"))
    maps = {(reader.url, sample.key): sample.local_rows for reader in two for sample in reader}
    assert len(frame) == len(maps) == 11
    for line in records(frame):
        label = maps[line.shards, line.key]
        assert (line.height, line.width, line.pixels) == (*label.shape, label.size)
        shares = [np.isin(label, kind).mean() for kind in ([1, 2, 3, 4], [5], [0])]
        assert [line.used, line.ignored, line.unannotated] == pytest.approx(shares)
        assert line.labels == len(set(label.ravel().tolist()) - {0})


def test_statistics_per_sample_and_label(two: list[ShardReader]) -> None:
    frame = read_back(lf.label_statistics([reader.url for reader in two], "sample-label"))
    expected = {
        (reader.url, sample.key, row): int((sample.local_rows == row).sum())
        for reader in two
        for sample in reader
        for row in np.unique(sample.local_rows).tolist()
    }
    got = {(line.shards, line.key, line.row): line.pixels for line in records(frame)}
    assert got == expected and len(frame) == len(expected)
    assert frame.groupby(["shards", "key"]).share.sum().tolist() == pytest.approx([1.0] * 11)
    names = dict(enumerate(["(none)", *NAMES]))
    assert all(line.native_name == names[line.row] for line in records(frame))


def test_statistics_of_empty_shards_and_a_wrong_word(tmp_path: Path) -> None:
    shard_folders.write(tmp_path, [[]], table())
    assert lf.label_statistics([tmp_path]).pixels.tolist() == [0] * 6
    assert len(lf.label_statistics([tmp_path], "sample")) == len(lf.label_statistics([tmp_path], "sample-label")) == 0
    with pytest.raises(ConfigError, match=r"there is no table per 'image'"):
        lf.label_statistics([tmp_path], "image")  # type: ignore[arg-type]


def test_the_frames_that_hold_most(two: list[ShardReader]) -> None:
    for rows in ([1], [2, 3], [4], [1, 2, 3, 5]):
        for reader in two:
            held = [int(np.isin(sample.local_rows, rows).sum()) for sample in reader]
            expected = sorted(((i, n) for i, n in enumerate(held) if n), key=lambda one: (-one[1], one[0]))
            assert LabelCounts.of(reader).most(rows, 3) == expected[:3]
    frames = most_of(find_label(two, "NA"), 4)
    held = sorted((int((s.local_rows == 1).sum()) for reader in two for s in reader), reverse=True)
    assert [frame.pixels for frame in frames] == [n for n in held[:4] if n]
    for frame in frames:
        assert (frame.reader[frame.number].local_rows == 1).sum() == frame.pixels


def test_names_that_are_looked_for(two: list[ShardReader]) -> None:
    assert [wanted.rows for wanted in find_label(two, "none")] == [(4,), (4,)]
    assert [wanted.rows for wanted in find_label(two, "flat")] == [(1, 2, 4)] * 2  # not the union that reaches beyond
    assert [wanted.rows for wanted in find_label(two, "flat/road")] == [(1,), (1,)]
    with pytest.raises(ConfigError, match=r"'rode', .* Did you mean .*'road'"):
        find_label(two, "rode")
    with pytest.raises(
        ConfigError, match=r"no label of these shards lies within the node 'car'\. It can be in .* 'with"
    ):
        find_label(two, "car")
    assert [(f.reader, f.number) for f in find_sample(two, "k%2E2")] == [(two[0], 2), (two[1], 2)]
    assert find_sample(two, "k.6") == find_sample(two, "k%2E6")
    with pytest.raises(ConfigError, match=r"there is no sample 'k\.77'"):
        find_sample(two, "k.77")


def test_a_node_that_these_shards_do_not_show(tmp_path: Path) -> None:
    """It is known all the same, and it is not proposed in place of a name that is like it."""
    road = shard_folders.encoded("a", np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8), [(0, 0, 0)] * 3)
    shard_folders.write(tmp_path, [[road]], shard_folders.mapping(2))
    readers = [ShardReader(tmp_path)]
    with pytest.raises(ConfigError, match=r"lies within the node 'car'\. No label can show it\."):
        find_label(readers, "car")
    for name in ("caar", "sidewalks"):  # a label that has no pixel
        with pytest.raises(ConfigError, match=f"is called '{name}'") as caught:
            find_label(readers, name)
        assert "car'" not in str(caught.value.cure) and "Did you mean" not in str(caught.value.cure)


def counts(samples: list[dict[int, int]], rows: int) -> LabelCounts:
    """Counts of made-up samples."""
    entries = np.array([(i, r, n) for i, sample in enumerate(samples) for r, n in sorted(sample.items())], np.int64)
    entries = entries.reshape(-1, 3)
    return LabelCounts(entries[:, 0], entries[:, 1], entries[:, 2], len(samples), rows)


def test_pictures_are_not_of_the_same_scene_while_others_are_left() -> None:
    """A drive of 40 frames that all show a road, one frame at night with nothing else, and one with a rare sign."""
    drive = [{1: 600 + i, 2: 400 - i} for i in range(40)]
    samples = [*drive[:20], {3: 1000}, *drive[20:], {1: 590, 2: 400, 4: 10}]
    assert set(choose_different(counts(samples, 5), 3)) == {20, 41, choose_different(counts(samples, 5), 3)[2]}
    assert choose_different(counts(samples, 5), 1) == [41]  # it shows the most labels


def test_a_sample_without_a_label_comes_last() -> None:
    """It is unlike all others, but shows nothing."""
    samples = [{0: 1000}, {0: 900, 1: 100}, {0: 900, 1: 100}, {0: 1000}]
    assert choose_different(counts(samples, 2), 2, silent=[0]) == [1, 2]
    assert choose_different(counts(samples, 2), 4, silent=[0]) == [1, 2, 0, 3]


def test_the_choice_covers_labels_about_as_well_as_the_best_one() -> None:
    """Greedy choice by a submodular gain reaches 1 - 1/e of the best (Nemhauser et al. 1978); the other term adds."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        samples = [{int(r): 100 for r in rng.choice(12, 3, replace=False)} for _ in range(9)]
        chosen = choose_different(counts(samples, 12), 3)
        labels = [set(sample) for sample in samples]
        best = max(len(set.union(*some)) for some in combinations(labels, 3))
        assert len(set.union(*(labels[i] for i in chosen))) >= 0.63 * best
        assert len(set(chosen)) == 3
        assert choose_different(counts(samples, 12), 3) == chosen


def test_the_choice_where_there_is_little_to_choose() -> None:
    assert choose_different(counts([], 3), 4) == []
    assert sorted(choose_different(counts([{1: 5}, {1: 5}, {0: 9}], 3), 5)) == [0, 1, 2]
    # What is silent is no label to show: the frame with nothing but that comes last.
    assert choose_different(counts([{0: 9}, {1: 1, 0: 8}, {2: 9}], 3), 3, silent=[0])[-1] == 0


def test_printable_text() -> None:
    assert printable("Straße 道路 <b>") == "Straße 道路 <b>"
    assert printable("a\x1b[2J\r\n\u202eb\x00\u2028") == r"a\x1b[2J\r\n\u202eb\x00\u2028"


def test_labels_without_a_pixel_are_named_where_they_are_few() -> None:
    assert absence(["a"], 7) == "1 of 7 labels has no pixel here: a."
    assert absence(["a", "b\n"], 7) == r"2 of 7 labels have no pixel here: a, b\n."
    assert absence(list("abcdef"), 7) == "6 of 7 labels have no pixel here."
