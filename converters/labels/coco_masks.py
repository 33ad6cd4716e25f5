"""Objects as COCO's annotations have them, polygons and run lengths, drawn by COCO's own code (pycocotools)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.pixels import nearest

_CHARACTERS: Final = 6
"""Characters of one run length after its first; seven hold more than any picture has pixels."""


def draw_segmentation(
    segmentation: Sequence[Sequence[float]] | Mapping[str, Any], image_size: Size, output_size: Size
) -> NDArray[np.bool_]:
    """Draw one object of a COCO annotation with COCO's own code, at any size.

    Args:
        segmentation: A list of polygons, each x0, y0, x1, y1, ... in pixel edges of the image, whose union is the
            object; or run lengths, ``{"size": [H, W], "counts": list or compressed string}``.
        image_size: (height, width) of the image annotated.
        output_size: (height, width) wanted. Polygons are scaled before they are drawn, run lengths are drawn at the
            image's size and resampled by nearest neighbour.

    Returns:
        (H, W) bool, where the object is.

    Raises:
        ValueError: Run lengths of another size than the image.
    """
    if isinstance(segmentation, Mapping):
        if tuple(segmentation["size"]) != tuple(image_size):
            raise ValueError(
                f"the run lengths have size {tuple(segmentation['size'])}, but the image has {tuple(image_size)}"
            )
        runs = segmentation
        if not isinstance(runs["counts"], str | bytes):
            runs = coco.frPyObjects(dict(runs), *image_size)
        return nearest(_decode([runs])[:, :, 0], output_size)
    scale = np.array([output_size[1] / image_size[1], output_size[0] / image_size[0]])
    polygons = [(np.reshape(polygon, (-1, 2)) * scale).ravel().tolist() for polygon in segmentation]
    return np.asarray(_decode(coco.frPyObjects(polygons, *output_size)).any(axis=2), dtype=np.bool_)


def run_pixels(runs: Mapping[str, Any]) -> int:
    """The number of pixels inside, of run lengths that have passed `check_runs`."""
    counts = runs["counts"]
    return int((_lengths(counts) if isinstance(counts, str) else np.asarray(counts))[1::2].sum())


def check_runs(runs: Mapping[str, Any], size: Size) -> None:
    """Check that run lengths are those of an image: pycocotools reads past the end of runs that are too few.

    Args:
        runs: ``{"size": [H, W], "counts": list or compressed string}``.
        size: (height, width) of the image.

    Raises:
        ValueError: They are of another size, or not so many pixels, or none at all.
    """
    if tuple(runs["size"]) != tuple(size):
        raise ValueError(f"the run lengths have size {tuple(runs['size'])}, but the image has {tuple(size)}")
    counts, pixels = runs["counts"], size[0] * size[1]
    if isinstance(counts, list) and any(type(count) is bool for count in counts):
        raise ValueError("the run lengths are no numbers of the image's pixels")
    lengths = _lengths(counts) if isinstance(counts, str) else np.asarray(counts)
    if lengths.ndim != 1 or lengths.dtype.kind != "i" or ((lengths < 0) | (lengths > pixels)).any():
        raise ValueError("the run lengths are no numbers of the image's pixels")
    if int(lengths.sum()) != pixels:
        raise ValueError(f"the run lengths are of {int(lengths.sum())} pixels, but the image has {pixels}")


def _lengths(text: str) -> NDArray[np.int64]:
    """The run lengths in COCO's compressed string.

    A number is stored in five bits a character, the lowest first; 32 says that another character follows, and 16 in the
    last that it is negative. From the fourth number on, the number two before has been subtracted. (pycocotools,
    maskApi.c, rleFrString.)
    """
    bits = np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((bits & 32) == 0)
    if not len(last) or ((bits < 0) | (bits > 63)).any() or last[-1:] != len(bits) - 1:
        raise ValueError("the run lengths are no string of COCO's")
    first = np.concatenate(([0], last[:-1] + 1))
    if int((last - first).max()) > _CHARACTERS:
        raise ValueError("a run length has too many characters")
    digit = np.arange(len(bits)) - first.repeat(last - first + 1)
    numbers = np.add.reduceat((bits & 31) << 5 * digit, first)
    numbers -= np.where(bits[last] & 16, np.int64(32) << 5 * digit[last], 0)
    for begin in (1, 2):
        numbers[begin::2] = numbers[begin::2].cumsum()
    return numbers


def _decode(runs: list[Any]) -> NDArray[np.bool_]:
    """Compressed run lengths of N masks as (H, W, N) bool."""
    with warnings.catch_warnings():
        # pycocotools up to 2.0.11 hands NumPy 2 an array type without the new `copy` keyword; the result is right.
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
        return np.asarray(coco.decode(runs), dtype=np.bool_)
