"""The loss and its gradient on a CPU, cell by cell, in numba.

A *tile* is at most 128 pixels of one cell. For each classifier that a tile's labels speak to, the four corners bound
the logits of every child: ``peak`` is the highest corner of all children, and each pixel's highest logit is at least
``floor``, the best of the children's lowest corners. With exp(z - peak) nothing overflows, and nothing that matters
underflows while floor is near peak; children that nowhere come near floor are left out, since their share is below what
float32 can add. Where floor is far below peak (logits that change by 60 within a cell), the tile is computed pixel by
pixel in float64 (``_spread_exactly``).

Each child costs one interpolation and one exponential per pixel, and four sums of the gradient: of itself, times x,
times y, times xy, from which the gradient at the corners follows. What does not need the exponential is never done by
pixel: a label's own logits are summed at the corners, since interpolation is linear.

A row of cells writes to two rows of the gradient, so even rows of cells can be done at the same time, then odd ones;
sums are kept per row of cells. So the result does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import CORNER_ROWS, TILE, most_children, read_corners, tile_weights
from labelforge.trainer.kernels.exponential_numba import REORDERED
from labelforge.trainer.kernels.loss_classifier_cells import spread_classifier
from labelforge.trainer.kernels.loss_labels import LABEL, LABEL_BITS, PASSED_BITS

_ZERO, _ONE = np.float32(0), np.float32(1)


@machine_code()
def spread_row(
    logits: Any,
    codes: Any,
    starts: Any,
    classifier: Any,
    target: Any,
    allowed: Any,
    columns: Any,
    factor: Any,
    cells_x: Any,
    weight_y: Any,
    weight_x: Any,
    n: int,
    cell_y: int,
    begin: int,
    end: int,
    losses: Any,
    gradient: Any,
) -> None:
    """Losses and gradient of one row of cells.

    Args:
        logits: (N, h, w, C) float32.
        codes: (N, H, W) int32 of :func:`labelforge.trainer.kernels.loss_labels.read_labels`.
        starts: (L + 1,) first entry of each label.
        classifier: (E,) classifier of each entry.
        target: (E,) the one column that the entry allows, or -1 for a set.
        allowed: (L, C) bool columns that a label allows.
        columns: (J + 1,) first logit of each classifier.
        factor: (E,) float32 what a pixel's loss is multiplied with in the gradient.
        cells_x: (cells + 1,) first pixel column of each cell.
        weight_y: (H,) float32; ``weight_x`` likewise.
        n: The image.
        cell_y: The row of cells.
        begin: Its first pixel row.
        end: Its last pixel row, exclusive.
        losses: (E,) float64, added to: the sum of the pixels' losses.
        gradient: (N, h, w, C) float32, added to; of no pixels (h = 0) where it is not wanted.
    """
    height, width = logits.shape[1], logits.shape[2]
    below = min(cell_y + 1, height - 1)
    wanted = gradient.shape[1] > 0
    most, spoken = most_children(columns), 0
    for label in range(len(starts) - 1):
        spoken = max(spoken, starts[label + 1] - starts[label])
    # Everything that a tile needs, once per row of cells.
    labels, label_of = np.empty(TILE, np.int32), np.empty(TILE, np.int64)
    x, y, xy = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    moments = np.empty((TILE, 4), np.float32)
    head = np.full(len(columns) - 1, -1, np.int64)
    active = np.empty(len(columns) - 1, np.int64)
    link = np.empty((TILE * spoken, 3), np.int64)
    work = np.empty((4, TILE), np.float32)
    power = np.empty((most, TILE), np.float32)
    corners = np.empty((CORNER_ROWS, most), np.float32)
    kept = np.empty(most, np.int64)
    is_set = np.zeros(TILE, np.bool_)
    slope = np.empty((most, 4), np.float32)
    for cell_x in range(len(cells_x) - 1):
        right = min(cell_x + 1, width - 1)
        top = begin
        while top < end:
            across = min(cells_x[cell_x + 1] - cells_x[cell_x], TILE)
            if across == 0:
                break
            bottom = min(end, top + TILE // across)
            start = cells_x[cell_x]
            while start < cells_x[cell_x + 1]:
                stop = min(start + across, cells_x[cell_x + 1])
                count = _tile_labels(codes, n, top, bottom, start, stop, labels, label_of)
                size = tile_weights(weight_y, weight_x, top, bottom, start, stop, x, y, xy)
                used = _speakers(labels, count, starts, classifier, head, active, link)
                if used:
                    _label_moments(label_of, count, size, x, y, xy, moments)
                for a in range(used):
                    j = active[a]
                    first, last = columns[j], columns[j + 1]
                    read_corners(logits, n, cell_y, cell_x, first, last - first, corners)
                    for c in range(last - first):
                        for corner in range(4):
                            slope[c, corner] = _ZERO
                    spread_classifier(
                        corners, last - first, first, label_of, labels, count, size, x, y, xy, moments, head[j], link,
                        target, allowed, factor, losses, power, kept, work, is_set, wanted, slope,
                    )  # fmt: skip
                    head[j] = -1
                    if wanted:
                        for c in range(first, last):
                            total, by_x, by_y, by_xy = slope[c - first]
                            gradient[n, cell_y, cell_x, c] += total - by_x - by_y + by_xy
                            gradient[n, cell_y, right, c] += by_x - by_xy
                            gradient[n, below, cell_x, c] += by_y - by_xy
                            gradient[n, below, right, c] += by_xy
                start = stop
            top = bottom


@machine_code(inline=True)
def _tile_labels(codes: Any, n: int, top: int, bottom: int, start: int, stop: int, labels: Any, label_of: Any) -> int:
    """Number the different labels of a tile; returns how many there are."""
    labels[0] = codes[n, top, start]
    count = 1
    p = 0
    for row in range(top, bottom):
        for column in range(start, stop):
            code = codes[n, row, column]
            u = 0
            while u < count and labels[u] != code:
                u += 1
            if u == count:
                labels[u] = code
                count += 1
            label_of[p] = u
            p += 1
    return count


@machine_code(inline=True)
def _speakers(labels: Any, count: int, starts: Any, classifier: Any, head: Any, active: Any, link: Any) -> int:
    """List for each classifier which labels of the tile speak to it, by which entry; returns how many classifiers."""
    used = links = 0
    for u in range(count):
        label = labels[u] & LABEL
        for entry in range(starts[label], starts[label + 1]):
            bit = min(entry - starts[label], PASSED_BITS - 1)
            if not (labels[u] >> (LABEL_BITS + bit)) & 1:
                continue
            j = classifier[entry]
            if head[j] < 0:
                active[used] = j
                used += 1
            link[links, 0], link[links, 1], link[links, 2] = u, entry, head[j]
            head[j] = links
            links += 1
    return used


@machine_code(REORDERED, inline=True)
def _label_moments(label_of: Any, count: int, size: int, x: Any, y: Any, xy: Any, moments: Any) -> None:
    """Per label of the tile: its pixels, and the sums of their x, y and xy."""
    if count == 1:
        by_x = by_y = by_xy = _ZERO
        for p in range(size):
            by_x += x[p]
            by_y += y[p]
            by_xy += xy[p]
        moments[0, 0], moments[0, 1], moments[0, 2], moments[0, 3] = size, by_x, by_y, by_xy
        return
    for u in range(count):
        for m in range(4):
            moments[u, m] = _ZERO
    for p in range(size):
        u = label_of[p]
        moments[u, 0] += _ONE
        moments[u, 1] += x[p]
        moments[u, 2] += y[p]
        moments[u, 3] += xy[p]
