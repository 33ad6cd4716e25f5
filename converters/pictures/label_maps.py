"""Reads label maps: pictures whose values are ids, or whose colours are labels.

Maps of ids are never read as colours: the values of a palette picture are its palette indices, whatever the palette.
Those of datasets whose labels *are* colours are read by `read_color_map`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from PIL import Image, ImageFile

from labelforge.converters.files import OR_SKIP, read_file
from labelforge.converters.labels.contract import Ids
from labelforge.converters.pictures.images import BROKEN, broken_image, check_end, check_pixels, open_picture
from labelforge.converters.pictures.png import Png
from labelforge.errors import DatasetError

Read = TypeVar("Read")

_GREY_SCALE: Final = {"L;2": 85, "L;4": 17}  # Pillow stretches grey pictures of few bits to 0-255


def read_label_map(path: Path) -> Ids:
    """Read the values of a label map: palette indices or grey values of 1 to 16 bits, never colours.

        >>> from pathlib import Path
        >>> from labelforge.converters import read_label_map
        >>> read_label_map(Path("data/mine/labels/one.png")).dtype
        dtype('uint8')

    Returns:
        (H, W) uint8 or uint16 (int32 for 32 bit grey).

    Raises:
        DatasetError: The file is missing, cut short, a colour picture, or a JPEG.
    """
    mode, (scale, values) = _read_labels(path, _grey, "ids", "it destroys ids.")
    if mode == "1":
        return values.astype(np.uint8)
    if values.ndim != 2 or mode not in ("P", "L", "I", "I;16", "I;16B"):
        raise DatasetError(
            f"is a colour picture ({mode}), not a map of label ids",
            where=path,
            cure="Give maps of ids; or in a dataset.yaml, where colours are the labels, write 'format: rgb' and "
            "the colour of each class.",
        )
    return values // scale if scale > 1 else values


def read_color_map(path: Path) -> Ids:
    """Read a label map whose labels are colours.

    Returns:
        (H, W) int32: red * 65536 + green * 256 + blue of every pixel.

    Raises:
        DatasetError: The file is missing, cut short, no picture of 8 bit colours, or a JPEG.
    """
    mode, (red, green, blue) = _read_labels(path, _colors, "colours", "it mixes the colours of labels.")
    if mode not in ("RGB", "RGBA", "P"):
        what = f"is not a colour picture (mode {mode})"
        raise DatasetError(
            what,
            where=path,
            cure="Give maps of colours; or in a dataset.yaml, where values are the labels, write 'format: ids'.",
        )
    packed: Ids = red << 16 | green << 8 | blue
    return packed


def read_channel(path: Path, channel: int) -> Ids:
    """Read one channel of a picture whose channels hold different numbers, such as label and instance.

    Returns:
        (H, W) uint8.

    Raises:
        DatasetError: The file is missing, cut short, no picture of several channels of 8 bits, or a JPEG.
    """
    mode, values = _read_labels(path, lambda picture, _: np.asarray(picture), "numbers", "it changes numbers.")
    if mode not in ("RGB", "RGBA"):
        what = f"is not a picture of several channels (mode {mode})"
        raise DatasetError(what, where=path, cure="Give the label maps as published.")
    found: Ids = values[:, :, channel]
    return found


def _read_labels(
    path: Path, read: Callable[[ImageFile.ImageFile, bytes], Read], what: str, why: str
) -> tuple[str, Read]:
    """The mode of a picture of labels, and what ``read`` takes from it; never from a JPEG, and why not."""
    data = read_file(path, f"Make or unpack the labels again{OR_SKIP}")
    try:
        with open_picture(data) as picture:
            check_pixels((picture.height, picture.width), path)
            mode, form, found = picture.mode, picture.format, read(picture, data)
            check_end(data, form)
    except BROKEN as error:
        raise broken_image(path, len(data), error) from error
    if form in ("JPEG", "MPO"):
        cure = f"Give label maps that were never JPEG: {why}"
        raise DatasetError(f"is a JPEG, which does not keep label {what}", where=path, cure=cure)
    return mode, found


def _grey(picture: ImageFile.ImageFile, data: bytes) -> tuple[int, Ids]:
    """By how much Pillow has stretched the values of a label map, and these values."""
    scale = _GREY_SCALE.get(str(picture.tile[0].args), 1) if picture.tile else 1
    png = Png.parse(data) if picture.format == "PNG" else None
    rows = png.rows() if png is not None else None
    if png is None or rows is None:
        return scale, np.asarray(picture)
    if (values := png.values(rows)) is not None:
        return scale, values
    with Image.open(io.BytesIO(png.with_rows(rows))) as inflated:
        return scale, np.asarray(inflated)


def _colors(picture: ImageFile.ImageFile, _: bytes) -> Ids:
    """(3, H, W) int32: red, green and blue."""
    return np.moveaxis(np.asarray(picture.convert("RGB"), dtype=np.int32), 2, 0)
