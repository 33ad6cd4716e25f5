"""Reads PNG files without a picture library: proves that one is whole, and inflates label maps.

A decoder spends most of its time on undoing the filters of the rows. A file is proven whole without that, from what the
format says (`labelforge.png`): every chunk has a checksum and none is missing, and the pixel data inflate to exactly
the bytes that the header asks for, a known filter in front of every row. What is rare (interlaced pictures, bytes
behind the end) is left to a decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge import deflate, png
from labelforge.png import DamageError

_LAST_FILTER: Final = 4
_HARMLESS: Final = frozenset({b"tEXt", b"tIME"})  # between pixel data and end, no decoder stumbles over these


@dataclass(frozen=True)
class Png:
    """A PNG file whose chunks are whole, and whose pixel data are in the simple order.

    Attributes:
        header: Size and kind of the picture.
        head: The file up to the pixel data.
        deflated: The pixel data, as stored.
    """

    header: png.Header
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
        chunks = _sound_chunks(data)
        kinds = [chunk.kind for chunk in chunks]
        if chunks[-1].end != len(data) or kinds.count(b"IHDR") != 1 or b"IDAT" not in kinds:
            return None
        header = png.Header.parse(chunks[0].content)
        first = kinds.index(b"IDAT")
        count = kinds.count(b"IDAT")
        between = set(kinds[first + count : -1])
        coded = header.compression or header.filtering or header.interlace
        plain = header.color_type in png.CHANNELS and not coded and header.width and header.height
        if not plain or kinds[first : first + count] != [b"IDAT"] * count or between - _HARMLESS:
            return None
        if header.color_type == png.PALETTE and b"PLTE" not in kinds[:first]:
            return None
        deflated = b"".join(chunk.content for chunk in chunks[first : first + count])
        return cls(header, data[: chunks[first].start], deflated)

    @property
    def stride(self) -> int:
        """Bytes of a row: its filter, then its numbers."""
        return self.header.stride

    def inflate(self) -> Iterator[bytes]:
        """The rows in pieces of up to 4 MiB. What comes behind the last row is not read to its end.

        Raises:
            DamageError: The data are broken, or there are too few.
        """
        return png.inflate_pieces(self.deflated, self.header.size)

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
        return done == self.header.size

    def rows(self) -> NDArray[np.uint8] | None:
        """(H, stride) bytes of the rows, each behind its filter; None if only a decoder can tell what they are.

        Raises:
            DamageError: The pixel data are broken, or there are too few.
        """
        inflated = np.empty(self.header.size, dtype=np.uint8)
        done = 0
        for piece in self.inflate():
            if done + len(piece) > inflated.size:
                return None
            inflated[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            done += len(piece)
        return inflated.reshape(self.header.height, self.stride)

    def values(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
        """Palette indices, or grey values of 8 or 16 bits, where no row is filtered; None of other pictures.

        Args:
            rows: What `rows` gives.

        Returns:
            (H, W) values, perhaps a view of the rows.
        """
        if self.header.color_type not in (png.GREY, png.PALETTE) or self.header.bits not in (8, 16):
            return None
        return png.unfiltered(rows, self.header.bits)

    def with_rows(self, rows: NDArray[np.uint8]) -> bytes:
        """The same file with its pixel data not deflated, so that a decoder need not inflate them row by row.

        Args:
            rows: What `rows` gives.
        """
        return b"".join((self.head, png.chunk(b"IDAT", deflate.library.compress(rows, 0)), png.END))


def _sound_chunks(data: bytes) -> list[png.Chunk]:
    """All chunks up to the end; raises `DamageError` where one is not whole, or the first is no header."""
    found: list[png.Chunk] = []
    for chunk in png.chunks(data):
        if not found and not chunk.is_header:
            raise DamageError("the header is missing")
        if not chunk.intact:
            raise DamageError(f"the checksum of the chunk at byte {chunk.start} is wrong")
        found.append(chunk)
    return found
