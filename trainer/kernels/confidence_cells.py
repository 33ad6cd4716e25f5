"""Decisions with their confidence between low-resolution logits, in numba.

They go down the tree tile by tile, from the root to every classifier that some pixel of the tile reaches, and stop
where they are not sure enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import CORNER_ROWS, TILE, most_children, read_corners, tile_weights
from labelforge.trainer.kernels.decision_cells import choose, reaches

_ZERO, _ONE = np.float32(0), np.float32(1)


@machine_code()
def descend_row(
    logits: Any,
    columns: Any,
    leads_to: Any,
    depth: Any,
    threshold: float,
    cells_x: Any,
    weight_y: Any,
    weight_x: Any,
    n: int,
    cell_y: int,
    begin: int,
    end: int,
    places: Any,
    confidence: Any,
    steps: Any,
) -> None:
    """Decide one row of cells with the confidence of each choice, and stop where it falls below a threshold.

    Args:
        logits: See :func:`decide_row`, as the other arguments that are not named here.
        columns: See there.
        leads_to: See there.
        depth: (J,) classifiers above each one.
        threshold: A choice is made only if the product of probabilities stays at or above it.
        cells_x: See there.
        weight_y: See there.
        weight_x: See there.
        n: See there.
        cell_y: See there.
        begin: See there.
        end: See there.
        places: (N, H, W) int64, written: the logit where the descent ends, or C + j where it stops before classifier j.
        confidence: (N, H, W) float32, written: product of the probabilities of the choices made.
        steps: (N, D, H, W) float32, written: the same after each choice, 0 after the last; or of no rows.
    """
    most = most_children(columns)
    corners, kept = np.empty((CORNER_ROWS, most), np.float32), np.empty(most, np.int64)
    x, y, xy = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    best, winner, column = np.empty(TILE, np.float32), np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    share, product = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    waiting = np.empty(len(columns), np.int64)
    after = np.empty((steps.shape[1], TILE), np.float32)
    stopped = len(leads_to)
    for cell_x in range(len(cells_x) - 1):
        start, stop = cells_x[cell_x], cells_x[cell_x + 1]
        step = max(1, TILE // max(1, min(stop - start, TILE)))
        for top in range(begin, end, step):
            bottom = min(end, top + step)
            for left in range(start, stop, TILE):
                right = min(stop, left + TILE)
                size = tile_weights(weight_y, weight_x, top, bottom, left, right, x, y, xy)
                for p in range(size):
                    product[p] = _ONE
                    column[p] = -1
                    for d in range(len(after)):
                        after[d, p] = _ZERO
                waiting[0] = 0
                pending, at = 1, 0
                while at < pending:
                    j = waiting[at]
                    read_corners(logits, n, cell_y, cell_x, columns[j], columns[j + 1] - columns[j], corners)
                    choose(corners, columns[j + 1] - columns[j], kept, size, x, y, xy, best, winner, share)
                    for p in range(size):
                        here = column[p]
                        if (j == 0 and here < 0) or (here >= 0 and here < stopped and leads_to[here] == j):
                            value = product[p] * share[p]
                            if value >= threshold or threshold == 0.0:  # the latter where it is not a number
                                column[p] = columns[j] + winner[p]
                                product[p] = value
                                if len(after):
                                    after[depth[j], p] = value
                            else:
                                column[p] = stopped + j
                    for c in range(columns[j], columns[j + 1]):
                        if leads_to[c] >= 0 and reaches(column, size, c):
                            waiting[pending] = leads_to[c]
                            pending += 1
                    at += 1
                p = 0
                for row in range(top, bottom):
                    for pixel in range(left, right):
                        places[n, row, pixel] = column[p]
                        confidence[n, row, pixel] = product[p]
                        p += 1
                for d in range(len(after)):
                    p = 0
                    for row in range(top, bottom):
                        for pixel in range(left, right):
                            steps[n, d, row, pixel] = after[d, p]
                            p += 1
