"""The loss and its gradient on a CPU, cell by cell, in numba.

A *tile* is at most 128 pixels of one cell. For each classifier that a tile's labels speak to, the four corners bound
the logits of every child: ``peak`` is the highest corner of all children, and each pixel's highest logit is at least
``floor``, the best of the children's lowest corners. With exp(z - peak) nothing overflows, and nothing that matters
underflows while floor is near peak; children that nowhere come near floor are left out, since their share is below what
float32 can add. Where floor is far below peak (logits that change by 60 within a cell), the tile is computed pixel by
pixel in float64 (:func:`_spread_exactly`).

Each child costs one interpolation and one exponential per pixel, and four sums of the gradient: of itself, times x,
times y, times xy, from which the gradient at the corners follows. What does not need the exponential is never done by
pixel: a label's own logits are summed at the corners, since interpolation is linear.

A row of cells writes to two rows of the gradient, so even rows of cells can be done at the same time, then odd ones;
sums are kept per row of cells. So the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.exponential_numba import FUSED, REORDERED, exp32
from labelforge.trainer.kernels.loss_labels import LABEL, LABEL_BITS, PASSED_BITS

TILE: Final = 128
"""Pixels that are computed at a time, at most."""
_DEEP: Final = np.float32(60)  # exp(-60) is far from underflow
_NEGLIGIBLE: Final = np.float32(22)  # 100 children of exp(-22) each are below half a unit of float32
_FACTORS: Final = 8  # sums whose logarithm is taken at once; the smallest is exp(-60), and a double holds exp(-700)
_HIGHEST, _LOWEST = 4, 5  # after the four corners
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
    most = spoken = 0
    for j in range(len(columns) - 1):
        most = max(most, columns[j + 1] - columns[j])
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
    corners = np.empty((6, most), np.float32)
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
                size = _tile_weights(weight_y, weight_x, top, bottom, start, stop, x, y, xy)
                used = _speakers(labels, count, starts, classifier, head, active, link)
                if used:
                    _label_moments(label_of, count, size, x, y, xy, moments)
                for a in range(used):
                    j = active[a]
                    first, last = columns[j], columns[j + 1]
                    _read_corners(logits, n, cell_y, below, cell_x, right, first, last - first, corners)
                    for c in range(last - first):
                        for corner in range(4):
                            slope[c, corner] = _ZERO
                    _spread_classifier(
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


@machine_code()
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


@machine_code()
def _tile_weights(
    weight_y: Any, weight_x: Any, top: int, bottom: int, start: int, stop: int, x: Any, y: Any, xy: Any
) -> int:
    """Place of each pixel in its cell, 0 to 1; returns how many there are."""
    p = 0
    for row in range(top, bottom):
        for column in range(start, stop):
            x[p] = weight_x[column]
            y[p] = weight_y[row]
            xy[p] = weight_x[column] * weight_y[row]
            p += 1
    return p


@machine_code()
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


@machine_code(REORDERED)
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


@machine_code(REORDERED)
def _spread_classifier(
    corners: Any,
    children: int,
    first: int,
    label_of: Any,
    labels: Any,
    count: int,
    size: int,
    x: Any,
    y: Any,
    xy: Any,
    moments: Any,
    head: int,
    link: Any,
    target: Any,
    allowed: Any,
    factor: Any,
    losses: Any,
    power: Any,
    kept: Any,
    work: Any,
    is_set: Any,
    wanted: bool,
    slope: Any,
) -> None:
    """One classifier in one tile: adds to ``losses``, and to (children, 4) ``slope`` the gradient times 1, x, y, xy."""
    peak, lowest, sets = _bounds(corners, children, first, labels, head, link, target, allowed)
    if not peak - lowest <= _DEEP:  # also where something is not a number
        _spread_exactly(
            corners, children, first, label_of, labels, size, x, y, head, link, target, allowed, factor, losses, slope
        )
        return
    total, scale = work[0], work[1]
    many = 0
    for p in range(size):
        total[p] = _ZERO
    for c in range(children):
        if corners[_HIGHEST, c] >= lowest - _NEGLIGIBLE:
            a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
            kept[many] = c
            _raise(power, many, total, size, a - peak, b - a, d - a, a - b - d + e, x, y, xy)
            many += 1
    factors = work[2]
    if count > 1:
        for u in range(count):
            factors[u] = _ZERO
    at = head
    while at >= 0:
        u, entry = link[at, 0], link[at, 1]
        factors[u] = factor[entry]
        if target[entry] >= 0:
            t = target[entry] - first
            a, b, d, e = corners[0, t], corners[1, t], corners[2, t], corners[3, t]
            own = (a - peak) * moments[u, 0] + (b - a) * moments[u, 1]
            own += (d - a) * moments[u, 2] + (a - b - d + e) * moments[u, 3]
            losses[entry] += _sum_of_logs(total, label_of, u, count, size) - own
        at = link[at, 2]
    if count > 1:
        for p in range(size):
            scale[p] = factors[label_of[p]] / total[p]
    else:
        for p in range(size):
            scale[p] = factors[0] / total[p]
    if sets:
        _spread_sets(
            children, first, label_of, labels, count, size, x, y, xy, head, link, target, allowed, factor, losses,
            power, kept, many, work, is_set, slope,
        )  # fmt: skip
    elif wanted:
        for m in range(many):
            _sum_slopes(power, m, scale, size, x, y, xy, slope, kept[m])
    at = head
    while wanted and at >= 0:
        u, entry = link[at, 0], link[at, 1]
        t = target[entry] - first
        if t >= 0 and count == 1:  # slopes of all children add up to 0: nothing cancels where the target is certain
            for m in range(4):
                slope[t, m] = _ZERO
            for c in range(children):
                for m in range(4):
                    slope[t, m] -= slope[c, m] if c != t else _ZERO
        elif t >= 0:
            for m in range(4):
                slope[t, m] -= factor[entry] * moments[u, m]
        at = link[at, 2]


@machine_code()
def _read_corners(
    logits: Any, n: int, above: int, below: int, left: int, right: int, first: int, children: int, corners: Any
) -> None:
    """The logits of a classifier at the corners of a cell, and their highest and lowest."""
    for c in range(children):
        corners[0, c] = logits[n, above, left, first + c]
        corners[1, c] = logits[n, above, right, first + c]
        corners[2, c] = logits[n, below, left, first + c]
        corners[3, c] = logits[n, below, right, first + c]
    for c in range(children):
        upper = max(corners[0, c], corners[1, c])
        lower = max(corners[2, c], corners[3, c])
        corners[_HIGHEST, c] = max(upper, lower)
        upper = min(corners[0, c], corners[1, c])
        lower = min(corners[2, c], corners[3, c])
        corners[_LOWEST, c] = min(upper, lower)


@machine_code()
def _bounds(
    corners: Any, children: int, first: int, labels: Any, head: int, link: Any, target: Any, allowed: Any
) -> Any:
    """The highest corner; what the best child reaches everywhere, of sets the best inside and outside; any sets."""
    peak = floor = np.float32(-np.inf)
    for c in range(children):
        peak = max(peak, corners[_HIGHEST, c])
        floor = max(floor, corners[_LOWEST, c])
    lowest, sets = floor, False
    at = head
    while at >= 0:
        if target[link[at, 1]] < 0:
            sets = True
            label = labels[link[at, 0]] & LABEL
            inner = outer = np.float32(-np.inf)
            for c in range(children):
                if allowed[label, first + c]:
                    inner = max(inner, corners[_LOWEST, c])
                else:
                    outer = max(outer, corners[_LOWEST, c])
            lowest = min(lowest, inner, outer)
        at = link[at, 2]
    return peak, lowest, sets


@machine_code(FUSED)
def _raise(
    power: Any, m: int, total: Any, size: int, base: Any, by_x: Any, by_y: Any, by_xy: Any, x: Any, y: Any, xy: Any
) -> None:
    """Exp of one child's logits at all pixels of a tile, also added to their totals."""
    for p in range(size):
        value = exp32(base + by_x * x[p] + by_y * y[p] + by_xy * xy[p])
        power[m, p] = value
        total[p] += value


@machine_code(REORDERED)
def _sum_slopes(power: Any, m: int, scale: Any, size: int, x: Any, y: Any, xy: Any, slope: Any, c: int) -> None:
    """Sums of power * scale, and of that times x, y and xy."""
    total = by_x = by_y = by_xy = _ZERO
    for p in range(size):
        value = power[m, p] * scale[p]
        total += value
        by_x += value * x[p]
        by_y += value * y[p]
        by_xy += value * xy[p]
    slope[c, 0] += total
    slope[c, 1] += by_x
    slope[c, 2] += by_y
    slope[c, 3] += by_xy


@machine_code()
def _sum_of_logs(total: Any, label_of: Any, u: int, count: int, size: int) -> float:
    """Sum of log(total) over the pixels of a label; one logarithm for several."""
    result, product, factors = 0.0, 1.0, 0
    for p in range(size):
        if count == 1 or label_of[p] == u:
            product *= total[p]
            factors += 1
            if factors == _FACTORS:
                result += math.log(product)
                product, factors = 1.0, 0
    return result + math.log(product)


@machine_code()
def _spread_sets(
    children: int,
    first: int,
    label_of: Any,
    labels: Any,
    count: int,
    size: int,
    x: Any,
    y: Any,
    xy: Any,
    head: int,
    link: Any,
    target: Any,
    allowed: Any,
    factor: Any,
    losses: Any,
    power: Any,
    kept: Any,
    many: int,
    work: Any,
    is_set: Any,
    slope: Any,
) -> None:
    """The same where labels allow several children: -log(inside / (inside + outside)), and all slopes.

    An allowed child's share falls by power * outside / (total * inside): written so that nothing cancels.
    """
    total, scale, row, inner = work[0], work[1], work[2], work[3]
    for u in range(count):
        is_set[u] = False
    at = head
    while at >= 0:
        u, entry = link[at, 0], link[at, 1]
        if target[entry] < 0:
            is_set[u] = True
            label = labels[u] & LABEL
            for p in range(size):
                if label_of[p] == u:
                    inside = outside = _ZERO
                    for m in range(many):
                        if allowed[label, first + kept[m]]:
                            inside += power[m, p]
                        else:
                            outside += power[m, p]
                    losses[entry] += math.log1p(np.float64(outside) / np.float64(inside))
                    inner[p] = -factor[entry] * (outside / total[p]) / inside  # the product of both may underflow
        at = link[at, 2]
    for m in range(many):
        column = first + kept[m]
        for p in range(size):
            u = label_of[p]
            row[p] = inner[p] if is_set[u] and allowed[labels[u] & LABEL, column] else scale[p]
        _sum_slopes(power, m, row, size, x, y, xy, slope, kept[m])


@machine_code()
def _spread_exactly(
    corners: Any,
    children: int,
    first: int,
    label_of: Any,
    labels: Any,
    size: int,
    x: Any,
    y: Any,
    head: int,
    link: Any,
    target: Any,
    allowed: Any,
    factor: Any,
    losses: Any,
    slope: Any,
) -> None:
    """The same in float64, each pixel by itself, for logits that change very much within a cell."""
    z = np.empty(children)
    at = head
    while at >= 0:
        u, entry = link[at, 0], link[at, 1]
        label, single = labels[u] & LABEL, target[entry] - first
        for p in range(size):
            if label_of[p] != u:
                continue
            best_in = best_out = -np.inf
            for c in range(children):
                a, b, d, e = corners[0, c], corners[1, c], corners[2, c], corners[3, c]
                upper = a + (np.float64(b) - a) * x[p]
                lower = d + (np.float64(e) - d) * x[p]
                z[c] = upper + (lower - upper) * y[p]
                if c == single or (target[entry] < 0 and allowed[label, first + c]):
                    best_in = max(best_in, z[c])
                else:
                    best_out = max(best_out, z[c])
            inside = outside = 0.0
            for c in range(children):
                if c == single or (target[entry] < 0 and allowed[label, first + c]):
                    inside += math.exp(z[c] - best_in)
                else:
                    outside += math.exp(z[c] - best_out)
            inside = best_in + math.log(inside)
            outside = best_out + math.log(outside)
            # softplus(outside - inside), and its slope: the forbidden children's share
            distance = outside - inside
            tail = math.exp(-abs(distance))
            losses[entry] += max(distance, 0.0) + math.log1p(tail)
            forbidden = (1.0 if distance > 0 else tail) / (1.0 + tail)
            for c in range(children):
                if c == single or (target[entry] < 0 and allowed[label, first + c]):
                    value = -forbidden * math.exp(z[c] - inside) * factor[entry]
                else:
                    value = forbidden * math.exp(z[c] - outside) * factor[entry]
                slope[c, 0] += value
                slope[c, 1] += value * x[p]
                slope[c, 2] += value * y[p]
                slope[c, 3] += value * x[p] * y[p]
        at = link[at, 2]
