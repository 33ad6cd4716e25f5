"""PNGs read faster than through Pillow, with the same values; zlib-ng inflates where it is installed, else zlib.

A PNG is deflated rows, each behind a byte that names its filter: what is stored are differences to neighbours.

- *Label maps.* Filters help photographs, not label maps, and with filter 0 in every row the inflated bytes are the
  values. `read_plain_png` reads such files, with a palette of 8 bit or 16 bit grey, and compares the checksum of every
  chunk, which Pillow does not do for pixels.
- *Photographs*, 8 bit RGB: `read_color_png` undoes the filters with a kernel (numba); without numba Pillow is as fast.

Both leave all other files to the caller, interlaced ones among them.
"""

from __future__ import annotations

import struct
import zlib as standard_zlib
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelforge.shards.png_filters import unfilter_kernel

zlib: Any
try:
    from zlib_ng import zlib_ng as zlib
except ImportError:  # an optional package: the extra "fast"
    zlib = standard_zlib

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_AROUND: Final = 12  # bytes of a chunk besides its data: length, name, checksum
_PALETTE_8: Final = (8, 3, 0, 0, 0)  # depth, colour type, compression, filter method, interlace
_GREY_16: Final = (16, 0, 0, 0, 0)
_RGB_8: Final = (8, 2, 0, 0, 0)
_BYTES_PER_PIXEL: Final = {_PALETTE_8: 1, _GREY_16: 2, _RGB_8: 3}
_MOST_INFLATED: Final = 1040  # times the deflated size; deflate cannot do more, so a header that says so is wrong


def read_plain_png(data: memoryview | bytes) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """The values of a PNG that is a palette picture of 8 bit or 16 bit grey, all of whose rows have filter 0.

    Returns:
        (H, W) uint8 palette indices or uint16 grey values, not writable; None for any other file, even a broken one.

    Raises:
        ValueError: A checksum does not match, or the pixels cannot be inflated.
    """
    rows = _rows(data, (_PALETTE_8, _GREY_16), plain=True)
    if rows is None or rows.filtered[:, 0].any():
        return None
    values = np.ascontiguousarray(rows.filtered[:, 1:])  # rows that are not side by side are slower to read
    found = values if rows.kind == _PALETTE_8 else values.view(">u2").astype(np.uint16)
    found.flags.writeable = False
    return found


def read_color_png(data: memoryview | bytes) -> NDArray[np.uint8] | None:
    """The colours of a PNG of 8 bit RGB.

    Returns:
        (H, W, 3) uint8, not writable; None for any other file, even a broken one, and without numba.
    """
    unfilter = unfilter_kernel()
    if unfilter is None:
        return None
    try:
        rows = _rows(data, (_RGB_8,))
    except ValueError:  # Pillow reads on where a checksum of pixels is wrong
        return None
    if rows is None:
        return None
    height = len(rows.filtered)
    colors = np.empty((height, 3 * rows.width), np.uint8)
    if not unfilter(rows.filtered.reshape(-1), colors):
        return None
    found = colors.reshape(height, rows.width, 3)
    found.flags.writeable = False
    return found


class _Rows(NamedTuple):
    """Inflated rows, each behind the byte of its filter."""

    filtered: NDArray[np.uint8]
    """(H, 1 + bytes of a row)."""
    width: int
    """Pixels of a row."""
    kind: tuple[int, ...]
    """Depth, colour type, compression, filter method, interlace."""


def _rows(data: memoryview | bytes, kinds: tuple[tuple[int, ...], ...], *, plain: bool = False) -> _Rows | None:
    """The rows of a file of one of some kinds; None for any other file, and with ``plain`` if the first is filtered."""
    chunks = _chunks(memoryview(data))
    if chunks is None:
        return None
    header, pixels = chunks
    width, height, *fields = struct.unpack(">IIBBBBB", header)
    kind = tuple(fields)
    if kind not in kinds or not width or not height:
        return None
    size = height * (1 + width * _BYTES_PER_PIXEL[kind])
    if size > _MOST_INFLATED * len(pixels):
        return None
    try:
        # Most files with filters have one in the first row: nothing else need be inflated to know.
        if plain and zlib.decompressobj().decompress(pixels, 1) != b"\0":
            return None
        inflated: bytes = zlib.decompress(pixels, bufsize=size)
    except zlib.error as error:
        raise ValueError(f"the pixels cannot be inflated ({error})") from error
    return _Rows(np.frombuffer(inflated, np.uint8).reshape(height, -1), width, kind) if len(inflated) == size else None


def _chunks(data: memoryview) -> tuple[bytes, bytes] | None:
    """Content of the header and of all pixel chunks; None if this is not a whole PNG, or an animated one."""
    if bytes(data[:8]) != _SIGNATURE:
        return None
    header, pixels, place = b"", [], len(_SIGNATURE)
    while place + _AROUND <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        name, end = bytes(data[place + 4 : place + 8]), place + 8 + length
        if end + 4 > len(data):
            return None
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise ValueError(f"the checksum of chunk {name!r} does not match")
        if place == len(_SIGNATURE):
            if name != b"IHDR" or length != 13:
                return None
            header = bytes(data[place + 8 : end])
        elif name == b"IDAT":
            pixels.append(data[place + 8 : end])
        elif name == b"IEND":
            return header, b"".join(pixels)
        elif name == b"acTL":
            return None
        place = end + 4
    return None
