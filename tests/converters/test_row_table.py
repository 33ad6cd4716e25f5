"""The look-up of native ids and the counts of their rows, against a dictionary and a loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.converters.engine.row_table import Census, CountingLookup, RowTable
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.errors import DatasetError

DTYPES = [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64]


@given(
    st.dictionaries(st.integers(-40000, 70000) | st.integers(-5, 40), st.integers(1, 300), max_size=30),
    st.sampled_from(DTYPES),
    st.data(),
)
def test_rows_of_ids(row_of: dict[int, int], dtype: type[np.integer[Any]], data: st.DataObject) -> None:
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    known = [i for i in (*row_of, NO_ANNOTATION) if low <= i <= high]
    some = st.integers(max(low, -50000), min(high, 80000))
    ids = data.draw(st.lists(st.sampled_from(known) | some if known else some, min_size=1, max_size=12))
    table = {**row_of, NO_ANNOTATION: 0}
    found = RowTable(row_of, 301).find(np.array(ids, dtype=dtype).reshape(1, -1))
    assert found.tolist() == [[table.get(i, -1) for i in ids]]


def test_the_dtype_depends_on_the_number_of_rows(root: Path) -> None:
    converter = Cityscapes(root)
    ids = np.array([[1, 2]], dtype=np.uint8)
    for rows, dtype in [(256, np.uint8), (257, np.uint16)]:
        encoded, census = RowTable({1: 5, 2: rows - 1}, rows).encode(ids, root, converter)
        assert encoded.dtype == dtype
        assert encoded.tolist() == [[5, rows - 1]]
        assert census.by_row() == {5: 1, rows - 1: 1}


class Any8Bit(Cityscapes):
    """A converter whose folder nobody looks at."""

    def __init__(self) -> None:
        pass


@given(
    st.sampled_from([*DTYPES, ">u2", ">i2"]),
    st.sampled_from([40, 256, 300]),
    st.integers(1, 7),
    st.integers(1, 7),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_rows_and_their_pixels(dtype: Any, rows: int, height: int, width: int, view: bool, random: Any) -> None:
    """Whatever the dtype, its byte order, and where in memory the map lies."""
    info = np.iinfo(dtype)
    low, high = max(int(info.min), -50), min(int(info.max), 400)
    row_of = {native: random.randrange(1, rows) for native in random.sample(range(low, high + 1), 30)}
    some = [*row_of, NO_ANNOTATION] if info.min <= NO_ANNOTATION else list(row_of)
    ids = np.array(random.choices(some, k=height * width)).astype(dtype).reshape(height, width)
    if view:
        ids = np.pad(ids, ((1, 2), (3, 1)))[1:-2, 3:-1]
    table = {**row_of, NO_ANNOTATION: 0}
    expected = [[table[native] for native in line] for line in ids.tolist()]
    encoded, census = RowTable(row_of, rows).encode(ids, Path("label.png"), Any8Bit())
    assert encoded.tolist() == expected
    assert census.pixels.tolist() == [sum(line.count(row) for line in expected) for row in range(rows)]
    assert not encoded.flags.writeable


def test_maps_larger_than_what_is_counted_at_once() -> None:
    values = np.random.default_rng(0).integers(0, 70, (700, 800), dtype=np.uint16)
    unique, counts = np.unique(values, return_counts=True)
    assert (unique == np.arange(70)).all()
    assert Census.of(values, 75).pixels.tolist() == [*counts.tolist(), 0, 0, 0, 0, 0]


def test_a_map_that_is_scaled_is_counted_as_it_is_stored() -> None:
    rows_of = CountingLookup(RowTable({7: 1, 8: 2}, 3), Path("label.png"), Any8Bit())
    rows = PixelLabels(np.array([[7, 7, 7, 8]], dtype=np.uint8)).draw((1, 4), (1, 4), rows_of)
    assert rows_of.census(rows).pixels.tolist() == [0, 3, 1]
    rows = PixelLabels(np.array([[7, 7, 7, 8]], dtype=np.uint8)).draw((1, 4), (1, 2), rows_of)
    assert (rows.tolist(), rows_of.census(rows).pixels.tolist()) == ([[1, 2]], [0, 1, 1])


def test_unknown_values_are_named_with_place_and_number(root: Path) -> None:
    ids = np.full((4, 6), 7, dtype=np.uint8)
    ids[1, 4], ids[2, 0], ids[3, 3] = 99, 40, 99
    message = (
        r"label\.png: label values 40, 99 not in the table of cityscapes: 3 pixels, "
        r"the first at column 4, row 1 \(99\)\. Give the \*_gtFine_labelIds\.png files as published\."
    )
    with pytest.raises(DatasetError, match=message):
        RowTable({7: 1}, 2).encode(ids, Path("label.png"), Cityscapes(root))


def test_a_few_ids_can_be_looked_up_without_a_map(root: Path) -> None:
    converter = Cityscapes(root)
    table = RowTable({7: 1, 8: 2}, 3)
    rows, census = table.encode(np.array([8, 7, 8]), Path("few"), converter)
    assert rows.tolist() == [2, 1, 2] and census.pixels.tolist() == [0, 1, 2]
    with pytest.raises(DatasetError, match="label value 9 not in the table"):
        table.encode(np.array([7, 9]), Path("few"), converter)
