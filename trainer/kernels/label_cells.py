"""Labels by sum between low-resolution logits, in numba.

Tile by tile, the classifiers that labels need are gone through from the root down: exponentials of their children, and
per pixel one number that makes probabilities of them. A label is then added up from these, one after the other, and
compared with the best so far.

Logits count from the *leader* of a classifier, the child that has the highest sum at the corners of the cell. What is
far below it at all four corners is negligible everywhere between, since differences of logits are bilinear too; and
where nothing is far above it at any of them, no pixel's highest logit need be known for exponentials to fit float32.

Logits that are no numbers, or infinite, give some answer.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import TILE, tile_weights
from labelforge.trainer.kernels.exponential_numba import FUSED, LOG2_E, REORDERED, exp2

_NEGLIGIBLE: Final = np.float32(-26)  # 100 children of 2^-26 each are 2e-6 of the whole
_STEEP: Final = np.float32(60)  # and so many children of 2^60 fit float32
_WORTH: Final = np.float32(1e-9)
"""A branch that is in all pixels of a tile together less probable is not followed, and adds to no label."""
_IMPROBABLE: Final = np.float32(1e-3)
"""Where the best label of some pixel is less probable, what was left out could decide: nothing is then."""
_ZERO, _ONE = np.float32(0), np.float32(1)


@machine_code()
def sum_row(
    logits: Any,
    needed: Any,
    spans: Any,
    first_span: Any,
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
        needed: (A, 4) classifiers (:class:`labelforge.trainer.kernels.label_sums.LabelSums`).
        spans: (S, 3) logits of the labels, see there.
        first_span: (labels + 2,) first span of each label, see there.
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
    columns, number = logits.shape[3], len(needed)
    corners, counts = np.empty((4, columns), np.float32), np.zeros(columns, np.bool_)
    steep, reached, all_count = np.zeros(number, np.bool_), np.zeros(number, np.bool_), np.ones(columns, np.bool_)
    x, y, xy = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    power, share = np.empty((columns, TILE), np.float32), np.empty((number, TILE), np.float32)
    best, winner, total = np.empty(TILE, np.float32), np.empty(TILE, np.int32), np.empty(TILE, np.float32)
    for cell_x in range(len(cells_x) - 1):
        start, stop = cells_x[cell_x], cells_x[cell_x + 1]
        step = max(1, TILE // max(1, min(stop - start, TILE)))
        _from_leaders(logits, n, cell_y, cell_x, needed, corners, counts, steep)
        for top in range(begin, end, step):
            bottom = min(end, top + step)
            for left in range(start, stop, TILE):
                right = min(stop, left + TILE)
                size = tile_weights(weight_y, weight_x, top, bottom, left, right, x, y, xy)
                _softmax(needed, corners, counts, steep, _WORTH, size, x, y, xy, power, share, reached, best, total)
                _likeliest(spans, first_span, power, counts, share, reached, size, best, winner, total)
                if best[:size].min() < _IMPROBABLE:
                    tile = (size, x, y, xy)
                    _softmax(needed, corners, all_count, steep, _ZERO, *tile, power, share, reached, best, total)
                    _likeliest(spans, first_span, power, all_count, share, reached, size, best, winner, total)
                p = 0
                for row in range(top, bottom):
                    for pixel in range(left, right):
                        labels[n, row, pixel] = winner[p]
                        probability[n, row, pixel] = best[p]
                        outside[n, row, pixel] = total[p]
                        p += 1


@machine_code(inline=True)
def _from_leaders(
    logits: Any, n: int, cell_y: int, cell_x: int, needed: Any, corners: Any, counts: Any, steep: Any
) -> None:
    """Read what a cell's logits are above their classifier's leader.

    Args:
        logits: See :func:`sum_row`, as the other arguments that are not named here.
        n: See there.
        cell_y: See there.
        cell_x: The column of cells.
        needed: See there.
        corners: (4, C) written: the differences at the cell's corners, in logarithms of base 2.
        counts: (C,) bool, written: whether the logit is not negligible everywhere.
        steep: (A,) bool, written: whether exponentials of some differences would not fit float32.
    """
    below, right = min(cell_y + 1, logits.shape[1] - 1), min(cell_x + 1, logits.shape[2] - 1)
    for i in range(len(needed)):
        leader, highest = needed[i, 0], np.float32(-np.inf)
        for c in range(needed[i, 0], needed[i, 1]):
            a, b = logits[n, cell_y, cell_x, c], logits[n, cell_y, right, c]
            d, e = logits[n, below, cell_x, c], logits[n, below, right, c]
            corners[0, c], corners[1, c], corners[2, c], corners[3, c] = a, b, d, e
            together = a + b + d + e
            leader, highest = (c, together) if together > highest else (leader, highest)
        a, b, d, e = corners[0, leader], corners[1, leader], corners[2, leader], corners[3, leader]
        steepest = _ZERO
        for c in range(needed[i, 0], needed[i, 1]):
            corners[0, c] = (corners[0, c] - a) * LOG2_E
            corners[1, c] = (corners[1, c] - b) * LOG2_E
            corners[2, c] = (corners[2, c] - d) * LOG2_E
            corners[3, c] = (corners[3, c] - e) * LOG2_E
            above = max(max(corners[0, c], corners[1, c]), max(corners[2, c], corners[3, c]))
            counts[c] = not above < _NEGLIGIBLE
            steepest = max(steepest, above)
        steep[i] = steepest > _STEEP


@machine_code(FUSED, inline=True)
def _softmax(
    needed: Any, corners: Any, counts: Any, steep: Any, worth: Any, size: int, x: Any, y: Any, xy: Any, power: Any,
    share: Any, reached: Any, best: Any, total: Any,
) -> None:  # fmt: skip
    """The softmax of each classifier, from the root down.

    Args:
        needed: See :func:`sum_row`.
        corners: See :func:`_from_leaders`, as ``counts`` and ``steep``.
        worth: Probability, of all pixels together, below which a classifier is not gone to.
        size: Pixels of the tile.
        x: Their places in the cell; ``y`` and ``xy`` likewise.
        power: (C, TILE) written: what a logit that counts is in proportion to the others of its classifier.
        share: (A, TILE) written: what that is multiplied with for its probability.
        reached: (A,) bool, written: whether a classifier is probable enough to count.
        best: (TILE,) written.
        total: (TILE,) written.
    """
    for i in range(len(needed)):
        reached[i] = _arrive(needed, i, power, counts, share, reached, worth, size)
        if not reached[i]:
            continue
        first, last = needed[i, 0], needed[i, 1]
        for p in range(size):
            best[p] = total[p] = _ZERO
        if steep[i]:
            _highest(corners, counts, first, last, size, x, y, xy, best)
        for c in range(first, last):
            if counts[c]:
                a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
                by_x, by_y, by_xy = b - a, d - a, a - b - d + e
                for p in range(size):
                    value = exp2(a + by_x * x[p] + by_y * y[p] + by_xy * xy[p] - best[p])
                    power[c, p] = value
                    total[p] += value
        for p in range(size):
            share[i, p] /= total[p]


@machine_code(REORDERED, inline=True)
def _arrive(needed: Any, i: int, power: Any, counts: Any, share: Any, reached: Any, worth: Any, size: int) -> bool:
    """Write the probability of arriving at a classifier to its share; returns whether that is worth going on."""
    owner, above = needed[i, 2], needed[i, 3]
    if above < 0:
        for p in range(size):
            share[i, p] = _ONE
        return True
    if not (reached[above] and counts[owner]):
        return False
    together = _ZERO
    for p in range(size):
        value = power[owner, p] * share[above, p]
        share[i, p] = value
        together += value
    return not together < worth


@machine_code(FUSED, inline=True)
def _highest(corners: Any, counts: Any, first: int, last: int, size: int, x: Any, y: Any, xy: Any, best: Any) -> None:
    """Per pixel, the highest of a classifier's logits."""
    for c in range(first, last):
        if counts[c]:
            a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
            by_x, by_y, by_xy = b - a, d - a, a - b - d + e
            for p in range(size):
                best[p] = max(best[p], a + by_x * x[p] + by_y * y[p] + by_xy * xy[p])


@machine_code(FUSED, inline=True)
def _likeliest(
    spans: Any, first_span: Any, power: Any, counts: Any, share: Any, reached: Any, size: int, best: Any,
    winner: Any, total: Any,
) -> None:  # fmt: skip
    """Per pixel, the highest of the labels' probabilities and its number; ``total`` is what counts for none."""
    labels = len(first_span) - 2
    for p in range(size):
        best[p] = _ZERO
        winner[p] = 0
    for label in range(labels + 1):
        found = False
        for s in range(first_span[label], first_span[label + 1]):
            i = spans[s, 0]
            for c in range(spans[s, 1], spans[s, 2]):
                if not (reached[i] and counts[c]):
                    continue
                if found:
                    for p in range(size):
                        total[p] += power[c, p] * share[i, p]
                else:
                    found = True
                    for p in range(size):
                        total[p] = power[c, p] * share[i, p]
        if not found:
            total[:size] = _ZERO
        elif label < labels:
            number = np.int32(label)
            for p in range(size):
                higher = total[p] > best[p]
                best[p] = total[p] if higher else best[p]
                winner[p] = number if higher else winner[p]
