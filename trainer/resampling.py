"""Resizing a window of an image: bilinear, and averaged over the covered area where the image shrinks.

Pillow's filter and its arithmetic (triangles, weights in fixed point, 8 bit between the passes), first down the columns
and then along the rows. Where numba is installed a kernel of a few lines does it several times faster than Pillow,
otherwise Pillow does it in two calls; the result is the same to the last bit.

No general resize of an array library can stand in: they lay their first output pixel on an edge of the input, but the
edge of a window over the scaled image lies anywhere between two source pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelforge.compiled import compile_or_none

Pixels = npt.NDArray[np.uint8]
Window = tuple[float, float, float, float]
"""Top, left, bottom, right in source pixels."""

_BITS: Final = 22  # of a weight, as in Pillow: libImaging/Resample.c
_GROUP: Final = 3  # source rows that the kernel adds at once
_MOST_TAPS: Final = 12  # beyond, at a sixth of the size, there is little to gain, and one more kernel to compile


def resample(image: Pixels, window: Window, size: tuple[int, int]) -> Pixels:
    """Resize a window of an image.

    Args:
        image: (H, W, 3) uint8. Only what is under the window, and under the filter at its edges, is touched.
        window: Top, left, bottom, right of the window, within the image.
        size: Height and width of the result.

    Returns:
        (height, width, 3) uint8, writable.
    """
    top, bottom = _reach(window[0], window[2], size[0], image.shape[0])
    left, right = _reach(window[1], window[3], size[1], image.shape[1])
    down = window[0] - top, window[2] - top
    along = window[1] - left, window[3] - left
    columns, column_weights = _taps(right - left, along, size[1])
    taps = column_weights.shape[1]
    kernel = _kernel(taps) if taps <= _MOST_TAPS else None
    if kernel is None:
        return _with_pillow(image[top:bottom, left:right], down, along, size)
    rows, row_weights = _taps(bottom - top, down, size[0])
    flat = np.ascontiguousarray(image).reshape(-1).view()
    flat.flags.writeable = False  # whether it was or not, so that the kernel is compiled once
    pitch = 3 * image.shape[1]
    place = pitch * top + 3 * left, pitch, bottom - top, 3 * (right - left)
    out = np.empty((size[0], 3 * size[1]), np.uint8)
    kernel(flat, place, rows, row_weights, 3 * columns, column_weights, out)
    return out.reshape(*size, 3)


def _reach(start: float, end: float, count: int, length: int) -> tuple[int, int]:
    """First and last + 1 of the source pixels that a window along one axis touches."""
    margin = int(max(1.0, (end - start) / count)) + 2
    return max(0, int(start) - margin), min(length, int(end) + margin + 1)


def _with_pillow(part: Pixels, down: tuple[float, float], along: tuple[float, float], size: tuple[int, int]) -> Pixels:
    width = part.shape[1]
    filtered = Image.fromarray(part)
    filtered = filtered.resize((width, size[0]), Image.Resampling.BILINEAR, box=(0, down[0], width, down[1]))
    filtered = filtered.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=(along[0], 0, along[1], size[0]))
    return np.array(filtered)


def _taps(length: int, window: tuple[float, float], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """What each output pixel is a mean of, along one axis: ``precompute_coeffs`` of Pillow, in its precision.

    Args:
        length: Source pixels.
        window: Start and end of the window in source pixels.
        count: Output pixels.

    Returns:
        (count,) int64: the first source pixel of each; (count, taps) int32: the weights of it and of those that follow,
        with 22 fractional bits. The taps are a multiple of three; superfluous ones have weight 0, and may lie outside.
    """
    start, end = np.float32(window[0]), np.float32(window[1])
    step = float(end - start) / count
    support = max(step, 1.0)
    centers = float(start) + (np.arange(count) + 0.5) * step
    first = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + support + 0.5).astype(np.int64), length)
    taps = -(-int((last - first).max()) // _GROUP) * _GROUP
    index = first[:, None] + np.arange(taps)
    weights = np.maximum(1 - np.abs((index - centers[:, None] + 0.5) * (1.0 / support)), 0)
    weights[index >= last[:, None]] = 0
    total = np.zeros(count)
    for column in weights.T:  # one after the other, as Pillow adds them: the sum's last bit matters
        total += column
    fixed = (0.5 + weights / np.where(total > 0, total, 1)[:, None] * (1 << _BITS)).astype(np.int32)
    return first, fixed


@functools.cache
def _kernel(taps: int) -> Callable[..., None] | None:
    """The compiled kernel for so many taps along a row, which the compiler then unrolls; None without numba."""
    half, zero = np.int32(1 << (_BITS - 1)), np.uint8(0)

    def kernel(
        source: npt.NDArray[np.uint8],
        place: tuple[int, int, int, int],
        rows: npt.NDArray[np.int64],
        row_weights: npt.NDArray[np.int32],
        columns: npt.NDArray[np.int64],
        column_weights: npt.NDArray[np.int32],
        out: npt.NDArray[np.uint8],
    ) -> None:
        """Fill the output row by row: average source rows, then average along the row.

        ``place`` is the part of the source that is used: where it begins in ``source``, the bytes from one row to the
        next, its rows, and the bytes of each. ``columns`` counts bytes.
        """
        corner, pitch, height, width = place
        total = np.empty(width, np.int32)
        middle = np.full(width + 3 * taps, zero)
        for y in range(rows.size):
            total[:] = half
            for tap in range(0, row_weights.shape[1], _GROUP):
                a, b, c = row_weights[y, tap], row_weights[y, tap + 1], row_weights[y, tap + 2]
                i = corner + pitch * min(rows[y] + tap, height - 1)
                j = corner + pitch * min(rows[y] + tap + 1, height - 1)
                k = corner + pitch * min(rows[y] + tap + 2, height - 1)
                first, second, third = source[i : i + width], source[j : j + width], source[k : k + width]
                for x in range(width):
                    total[x] += np.int32(first[x]) * a + np.int32(second[x]) * b + np.int32(third[x]) * c
            for x in range(width):
                middle[x] = total[x] >> _BITS
            line = out[y]
            for x in range(columns.size):
                begin = np.uintp(columns[x])  # unsigned: numba would look whether an index is negative
                for channel in range(3):
                    value = half
                    for tap in range(taps):
                        value += np.int32(middle[begin + np.uintp(channel + 3 * tap)]) * column_weights[x, tap]
                    line[3 * x + channel] = value >> _BITS

    return compile_or_none(kernel)
