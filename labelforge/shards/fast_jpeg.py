"""JPEG decoding, at full or reduced size: through simplejpeg where it is installed, else through Pillow.

Both use libjpeg-turbo, with the same settings, so the pixels are the same; simplejpeg leaves Pillow's copies out. What
simplejpeg would treat otherwise (CMYK, unusual sampling, files with faults that can be overlooked) is Pillow's, which
also words the errors.

A JPEG stores blocks of 8x8 frequencies. Leaving the higher ones out gives the picture at 1/2, 1/4 or 1/8 of its size,
averaged as a resize would, for less time than the whole takes.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    import simplejpeg
except ImportError:  # an optional package: the extra "fast"
    simplejpeg = None

_REDUCTIONS: Final = (8, 4, 2)
_SAME_IN_BOTH: Final = frozenset({"YCbCr", "Gray", "RGB"})
"""Stored colours that simplejpeg turns into the same RGB as Pillow."""


def reduction(size: tuple[int, int], at_least: tuple[int, int]) -> int:
    """How many times smaller in each direction a JPEG can be decoded: 1, 2, 4 or 8.

    Args:
        size: Height and width as stored.
        at_least: Height and width that are needed.
    """
    spare = min(size[0] // max(at_least[0], 1), size[1] // max(at_least[1], 1))
    return next((factor for factor in _REDUCTIONS if spare >= factor), 1)


def decode_jpeg(data: memoryview | bytes, reduced: int = 1) -> NDArray[np.uint8]:
    """Decode a JPEG.

    Args:
        data: The file.
        reduced: 1, 2, 4 or 8: how many times smaller to decode it.

    Returns:
        (ceil(H / reduced), ceil(W / reduced), 3) uint8 RGB.

    Raises:
        OSError: The file is broken or cut short. (Broken files may also raise ``SyntaxError`` or ``ValueError``.)
    """
    image = None if simplejpeg is None else _decode_quickly(data, reduced)
    if image is not None:
        return image
    with Image.open(io.BytesIO(data)) as picture:
        if reduced > 1:
            picture.draft(None, (picture.width // reduced, picture.height // reduced))
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))  # convert() always copies


def _decode_quickly(data: memoryview | bytes, reduced: int) -> NDArray[np.uint8] | None:
    """The image through simplejpeg; None where Pillow has to decide."""
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in _SAME_IN_BOTH:
            return None
        size = -(-height // reduced), -(-width // reduced)
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=size[0], min_width=size[1], min_factor=reduced
        )
    except ValueError:
        return None
    return image if image.shape[:2] == size else None
