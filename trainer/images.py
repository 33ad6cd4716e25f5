"""Input images: reading them from files, and the size at which the network sees them."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from labelforge.errors import DatasetError
from labelforge.orientation import ORIENTATION, UPRIGHT
from labelforge.trainer.config import DataConfig
from labelforge.trainer.resampling import Pixels, resample

__all__ = ["Pixels", "fit_scale", "network_size", "read_image", "resize"]


def read_image(file: Path) -> npt.NDArray[np.uint8]:
    """Read an image as RGB, upright, as viewers show it.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DatasetError: It is missing, broken, or holds more than 8 bits per channel.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(file) as picture:
            # Pillow warns of a broken EXIF block, which is no reason to refuse the pixels.
            if picture.mode.startswith(("I", "F")):
                raise DatasetError(
                    f"has mode {picture.mode}, which is not supported",
                    where=file,
                    cure="Save it with 8 bits per channel.",
                )
            pixels = picture.convert("RGB")
            turn = UPRIGHT.get(_orientation(picture))
            return np.asarray(pixels if turn is None else pixels.transpose(turn))
    except UnidentifiedImageError:
        raise DatasetError("not an image", where=file, cure="Leave the file out.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise DatasetError(f"cannot be read ({fault})", where=file, cure="Copy it again, or leave it out.") from None


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 (upright) to 8; 1 if it cannot be read."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
    return value if isinstance(value, int) else 1


def fit_scale(size: tuple[int, int], crop: tuple[int, int]) -> float:
    """Scale at which the crop just fits into an image: one side equal, the other at least as long."""
    return max(crop[0] / size[0], crop[1] / size[1])


def network_size(size: tuple[int, int], config: DataConfig, short_side: int | None = None) -> tuple[int, int]:
    """Height and width at which the network sees an image of a given size.

    Args:
        size: Height and width of the image.
        config: How images were scaled in training.
        short_side: Length of the shorter side; None: as in training, at random scale 1.
    """
    if short_side is not None:
        scale = short_side / min(size)
    else:
        scale = fit_scale(size, config.crop) if config.resize == "fit" else 1.0
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize(
    image: Pixels,
    scaled: tuple[int, int],
    part: tuple[int, int, int, int] | None = None,
    extent: tuple[float, float] | None = None,
) -> Pixels:
    """Resize an image, or only a part of the result, bilinearly with antialiasing.

    Args:
        image: (H, W, 3) uint8.
        scaled: Height and width of the whole result.
        part: Top, left, bottom, right of the wanted part of the result; None for all of it.
        extent: Height and width, in pixels of the image, of what becomes the whole result; None: the image's own. An
            image that was decoded smaller may end in a fraction of a pixel.

    Returns:
        (bottom - top, right - left, 3) uint8.
    """
    top, left, bottom, right = part or (0, 0, *scaled)
    height, width = extent or image.shape[:2]
    if (height, width) == scaled:
        return image[top:bottom, left:right]
    down, along = height / scaled[0], width / scaled[1]
    window = top * down, left * along, min(bottom * down, height), min(right * along, width)
    return resample(image, window, (bottom - top, right - left))
