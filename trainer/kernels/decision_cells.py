"""Decisions between low-resolution logits, cell by cell, in numba.

A child that is below another one at all four corners of a cell is below it at every pixel of the cell, since
interpolation is convex. So the children that can win anywhere are found at the corners: in most cells of a trained
network it is one, mostly because it wins at all four, and the cell is decided at once; elsewhere only the candidates
are interpolated. The descent goes on the same way, with the classifiers that some candidate leads to.

Confidences need softmax probabilities (:func:`choose`): exponentials of the children that are not negligible everywhere
in the tile. What needs them is in :mod:`labelforge.trainer.kernels.confidence_cells`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import (
    CORNER_ROWS,
    HIGHEST,
    LOWEST,
    SUM,
    TILE,
    most_children,
    read_corners,
    tile_weights,
)
from labelforge.trainer.kernels.exponential_numba import FUSED, UNORDERED, exp32

_NEGLIGIBLE: Final = np.float32(18)  # 100 children of exp(-18) each are 2e-6 of the whole
_ZERO, _ONE = np.float32(0), np.float32(1)


@machine_code()
def decide_row(
    logits: Any,
    columns: Any,
    leads_to: Any,
    class_of: Any,
    cells_x: Any,
    weight_y: Any,
    weight_x: Any,
    n: int,
    cell_y: int,
    begin: int,
    end: int,
    classes: Any,
) -> None:
    """Decide one row of cells.

    Args:
        logits: (N, h, w, C) float32.
        columns: (J + 1,) first logit of each classifier.
        leads_to: (C,) classifier that a logit leads to, or -1.
        class_of: (C,) class that a logit stands for, or -1.
        cells_x: (cells + 1,) first pixel column of each cell.
        weight_y: (H,) float32; ``weight_x`` likewise.
        n: The image.
        cell_y: The row of cells.
        begin: Its first pixel row.
        end: Its last pixel row, exclusive.
        classes: (N, H, W) int64, written.
    """
    most = most_children(columns)
    corners, kept = np.empty((CORNER_ROWS, most), np.float32), np.empty(most, np.int64)
    x, y, xy = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    best, winner, column = np.empty(TILE, np.float32), np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    waiting = np.empty(len(columns), np.int64)
    below, width = min(cell_y + 1, logits.shape[1] - 1), logits.shape[2]
    above_winner, below_winner = np.empty(width, np.int64), np.empty(width, np.int64)
    for place in range(width):
        above_winner[place] = _winner(logits, n, cell_y, place, columns[1])
        below_winner[place] = _winner(logits, n, below, place, columns[1])
    for cell_x in range(len(cells_x) - 1):
        start, stop = cells_x[cell_x], cells_x[cell_x + 1]
        if start == stop:
            continue
        # While one child wins everywhere in the cell, no pixel is looked at. At the root it mostly wins at all corners.
        only, j, many = 0, 0, 0
        beside = min(cell_x + 1, width - 1)
        same = above_winner[cell_x]
        if same >= 0 and same == above_winner[beside] == below_winner[cell_x] == below_winner[beside]:
            only = same
            j = leads_to[only]
        while j >= 0:
            read_corners(logits, n, cell_y, cell_x, columns[j], columns[j + 1] - columns[j], corners)
            many = _candidates(corners, columns[j + 1] - columns[j], kept)
            if many > 1:
                break
            only = columns[j] + kept[0]
            j = leads_to[only]
        if j < 0:
            for row in range(begin, end):
                for pixel in range(start, stop):
                    classes[n, row, pixel] = class_of[only]
            continue
        first = j
        step = max(1, TILE // min(stop - start, TILE))
        for top in range(begin, end, step):
            bottom = min(end, top + step)
            for left in range(start, stop, TILE):
                right = min(stop, left + TILE)
                size = tile_weights(weight_y, weight_x, top, bottom, left, right, x, y, xy)
                waiting[0] = first
                pending, at = 1, 0
                while at < pending:
                    j = waiting[at]
                    read_corners(logits, n, cell_y, cell_x, columns[j], columns[j + 1] - columns[j], corners)
                    many = _candidates(corners, columns[j + 1] - columns[j], kept)
                    _pick(corners, kept, many, size, x, y, xy, best, winner)
                    _move(winner, column, size, columns[j], leads_to, j, first)
                    for m in range(many):
                        child = leads_to[columns[j] + kept[m]]
                        if child >= 0 and reaches(column, size, columns[j] + kept[m]):
                            waiting[pending] = child
                            pending += 1
                    at += 1
                p = 0
                for row in range(top, bottom):
                    for pixel in range(left, right):
                        classes[n, row, pixel] = class_of[column[p]]
                        p += 1


@machine_code()
def _candidates(corners: Any, children: int, kept: Any) -> int:
    """The children that can win somewhere in a cell, in order: all that the one with the highest sum is not above."""
    leader, highest = 0, corners[SUM, 0]
    for c in range(1, children):
        if corners[SUM, c] > highest:
            leader, highest = c, corners[SUM, c]
    a, b, d, e = corners[0, leader], corners[1, leader], corners[2, leader], corners[3, leader]
    many = 0
    for c in range(children):
        above = (corners[0, c] < a) & (corners[1, c] < b) & (corners[2, c] < d) & (corners[3, c] < e)
        if not above:
            kept[many] = c
            many += 1
    return many


@machine_code(UNORDERED)
def _winner(logits: Any, n: int, row: int, place: int, children: int) -> int:
    """The root's winner at a low-resolution position, of equal ones the first; -1 where none is the highest number."""
    best = logits[n, row, place, 0]
    for c in range(1, children):
        value = logits[n, row, place, c]
        best = value if value > best else best
    for c in range(children):
        if logits[n, row, place, c] == best:
            return c
    return -1


@machine_code(FUSED)
def _pick(corners: Any, kept: Any, many: int, size: int, x: Any, y: Any, xy: Any, best: Any, winner: Any) -> None:
    """Per pixel, the highest of the kept children: its logit and number; of equal ones the first."""
    for p in range(size):
        best[p] = np.float32(-np.inf)
        winner[p] = kept[0]
    for m in range(many):
        c = kept[m]
        a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
        by_x, by_y, by_xy, number = b - a, d - a, a - b - d + e, np.int32(c)
        for p in range(size):
            z = a + by_x * x[p] + by_y * y[p] + by_xy * xy[p]
            higher = z > best[p]
            best[p] = z if higher else best[p]
            winner[p] = number if higher else winner[p]


@machine_code()
def _move(winner: Any, column: Any, size: int, first: int, leads_to: Any, j: int, root: int) -> None:
    """Take the pixels that stand before classifier j to its winner; all of them where the tile begins with it."""
    for p in range(size):
        if j == root or leads_to[column[p]] == j:
            column[p] = first + winner[p]


@machine_code()
def reaches(column: Any, size: int, wanted: int) -> bool:
    """Whether any pixel is at a column."""
    for p in range(size):
        if column[p] == wanted:
            return True
    return False


@machine_code(FUSED)
def choose(
    corners: Any, children: int, kept: Any, size: int, x: Any, y: Any, xy: Any, best: Any, winner: Any, share: Any
) -> None:
    """Winners among a classifier's children and their softmax probabilities.

    Args:
        corners: (7, children) of :func:`read_corners`.
        children: How many there are.
        kept: Written: the children that are not negligible everywhere, in order.
        size: Pixels of the tile.
        x: Their places in the cell; ``y`` and ``xy`` likewise.
        best: (TILE,) written: the highest logit.
        winner: (TILE,) written: the child that has it, the first of equal ones.
        share: (TILE,) written: its probability.
    """
    floor = np.float32(-np.inf)
    for c in range(children):
        floor = max(floor, corners[LOWEST, c])
    kept[0], many = 0, 0
    for c in range(children):
        if corners[HIGHEST, c] >= floor - _NEGLIGIBLE:
            kept[many] = c
            many += 1
    many = max(many, 1)  # none where logits are not numbers
    _pick(corners, kept, many, size, x, y, xy, best, winner)
    for p in range(size):
        share[p] = _ZERO
    for m in range(many):
        c = kept[m]
        a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
        by_x, by_y, by_xy = b - a, d - a, a - b - d + e
        for p in range(size):
            share[p] += exp32(a + by_x * x[p] + by_y * y[p] + by_xy * xy[p] - best[p])
    for p in range(size):
        share[p] = _ONE / share[p]
