"""The part of an image that the page shows."""

from __future__ import annotations

import numpy as np

from labelforge.demo.pictures import busiest_window


def test_the_window_with_most_marks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        marked = rng.random((13, 22)) < 0.1
        rows, columns = busiest_window(marked)
        assert (rows.stop - rows.start, columns.stop - columns.start) == (6, 11)
        assert rows.stop <= 13 and columns.stop <= 22
        most = max(int(marked[y : y + 6, x : x + 11].sum()) for y in range(8) for x in range(12))
        assert int(marked[rows, columns].sum()) == most
