"""zlib-ng where it is installed (extra ``fast``), else zlib: the same functions, several times slower.

Both read each other's data. What they write differs in length, so bytes that must be equal everywhere cannot come from
here.
"""

from __future__ import annotations

import zlib as _standard
from typing import Any, Final, Protocol


class Inflater(Protocol):
    """``zlib.decompressobj()``."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that the last call left for want of room."""

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the stream."""

    def decompress(self, data: Any, max_length: int = 0, /) -> bytes:
        """Inflate at most ``max_length`` bytes (0: all)."""


class Library(Protocol):
    """What is used of the module ``zlib``."""

    @property
    def error(self) -> type[Exception]:
        """Raised for broken data."""

    def compress(self, data: Any, /, level: int = -1) -> bytes:
        """Deflate data with a zlib header."""

    def decompress(self, data: Any, /, *, bufsize: int) -> bytes:
        """Inflate a whole stream with a zlib header, at first to so many bytes of memory."""

    def decompressobj(self) -> Inflater:
        """Start to inflate a stream with a zlib header."""

    def crc32(self, data: Any, value: int = 0, /) -> int:
        """The checksum of PNG chunks."""


def _fastest() -> Any:
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return _standard
    return zlib_ng


library: Library = _fastest()
"""The module that is used. Look it up at every use: ``deflate.library.crc32(data)``; tests exchange it."""

ERRORS: Final[tuple[type[Exception], ...]] = (_standard.error, library.error)
"""What either raises for broken data."""
