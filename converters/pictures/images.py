"""Reads source images and turns them into members of shards.

If an image is neither resized nor turned and shards take its format, its bytes are stored unchanged. It is proven whole
first, so that a truncated file is found now and not in the middle of a training run (`Check`).
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from labelforge import deflate
from labelforge.converters.files import OR_SKIP
from labelforge.converters.labels.contract import Size
from labelforge.converters.pictures.exif import orientation_of, set_upright
from labelforge.converters.pictures.jpeg import check_markers
from labelforge.converters.pictures.png import Png
from labelforge.errors import DatasetError
from labelforge.orientation import UPRIGHT
from labelforge.png import END, DamageError
from labelforge.shards import encode_image
from labelforge.shards.codec import ImageSuffix

ImageCodec = Literal["keep", "jpeg", "png", "npy"]
CODECS: Final[tuple[ImageCodec, ...]] = get_args(ImageCodec)
"""How images are stored; ``keep``: as JPEG if the source is JPEG, else as PNG."""

Check = Literal["fast", "decode"]
"""How an image that is stored unchanged is proven whole.

``decode``: every pixel is decoded, and a PNG must have its end.

``fast``: a PNG by the checksums of its chunks, its end, and the number of bytes and the filters that its pixel data
inflate to. This finds all that decoding finds, and flipped bits too, which decoders do not look for. A JPEG by its
markers up to the end, and by decoding it at an eighth of its size. A JPEG has no checksums: neither check finds damaged
pixel data that decode to something.
"""

_SUFFIX_OF_FORMAT: Final[dict[str, ImageSuffix]] = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png"}
_SUFFIX_OF_CODEC: Final[dict[str, ImageSuffix]] = {"jpeg": "jpg", "png": "png", "npy": "npy"}
_COLOR_MODES: Final = frozenset({"L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_PNG_END: Final = END[4:]  # whatever length it says
_CURE: Final = f"Make, unpack or download it again{OR_SKIP}"
BROKEN: Final[tuple[type[Exception], ...]] = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
    *deflate.ERRORS,
    Image.DecompressionBombError,
)
"""What Pillow raises on broken files, by experience and by its fuzz tests; and our own readers."""


MOST_PIXELS: Final = 89_478_485
"""Pixels of a picture, at most: Pillow's own limit, beyond which it warns."""


def fit_short_side(size: Size, short_side: int | None) -> Size:
    """The size with its shorter side scaled down to a number of pixels; never up.

    Args:
        size: (height, width).
        short_side: Pixels wanted; None, or more than the image has: the size stays.
    """
    shortest = min(size)
    if short_side is None or shortest <= short_side:
        return size
    height, width = (max(1, (2 * side * short_side + shortest) // (2 * shortest)) for side in size)  # rounded
    return height, width


@contextmanager
def open_picture(data: bytes) -> Iterator[ImageFile.ImageFile]:
    """Open a picture without Pillow's warning of one that is too large, as `check_pixels` says more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as picture:
            yield picture


def check_pixels(size: Size, place: str | os.PathLike[str]) -> None:
    """Raise a `DatasetError` where a picture states more pixels than can be right, before any of them is decoded."""
    if size[0] * size[1] > MOST_PIXELS:
        raise DatasetError(
            f"is {size[1]}x{size[0]} pixels large, more than {MOST_PIXELS:,} in all: decoding it would fill the memory",
            where=place,
            cure=f"Cut it into parts{OR_SKIP}",
        )


Turning = Literal["stored", "turned"]
"""Whether labels were made for a picture as it is stored, or as viewers show it, turned as EXIF says."""


@dataclass(frozen=True)
class Turn:
    """How an image is turned.

    Attributes:
        orientation: The EXIF orientation to apply; 1: none.
        is_sure: Whether only so it fits its labels, or EXIF asks for nothing.
    """

    orientation: int
    is_sure: bool


@dataclass(frozen=True)
class SourceImage:
    """An image file in memory.

    Attributes:
        data: The file's bytes.
        place: The file's path, for messages.
        format: Pillow's name of the format.
        size: (height, width) as stored, whatever EXIF says.
        orientation: What EXIF says, 1 (upright) to 8.
    """

    data: bytes
    place: str
    format: str
    size: Size
    orientation: int

    @classmethod
    def open(cls, data: bytes, place: str | os.PathLike[str]) -> SourceImage:
        """Read the header.

        Raises:
            DatasetError: Not an image, or of a kind that does not show colours (a 16 bit depth map).
        """
        try:
            with open_picture(data) as picture:
                mode, form, (width, height) = picture.mode, picture.format or "", picture.size
                orientation = orientation_of(picture) if form in _SUFFIX_OF_FORMAT else 1
        except BROKEN as error:
            raise broken_image(place, len(data), error) from error
        check_pixels((height, width), place)
        if mode not in _COLOR_MODES:
            raise DatasetError(
                f"is not a colour image of 8 bits (mode {mode})", where=place, cure="Give the dataset's RGB images."
            )
        return cls(data, os.fspath(place), form, (height, width), orientation)

    def size_after(self, orientation: int) -> Size:
        """(height, width) of the image with an EXIF orientation applied."""
        return self.size[::-1] if orientation in _SIDEWAYS else self.size

    def turn_for(self, size: Size | None, labels: str, otherwise: Turning) -> Turn:
        """How to turn the image so that it lies as its labels do.

        Args:
            size: (height, width) that the labels were made for; None if they fit any.
            labels: The label file, for the message.
            otherwise: What to do where EXIF asks to turn the image and its labels would fit both ways.

        Raises:
            DatasetError: The image fits neither as stored nor turned.
        """
        turned = self.size_after(self.orientation)
        if size is not None and size == self.size != turned:
            return Turn(1, is_sure=True)
        if size is not None and size == turned != self.size:
            return Turn(self.orientation, is_sure=True)
        if size is None or size == self.size:
            return Turn(1 if otherwise == "stored" else self.orientation, is_sure=self.orientation == 1)
        raise DatasetError(
            f"the image is {self.size[1]}x{self.size[0]} pixels, but its label map {labels} is {size[1]}x{size[0]}",
            where=self.place,
            cure="They must belong together, and neither be resized: make or unpack both again.",
        )

    def pixels(self, orientation: int = 1) -> NDArray[np.uint8]:
        """The image, decoded.

        Args:
            orientation: EXIF orientation to apply.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            DatasetError: The file is cut short or broken.
        """
        try:
            with open_picture(self.data) as picture:
                rgb = picture.convert("RGB")
        except BROKEN as error:
            raise broken_image(self.place, len(self.data), error) from error
        return np.asarray(rgb if orientation == 1 else rgb.transpose(UPRIGHT[orientation]))

    def store(
        self, size: Size, codec: ImageCodec, orientation: int = 1, check: Check = "fast"
    ) -> tuple[ImageSuffix, bytes]:
        """The image as a member of a shard.

        Args:
            size: (height, width) of the turned image wanted; scaled with an antialiasing bicubic filter.
            codec: How to store it.
            orientation: EXIF orientation to apply first.
            check: How an image that stays as it is, is proven whole; others are decoded.

        Returns:
            Suffix and bytes of the member: the source's own bytes if nothing changes. An image whose EXIF orientation
            is not applied is marked as upright there, or other readers would turn it.

        Raises:
            DatasetError: The file is cut short or broken.
        """
        own = _SUFFIX_OF_FORMAT.get(self.format)
        suffix = (own or "png") if codec == "keep" else _SUFFIX_OF_CODEC[codec]
        sideways = orientation in _SIDEWAYS
        stored_size = size[::-1] if sideways else size
        try:
            if suffix == own and stored_size == self.size and orientation == 1:
                self._prove(check)
                return suffix, self.data if self.orientation == 1 else set_upright(self.data)[0]
            with Image.open(io.BytesIO(self.data)) as picture:
                if stored_size != self.size:
                    # A JPEG can be decoded at 1/2, 1/4 or 1/8; twice the wanted size leaves the filter enough.
                    picture.draft(None, (2 * stored_size[1], 2 * stored_size[0]))
                picture.load()
                check_end(self.data, self.format)
                rgb = picture.convert("RGB")
        except DamageError as error:
            cure = f"{_CURE} A decoder may still read it: --check decode tries."
            raise broken_image(self.place, len(self.data), error, cure) from error
        except BROKEN as error:
            raise broken_image(self.place, len(self.data), error) from error
        if stored_size != self.size:
            rgb = rgb.resize((stored_size[1], stored_size[0]), Image.Resampling.BICUBIC)
        if orientation != 1:
            rgb = rgb.transpose(UPRIGHT[orientation])
        return suffix, encode_image(np.asarray(rgb), suffix)

    def _prove(self, check: Check) -> None:
        """Raise one of ``BROKEN`` unless the file is a whole JPEG or PNG."""
        smaller = False
        if check == "fast" and self.format == "PNG":
            png = Png.parse(self.data)
            if png is not None and png.prove():
                return
        elif check == "fast":
            check_markers(self.data)
            smaller = True
        with Image.open(io.BytesIO(self.data)) as picture:
            if smaller:
                picture.draft(None, (1, 1))  # an eighth: reads all the data, and computes a 64th of the pixels
            picture.load()
        check_end(self.data, self.format)


def check_end(data: bytes, form: str | None) -> None:
    """Raise if a PNG lacks its last chunk, which Pillow accepts."""
    if form == "PNG" and _PNG_END not in data[-4096:]:
        raise EOFError("the end chunk is missing")


def broken_image(place: str | os.PathLike[str], length: int, error: BaseException, cure: str = _CURE) -> DatasetError:
    """The error for a picture that cannot be read: ``length`` bytes that raised ``error``, one of `BROKEN`."""
    if length == 0:
        what = "is empty"
    elif isinstance(error, UnidentifiedImageError):
        what = "is not an image"  # Pillow's own text names a memory address
    else:
        what = f"the image is cut short or broken ({error})"
    return DatasetError(what, where=place, cure=cure)
