"""The EXIF orientation of image files: what it is, and how to take it out without touching a pixel.

Where a photograph says that it should be turned for viewing, and its labels were made for it as it lies, it is not
turned. Other programs would (OpenCV, Hugging Face `datasets`), and would then put the labels on other pixels. So the
mark is set to "upright" in the file that goes into a shard. (EXIF 2.3, tag 0x0112.)
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Final

from PIL import Image

from labelforge.orientation import ORIENTATION

_LAST: Final = 8  # value that EXIF knows
_SHORT: Final = 3  # the type of the entry's value, by TIFF's numbers
_HEADER: Final = b"Exif\0\0"


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation of a picture that was opened and not decoded: 1 (upright) to 8; 1 if it states none."""
    entry = _entry(_block(picture))
    return entry[2] if entry is not None else 1


def set_upright(data: bytes) -> tuple[bytes, bool]:
    """A JPEG or PNG whose EXIF data do not ask to turn it.

    Args:
        data: The file.

    Returns:
        The file, and whether it is another one than before.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as picture:
            warnings.simplefilter("ignore")  # Pillow warns of broken EXIF blocks
            block, kind = _block(picture), picture.format
    except (OSError, SyntaxError, ValueError, struct.error):
        return data, False  # not readable: the reader of the shard says so
    entry = _entry(block)
    start = data.find(block) if entry is not None else -1
    if entry is None or start < 0:
        return data, False
    at, order, _ = entry
    turned = bytearray(data)
    struct.pack_into(f"{order}H", turned, start + at, 1)
    if kind == "PNG":  # the checksum behind the chunk is of its kind and content
        end = start + len(block)
        struct.pack_into(">I", turned, end, zlib.crc32(turned[start - 4 : end]))
    return bytes(turned), True


def _block(picture: Image.Image) -> bytes:
    """The EXIF data of a picture; not by Pillow's getexif, which decodes a PNG that has none."""
    found = picture.info.get("exif", b"")
    return found.removeprefix(_HEADER) if isinstance(found, bytes) else b""


def _entry(block: bytes) -> tuple[int, str, int] | None:
    """Where in an EXIF block the orientation is, its byte order and value; None if there is none or it is upright."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, directory)
        for number in range(count):
            at = directory + 2 + 12 * number
            tag, kind = struct.unpack_from(f"{order}HH", block, at)
            (value,) = struct.unpack_from(f"{order}H", block, at + 8)
            if (tag, kind) == (ORIENTATION, _SHORT):
                return (at + 8, order, value) if 2 <= value <= _LAST else None
    except struct.error:
        pass
    return None
