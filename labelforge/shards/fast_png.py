"""Label maps from PNGs that need no more than inflating; zlib-ng inflates where it is installed, else zlib.

A PNG is deflated rows, each behind a byte that names its filter. Filters help photographs, not label maps, and with
filter 0 in every row the inflated bytes are the values. Such files, not interlaced, with a palette of 8 bit or 16 bit
grey, are read here, faster than Pillow does and with the checksum of every chunk compared, which Pillow does not do for
pixels. `read_plain_png` leaves all other files to the caller.
"""

from __future__ import annotations

import struct
import zlib as standard_zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

zlib: Any
try:
    from zlib_ng import zlib_ng as zlib
except ImportError:  # an optional package: the extra "fast"
    zlib = standard_zlib

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_AROUND: Final = 12  # bytes of a chunk besides its data: length, name, checksum
_PALETTE_8: Final = (8, 3, 0, 0, 0)  # depth, colour type, compression, filter method, interlace
_GREY_16: Final = (16, 0, 0, 0, 0)


def read_plain_png(data: memoryview | bytes) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """The values of a PNG that is a palette picture of 8 bit or 16 bit grey, all of whose rows have filter 0.

    Returns:
        (H, W) uint8 palette indices or uint16 grey values, not writable; None for any other file, even a broken one.

    Raises:
        ValueError: A checksum does not match, or the pixels cannot be inflated.
    """
    chunks = _chunks(memoryview(data))
    if chunks is None:
        return None
    header, pixels = chunks
    width, height, *kind = struct.unpack(">IIBBBBB", header)
    if tuple(kind) not in (_PALETTE_8, _GREY_16) or not width or not height:
        return None
    bytes_per_row = 1 + width * kind[0] // 8
    inflated = _inflate(pixels, height * bytes_per_row)
    if inflated is None:
        return None
    rows = np.frombuffer(inflated, np.uint8).reshape(height, bytes_per_row)
    if rows[:, 0].any():
        return None
    # A copy: what reads the values is slower on rows that are not side by side.
    values = np.ascontiguousarray(rows[:, 1:])
    found = values if kind[0] == 8 else values.view(">u2").astype(np.uint16)
    found.flags.writeable = False
    return found


def _chunks(data: memoryview) -> tuple[bytes, bytes] | None:
    """Content of the first chunk, which is the header, and of all pixel chunks; None if this is not a whole PNG."""
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
        place = end + 4
    return None


def _inflate(pixels: bytes, size: int) -> bytes | None:
    """Exactly ``size`` bytes; None if the first row is filtered, or if there are more or fewer."""
    try:
        # Most files with filters have one in the first row: nothing else need be inflated to know.
        if zlib.decompressobj().decompress(pixels, 1) != b"\0":
            return None
        inflated: bytes = zlib.decompress(pixels, bufsize=size)
    except zlib.error as error:
        raise ValueError(f"the pixels cannot be inflated ({error})") from error
    return inflated if len(inflated) == size else None
