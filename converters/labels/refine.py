"""Which pixels of a box show the object, by what the image shows there: for boxes whose shape nobody knows.

Everything outside the box, up to a margin, is background for sure; a disc that nearly fills the box is the object. The
pixels between, in the corners, go to the one from which a random walker reaches them first, which hardly crosses edges
of colour (Grady, Random Walks for Image Segmentation, PAMI 2006; `skimage.segmentation.random_walker`).

Measured by ``benchmarks/refine_boxes.py``; `docs/BOXES.md` has the figures.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.labels.boxes import Cover

MARGIN: Final = 0.25
"""How much of the surroundings is looked at: a share of the box's sides, on each side."""
CORE: Final = 0.9
"""Size of the disc that is taken for the object, as a share of the one that touches the box's sides."""
BETA: Final = 3000.0
"""How much the walker shuns edges of colour."""
_SIDE: Final = 160  # pixels of the longer side, at most: a larger box is looked at more coarsely
_SMALLEST: Final = 8  # pixels of the shorter side: a smaller box has no corners worth the effort


def refined(picture: NDArray[np.uint8], cover: Cover) -> Cover:
    """What of a box shows the object.

    Args:
        picture: (H, W, 3) RGB, the image that the box is drawn on.
        cover: The part of it that the box touches, and the pixels that it covers.

    Returns:
        The same part, and the pixels of these that show the object; all of them for a box that is too small, or whose
        surroundings are outside of the image.
    """
    (rows, columns), inside = cover
    height, width = inside.shape
    if min(height, width) < _SMALLEST or not inside.any():
        return cover
    down, across = max(4, round(height * MARGIN)), max(4, round(width * MARGIN))
    top, left = max(0, rows.start - down), max(0, columns.start - across)
    part = picture[top : rows.stop + down, left : columns.stop + across]
    box = np.zeros(part.shape[:2], dtype=np.bool_)
    here = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    box[here] = inside
    if box.all():
        return cover
    step = -(-max(box.shape) // _SIDE)
    found = _walk(_reduced(part, step), box[::step, ::step])
    enlarged: NDArray[np.bool_] = np.repeat(np.repeat(found, step, axis=0), step, axis=1)
    return (rows, columns), enlarged[here] & inside


def _walk(part: NDArray[np.uint8], box: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pixels of a picture show the object that is in a box."""
    from skimage.color import rgb2lab
    from skimage.segmentation import random_walker

    seeds = np.zeros(box.shape, dtype=np.int32)
    seeds[~box] = 1
    seeds[_disc(box)] = 2
    if (seeds > 0).all() or not (seeds == 1).any() or not (seeds == 2).any():
        return box
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a solver that could be faster
        found = random_walker(rgb2lab(part) / 50, seeds, beta=BETA, mode="cg_j", tol=1e-2, channel_axis=2)
    return np.asarray(found == 2) & box


def _disc(box: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The ellipse in the middle of a box."""
    rows, columns = (np.flatnonzero(box.any(axis=axis)) for axis in (1, 0))
    y = (np.arange(box.shape[0]) - (rows[0] + rows[-1]) / 2) / (len(rows) / 2)
    x = (np.arange(box.shape[1]) - (columns[0] + columns[-1]) / 2) / (len(columns) / 2)
    disc: NDArray[np.bool_] = (y[:, None] ** 2 + x[None, :] ** 2 <= CORE**2) & box
    return disc


def _reduced(part: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """A picture at one pixel for every ``step`` times ``step``, their mean."""
    if step == 1:
        return part
    from PIL import Image

    size = (-(-part.shape[1] // step), -(-part.shape[0] // step))
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BOX))
