"""The EXIF orientation of photographs: which way up they are shown (EXIF 2.3, tag 0x0112)."""

from __future__ import annotations

from typing import Final

from PIL import ExifTags, Image

ORIENTATION: Final = int(ExifTags.Base.Orientation)
"""The tag."""

UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Orientation -> what turns a picture upright; 1, which is not in here, is upright."""
