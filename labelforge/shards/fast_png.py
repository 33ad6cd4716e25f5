"""PNGs read faster than through Pillow, with the same values; zlib-ng inflates where it is installed, else zlib.

What a PNG stores (`labelforge.png`) are rows of differences to neighbours, by the filter of each row.

- *Label maps.* Filters help photographs, not label maps, and with filter 0 in every row the inflated bytes are the
  values. `read_plain_png` reads such files, with a palette of 8 bit or 16 bit grey, and compares the checksum of every
  chunk, which Pillow does not do for pixels.
- *Photographs*, 8 bit RGB: `read_color_png` undoes the filters with a kernel (numba); without numba Pillow is as fast.

Both leave all other files to the caller, interlaced ones among them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge import deflate, png
from labelforge.shards.png_filters import unfilter_kernel

_PALETTE_8: Final = (8, png.PALETTE, 0, 0, 0)  # bits, color type, compression, filtering, interlace
_GREY_16: Final = (16, png.GREY, 0, 0, 0)
_RGB_8: Final = (8, png.RGB, 0, 0, 0)


def read_plain_png(data: memoryview | bytes) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """The values of a PNG that is a palette picture of 8 bit or 16 bit grey, all of whose rows have filter 0.

    Returns:
        (H, W) uint8 palette indices or uint16 grey values, not writable; None for any other file, even a broken one.

    Raises:
        ValueError: A checksum does not match, or the pixels cannot be inflated.
    """
    found = _rows(data, (_PALETTE_8, _GREY_16), plain=True)
    if found is None:
        return None
    header, rows = found
    values = png.unfiltered(rows, header.bits)
    if values is None:
        return None
    if not values.flags.c_contiguous:
        values = values.copy()  # rows that are not side by side are slower to read
    values.flags.writeable = False
    return values


def read_color_png(data: memoryview | bytes) -> NDArray[np.uint8] | None:
    """The colours of a PNG of 8 bit RGB.

    Returns:
        (H, W, 3) uint8, not writable; None for any other file, even a broken one, and without numba.
    """
    unfilter = unfilter_kernel()
    if unfilter is None:
        return None
    try:
        found = _rows(data, (_RGB_8,))
    except ValueError:  # Pillow reads on where a checksum of pixels is wrong
        return None
    if found is None:
        return None
    header, rows = found
    colors = np.empty((header.height, 3 * header.width), np.uint8)
    if not unfilter(rows.reshape(-1), colors):
        return None
    image = colors.reshape(header.height, header.width, 3)
    image.flags.writeable = False
    return image


def _rows(
    data: memoryview | bytes, kinds: tuple[tuple[int, ...], ...], *, plain: bool = False
) -> tuple[png.Header, NDArray[np.uint8]] | None:
    """Header and (H, stride) inflated rows of a file of one of some kinds, each behind the byte of its filter.

    None for any other file, and with ``plain`` if the first row is filtered: most files with filters have one there,
    and nothing else need be inflated to know.
    """
    found = _parts(data)
    if found is None:
        return None
    header, pixels = found
    if header[2:] not in kinds or not header.width or not header.height:
        return None
    try:
        inflated = png.inflate(pixels, header.size, b"\0" if plain else b"")
    except deflate.ERRORS as error:
        raise ValueError(f"the pixels cannot be inflated ({error})") from error
    return None if inflated is None else (header, np.frombuffer(inflated, np.uint8).reshape(header.height, -1))


def _parts(data: memoryview | bytes) -> tuple[png.Header, bytes] | None:
    """The header and the content of all pixel chunks; None if this is not a whole PNG, or an animated one."""
    header, pixels = None, []
    try:
        for chunk in png.chunks(data):
            if not chunk.intact:
                raise ValueError(f"the checksum of chunk {chunk.kind!r} does not match")
            if header is None:
                if not chunk.is_header:
                    return None
                header = png.Header.parse(chunk.content)
            elif chunk.kind == b"IDAT":
                pixels.append(chunk.content)
            elif chunk.kind == b"acTL":
                return None
    except png.DamageError:
        return None
    return None if header is None else (header, b"".join(pixels))
