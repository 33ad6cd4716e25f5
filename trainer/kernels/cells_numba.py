"""What the numba kernels for the loss and the decision share: cells, their corners, and tiles of their pixels."""

from __future__ import annotations

from typing import Any, Final

from labelforge.compiled import machine_code

TILE: Final = 128
"""Pixels that are computed at a time, at most."""
SUM, HIGHEST, LOWEST = 4, 5, 6
"""Rows of corners after the four: their sum, the highest and the lowest."""
CORNER_ROWS: Final = 7
"""Rows of corners."""


@machine_code()
def most_children(columns: Any) -> int:
    """Children of the largest classifier."""
    most = 0
    for j in range(len(columns) - 1):
        most = max(most, columns[j + 1] - columns[j])
    return most


@machine_code()
def tile_weights(
    weight_y: Any, weight_x: Any, top: int, bottom: int, left: int, right: int, x: Any, y: Any, xy: Any
) -> int:
    """Place of each pixel of a tile in its cell, 0 to 1; returns how many there are."""
    p = 0
    for row in range(top, bottom):
        for pixel in range(left, right):
            x[p] = weight_x[pixel]
            y[p] = weight_y[row]
            xy[p] = weight_x[pixel] * weight_y[row]
            p += 1
    return p


@machine_code()
def read_corners(logits: Any, n: int, cell_y: int, cell_x: int, first: int, children: int, corners: Any) -> None:
    """The logits of a classifier at the corners of a cell, then their sum, highest and lowest: (7, children)."""
    below, right = min(cell_y + 1, logits.shape[1] - 1), min(cell_x + 1, logits.shape[2] - 1)
    for c in range(children):
        corners[0, c] = logits[n, cell_y, cell_x, first + c]
        corners[1, c] = logits[n, cell_y, right, first + c]
        corners[2, c] = logits[n, below, cell_x, first + c]
        corners[3, c] = logits[n, below, right, first + c]
    for c in range(children):
        a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
        corners[SUM, c] = a + b + d + e
        corners[HIGHEST, c] = max(max(a, b), max(d, e))
        corners[LOWEST, c] = min(min(a, b), min(d, e))
