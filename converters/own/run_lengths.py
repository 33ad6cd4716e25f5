"""Masks as run lengths: how many pixels are outside, then inside, then outside again, and so on.

What they say is checked before it is drawn: they come from files that nobody may trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.own.layers import MOST_PIXELS


def mask_of_counts(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask that run lengths make, in the order of its rows.

    Args:
        counts: Numbers of pixels, outside first.
        size: Rows and columns.

    Returns:
        (rows, columns) bool.

    Raises:
        ValueError: The lengths are negative, or do not add up to the size.
    """
    runs = np.asarray(counts, dtype=np.int64)
    rows, columns = size
    if rows < 1 or columns < 1 or rows * columns > MOST_PIXELS:
        raise ValueError(f"a mask of {columns} x {rows} pixels")
    if (
        runs.ndim != 1
        or not len(runs)
        or runs.min() < 0
        or runs.max() > MOST_PIXELS
        or int(runs.sum()) != rows * columns
    ):
        raise ValueError(f"run lengths that do not add up to {columns} x {rows} pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(rows, columns)


def coco_counts(counts: Any) -> list[int]:
    """COCO's run lengths, also from its text: numbers in pieces of 5 bits, from the third on as differences.

    Raises:
        ValueError: They are of another form.
    """
    if isinstance(counts, list):
        if not all(type(count) is int for count in counts):
            raise ValueError("run lengths are not whole numbers")
        return counts
    if not isinstance(counts, str) or not counts.isascii():
        raise ValueError("run lengths are neither a list nor COCO's text")
    found: list[int] = []
    value = shift = 0
    for code in counts.encode("ascii"):
        piece = code - 48
        if not 0 <= piece < 64 or shift > 60:
            raise ValueError("run lengths are not COCO's text")
        value |= (piece & 31) << shift
        shift += 5
        if piece & 32:
            continue
        if piece & 16:
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths end too early")
    return found
