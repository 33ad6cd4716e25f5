"""Decisions between low-resolution logits on a GPU, in Triton.

A tile is some rows of one row of cells times many columns, so all its pixels lie between the same two rows of logits. A
classifier's children are gone through one after the other: four logits per column of pixels are read (neighbouring
columns read the same, from the cache), stretched along the row once, and cost each pixel one multiply-add and a
comparison. Classifiers that no pixel of the tile arrives at are not read.

Labels are sums over classes of many classifiers. First the softmax of each classifier is put into one number per pixel:
what its logits lack to be logarithms of probabilities, with those of the classifiers above. These numbers wait in
memory, which takes less than the sums of all labels would. Then labels are gone through one after the other: a logit
that counts for one costs each pixel two multiply-adds, an exponential and an addition. (As a product of matrices on
tensor cores, probabilities times zeros and ones, it was slower: most products are with zeros.)
"""

from __future__ import annotations

import triton
import triton.language as tl

from labelforge.trainer.kernels.exponential_triton import LOG2_E, exp2

# Arguments that differ from image to image, and from which no faster code would follow.
_ANY = ["height", "width", "pixels_y", "pixels_x", "logits_n", "classifiers", "values", "images", "labels"]


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
    needed,
    spans,
    first_span,
    starts_y,
    weight_y,
    low_x,
    weight_x,
    offsets,
    found,
    probability,
    outside,
    height,
    width,
    pixels_y,
    pixels_x,
    images,
    classifiers,
    labels,
    logits_n,
    logits_c,
    logits_y,
    logits_x,
    ROWS: tl.constexpr,
    ACROSS: tl.constexpr,
    PARTS: tl.constexpr,
    UNROLLED: tl.constexpr,
):
    """The likeliest label of each pixel: that whose classes are together the most probable.

    For one row of cells and some columns of pixels: every PARTS-th tile of them, in every P-th image.

    Args:
        logits: See :func:`descend_tiles`, as the other arguments that are not named here.
        needed: (A, 4) int32 classifiers (:class:`labelforge.trainer.kernels.label_sums.LabelSums`).
        spans: (S, 3) int32 logits of the labels, see there.
        first_span: (labels + 2,) int32 first span of each label, see there.
        starts_y: See :func:`descend_tiles`.
        weight_y: See there.
        low_x: See there.
        weight_x: See there.
        offsets: (A, P, H, W) float32, written, for the program that wrote it: a logit of this classifier, of base 2,
            plus the offset is the logarithm of its probability.
        found: (N, H, W) int64, written: the label; of equal ones the first.
        probability: (N, H, W) float32, written: its probability.
        outside: (N, H, W) float32, written: that of the classes that no label contains.
        images: N.
        classifiers: A.
        labels: How many there are.
        PARTS: Programs for these columns and cells.
        UNROLLED: Children whose logits are read at a time for a softmax.
    """
    cell, slot = tl.program_id(1) // PARTS, tl.program_id(2).to(tl.int64)
    x = tl.program_id(0) * ACROSS + tl.arange(0, ACROSS)
    below = (tl.minimum(cell + 1, height - 1) - cell) * logits_y
    left, beyond, right = _corner(logits + cell * logits_y, x, weight_x, low_x, width, pixels_x, logits_x)
    begin, end = tl.load(starts_y + cell), tl.load(starts_y + cell + 1)
    plane = tl.num_programs(2).to(tl.int64) * pixels_y * pixels_x
    for n in range(slot, images, tl.num_programs(2)):
        corner = left + n * logits_n
        for top in range(begin + tl.program_id(1) % PARTS * ROWS, end, PARTS * ROWS):
            y = top + tl.arange(0, ROWS)
            inside = (y < end)[:, None] & (x < pixels_x)[None, :]
            down = tl.load(weight_y + y, mask=y < end, other=0.0)[:, None]
            own = offsets + (slot * pixels_y + y[:, None]) * pixels_x + x[None, :]
            for a in range(classifiers):
                offset = _offset(corner, needed + 4 * a, beyond, below, right, down, logits_c, ROWS, ACROSS, UNROLLED)
                if a > 0:
                    arrival = _tilted(corner, tl.load(needed + 4 * a + 2), beyond, below, right, down, logits_c)
                    above = tl.load(needed + 4 * a + 3)
                    offset += arrival * LOG2_E + tl.load(own + above * plane, mask=inside, other=0.0)
                tl.store(own + a * plane, offset, mask=inside)
                tl.debug_barrier()  # another thread may read it
            best, winner = tl.zeros([ROWS, ACROSS], tl.float32), tl.zeros([ROWS, ACROSS], tl.int32)
            total = tl.zeros([ROWS, ACROSS], tl.float32)
            for label in range(labels + 1):
                total = tl.zeros([ROWS, ACROSS], tl.float32)
                for s in range(tl.load(first_span + label), tl.load(first_span + label + 1)):
                    offset = tl.load(own + tl.load(spans + 3 * s) * plane, mask=inside, other=0.0)
                    for c in range(tl.load(spans + 3 * s + 1), tl.load(spans + 3 * s + 2)):
                        z = _tilted(corner, c, beyond, below, right, down, logits_c)
                        total += exp2(z * LOG2_E + offset)
                # Of sums that are no numbers the first label is as good as any.
                better = (total > best) & (label < labels)
                best, winner = tl.where(better, total, best), tl.where(better, label, winner)
            at = (n * pixels_y + y[:, None]) * pixels_x + x[None, :]
            tl.store(found + at, winner.to(tl.int64), mask=inside)
            tl.store(probability + at, best, mask=inside)
            tl.store(outside + at, total, mask=inside)
            tl.debug_barrier()  # all have read what is written over next


@triton.jit
def _tilted(corner, c, beyond, below, right, down, logits_c):
    """One child at each pixel of the tile."""
    upper, lower = _stretched(corner + c * logits_c, beyond, below, right)
    return upper[None, :] + down * (lower - upper)[None, :]


@triton.jit
def _offset(
    corner, needed, beyond, below, right, down, logits_c, ROWS: tl.constexpr, ACROSS: tl.constexpr,
    UNROLLED: tl.constexpr,
):  # fmt: skip
    """What a classifier's logits, of base 2, lack to be logarithms of what a softmax makes of them."""
    first, last = tl.load(needed), tl.load(needed + 1)
    best = tl.full([ROWS, ACROSS], -float("inf"), tl.float32)
    for c in range(first, last):
        best = tl.maximum(best, _tilted(corner, c, beyond, below, right, down, logits_c))
    best *= LOG2_E
    total = tl.zeros([ROWS, ACROSS], tl.float32)
    for c in tl.range(first, last, loop_unroll_factor=UNROLLED):
        total += exp2(_tilted(corner, c, beyond, below, right, down, logits_c) * LOG2_E - best)
    return -best - tl.log2(total)
