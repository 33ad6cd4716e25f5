"""Writes label maps as PNG files whose rows are not filtered: what any viewer shows, and what inflates to the rows.

Filters guess a pixel from its neighbours, which helps photographs. Label maps deflate better without (Pillow leaves
them out of palette pictures too), and whoever reads such a file needs no picture library but zlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelforge import deflate, png

_LEVEL: Final = 6  # of zlib-ng on real maps: a tenth smaller than of zlib, in less than half the time
_PALETTE: Final = 256


def encode_label(rows: NDArray[np.integer[Any]], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Encode a label map. The bytes depend on the zlib that is installed (`labelforge.deflate`); the values do not.

    Args:
        rows: (H, W) rows of the label table.
        palette: RGB colour of every row of the table; its length decides the mode: palette picture of 8 bits, or for
            more than 256 rows, grey of 16 bits.
    """
    shown = len(palette) <= _PALETTE
    height, width = rows.shape
    depth = 1 if shown else 2
    filtered = np.empty((height, 1 + depth * width), dtype=np.uint8)
    filtered[:, 0] = 0  # the filter of each row: none
    if shown:
        filtered[:, 1:] = rows
    else:
        filtered[:, 1:] = rows.astype(">u2").view(np.uint8)
    header = png.Header(width, height, 8 * depth, png.PALETTE if shown else png.GREY)
    colors = bytes(channel for color in palette for channel in color) if shown else b""
    chunks = [
        png.chunk(b"IHDR", header.to_bytes()),
        png.chunk(b"PLTE", colors) if shown else b"",
        png.chunk(b"IDAT", deflate.library.compress(filtered, _LEVEL)),
        png.END,
    ]
    return png.SIGNATURE + b"".join(chunks)
