"""What the tiny datasets are made of: pictures of a few pixels, and how they are saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
NOTHING = -9999
"""In expected label maps: nobody annotated the pixel."""
ANYTHING = -8888
"""In expected label maps: the border of a drawn shape, which other tests look at."""


@dataclass(frozen=True)
class Written:
    """One sample of a tiny dataset.

    Attributes:
        image: (H, W, 3) uint8 as a decoder shows it.
        ids: (H, W) native ids, `NOTHING` and `ANYTHING`.
    """

    image: Array
    ids: Array


def picture(seed: int, height: int = 20, width: int = 30) -> Array:
    """A smooth (H, W, 3) image, so that JPEG keeps it nearly as it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, array: Array, **options: Any) -> Path:
    """Save an array as the kind of picture that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def label_blocks(seed: int, ids: Sequence[int], height: int = 20, width: int = 30) -> Array:
    """(H, W) uint8 label map of blocks that holds all of the ids, if it can."""
    rng = np.random.default_rng(seed)
    blocks = rng.permutation(np.resize(np.array(ids), (height // 2) * (width // 2)))
    return blocks.reshape(height // 2, width // 2).repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)


def palette_png(path: Path, ids: Array, palette: Sequence[int]) -> Path:
    """Save a palette picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette(palette)
    image.save(path)
    return path


def as_stored(upright: Array, orientation: int) -> Array:
    """An (H, W, 3) picture as a file with an EXIF orientation stores it (EXIF 2.3: what row 0 and column 0 show)."""
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    return np.ascontiguousarray(turned)
