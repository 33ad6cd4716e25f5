"""Encodes and decodes the images of shards, and decodes their label maps (`label_png` encodes these).

Images are JPEG, PNG or npy; label maps are PNG: palette mode in the tree's colours if the label table has at most 256
rows, so that any viewer shows them, else 16 bit grey. Decoding never uses colours: values are rows.
"""

from __future__ import annotations

import io
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.shards.fast_jpeg import decode_jpeg
from labelforge.shards.fast_png import read_color_png, read_plain_png

ImageSuffix = Literal["jpg", "png", "npy"]
IMAGE_SUFFIXES: Final[tuple[ImageSuffix, ...]] = ("jpg", "png", "npy")
"""Suffixes of image members."""
LABEL_SUFFIX: Final = "label.png"
"""Suffix of label map members."""

_JPEG_QUALITY = 95  # with full colour resolution: class borders are colour borders
_PNG_LEVEL = 1  # a quarter of the default level's time for a sixth more bytes, on Cityscapes frames


def encode_image(image: NDArray[np.uint8], suffix: ImageSuffix) -> bytes:
    """Encode an RGB image: JPEG quality 95 without chroma subsampling, PNG, or npy.

    Args:
        image: (H, W, 3) uint8 RGB.
        suffix: Which of the three.
    """
    buffer = io.BytesIO()
    if suffix == "npy":
        np.save(buffer, np.ascontiguousarray(image))
    elif suffix == "jpg":
        Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(image).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def decode_image(data: memoryview | bytes, suffix: str, reduced: int = 1) -> NDArray[np.uint8]:
    """Decode an image member. An npy member is a view of ``data``: nothing is copied.

    Args:
        data: The member.
        suffix: What it is.
        reduced: How many times smaller in each direction to decode it: 1, for a jpg also 2, 4 or 8.

    Returns:
        (H, W, 3) uint8 RGB, for a reduced one (ceil(H / reduced), ceil(W / reduced), 3); not writable.

    Raises:
        ValueError: The data is not an image of that kind. (Broken files may also raise ``OSError`` or ``SyntaxError``.)
    """
    if suffix == "jpg":
        image = decode_jpeg(data, reduced)
        image.flags.writeable = False
        return image
    if suffix != "npy":
        colors = read_color_png(data)
        if colors is not None:
            return colors
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))  # convert() always copies
    header = io.BytesIO(bytes(data[:4096]))
    np.lib.format.read_magic(header)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(header)
    if fortran or dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"an image must be (H, W, 3) uint8, not {shape} {dtype}")
    array = np.frombuffer(data, dtype=np.uint8, offset=header.tell())  # raises where the size does not fit below
    array.flags.writeable = False
    return array.reshape(shape)


def decode_label(data: memoryview | bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode a label map member.

    Returns:
        (H, W) uint8 (palette mode) or uint16 rows of the label table; not writable.

    Raises:
        ValueError: The picture has another mode, or a checksum does not match. (Broken files may also raise ``OSError``
            or ``SyntaxError``.)
    """
    rows = read_plain_png(data)
    if rows is not None:
        return rows
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode not in ("P", "I;16"):
            raise ValueError(f"a label map has palette mode or 16 bit grey, not {picture.mode}")
        return np.asarray(picture)
