"""Labels that annotation tools paint one over the other: polygons, ellipses and bitmaps."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.labels.boxes import draw_boxes
from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.pixels import nearest
from labelforge.converters.labels.polygons import Region, paint
from labelforge.converters.own.marks import LeftOut
from labelforge.converters.pictures.images import BROKEN

MOST_PIXELS: Final = 1 << 27
"""Of a bitmap, and of all bitmaps of an image; more are no masks of objects."""
MOST_CORNERS: Final = 200_000
"""Of all polygons of an image; more are no annotation."""
_NO_AREA: Final = frozenset({"point", "points", "line", "linestrip", "polyline"})
"""Kinds of shapes that never cover a pixel."""
_SIGNATURE: Final = b"\x89PNG"


@dataclass(frozen=True)
class Ellipse:
    """The ellipse that fits into a box.

    Attributes:
        box: The box, turned perhaps, with the native id of the label.
    """

    box: Box


@dataclass(frozen=True, eq=False)
class Bitmap:
    """A mask of an object, at the size of the image.

    Attributes:
        value: Native id of its label.
        left: Column of the image where it begins.
        top: Row where it begins.
        mask: (H, W) bool, where the object is. What lies outside the image is cut off.
    """

    value: int
    left: int
    top: int
    mask: NDArray[np.bool_]


Layer = Region | Ellipse | Bitmap


@dataclass(frozen=True)
class Layers:
    """Layers painted in the order given, the last on top.

        >>> import numpy as np
        >>> from labelforge.converters.labels.polygons import Region
        >>> from labelforge.converters.own.layers import Bitmap, Layers
        >>> ground = Region(7, [[(0, 1), (3, 1), (3, 2), (0, 2)]])
        >>> dot = Bitmap(9, left=1, top=0, mask=np.array([[True], [True]]))
        >>> Layers((2, 3), [ground, dot]).draw((2, 3), (2, 3), rows_of=lambda ids: ids)
        array([[-32768,      9, -32768],
               [     7,      9,      7]], dtype=int32)

    Attributes:
        size: (height, width) of the image that they were drawn on, if it is known.
        layers: What is painted.
        fractions: Whether the coordinates are fractions of the image's width and height, not pixels.
    """

    size: Size | None
    layers: Sequence[Layer]
    fractions: bool = False

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """Polygons and ellipses are scaled, then painted; bitmaps are resampled by nearest neighbour."""
        ids = np.full(output_size, NO_ANNOTATION, dtype=np.int32)
        height, width = (1, 1) if self.fractions else image_size
        scale = (output_size[1] / width, output_size[0] / height)
        for layer in self.layers:
            if isinstance(layer, Region):
                paint(ids, layer, scale)
            elif isinstance(layer, Ellipse):
                edges = np.array([(layer.box.left, layer.box.top, layer.box.right, layer.box.bottom)]) * (
                    *scale,
                    *scale,
                )
                where = draw_boxes(edges, ["circle"], [1], output_size, background=0, angles=[layer.box.angle])
                ids[where == 1] = layer.box.value
            else:
                ids[nearest(_placed(layer, image_size), output_size)] = layer.value
        return rows_of(ids)


class Collected:
    """The layers of an image as they are read, and what is left out; it ends where they are too many.

    Attributes:
        layers: From the lowest to the highest.
        left_out: What labels nothing.
    """

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.left_out = LeftOut()
        self._pixels = self._corners = 0

    def add(self, kind: str, layer: Layer | None) -> None:
        """Add a layer; None for one that covers nothing.

        Raises:
            ValueError: The bitmaps or the polygons of the image are too large.
        """
        if layer is None:
            self.left_out.empty[kind] += 1
            return
        if isinstance(layer, Bitmap):
            self._pixels += layer.mask.size
        elif isinstance(layer, Region):
            self._corners += sum(len(points) for points in (*layer.outlines, *layer.holes))
        if self._pixels > MOST_PIXELS or self._corners > MOST_CORNERS:
            raise ValueError(
                f"{self._corners:,} corners and {self._pixels:,} pixels of masks are too many for an image"
            )
        self.layers.append(layer)

    def skip(self, kind: str, label: object) -> None:
        """Count a shape that is not drawn, by its kind, and if that could have an area, by its class."""
        if kind in _NO_AREA:
            self.left_out.empty[kind] += 1
        else:
            self.left_out.unread[f"{kind[:20]} of {str(label)[:40]!r}"] += 1


def _placed(bitmap: Bitmap, size: Size) -> NDArray[np.bool_]:
    """A bitmap's mask in its place in the image."""
    found = np.zeros(size, dtype=np.bool_)
    height, width = bitmap.mask.shape
    top, left = max(0, bitmap.top), max(0, bitmap.left)
    bottom, right = min(size[0], bitmap.top + height), min(size[1], bitmap.left + width)
    if top < bottom and left < right:
        part = bitmap.mask[top - bitmap.top : bottom - bitmap.top, left - bitmap.left : right - bitmap.left]
        found[top:bottom, left:right] = part
    return found


def mask_of(text: object, *, deflated: bool = False) -> NDArray[np.bool_]:
    """A mask from the base64 text of a PNG: where it is not 0; of one with colours, where it is not transparent.

    Args:
        text: The text.
        deflated: Whether the PNG may be deflated once more (Supervisely).

    Returns:
        (H, W) bool.

    Raises:
        ValueError: It is not one, or has more than `MOST_PIXELS` pixels.
    """
    if not isinstance(text, str):
        raise ValueError("a mask is no text")
    try:
        data = base64.b64decode(text, validate=True)
        if deflated and not data.startswith(_SIGNATURE):
            data = zlib.decompressobj().decompress(data, MOST_PIXELS)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError(f"a mask of {picture.width} x {picture.height} pixels is too large")
                values = np.asarray(picture)
    except (binascii.Error, zlib.error, Image.DecompressionBombWarning) as error:
        raise ValueError(f"a mask cannot be read ({error})") from error
    except BROKEN as error:
        raise ValueError(f"a mask is no whole PNG ({error})") from error
    if values.ndim == 2:
        return values.astype(np.bool_)
    return np.asarray(values[:, :, -1] if values.shape[2] in (2, 4) else values.max(axis=2), dtype=np.bool_)


def image_size(height: Any, width: Any) -> Size | None:
    """The size of the image that a file gives, if it gives one."""
    return (height, width) if type(height) is int and type(width) is int and height > 0 and width > 0 else None
