"""Decisions between low-resolution logits on a GPU, in Triton.

A tile is some rows of one row of cells times many columns, so all its pixels lie between the same two rows of logits. A
classifier's children are gone through one after the other: four logits per column of pixels are read (neighbouring
columns read the same, from the cache), stretched along the row once, and cost each pixel one multiply-add and a
comparison. Classifiers that no pixel of the tile arrives at are not read.

Sums over labels need the probabilities of all classes. What a logit counts for (labels; what no label contains; the
arrival at a classifier below) are columns of one matrix of zeros and ones, so a classifier's probabilities times its
rows of the matrix are what they add to all of these. On tensor cores the product is split in three ("tf32x3"): a factor
that is zero or one loses nothing, and of the other 22 bits count.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Arguments that differ from image to image, and from which no faster code would follow.
_ANY = ["height", "width", "pixels_y", "pixels_x", "logits_n", "classifiers", "values"]


@triton.jit
def _corner(logits, x, right, low_x, width, pixels_x, logits_x):
    """Where the logits left of each pixel column are, how far it is to those on the right, and their weight."""
    inside = x < pixels_x
    left = tl.load(low_x + x, mask=inside, other=0)
    beyond = (tl.minimum(left + 1, width - 1) - left) * logits_x
    return logits + left * logits_x, beyond, tl.load(right + x, mask=inside, other=0.0)


@triton.jit
def _stretched(at, beyond, below, right):
    """The logits of one child above and below the tile's rows, between their neighbours."""
    upper, lower = tl.load(at).to(tl.float32), tl.load(at + below).to(tl.float32)
    upper += right * (tl.load(at + beyond).to(tl.float32) - upper)
    lower += right * (tl.load(at + below + beyond).to(tl.float32) - lower)
    return upper, lower


@triton.jit(do_not_specialize=_ANY)
def descend_tiles(
    logits,
    columns,
    owner,
    depth,
    class_of,
    starts_y,
    weight_y,
    low_x,
    weight_x,
    threshold,
    places,
    confidence,
    steps,
    height,
    width,
    pixels_y,
    pixels_x,
    classifiers,
    values,
    logits_n,
    logits_c,
    logits_y,
    logits_x,
    choices,
    ROWS: tl.constexpr,
    ACROSS: tl.constexpr,
    CONFIDENT: tl.constexpr,
    STEPS: tl.constexpr,
):
    """Decide for one row of cells, some columns of pixels.

    Args:
        logits: (N, C, h, w), any floating type.
        columns: (J + 1,) int32 first logit of each classifier.
        owner: (J,) int32 logit that leads to each classifier; -1 for the root.
        depth: (J,) int32 classifiers above each one; if STEPS.
        class_of: (C,) int32 class that a logit stands for; if not CONFIDENT.
        starts_y: (cells + 1,) int32 first pixel row of each row of cells.
        weight_y: (H,) float32 weight of the logits below; ``weight_x`` likewise.
        low_x: (W,) int32 column of logits left of each pixel column.
        threshold: A choice is made only if the product of probabilities stays at or above it; if CONFIDENT.
        places: (N, H, W) int64, written: the class; if CONFIDENT the logit where the descent ends, or C + j where it
            stops before classifier j.
        confidence: (N, H, W) float32, written if CONFIDENT: product of the probabilities of the choices made.
        steps: (N, D, H, W) float32, written if STEPS: the same after each choice; not after the last, which is to be 0.
        choices: D.
    """
    n, cell = tl.program_id(2).to(tl.int64), tl.program_id(1)
    x = tl.program_id(0) * ACROSS + tl.arange(0, ACROSS)
    below = (tl.minimum(cell + 1, height - 1) - cell) * logits_y
    corner, beyond, right = _corner(
        logits + n * logits_n + cell * logits_y, x, weight_x, low_x, width, pixels_x, logits_x
    )
    begin, end = tl.load(starts_y + cell), tl.load(starts_y + cell + 1)
    for top in range(begin, end, ROWS):
        y = top + tl.arange(0, ROWS)
        inside = (y < end)[:, None] & (x < pixels_x)[None, :]
        down = tl.load(weight_y + y, mask=y < end, other=0.0)[:, None]
        at = (n * pixels_y + y[:, None]) * pixels_x + x[None, :]
        column, product = tl.full([ROWS, ACROSS], -1, tl.int32), tl.full([ROWS, ACROSS], 1.0, tl.float32)
        for j in range(classifiers):
            here = inside & (column == tl.load(owner + j))
            if tl.max(tl.max(here.to(tl.int32), 1), 0) != 0:
                first, last = tl.load(columns + j), tl.load(columns + j + 1)
                best = tl.full([ROWS, ACROSS], -float("inf"), tl.float32)
                winner = tl.zeros([ROWS, ACROSS], tl.int32) + first
                for c in range(first, last):
                    upper, lower = _stretched(corner + c * logits_c, beyond, below, right)
                    z = upper[None, :] + down * (lower - upper)[None, :]
                    winner = tl.where(z > best, c, winner)
                    best = tl.maximum(z, best)
                if CONFIDENT:
                    total = tl.zeros([ROWS, ACROSS], tl.float32)
                    for c in range(first, last):
                        upper, lower = _stretched(corner + c * logits_c, beyond, below, right)
                        total += tl.exp(upper[None, :] + down * (lower - upper)[None, :] - best)
                    after = product / total
                    # A confidence that is no number does not stop a descent that nothing is to stop.
                    goes_on = here & ((after >= threshold) | (threshold == 0.0))
                    product = tl.where(goes_on, after, product)
                    column = tl.where(here, tl.where(goes_on, winner, values + j), column)
                    if STEPS:
                        level = tl.load(depth + j)
                        step = ((n * choices + level) * pixels_y + y[:, None]) * pixels_x + x[None, :]
                        tl.store(steps + step, after, mask=goes_on)
                else:
                    column = tl.where(here, winner, column)
        if CONFIDENT:
            tl.store(places + at, column.to(tl.int64), mask=inside)
            tl.store(confidence + at, product, mask=inside)
        else:
            tl.store(places + at, tl.load(class_of + column, mask=inside, other=0).to(tl.int64), mask=inside)


@triton.jit(do_not_specialize=_ANY)
def add_up_tiles(
    logits,
    columns,
    counts_for,
    starts_y,
    weight_y,
    low_x,
    weight_x,
    found,
    probability,
    outside,
    labels,
    height,
    width,
    pixels_y,
    pixels_x,
    classifiers,
    logits_n,
    logits_c,
    logits_y,
    logits_x,
    ACROSS: tl.constexpr,
    WIDEST: tl.constexpr,
    SUMS: tl.constexpr,
):
    """The likeliest label of each pixel: that whose classes are together the most probable.

    Args:
        logits: See :func:`descend_tiles`, as the other arguments that are not named here.
        columns: See there.
        counts_for: (C, SUMS) float32: 1 where a logit counts for a sum, else 0. Sums are the labels, what no label
            contains, and the arrival at each classifier.
        starts_y: See there.
        weight_y: See there.
        low_x: See there.
        weight_x: See there.
        found: (N, H, W) int64, written: the label; of equal ones the first.
        probability: (N, H, W) float32, written: its probability.
        outside: (N, H, W) float32, written: that of the classes that no label contains.
        labels: How many there are.
        ACROSS: Pixels of a program, in one row.
        WIDEST: Children of the largest classifier, or more: a power of two, at least 16.
        SUMS: Sums, or more: a power of two, at least 16.
    """
    n, cell = tl.program_id(2).to(tl.int64), tl.program_id(1)
    x = tl.program_id(0) * ACROSS + tl.arange(0, ACROSS)
    below = (tl.minimum(cell + 1, height - 1) - cell) * logits_y
    corner, beyond, right = _corner(
        logits + n * logits_n + cell * logits_y, x, weight_x, low_x, width, pixels_x, logits_x
    )
    c, sums = tl.arange(0, WIDEST), tl.arange(0, SUMS)
    for y in range(tl.load(starts_y + cell), tl.load(starts_y + cell + 1)):
        down = tl.load(weight_y + y)
        total = tl.zeros([ACROSS, SUMS], tl.float32)
        for j in range(classifiers):
            arrive = tl.sum(tl.where((sums == labels + 1 + j)[None, :], total, 0.0), 1)
            arrive = tl.where(x < pixels_x, arrive, 0.0) if j > 0 else tl.where(x < pixels_x, 1.0, 0.0)
            if tl.max(arrive, 0) > 0:
                first = tl.load(columns + j)
                there = c < tl.load(columns + j + 1) - first
                at = corner[:, None] + ((first + c) * logits_c)[None, :]
                upper, lower = _stretched_all(at, beyond[:, None], below, right[:, None], there[None, :])
                z = tl.where(there[None, :], upper + down * (lower - upper), -float("inf"))
                power = tl.exp(z - tl.max(z, 1)[:, None])
                share = power * (arrive / tl.sum(power, 1))[:, None]
                at = counts_for + (first + c)[:, None] * SUMS + sums[None, :]
                counts = tl.load(at, mask=there[:, None], other=0.0)
                total = tl.dot(share, counts, total, input_precision="tf32x3")
        at = (n * pixels_y + y) * pixels_x + x
        inside = x < pixels_x
        # Of sums that are no numbers the first label is as good as any.
        of_label = tl.where((sums < labels)[None, :], tl.where(total > 0, total, 0.0), -1.0)
        tl.store(found + at, tl.argmax(of_label, 1).to(tl.int64), mask=inside)
        tl.store(probability + at, tl.max(of_label, 1), mask=inside)
        tl.store(outside + at, tl.sum(tl.where((sums == labels)[None, :], total, 0.0), 1), mask=inside)


@triton.jit
def _stretched_all(at, beyond, below, right, there):
    """As :func:`_stretched`, for several children at once."""
    upper = tl.load(at, mask=there, other=0.0).to(tl.float32)
    lower = tl.load(at + below, mask=there, other=0.0).to(tl.float32)
    upper += right * (tl.load(at + beyond, mask=there, other=0.0).to(tl.float32) - upper)
    lower += right * (tl.load(at + below + beyond, mask=there, other=0.0).to(tl.float32) - lower)
    return upper, lower
