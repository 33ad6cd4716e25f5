"""Outlines of the regions of a label map, as polygons along the edges of pixels, and pixels from such polygons.

Between pixels of different values, and around the picture, run edges. Cut where they turn or meet, they are few
straight lines, from which shapely (GEOS) makes faces: each is a region of one value, connected by sides, with its
holes. That is exact and quick, for any number of values at once.

Formats without holes get one ring per region: it walks to each hole, around it, and back the same way. By the even-odd
rule that encloses the same pixels, as the two walks cancel.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

TOLERANCE: Final = 0.71
"""Pixels by which an outline may leave the edges of pixels: just enough to make a stair of single pixels a line. On
Cityscapes that halves the number of corners and leaves an IoU of 0.998."""

Points = NDArray[np.float64]


class Outline(NamedTuple):
    """A region of one value.

    Attributes:
        value: The value.
        ring: (N, 2) corners, x and y in pixel edges; the first is not repeated at the end.
    """

    value: int
    ring: Points


def outlines(values: NDArray[Any], tolerance: float = TOLERANCE) -> list[Outline]:
    """The regions of a label map.

    Args:
        values: (H, W) integers.
        tolerance: How far an outline may leave the edges of pixels; with 0 it is exact.
    """
    faces = shapely.get_parts(shapely.polygonize(_edges(values)))
    inner = shapely.point_on_surface(faces)
    shown = values[np.floor(shapely.get_y(inner)).astype(int), np.floor(shapely.get_x(inner)).astype(int)]
    if tolerance:
        faces = shapely.simplify(faces, tolerance)
    return [Outline(int(value), _one_ring(face)) for value, face in zip(shown, faces, strict=True)]


def _edges(values: NDArray[Any]) -> NDArray[Any]:
    """The lines between different values and around the picture, cut at the points where they turn or meet."""
    height, width = values.shape
    across = np.ones((height + 1, width), dtype=np.bool_)  # from the corner (y, x) to (y, x + 1)
    across[1:-1] = values[1:] != values[:-1]
    down = np.ones((height, width + 1), dtype=np.bool_)  # from (y, x) to (y + 1, x)
    down[:, 1:-1] = values[:, 1:] != values[:, :-1]
    across = np.pad(across, ((0, 0), (1, 1)))
    down = np.pad(down, ((1, 1), (0, 0)))
    ends = (across[:, :-1] | across[:, 1:]) & (down[:-1] | down[1:])
    lines = []
    for nodes, onwards, flipped in ((ends, across[:, 1:], False), (ends.T, down[1:].T, True)):
        line, place = np.nonzero(nodes)
        starts = (line[:-1] == line[1:]) & onwards[line[:-1], place[:-1]]
        first = np.stack([place[:-1], line[:-1]], axis=1)[starts]
        second = np.stack([place[1:], line[1:]], axis=1)[starts]
        pairs = np.stack([first, second], axis=1).astype(np.float64)
        lines.append(pairs[..., ::-1] if flipped else pairs)
    found: NDArray[Any] = shapely.linestrings(np.concatenate(lines))
    return found


def _one_ring(face: shapely.Polygon) -> Points:
    """A polygon as one ring, with a way to every hole and back."""
    ring: Points = shapely.get_coordinates(face.exterior)[:-1]
    holes = [shapely.get_coordinates(hole)[:-1] for hole in face.interiors]
    for hole in sorted(holes, key=lambda hole: float(hole[:, 0].min())):
        start = int(hole[:, 0].argmin())
        near = int(((ring - hole[start]) ** 2).sum(axis=1).argmin())
        around = np.roll(hole, -start, axis=0)
        ring = np.concatenate([ring[: near + 1], around, around[:1], ring[near:]])
    return ring


def filled(rings: list[Points], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centres are inside an odd number of rings' turns.

    Args:
        rings: (N, 2) corners, x and y in pixel edges.
        size: (H, W) of the picture.

    Returns:
        (H, W) bool.
    """
    height, width = size
    if not rings:
        return np.zeros(size, dtype=np.bool_)
    starts = np.concatenate(rings)
    stops = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    downwards = starts[:, 1] < stops[:, 1]
    upper = np.where(downwards[:, None], starts, stops)
    lower = np.where(downwards[:, None], stops, starts)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(int)  # rows whose centres an edge crosses
    count = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(int) - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (lower[edge, 0] - upper[edge, 0]) / (lower[edge, 1] - upper[edge, 1])
    crossing = upper[edge, 0] + (row + 0.5 - upper[edge, 1]) * slope
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
    turns = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    return (np.cumsum(turns, axis=1)[:, :width] & 1).astype(np.bool_)
