"""Labels as polygons, painted one over the other.

`PaintedPolygons` paints as the tools of Cityscapes and IDD do, with Pillow, which also gives a polygon the pixels that
its outline touches: only so are the pixels those of the label maps that these tools write.

`Regions` are what other tools annotate: outlines that may leave the image, cross themselves and have holes. A pixel
belongs to a region if its centre does, as with boxes (`labelforge.converters.labels.boxes` says what coordinates mean).
So regions that share an edge tile. An outline that crosses itself is filled as the tools that draw it do: inside is
what an odd number of edges separates from the outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelforge.converters.labels.contract import NO_ANNOTATION, Ids, RowLookup, Size
from labelforge.converters.labels.pixels import nearest

Points = Sequence[tuple[float, float]]
"""(x, y) of the corners of a polygon, in pixels of the image."""

_CROSSINGS: Final = 1 << 20  # of edges and rows of pixels, that are computed at once
_CORNERS: Final = 2000
"""Of a region that holds no pixel centre; to find an inner point of one that crosses itself so often takes hours."""


@dataclass(frozen=True)
class PaintedPolygons:
    """Polygons painted by Pillow in the order given, the last on top.

        >>> from labelforge.converters.labels.polygons import PaintedPolygons
        >>> square = [(0, 0), (1, 0), (1, 1), (0, 1)]
        >>> PaintedPolygons((3, 3), [(7, square)], background=0).draw((3, 3), (3, 3), rows_of=lambda ids: ids)
        array([[7, 7, 0],
               [7, 7, 0],
               [0, 0, 0]], dtype=int32)

    Attributes:
        size: (height, width) of the image that they were drawn on.
        polygons: Native id and corners of each.
        background: Native id where no polygon is.
    """

    size: Size
    polygons: Sequence[tuple[int, Points]]
    background: int = NO_ANNOTATION

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """Painted at the image's size, and resampled by nearest neighbour as a label map of that size is."""
        picture = Image.new("I", (self.size[1], self.size[0]), self.background)
        pen = ImageDraw.Draw(picture)
        for value, points in self.polygons:
            pen.polygon([(x, y) for x, y in points], fill=value)
        return nearest(rows_of(np.asarray(picture)), output_size)


@dataclass(frozen=True)
class Region:
    """What one label covers: outlines without their holes.

    Attributes:
        value: Its native id, or `NO_ANNOTATION`.
        outlines: Corners of one or more polygons; their union is meant.
        holes: Corners of the polygons that are cut out of them.
    """

    value: int
    outlines: Sequence[Points]
    holes: Sequence[Points] = ()


@dataclass(frozen=True)
class Regions:
    """Regions painted in the order given, the last on top.

        >>> from labelforge.converters.labels.polygons import Region, Regions
        >>> ring = Region(7, [[(0, 0), (3, 0), (3, 3), (0, 3)]], holes=[[(1, 1), (2, 1), (2, 2), (1, 2)]])
        >>> Regions((3, 3), [ring], background=0).draw((3, 3), (3, 3), rows_of=lambda ids: ids)
        array([[7, 7, 7],
               [7, 0, 7],
               [7, 7, 7]], dtype=int32)

    Attributes:
        size: (height, width) of the image that they were drawn on; None if they fit any image size.
        regions: What is painted.
        background: Native id where no region is.
    """

    size: Size | None
    regions: Sequence[Region]
    background: int = NO_ANNOTATION

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The regions are scaled, then painted: a small label map is as exact as a large one."""
        scale = (output_size[1] / image_size[1], output_size[0] / image_size[0])
        ids = np.full(output_size, self.background, dtype=np.int32)
        for region in self.regions:
            paint(ids, region, scale)
        return rows_of(ids)


def paint(ids: NDArray[np.int32], region: Region, scale: tuple[float, float] = (1.0, 1.0)) -> None:
    """Paint a region into a label map; what lies outside the map is cut off.

    A region that holds no pixel centre, though part of it is in the picture, still gets the pixel that one of its inner
    points is in, so that small objects do not vanish when an image is scaled down.

    Args:
        ids: (H, W) label map, changed in place.
        region: What to paint; coordinates are finite.
        scale: Factors of x and y from the region's coordinates to pixels of the map.
    """
    inside = np.zeros(ids.shape, dtype=np.bool_)
    for outlines, value in ((region.outlines, True), (region.holes, False)):
        for points in outlines:
            edges, window = _edges(points, scale, ids.shape)
            part = inside[window]
            part[_fill(edges, part.shape)] = value
    if inside.any():
        ids[inside] = region.value
    elif (pixel := _inner_pixel(region, scale, ids.shape)) is not None:
        ids[pixel] = region.value


def _edges(
    points: Points, scale: tuple[float, float], size: tuple[int, ...]
) -> tuple[NDArray[np.float64], tuple[slice, slice]]:
    """The edges of an outline, and the part of a map that it may touch.

    Returns:
        (N, 4) x0, y0, x1, y1 from the corner of that part; its rows and columns.
    """
    corners = np.asarray(points, dtype=np.float64).reshape(-1, 2) * scale
    limits = (size[1], size[0])
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, limits).astype(np.int64).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, limits).astype(np.int64).tolist()
    corners = corners - (left, top)
    return np.hstack([corners, np.roll(corners, -1, axis=0)]), (slice(top, bottom), slice(left, right))


def _fill(edges: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixel centres lie inside an outline: an odd number of its edges is to the left of them in their row.

    Half open in both directions, so that outlines that share an edge tile without gap or overlap.
    """
    height, width = size
    x0, y0, x1, y1 = edges[edges[:, 1] != edges[:, 3]].T
    # From the first row whose centre is not above the edge, to before the first whose centre is not above its end.
    first, last = (np.clip(np.ceil(end(y0, y1) - 0.5), 0, height).astype(np.int64) for end in (np.minimum, np.maximum))
    counts = last - first
    turns = np.zeros((height, width + 1), dtype=np.int32)
    for some in np.array_split(np.arange(len(counts)), 1 + int(counts.sum()) // _CROSSINGS):
        edge = np.repeat(some, counts[some])
        row = np.arange(len(edge)) - np.repeat(counts[some].cumsum() - counts[some], counts[some]) + first[edge]
        crossing = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
        np.add.at(turns, (row, column), 1)
    inside: NDArray[np.bool_] = (turns.cumsum(axis=1)[:, :width] & 1).astype(np.bool_)
    return inside


def _inner_pixel(region: Region, scale: tuple[float, float], size: tuple[int, ...]) -> tuple[int, int] | None:
    """(row, column) of a pixel with some of the region in it; None if none of it is in the map."""
    import shapely

    def area(outlines: Sequence[Points]) -> Any:
        rings = [np.asarray(points, dtype=np.float64).reshape(-1, 2) * scale for points in outlines if len(points) > 2]
        return shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings])

    if sum(len(points) for points in (*region.outlines, *region.holes)) > _CORNERS:
        return None
    height, width = size
    seen = area(region.outlines).difference(area(region.holes)).intersection(shapely.box(0, 0, width, height))
    if seen.is_empty or not seen.area:
        return None
    point = seen.representative_point()
    return min(int(point.y), height - 1), min(int(point.x), width - 1)
