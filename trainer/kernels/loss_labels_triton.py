"""Labels as the Triton loss kernels read them: counted, and with a bit per classifier where boxes pass the gate.

Pixels are counted in integers, so atomic additions give the same sums in any order.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["labels", "pixels", "height", "width", "rows_n", "rows_y"])
def count_labels(
    rows,
    counts,
    labels,
    pixels,
    height,
    width,
    rows_n,
    rows_y,
    rows_x,
    BINS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Count how often each label occurs.

    Args:
        rows: (N, H, W) integers.
        counts: (BINS,) int32, added to: pixels of each of L labels, then those that are no rows of the table.
        pixels: N * H * W.
        BINS: At least L + 2, a power of two.
        BLOCK: Pixels of a program.
    """
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    n, y, x = pixel // (height * width), pixel // width % height, pixel % width
    label = tl.load(rows + n * rows_n + y * rows_y + x * rows_x, mask=inside, other=0).to(tl.int64)
    label = tl.where((label >= 0) & (label < labels), label, labels)
    found = tl.histogram(tl.where(inside, label, BINS - 1).to(tl.int32), BINS)
    tl.atomic_add(counts + tl.arange(0, BINS), found, mask=found > 0)


# Arguments that differ from image to image, and from which no faster code would follow.
_ANY = ["height", "width", "labels", "classifiers", "above", "gates", "logits_n", "rows_n", "rows_y"]
_ANY += ["pixels_y", "pixels_x"]


@triton.jit(do_not_specialize=_ANY)
def pass_gates(
    logits,
    rows,
    asks,
    group,
    columns,
    above_of,
    above_asks,
    above_starts,
    conditions,
    passed,
    sizes,
    trained,
    low_y,
    weight_y,
    low_x,
    weight_x,
    height,
    width,
    labels,
    classifiers,
    above,
    gates,
    logits_n,
    logits_c,
    logits_y,
    logits_x,
    rows_n,
    rows_y,
    rows_x,
    pixels_y,
    pixels_x,
    GROUPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Say which pixels in boxes pass the gates of which classifiers, and count those that do.

    Args:
        logits: (N, C, h, w) float32.
        rows: (N, H, W) integers.
        asks: (L,) integers: gates that a label from a box must pass to train their classifiers, a bit each; 0 for the
            other labels.
        group: (L,) int32.
        columns: (J + 1,) int32 first logit of each classifier.
        above_of: (A,) int32 classifiers that decide at some gate.
        above_asks: (A,) integers: at which gates, a bit each.
        above_starts: (A + 1,) int32 first of their ``conditions``.
        conditions: (conditions, 2) int32: a gate, and the logit that the classifier must choose there.
        passed: (N, H, W) integers, written: a bit for each gate that is passed; all bits where no box is.
        sizes: (GROUPS, J) int64, added to: pixels that pass.
        trained: (gates,) int32 the classifier behind each gate.
        low_y: (H,) int32 row of logits above each pixel row; ``low_x`` likewise.
        weight_y: (H,) float32 weight of the one below; ``weight_x`` likewise.
        GROUPS: Groups, or more: a power of two.
        BLOCK: Pixels of a program, in one row.
    """
    n, y = tl.program_id(2).to(tl.int64), tl.program_id(1)
    x = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = x < pixels_x
    label = tl.load(rows + n * rows_n + y * rows_y + x * rows_x, mask=inside, other=0).to(tl.int64)
    known = inside & (label >= 0) & (label < labels)
    label = tl.where(known, label, 0).to(tl.int32)
    asked = tl.load(asks + label, mask=known, other=0)
    anywhere = tl.reduce(asked, 0, _either)
    bits = tl.full([BLOCK], -1, asked.dtype)
    if anywhere != 0:
        top = tl.load(low_y + y)
        left = tl.load(low_x + x, mask=inside, other=0)
        down, right = tl.load(weight_y + y), tl.load(weight_x + x, mask=inside, other=0.0)
        below, beyond = tl.minimum(top + 1, height - 1) - top, tl.minimum(left + 1, width - 1) - left
        corner = logits + n * logits_n + top * logits_y + left * logits_x
        for i in range(above):
            if (anywhere & tl.load(above_asks + i)) != 0:
                j = tl.load(above_of + i)
                best, winner = tl.full([BLOCK], -float("inf"), tl.float32), tl.full([BLOCK], -1, tl.int32)
                for c in range(tl.load(columns + j), tl.load(columns + j + 1)):
                    at = corner + c * logits_c
                    upper, lower = tl.load(at), tl.load(at + below * logits_y)
                    upper += right * (tl.load(at + beyond * logits_x) - upper)
                    lower += right * (tl.load(at + below * logits_y + beyond * logits_x) - lower)
                    z = upper + down * (lower - upper)
                    winner = tl.where(z > best, c, winner)
                    best = tl.maximum(z, best)
                for condition in range(tl.load(above_starts + i), tl.load(above_starts + i + 1)):
                    gate, wanted = tl.load(conditions + 2 * condition), tl.load(conditions + 2 * condition + 1)
                    bits = bits & ~((winner != wanted).to(asked.dtype) << gate)
        place, groups = tl.load(group + label), tl.arange(0, GROUPS)
        for gate in range(gates):
            if ((anywhere >> gate) & 1) != 0:
                passes = ((asked & bits) >> gate) & 1
                counted = tl.sum(tl.where(groups[:, None] == place[None, :], passes[None, :].to(tl.int32), 0), 1)
                at = sizes + groups * classifiers + tl.load(trained + gate)
                tl.atomic_add(at, counted.to(tl.int64), mask=counted > 0)
    tl.store(passed + (n * pixels_y + y) * pixels_x + x, tl.where(asked != 0, bits, -1), mask=inside)


@triton.jit
def _either(a, b):
    return a | b
