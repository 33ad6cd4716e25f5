"""Small pictures of samples: the image, its labels at the same size, and the labels drawn over the image.

A whole image is not decoded where a part of the work will do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.errors import ShardError
from labelforge.shards import IMAGE_SUFFIXES, LABEL_SUFFIX, ShardReader
from labelforge.shards.codec import decode_image, decode_label
from labelforge.shards.records import COPY_AGAIN

_HATCH: Final = 12  # pixels from one hatching line to the next
_LINE: Final = 44  # how much lighter or darker than the image a hatching line is
_TINT: Final = 0.65  # how much of a pixel's colour is its label's

Rows = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A sample made small.

    Attributes:
        key: Its key.
        image: (h, w, 3) uint8 RGB.
        rows: (h, w) rows of the label table, by nearest neighbour.
        whole: (H, W) rows as stored.
    """

    key: str
    image: NDArray[np.uint8]
    rows: Rows
    whole: Rows


def thumbnail(reader: ShardReader, number: int, side: int) -> Thumbnail:
    """A sample with sides of at most some pixels; smaller ones stay as they are.

    Raises:
        ShardError: Its files are broken.
    """
    members, key = reader.members(number), reader.keys[number]
    try:
        suffix = next(suffix for suffix in IMAGE_SUFFIXES if suffix in members)
        if suffix == "npy":
            picture = Image.fromarray(decode_image(members[suffix], suffix))
        else:
            picture = Image.open(io.BytesIO(members[suffix]))
        with picture:
            picture.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=1.0)
            image = np.asarray(picture.convert("RGB"))
        whole = decode_label(members[LABEL_SUFFIX])
    except (OSError, SyntaxError, ValueError, LookupError, StopIteration) as error:
        raise ShardError(f"sample {key} is broken ({error})", where=reader.url, cure=COPY_AGAIN) from error
    height, width = image.shape[:2]
    down = (2 * np.arange(height) + 1) * whole.shape[0] // (2 * height)
    across = (2 * np.arange(width) + 1) * whole.shape[1] // (2 * width)
    return Thumbnail(key, image, whole[down[:, None], across], whole)


def overlay(
    image: NDArray[np.uint8], rows: Rows, colors: NDArray[np.float64], ignored: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The image in grey, tinted with the colours of its labels; hatched where they are not used.

    Args:
        image: (H, W, 3) RGB.
        rows: (H, W) rows of the label table.
        colors: (rows, 3) RGB per row of the label table.
        ignored: (rows,) whether a row is not used.

    Returns:
        (H, W, 3) uint8.
    """
    grey = image.mean(axis=2, keepdims=True)
    tint = np.where(ignored, 0.0, _TINT)[rows][..., None]
    diagonal = np.add.outer(*map(np.arange, rows.shape)) % _HATCH < 2
    grey = np.where(diagonal[..., None] & (tint == 0), np.where(grey < 128, grey + _LINE, grey - _LINE), grey)
    blended: NDArray[np.uint8] = np.rint(grey * (1 - tint) + colors[rows] * tint).astype(np.uint8)
    return blended
