"""Objects as COCO's annotations have them, polygons and run lengths, drawn by COCO's own code (pycocotools)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.pixels import nearest


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


def _decode(runs: list[Any]) -> NDArray[np.bool_]:
    """Compressed run lengths of N masks as (H, W, N) bool."""
    with warnings.catch_warnings():
        # pycocotools up to 2.0.11 hands NumPy 2 an array type without the new `copy` keyword; the result is right.
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
        return np.asarray(coco.decode(runs), dtype=np.bool_)
