"""Draws a few pixels of every label of a label map, so that training can aim at them without reading an image.

Which ones is decided by the sample's key and the row of the label alone. The pixels of a label, in reading order, are
divided into as many equal parts as are drawn, and one is drawn from each: so they are spread over the image, and every
pixel is as likely as any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DRAWN: Final = 4
"""Pixels per label and sample, or all where there are no more."""

_STEPS: Final = 1 << 64


def draw_ranks(key: str, row: int, pixels: int) -> list[int]:
    """Which of the pixels of a label to take: numbers from 0 to ``pixels`` - 1, ascending, each once.

    Args:
        key: The sample's key.
        row: The label's row.
        pixels: How many pixels of it there are.
    """
    if pixels <= DRAWN:
        return list(range(pixels))
    digest = hashlib.blake2b(f"{row}/{key}".encode(), digest_size=8 * DRAWN).digest()
    draws = (int.from_bytes(digest[8 * part : 8 * part + 8], "little") for part in range(DRAWN))
    # Floor of (part + draw / 2^64) * pixels / DRAWN, exactly. Two parts may share the pixel at their border.
    return sorted({(part * _STEPS + draw) * pixels // (_STEPS * DRAWN) for part, draw in enumerate(draws)})


def draw_places(
    key: str, rows: NDArray[np.integer[Any]], lengths: NDArray[np.int64], pixels: Mapping[int, int]
) -> dict[int, tuple[int, ...]]:
    """A few pixels of every label of a map but row 0.

    Args:
        key: The sample's key.
        rows: (n,) row of every run of the map: pixels of one row after each other in reading order.
        lengths: (n,) pixels of every run.
        pixels: Row -> its pixels in all.

    Returns:
        Row -> numbers ``y * width + x`` of some of its pixels, ascending.
    """
    ends = np.cumsum(lengths)
    order = np.argsort(rows, kind="stable")  # runs by row, those of one row in reading order
    sorted_ends = np.cumsum(lengths[order])
    places = {}
    before = 0  # pixels of smaller rows
    for row, count in sorted(pixels.items()):
        if row:
            wanted = before + np.array(draw_ranks(key, row, count))
            run = np.searchsorted(sorted_ends, wanted, side="right")
            # As far from the end of its run there as here.
            places[row] = tuple((ends[order[run]] - (sorted_ends[run] - wanted)).tolist())
        before += count
    return places
