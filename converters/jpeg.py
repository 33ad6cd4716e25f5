"""Walks the markers of a JPEG file: a file that was cut short has no end marker. And sets its EXIF orientation.

Pixel data are not decoded here: they hold no checksum, so only a decoder can judge them, and it can not see all damage
either. (ITU-T T.81, annex B; EXIF 2.3, tag 0x0112.)
"""

from __future__ import annotations

import re
import struct
from typing import Final

from labelforge.png import DamageError

_START: Final = b"\xff\xd8"
_END, _SCAN = 0xD9, 0xDA
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without content
_EXIF, _EXIF_START = 0xE1, b"Exif\0\0"
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3  # EXIF's type of 16 bit numbers
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


def upright(data: bytes) -> bytes:
    """The same file with the EXIF orientation of an upright picture (1); unchanged if it states none.

    Only the two bytes that state it differ, so every pixel stays as it is.
    """
    at = len(_START)
    while data[at : at + 1] == b"\xff" and len(data) > at + 4 and data[at + 1] not in (_SCAN, _END):
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        start = at + 4
        if kind == _EXIF and data[start : start + len(_EXIF_START)] == _EXIF_START:
            place = _orientation_at(data[start + len(_EXIF_START) : at + 2 + length])
            if place is None:
                return data
            order, offset = place
            offset += start + len(_EXIF_START)
            return data[:offset] + struct.pack(f"{order}H", 1) + data[offset + 2 :]
        at += 2 + max(2, length)
    return data


def _orientation_at(tiff: bytes) -> tuple[str, int] | None:
    """Byte order of an EXIF block, and where in it the orientation's value is."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return None
    (first,) = struct.unpack(f"{order}I", tiff[4:8])
    entries = tiff[first : first + 2]
    if len(entries) < 2:
        return None
    for number in range(struct.unpack(f"{order}H", entries)[0]):
        at = first + 2 + 12 * number
        entry = tiff[at : at + 12]
        if len(entry) == 12 and struct.unpack(f"{order}HH", entry[:4]) == (_ORIENTATION, _SHORT):
            return order, at + 8
    return None
