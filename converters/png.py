"""Reads PNG files without a picture library: proves that one is whole, and inflates label maps.

A decoder spends most of its time on undoing the filters of the rows. A file is proven whole without that, from what the
format says (W3C PNG, third edition): every chunk has a checksum and none is missing, and the pixel data inflate to
exactly the bytes that the header asks for, a known filter in front of every row. What is rare (interlaced pictures,
bytes behind the end) is left to a decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelforge import deflate
from labelforge.shards.label_png import PNG_SIGNATURE, png_chunk

_HEADER: Final = struct.Struct(">IIBBBBB")  # width, height, bits, color type, compression, filter, interlace
_CHUNK: Final = struct.Struct(">I4s")  # length, kind; then the content, and its checksum
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # color type -> numbers per pixel
_GREY, _PALETTE = 0, 3
_LAST_FILTER: Final = 4
_HARMLESS: Final = frozenset({b"tEXt", b"tIME"})  # between pixel data and end, no decoder stumbles over these
_SLICE, _PIECE = 1 << 20, 1 << 22  # bytes inflated from and to at once: little memory, and faster than the whole


class DamageError(ValueError):
    """A file is not what its format promises; the text says where."""


@dataclass(frozen=True)
class Png:
    """A PNG file whose chunks are whole, and whose pixel data are in the simple order.

    Attributes:
        width: Pixels per row.
        height: Rows.
        bits: Bits per number.
        color_type: 0 grey, 2 RGB, 3 palette, 4 grey and 6 RGB with transparency.
        head: The file up to the pixel data.
        deflated: The pixel data, as stored.
    """

    width: int
    height: int
    bits: int
    color_type: int
    head: bytes
    deflated: bytes

    @classmethod
    def parse(cls, data: bytes) -> Png | None:
        """Read the chunks of a file.

        Returns:
            The picture; None if it is one that only a decoder can judge.

        Raises:
            DamageError: The file is cut short, or a chunk differs from its checksum.
        """
        chunks = list(_chunks(data))
        kinds = [kind for kind, _ in chunks]
        if _end(chunks) != len(data) or kinds.count(b"IHDR") != 1 or b"IDAT" not in kinds:
            return None
        width, height, bits, color_type, compression, filtering, interlace = _HEADER.unpack(chunks[0][1])
        first = kinds.index(b"IDAT")
        count = kinds.count(b"IDAT")
        between = set(kinds[first + count : -1])
        plain = color_type in _CHANNELS and not (compression or filtering or interlace) and width and height
        if not plain or kinds[first : first + count] != [b"IDAT"] * count or between - _HARMLESS:
            return None
        if color_type == _PALETTE and b"PLTE" not in kinds[:first]:
            return None
        deflated = b"".join(content for _, content in chunks[first : first + count])
        return cls(width, height, bits, color_type, data[: _end(chunks[:first])], deflated)

    @property
    def stride(self) -> int:
        """Bytes of a row: its filter, then its numbers."""
        return 1 + (self.width * _CHANNELS[self.color_type] * self.bits + 7) // 8

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return self.height * self.stride

    def inflate(self) -> Iterator[bytes]:
        """The rows in pieces of up to 4 MiB. What comes behind the last row is not read to its end.

        Raises:
            DamageError: The data are broken, or there are too few.
        """
        inflater = deflate.library.decompressobj()
        stored, left = memoryview(self.deflated), self.size
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

    def prove(self) -> bool:
        """Whether a decoder would find every pixel; False if only a decoder can tell.

        Raises:
            DamageError: The pixel data are broken, or there are too few.
        """
        done = 0
        for piece in self.inflate():
            filters = np.frombuffer(piece, dtype=np.uint8)[-done % self.stride :: self.stride]
            unknown = np.flatnonzero(filters > _LAST_FILTER)
            if unknown.size:
                raise DamageError(f"row {-(-done // self.stride) + int(unknown[0])} has an unknown filter")
            done += len(piece)
        return done == self.size

    def rows(self) -> NDArray[np.uint8] | None:
        """(H, stride) bytes of the rows, each behind its filter; None if only a decoder can tell what they are.

        Raises:
            DamageError: The pixel data are broken, or there are too few.
        """
        inflated = np.empty(self.size, dtype=np.uint8)
        done = 0
        for piece in self.inflate():
            if done + len(piece) > self.size:
                return None
            inflated[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            done += len(piece)
        return inflated.reshape(self.height, self.stride)

    def values(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        """Palette indices, or grey values of 8 or 16 bits, where no row is filtered; None of other pictures.

        Args:
            rows: What `rows` gives.

        Returns:
            (H, W) values, perhaps a view of the rows.
        """
        if self.color_type not in (_GREY, _PALETTE) or self.bits not in (8, 16) or rows[:, 0].any():
            return None
        if self.bits == 8:
            return rows[:, 1:]
        return np.ascontiguousarray(rows[:, 1:]).view(">u2").astype(np.uint16)

    def with_rows(self, rows: NDArray[np.uint8]) -> bytes:
        """The same file with its pixel data not deflated, so that a decoder need not inflate them row by row.

        Args:
            rows: What `rows` gives.
        """
        return b"".join((self.head, png_chunk(b"IDAT", deflate.library.compress(rows, 0)), png_chunk(b"IEND", b"")))


def _end(chunks: Sequence[tuple[bytes, memoryview]]) -> int:
    """Length of a file up to the end of these chunks."""
    return len(PNG_SIGNATURE) + sum(len(content) + _CHUNK.size + 4 for _, content in chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of every chunk up to the last; raises `DamageError` where one is not whole."""
    view, at = memoryview(data), len(PNG_SIGNATURE)
    if data[:at] != PNG_SIGNATURE:
        raise DamageError("the signature is missing")
    kind = b""
    while kind != b"IEND":
        if len(data) < at + _CHUNK.size:
            raise DamageError("the end chunk is missing")
        length, kind = _CHUNK.unpack_from(data, at)
        content = at + _CHUNK.size
        end = content + length
        if len(data) < end + 4:
            raise DamageError(f"it ends inside a chunk, at byte {len(data)} of at least {end + 4}")
        if at == len(PNG_SIGNATURE) and (kind, length) != (b"IHDR", _HEADER.size):
            raise DamageError("the header is missing")
        if deflate.library.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise DamageError(f"the checksum of the chunk at byte {at} is wrong")
        yield kind, view[content:end]
        at = end + 4
