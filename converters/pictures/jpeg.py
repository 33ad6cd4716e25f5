"""Walks the markers of a JPEG file: a file that was cut short has no end marker.

Pixel data are not decoded here: they hold no checksum, so only a decoder can judge them, and it can not see all damage
either. (ITU-T T.81, annex B.)
"""

from __future__ import annotations

import re
from typing import Final

from labelforge.png import DamageError

_START: Final = b"\xff\xd8"
_END, _SCAN = 0xD9, 0xDA
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without content
_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")
_AFTER_PIXELS: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # pixel data hold 0xFF as FF 00, and restart markers


def check_markers(data: bytes) -> None:
    """Follow the segments of a JPEG file, progressive or not, to its end marker.

    Raises:
        DamageError: It is cut short, or a segment reaches beyond its end.
    """
    if not data.startswith(_START):
        raise DamageError("the start marker is missing")
    at, pattern = len(_START), _MARKER
    while True:
        found = pattern.search(data, at)  # decoders skip bytes that belong to no segment, too
        if found is None:
            raise DamageError("the end marker is missing")
        kind, at, pattern = data[found.end() - 1], found.end(), _MARKER
        if kind == _END:
            return
        if kind in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise DamageError(f"the segment at byte {found.start()} is cut short")
        at += length
        if kind == _SCAN:
            pattern = _AFTER_PIXELS
