"""Decisions with their confidence, and probabilities of labels, between low-resolution logits, in numba.

Both go down the tree tile by tile, from the root to every classifier that some pixel of the tile reaches: a decision
that stops where it is not sure enough, or a probability that is worth adding up.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import CORNER_ROWS, TILE, most_children, read_corners, tile_weights
from labelforge.trainer.kernels.decision_cells import choose, reaches
from labelforge.trainer.kernels.exponential_numba import FUSED, REORDERED

_WORTH: Final = np.float32(1e-9)
"""A class or branch that is in all pixels of a tile together less probable is not followed, and adds to no label."""
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
    power = np.empty((most, TILE), np.float32)
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
                    choose(corners, columns[j + 1] - columns[j], kept, size, x, y, xy, power, best, winner, share)
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


@machine_code(FUSED)
def sum_row(
    logits: Any,
    columns: Any,
    leads_to: Any,
    class_of: Any,
    counts_starts: Any,
    counts_for: Any,
    number: int,
    cells_x: Any,
    weight_y: Any,
    weight_x: Any,
    n: int,
    cell_y: int,
    begin: int,
    end: int,
    labels: Any,
    probability: Any,
    outside: Any,
) -> None:
    """The likeliest label of each pixel in one row of cells: that whose classes are together the most probable.

    Args:
        logits: (N, h, w, C) float32.
        columns: (J + 1,) first logit of each classifier.
        leads_to: (C,) classifier that a logit leads to, or -1.
        class_of: (C,) class that a logit stands for, or -1.
        counts_starts: (K + 1,) where the labels of each class begin in ``counts_for``.
        counts_for: Labels that a class counts for.
        number: How many labels there are.
        cells_x: (cells + 1,) first pixel column of each cell.
        weight_y: (H,) float32; ``weight_x`` likewise.
        n: The image.
        cell_y: The row of cells.
        begin: Its first pixel row.
        end: Its last pixel row, exclusive.
        labels: (N, H, W) int64, written: the label; of equal ones the first.
        probability: (N, H, W) float32, written: its probability.
        outside: (N, H, W) float32, written: that of the classes that count for none.
    """
    most = most_children(columns)
    corners, kept = np.empty((CORNER_ROWS, most), np.float32), np.empty(most, np.int64)
    x, y, xy = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    best, winner, share = np.empty(TILE, np.float32), np.empty(TILE, np.int32), np.empty(TILE, np.float32)
    power = np.empty((most, TILE), np.float32)
    reach = np.empty((len(columns) - 1, TILE), np.float32)
    waiting = np.empty(len(columns), np.int64)
    of_label = np.empty((number + 1, TILE), np.float32)  # the last: outside
    found = np.zeros(number + 1, np.bool_)
    for cell_x in range(len(cells_x) - 1):
        start, stop = cells_x[cell_x], cells_x[cell_x + 1]
        step = max(1, TILE // max(1, min(stop - start, TILE)))
        for top in range(begin, end, step):
            bottom = min(end, top + step)
            for left in range(start, stop, TILE):
                right = min(stop, left + TILE)
                size = tile_weights(weight_y, weight_x, top, bottom, left, right, x, y, xy)
                found[:] = False
                for p in range(size):
                    reach[0, p] = _ONE
                waiting[0] = 0
                pending, at = 1, 0
                while at < pending:
                    j = waiting[at]
                    at += 1
                    read_corners(logits, n, cell_y, cell_x, columns[j], columns[j + 1] - columns[j], corners)
                    many = choose(
                        corners, columns[j + 1] - columns[j], kept, size, x, y, xy, power, best, winner, share
                    )
                    for p in range(size):
                        share[p] *= reach[j, p]
                    for m in range(many):
                        if _scale(power, m, share, size) < _WORTH:
                            continue
                        c = columns[j] + kept[m]
                        if leads_to[c] >= 0:
                            for p in range(size):
                                reach[leads_to[c], p] = power[m, p]
                            waiting[pending] = leads_to[c]
                            pending += 1
                            continue
                        k = class_of[c]
                        if counts_starts[k] == counts_starts[k + 1]:
                            _add(of_label, found, number, power, m, size)
                        for i in range(counts_starts[k], counts_starts[k + 1]):
                            _add(of_label, found, counts_for[i], power, m, size)
                _likeliest(of_label, found, number, size, best, winner)
                p = 0
                for row in range(top, bottom):
                    for pixel in range(left, right):
                        labels[n, row, pixel] = winner[p]
                        probability[n, row, pixel] = best[p]
                        outside[n, row, pixel] = of_label[number, p] if found[number] else _ZERO
                        p += 1


@machine_code(REORDERED)
def _scale(power: Any, m: int, share: Any, size: int) -> Any:
    """Make one child's power its probabilities; returns their sum."""
    total = _ZERO
    for p in range(size):
        value = power[m, p] * share[p]
        power[m, p] = value
        total += value
    return total


@machine_code()
def _add(of_label: Any, found: Any, label: int, power: Any, m: int, size: int) -> None:
    """Add a class's probabilities to a label's."""
    if found[label]:
        for p in range(size):
            of_label[label, p] += power[m, p]
    else:
        found[label] = True
        for p in range(size):
            of_label[label, p] = power[m, p]


@machine_code()
def _likeliest(of_label: Any, found: Any, number: int, size: int, best: Any, winner: Any) -> None:
    """Per pixel, the highest of the labels' probabilities and its number."""
    for p in range(size):
        best[p] = _ZERO
        winner[p] = 0
    for label in range(number):
        if found[label]:
            value = np.int32(label)
            for p in range(size):
                higher = of_label[label, p] > best[p]
                best[p] = of_label[label, p] if higher else best[p]
                winner[p] = value if higher else winner[p]
