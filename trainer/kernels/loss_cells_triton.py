"""The loss and its gradient on a GPU, cell by cell, in Triton.

A program takes a strip of cells of one row, and for each classifier that some label of the strip speaks to goes through
their pixels, 8 of a row at a time: a (children, 8) tile of logits interpolated in registers. A logit that is bilinear
is linear along a column of pixels, so per pixel it costs one multiply-add; with maximum, exponential, sum and slope it
is some twenty instructions as compiled for Hopper. Slopes are summed per column of the tile, weighted for the rows
above and below, and over the columns once per cell.

A program is one warp for classifiers of up to 256 children, with fewer pixels at a time for the larger ones: the
children of a pixel are in a few threads of it, sums over them do not go through shared memory, and no warp waits for
another.

A cell adds to the gradient of its four corners, which its neighbours share. Cells of which none are neighbours (every
second one of every second row) are computed by one launch, so four launches do all: no atomics, no buffer, and the
same bits each time. Sums of losses are written per program and classifier, and added up in order.

Labels that allow several children cost a second maximum and sum: what is allowed and what is forbidden are added up
apart, each below its own maximum, so that a small share of either is exact (nothing cancels, nothing underflows).
"""

from __future__ import annotations

import triton
import triton.language as tl

from labelforge.targets import SET, SILENT
from labelforge.trainer.kernels.exponential_triton import LOG2_E, LOG_2, exp2

_SILENT = tl.constexpr(SILENT)
_SET = tl.constexpr(SET)
_WORD = tl.constexpr(32)  # classifiers per word of the speakers
_LOWEST = tl.constexpr(-1e30)  # of no child; finite, so that 0 times it is 0


@triton.jit
def _either(a, b):
    return a | b


# Arguments that differ from launch to launch, or from image to image, and from which no faster code would follow.
_ANY = ["first_y", "first_x", "step", "height", "width", "cells_x", "labels", "classifiers", "logits_n"]
_ANY += ["rows_n", "rows_y", "passed_n", "passed_y"]


@triton.jit(do_not_specialize=_ANY)
def spread_strips(
    logits,
    gradient,
    rows,
    passed,
    speakers,
    target,
    factor,
    weight,
    group,
    slot,
    allowed,
    columns,
    starts_y,
    starts_x,
    weight_y,
    weight_x,
    sums,
    first_y,
    first_x,
    step,
    height,
    width,
    cells_x,
    labels,
    classifiers,
    logits_n,
    logits_c,
    logits_y,
    logits_x,
    rows_n,
    rows_y,
    rows_x,
    passed_n,
    passed_y,
    WORDS: tl.constexpr,
    MASKS: tl.constexpr,
    GROUPS: tl.constexpr,
    STRIP: tl.constexpr,
    SPAN: tl.constexpr,
    WIDEST: tl.constexpr,
    WIDTHS: tl.constexpr,
    GATED: tl.constexpr,
    SETS: tl.constexpr,
    WEIGHTED: tl.constexpr,
    WANTED: tl.constexpr,
):
    """Losses and gradient of the cells (first_y + i * step, first_x + k * step), with all i and STRIP k per program.

    Args:
        logits: (N, C, h, w) float32.
        gradient: The same, of the same strides: added to.
        rows: (N, H, W) labels; those that are no rows of the table are silent.
        passed: (N, H, W) integers: bit ``slot`` says whether the pixel passes a classifier's gate; if GATED.
        speakers: (L, WORDS) int32: the classifiers that a label speaks to, a bit each.
        target: (L, J) int32: the allowed child, or SILENT, or SET.
        factor: (L, J) float32: what a pixel's loss is multiplied with in the gradient.
        weight: (L, J) float32: what it is multiplied with in the sums; if WEIGHTED.
        group: (L,) int32 group of each label's pixels.
        slot: (J,) int32 bit of each classifier in ``passed``.
        allowed: (L, J, MASKS) int32: the children that a label allows, a bit each; if SETS.
        columns: (J + 1,) int32 first logit of each classifier.
        starts_y: (cells + 1,) int32 first pixel of each cell; ``starts_x`` likewise.
        weight_y: (H,) float32 weight of the logits below; ``weight_x`` likewise.
        sums: (programs, J, GROUPS) float32, written where a classifier is spoken to.
        WORDS: Words of ``speakers``.
        MASKS: Words for the children of the largest classifier.
        GROUPS: Groups, or more: a power of two.
        STRIP: Cells of a program.
        SPAN: Pixels that are computed at a time.
        WIDEST: Children of the largest classifier, or more: a power of two.
        WIDTHS: How many widths of tiles there are: WIDEST, a quarter of it, and so on.
        GATED: Whether boxes must pass gates.
        SETS: Whether labels allow several children.
        WEIGHTED: Whether there are class weights.
        WANTED: Whether the gradient is.
    """
    program = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)
    n = tl.program_id(2).to(tl.int64)
    cell_y = first_y + step * tl.program_id(1)
    cell_x = first_x + step * STRIP * tl.program_id(0)
    begin, end = tl.load(starts_y + cell_y), tl.load(starts_y + cell_y + 1)
    rows += n * rows_n
    if GATED:
        passed += n * passed_n
    logits += n * logits_n + cell_y * logits_y
    gradient += n * logits_n + cell_y * logits_y
    below = tl.minimum(cell_y + 1, height - 1) - cell_y
    sums += program.to(tl.int64) * classifiers * GROUPS
    lanes = tl.arange(0, SPAN)[None, :]
    for word in range(WORDS):
        found = tl.zeros([1, SPAN], tl.int32)
        for i in range(STRIP):
            x = cell_x + i * step
            if x < cells_x:
                start, stop = tl.load(starts_x + x), tl.load(starts_x + x + 1)
                for left in range(start, stop, SPAN):
                    for y in range(begin, end):
                        label, known = _labels(rows, y, left + lanes, stop, rows_y, rows_x, labels)
                        found |= tl.load(speakers + label * WORDS + word, mask=known, other=0)
        spoken = tl.reduce(tl.reduce(found, 1, _either), 0, _either)
        for bit in range(_WORD):
            if ((spoken >> bit) & 1) != 0:
                j = word * _WORD + bit
                first = tl.load(columns + j)
                children = tl.load(columns + j + 1) - first
                gate = tl.load(slot + j)
                for k in tl.static_range(WIDTHS):  # a body for each: registers are laid out when a kernel is compiled
                    if (children <= WIDEST >> 2 * k) & ((children > WIDEST >> 2 * k + 2) | (k == WIDTHS - 1)):
                        _spread_strip(
                            logits, gradient, rows, passed, target + j, factor + j, weight + j, group,
                            allowed + j * MASKS, starts_x, weight_y, weight_x, sums + j * GROUPS, first, children, gate,
                            cell_x, step, begin, end, below, width, cells_x, labels, classifiers,
                            logits_c, logits_y, logits_x, rows_y, rows_x, passed_y, MASKS, GROUPS, STRIP, SPAN,
                            WIDEST >> 2 * k, GATED, SETS, WEIGHTED, WANTED,
                        )  # fmt: skip


@triton.jit
def _labels(rows, y, x, stop, rows_y, rows_x, labels):
    """Labels of pixels of one row, and whether they are inside the cell and rows of the table."""
    label = tl.load(rows + y * rows_y + x * rows_x, mask=x < stop, other=0).to(tl.int64)
    known = (x < stop) & (label >= 0) & (label < labels)
    return tl.where(known, label, 0).to(tl.int32), known


@triton.jit
def _spread_strip(
    logits, gradient, rows, passed, target, factor, weight, group, allowed, starts_x, weight_y, weight_x, sums, first,
    children, gate, cell_x, step, begin, end, below, width, cells_x, labels, classifiers, logits_c, logits_y, logits_x,
    rows_y, rows_x, passed_y, MASKS: tl.constexpr, GROUPS: tl.constexpr, STRIP: tl.constexpr, SPAN: tl.constexpr,
    WIDTH: tl.constexpr, GATED: tl.constexpr, SETS: tl.constexpr, WEIGHTED: tl.constexpr, WANTED: tl.constexpr,
):  # fmt: skip
    """One classifier, in all cells of a strip."""
    # Pixels are (1, SPAN) from the beginning, not (SPAN,): threads hold them as they hold the tile's columns.
    c, lanes = tl.arange(0, WIDTH), tl.arange(0, SPAN)[None, :]
    there = c < children
    losses = tl.zeros([GROUPS, SPAN], tl.float32)
    for i in range(STRIP):
        cell = cell_x + i * step
        if cell < cells_x:
            start, stop = tl.load(starts_x + cell), tl.load(starts_x + cell + 1)
            beyond = tl.minimum(cell + 1, width - 1) - cell
            corner = cell * logits_x + (first + c) * logits_c
            a = tl.load(logits + corner, mask=there, other=0.0)
            b = tl.load(logits + corner + beyond * logits_x, mask=there, other=0.0)
            d = tl.load(logits + corner + below * logits_y, mask=there, other=0.0)
            e = tl.load(logits + corner + below * logits_y + beyond * logits_x, mask=there, other=0.0)
            a, b, d, e = a * LOG2_E, b * LOG2_E, d * LOG2_E, e * LOG2_E  # from here on logits are of base 2
            for left in range(start, stop, SPAN):
                pixel = left + lanes
                x = tl.load(weight_x + pixel, mask=pixel < stop, other=0.0)
                upper = a[:, None] + x * (b - a)[:, None]
                fall = d[:, None] + x * (e - d)[:, None] - upper
                upper = tl.where(there[:, None], upper, _LOWEST)
                spoken = 0
                up, down = tl.zeros([WIDTH, SPAN], tl.float32), tl.zeros([WIDTH, SPAN], tl.float32)
                for y in range(begin, end):
                    label, known = _labels(rows, y, pixel, stop, rows_y, rows_x, labels)
                    goal = tl.load(target + label * classifiers, mask=known, other=_SILENT)
                    active = goal != _SILENT
                    if GATED:
                        bits = tl.load(passed + y * passed_y + pixel, mask=active, other=0)
                        active = active & (((bits >> gate) & 1) != 0)
                    if _any(active):
                        spoken = 1
                        share = tl.load(factor + label * classifiers, mask=active, other=0.0)
                        fall_y = tl.load(weight_y + y)
                        z = upper + fall_y * fall
                        # Numbers, not conditions: a thread has registers for few of the latter.
                        own = (c[:, None] == goal).to(tl.float32)
                        if SETS:
                            sets = active & (goal == _SET)
                            if _any(sets):
                                # Bits, not a table of children to gather from: they unfold in registers.
                                listed = tl.zeros([WIDTH, SPAN], tl.int32)
                                for k in tl.static_range((WIDTH + _WORD - 1) // _WORD):
                                    at = allowed + label * classifiers * MASKS + k
                                    bits = tl.load(at, mask=sets, other=0)
                                    unfolded = (bits >> (c % _WORD)[:, None]) & 1
                                    listed += tl.where((c // _WORD == k)[:, None], unfolded, 0)
                                loss, slope = _of_sets(z, own + listed.to(tl.float32), active, share)
                            else:
                                loss, slope = _of_singles(z, own, active, share)
                        else:
                            loss, slope = _of_singles(z, own, active, share)
                        if WEIGHTED:
                            loss *= tl.load(weight + label * classifiers, mask=active, other=0.0)
                        place = tl.load(group + label)
                        counted = (tl.arange(0, GROUPS)[:, None] == place) & active
                        losses += tl.where(counted, loss, 0.0)
                        if WANTED:
                            up += slope * (1 - fall_y)
                            down += slope * fall_y
                if WANTED:
                    if spoken != 0:
                        # On an axis of one value the next one is itself, and nothing is added to it.
                        place = gradient + corner
                        _add(place, tl.sum(up * (1 - x), 1), there)
                        _add(place + beyond * logits_x, tl.sum(up * x, 1), c < children * beyond)
                        place += below * logits_y
                        _add(place, tl.sum(down * (1 - x), 1), c < children * below)
                        _add(place + beyond * logits_x, tl.sum(down * x, 1), c < children * below * beyond)
    tl.store(sums + tl.arange(0, GROUPS), tl.sum(losses, 1))


@triton.jit
def _any(pixels):
    """Whether something is so at any of (1, SPAN) pixels."""
    return tl.max(tl.max(pixels.to(tl.int32), 1), 0) != 0


@triton.jit
def _add(place, values, mask):
    tl.store(place, tl.load(place, mask=mask, other=0.0) + values, mask=mask)


@triton.jit
def _of_singles(z, own, active, share):
    """Losses (1, SPAN) and slopes (WIDTH, SPAN) where one child is allowed: cross-entropy.

    The target's slope is what the others have, not its own share less one: nothing cancels where it is certain.
    """
    peak = tl.max(z, 0, keep_dims=True)
    power = exp2(z - peak)
    distance = peak - tl.sum(own * z, 0, keep_dims=True)
    mine = exp2(-distance)
    power -= own * power
    others = tl.sum(power, 0, keep_dims=True)
    total = others + mine
    sure, ratio = mine > others, others / mine
    log = tl.log(tl.where(sure, 1.0 + ratio, total))  # one logarithm for both
    loss = tl.where(sure, _exact(log, ratio), log + distance * LOG_2)
    scale = tl.where(active, share / total, 0.0)
    return loss, power * scale - own * (scale * others)


@triton.jit
def _of_sets(z, inside, active, share):
    """The same where several may be: -log(inside / (inside + outside))."""
    outside = 1.0 - inside
    # A pixel that is not active may have neither: what it gets must be finite, and is multiplied with 0.
    best = tl.where(active, tl.max(z + outside * _LOWEST, 0, keep_dims=True), 0.0)
    rival = tl.where(active, tl.max(z + inside * _LOWEST, 0, keep_dims=True), 0.0)
    power = tl.where(active, exp2(z - (inside * best + outside * rival)), 0.0)
    allowed = tl.where(active, tl.sum(inside * power, 0, keep_dims=True), 1.0)
    forbidden = tl.where(active, tl.sum(outside * power, 0, keep_dims=True), 1.0)
    distance = (rival - best) * LOG_2 + (tl.log(forbidden) - tl.log(allowed))
    tail = tl.exp(-tl.abs(distance))
    loss = tl.maximum(distance, 0.0) + _exact(tl.log(1.0 + tail), tail)
    miss = share * tl.where(distance > 0, 1.0, tail) / (1.0 + tail)
    return loss, power * (outside * (miss / forbidden) - inside * (miss / allowed))


@triton.jit
def _exact(log, value):
    """log(1 + value) for 0 <= value <= 1, from ``log`` of the rounded sum: the rounding is divided out again."""
    rounded = (1.0 + value) - 1.0
    return tl.where(rounded == 0.0, value, log * (value / tl.where(rounded == 0.0, 1.0, rounded)))
