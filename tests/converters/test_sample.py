"""The look-up of native ids, against a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.converters.base import NO_ANNOTATION
from labelforge.converters.cityscapes import Cityscapes
from labelforge.converters.engine.sample import RowTable
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
        encoded = RowTable({1: 5, 2: rows - 1}, rows).encode(ids, root, converter)
        assert encoded.dtype == dtype
        assert encoded.tolist() == [[5, rows - 1]]


def test_unknown_values_are_named_with_place_and_number(root: Path) -> None:
    ids = np.full((4, 6), 7, dtype=np.uint8)
    ids[1, 4], ids[2, 0], ids[3, 3] = 99, 40, 99
    message = (
        r"label\.png: label values 40, 99 not in the table of cityscapes: 3 pixels, "
        r"the first at column 4, row 1 \(99\)\. Give the \*_gtFine_labelIds\.png files as published\."
    )
    with pytest.raises(DatasetError, match=message):
        RowTable({7: 1}, 2).encode(ids, Path("label.png"), Cityscapes(root))
