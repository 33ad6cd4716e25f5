"""What a PNG file is made of: its chunks, the header in the first of them, and how pixel data are deflated.

A file is a signature and chunks (length, kind, content, checksum), the last of which is the end. The pixel data, split
over any number of chunks, inflate to the rows, each behind a byte that names its filter. (W3C PNG, third edition.)

This module knows the format and judges nothing that two readers judge differently: `labelforge.shards.fast_png` wants
pixels quickly and leaves all else to Pillow, `labelforge.converters.png` says whether a file is whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelforge import deflate

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
"""How a file begins."""
END: Final = b"\0\0\0\0IEND\xaeB`\x82"
"""The last chunk."""

GREY: Final = 0
"""Color type of a picture of grey values."""
RGB: Final = 2
"""Color type of a picture of colours."""
PALETTE: Final = 3
"""Color type of a picture of places in a palette."""
CHANNELS: Final = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, 6: 4}
"""Numbers per pixel, by color type; 4 and 6 are grey and RGB with transparency."""

_HEADER: Final = struct.Struct(">IIBBBBB")
_CHUNK: Final = struct.Struct(">I4s")  # length, kind; then the content, and its checksum of 4 bytes
_MOST_INFLATED: Final = 1040  # times the deflated size; deflate cannot do more, so a header that says so is wrong
_SLICE, _PIECE = 1 << 20, 1 << 22  # bytes inflated from and to at once: little memory, and fast


class DamageError(ValueError):
    """A file is not what its format promises; the text says where."""


class Header(NamedTuple):
    """The content of the first chunk."""

    width: int
    """Pixels per row."""
    height: int
    """Rows."""
    bits: int
    """Bits per number."""
    color_type: int
    """A key of `CHANNELS`, in a sound file."""
    compression: int = 0
    filtering: int = 0
    interlace: int = 0

    @classmethod
    def parse(cls, content: bytes | memoryview) -> Header:
        """Read the content of a chunk for which `Chunk.is_header` holds."""
        return cls._make(_HEADER.unpack(content))

    def to_bytes(self) -> bytes:
        """The content of the chunk."""
        return _HEADER.pack(*self)

    @property
    def stride(self) -> int:
        """Bytes of a row: its filter, then its numbers."""
        return 1 + (self.width * CHANNELS[self.color_type] * self.bits + 7) // 8

    @property
    def size(self) -> int:
        """Bytes of all rows, if the picture is not interlaced."""
        return self.height * self.stride


class Chunk(NamedTuple):
    """A chunk that is not cut short."""

    kind: bytes
    """Its name, 4 bytes."""
    content: memoryview
    start: int
    """Where it begins in the file, in bytes."""
    end: int
    """Where it ends."""
    intact: bool
    """Whether its checksum is right."""

    @property
    def is_header(self) -> bool:
        """Whether it is the one that has to be the first."""
        return self.kind == b"IHDR" and len(self.content) == _HEADER.size


def chunks(data: bytes | memoryview) -> Iterator[Chunk]:
    """The chunks of a file up to the end chunk, whatever their order.

    Raises:
        DamageError: The signature is missing, or the file is cut short; the chunks before that are given first.
    """
    view, start = memoryview(data), len(SIGNATURE)
    if bytes(view[:start]) != SIGNATURE:
        raise DamageError("the signature is missing")
    crc32, kind, length = deflate.library.crc32, b"", len(view)
    while kind != b"IEND":
        content = start + 8
        if length < content:
            raise DamageError("the end chunk is missing")
        size, kind = _CHUNK.unpack_from(view, start)
        checksum = content + size
        end = checksum + 4
        if length < end:
            raise DamageError(f"it ends inside a chunk, at byte {length} of at least {end}")
        intact = crc32(view[start + 4 : checksum]) == int.from_bytes(view[checksum:end])  # over kind and content
        yield Chunk(kind, view[content:checksum], start, end, intact)
        start = end


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk to be written: length, kind, content, checksum."""
    crc32 = deflate.library.crc32
    return b"".join((_CHUNK.pack(len(content), kind), content, crc32(content, crc32(kind)).to_bytes(4)))


def inflate(deflated: bytes, size: int, begin: bytes = b"") -> bytes | None:
    """Inflate pixel data at once, which is fastest.

    Args:
        deflated: The contents of all chunks of pixel data.
        size: Bytes of all rows.
        begin: The first bytes that are wanted. Little is inflated if there are others.

    Returns:
        All rows; None if there are more or fewer bytes, or others in front.

    Raises:
        zlib.error: The data are broken or end too early. (One of `labelforge.deflate.ERRORS`.)
    """
    if size > _MOST_INFLATED * len(deflated):
        return None
    if begin and deflate.library.decompressobj().decompress(deflated, len(begin)) != begin:
        return None
    inflated = deflate.library.decompress(deflated, bufsize=size)
    return inflated if len(inflated) == size else None


def inflate_pieces(deflated: bytes, size: int) -> Iterator[bytes]:
    """Inflate pixel data in pieces of up to 4 MiB: little memory, whatever the data stand for.

    What comes behind the last row is not read to its end.

    Args:
        deflated: The contents of all chunks of pixel data.
        size: Bytes of all rows.

    Raises:
        DamageError: The data are broken, or there are too few.
    """
    inflater = deflate.library.decompressobj()
    stored, left = memoryview(deflated), size
    try:
        for start in range(0, len(stored), _SLICE):
            tail: Any = stored[start : start + _SLICE]
            while True:
                piece = inflater.decompress(tail, _PIECE)
                yield piece
                left -= len(piece)
                if left < 0:
                    return
                tail = inflater.unconsumed_tail
                if len(piece) < _PIECE and not tail:
                    break
    except deflate.ERRORS as error:
        raise DamageError(f"the pixel data are broken: {error}") from error
    if left or not inflater.eof:
        raise DamageError("the pixel data end too early")


def unfiltered(rows: NDArray[np.uint8], bits: int) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """The numbers in rows that are not filtered; None if one is.

    Args:
        rows: (H, stride) bytes of the rows, each behind its filter.
        bits: Bits per number, 8 or 16.

    Returns:
        (H, numbers per row) uint8, a view of the rows, or uint16.
    """
    if rows[:, 0].any():
        return None
    if bits == 8:
        return rows[:, 1:]
    return np.ascontiguousarray(rows[:, 1:]).view(">u2").astype(np.uint16)
