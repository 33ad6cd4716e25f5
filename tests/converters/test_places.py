"""The pixels that an index names: they have the label, are drawn as they should be, and are found again by a reader."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.converters import convert
from labelforge.converters.engine.places import DRAWN, draw_ranks
from labelforge.converters.engine.row_table import Census
from labelforge.errors import ShardError
from labelforge.shards import ShardReader


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 300), st.text(max_size=5), st.randoms())
def test_every_place_has_its_label(height: int, width: int, rows: int, key: str, random: Any) -> None:
    some = random.sample(range(rows), min(rows, 4))
    values = np.array(random.choices(some, k=height * width), dtype=np.uint16).reshape(height, width)
    places = Census.of(values, rows).places(key)
    assert set(places) == set(np.unique(values).tolist()) - {0}
    for row, pixels in places.items():
        of_row = np.flatnonzero(values == row).tolist()  # in reading order
        assert list(pixels) == [of_row[rank] for rank in draw_ranks(key, row, len(of_row))]


def test_places_of_a_map_larger_than_what_is_counted_at_once() -> None:
    values = np.random.default_rng(0).integers(0, 70, (700, 800)).astype(np.uint8).repeat(3, axis=1)
    places = Census.of(values, 70).places("key")
    assert set(places) == set(range(1, 70))
    for row, pixels in places.items():
        assert len(pixels) == DRAWN and (values.ravel()[list(pixels)] == row).all()
        for part, pixel in enumerate(pixels):  # a label that is everywhere is drawn everywhere
            assert part / DRAWN - 0.02 < pixel / values.size < (part + 1) / DRAWN + 0.02


@given(st.integers(1, 10**7), st.integers(1, 500), st.text(max_size=9))
def test_ranks_are_spread(pixels: int, row: int, key: str) -> None:
    ranks = draw_ranks(key, row, pixels)
    assert ranks == sorted(set(ranks)) and ranks[0] >= 0 and ranks[-1] < pixels
    if pixels <= DRAWN:
        assert ranks == list(range(pixels))
    elif pixels >= 2 * DRAWN:
        assert len(ranks) >= DRAWN - 1
    assert draw_ranks(key, row, pixels) == ranks


@pytest.mark.parametrize("pixels", [5, 6, 7, 32, 1000])
def test_every_pixel_is_as_likely(pixels: int) -> None:
    """Pearson's statistic of many keys; borders that two parts share are drawn once though both drew them."""
    keys = 4000
    drawn = np.bincount([rank for key in range(keys) for rank in draw_ranks(str(key), 3, pixels)], minlength=pixels)
    share = [part * pixels / DRAWN for part in range(DRAWN + 1)]
    expected = []
    for rank in range(pixels):
        missed = 1.0
        for low, high in pairwise(share):
            missed *= 1 - max(0.0, min(rank + 1, high) - max(rank, low)) * DRAWN / pixels
        expected.append(keys * (1 - missed))
    statistic = float(((drawn - expected) ** 2 / expected).sum())
    assert statistic < pixels + 4 * (2 * pixels) ** 0.5


def test_a_reader_finds_them(root: Path, tmp_path: Path) -> None:
    convert("cityscapes", root, tmp_path / "out", split="train", samples_per_shard=2)
    reader = ShardReader(tmp_path / "out")
    assert reader.positions.shape[1] == 4 and reader.positions.dtype == np.int32
    assert reader.positions[:, :2].tolist() == sorted(reader.positions[:, :2].tolist())
    for number in range(len(reader)):
        rows = reader[number].local_rows
        _, row, y, x = reader.positions[reader.positions[:, 0] == number].T
        assert (rows[y, x] == row).all()
        assert set(row.tolist()) == set(np.unique(rows).tolist()) - {0}
        assert (
            len(np.unique(y * rows.shape[1] + x))
            == len(y)
            == sum(min(DRAWN, n) for n in reader.pixels(number).values())
        )


def test_shards_of_the_first_version_have_none(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert("cityscapes", root, out, split="train", samples_per_shard=2)
    for path in out.glob("*.json"):
        content = json.loads(path.read_text())
        for sample in content.get("samples", ()):
            del sample["positions"]
        path.write_text(json.dumps({**content, "version": 1}))
    reader = ShardReader(out)
    assert reader.positions.shape == (0, 4) and len(list(reader)) == 5
    path = out / "shard-00001.index.json"
    content = json.loads(path.read_text())
    content["samples"][1]["positions"] = {"3": [600]}  # of 20 rows of 30 pixels
    path.write_text(json.dumps(content))
    with pytest.raises(ShardError, match=r"shard-00001\.tar: its index names pixels outside of an image"):
        ShardReader(out)
