"""One classifier in one tile of the loss: probabilities of its children, losses, and slopes at the corners.

The tile, its labels and its corners are prepared by :mod:`labelforge.trainer.kernels.loss_cells`, which also says how
this works.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code
from labelforge.trainer.kernels.cells_numba import HIGHEST, LOWEST, SUM
from labelforge.trainer.kernels.exponential_numba import FUSED, REORDERED, exp32
from labelforge.trainer.kernels.loss_labels import LABEL

_DEEP: Final = np.float32(60)  # exp(-60) is far from underflow
_NEGLIGIBLE: Final = np.float32(22)  # 100 children of exp(-22) each are below half a unit of float32
_FACTORS: Final = 8  # sums whose logarithm is taken at once; the smallest is exp(-60), and a double holds exp(-700)
_ZERO, _ONE = np.float32(0), np.float32(1)


@machine_code(REORDERED, inline=True)
def spread_classifier(
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
        if corners[HIGHEST, c] >= lowest - _NEGLIGIBLE:
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


@machine_code(inline=True)
def _bounds(
    corners: Any, children: int, first: int, labels: Any, head: int, link: Any, target: Any, allowed: Any
) -> Any:
    """The highest corner; what the best child reaches everywhere, of sets the best inside and outside; any sets."""
    peak = floor = np.float32(-np.inf)
    check = _ZERO  # comparisons pass over what is not a number, a sum does not
    for c in range(children):
        check += corners[SUM, c]
        peak = max(peak, corners[HIGHEST, c])
        floor = max(floor, corners[LOWEST, c])
    lowest, sets = floor, False
    at = head
    while at >= 0:
        if target[link[at, 1]] < 0:
            sets = True
            label = labels[link[at, 0]] & LABEL
            inner = outer = np.float32(-np.inf)
            for c in range(children):
                if allowed[label, first + c]:
                    inner = max(inner, corners[LOWEST, c])
                else:
                    outer = max(outer, corners[LOWEST, c])
            lowest = min(lowest, inner, outer)
        at = link[at, 2]
    return (check if np.isnan(check) else peak), lowest, sets


@machine_code(FUSED, inline=True)
def _raise(
    power: Any, m: int, total: Any, size: int, base: Any, by_x: Any, by_y: Any, by_xy: Any, x: Any, y: Any, xy: Any
) -> None:
    """Exp of one child's logits at all pixels of a tile, also added to their totals."""
    for p in range(size):
        value = exp32(base + by_x * x[p] + by_y * y[p] + by_xy * xy[p])
        power[m, p] = value
        total[p] += value


@machine_code(REORDERED, inline=True)
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


@machine_code(inline=True)
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


@machine_code(inline=True)
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


@machine_code(inline=True)
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
