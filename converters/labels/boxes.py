"""Turns annotated boxes into pixels: each is filled with a shape.

Coordinates are pixel edges: x grows to the right and y downwards, the image covers [0, W) x [0, H), and pixel (row i,
column j) covers [j, j + 1) x [i, i + 1) with its centre at (j + 0.5, i + 0.5). A box is (left, top, right, bottom) with
right and bottom exclusive, in floats. A pixel belongs to a region if its centre does; so integer boxes are exact, a box
scaled by any factor stays the same shape, and rectangles that share an edge tile without gap or overlap. A box may be
turned about its middle.

Half of the box around a triangular sign is not part of the sign. So each box is filled with the shape of its class,
inscribed in the box; each of the six shapes is one inequality (`SHAPES`), tested at all pixel centres of the box at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.files import OR_SKIP
from labelforge.converters.labels.contract import NO_ANNOTATION, Size
from labelforge.errors import DatasetError

Floats = NDArray[np.float64]

Cover = tuple[tuple[slice, slice], NDArray[np.bool_]]
"""(rows, columns) of the part of an image that a box touches, and which of its pixels the box's shape covers."""

_MOST_OVERLAPS: Final = 20_000  # of the boxes of one image, counted by the classes that meet there

Overlaps = Literal["smallest", "ignore", "set"]
"""What a pixel in several boxes of different classes becomes: the class of the smallest box, nothing, or the set."""

OCTAGON_CUT: Final = 0.25
"""Length that an octagon's corners take off each end of a side, as a share of the side. A regular octagon has 0.293;
the masks that the method's authors published have 0.25 (0.99 IoU, against 0.94)."""

SHAPES: Final[Mapping[str, Callable[[Floats, Floats], NDArray[np.bool_]]]] = {
    "rectangle": lambda p, q: np.ones(np.broadcast_shapes(p.shape, q.shape), dtype=np.bool_),
    "circle": lambda p, q: p * p + q * q <= 1,
    "triangle up": lambda p, q: 2 * np.abs(p) <= 1 + q,
    "triangle down": lambda p, q: 2 * np.abs(p) <= 1 - q,
    "diamond": lambda p, q: np.abs(p) + np.abs(q) <= 1,
    "octagon": lambda p, q: np.abs(p) + np.abs(q) <= 2 - 2 * OCTAGON_CUT,
}
"""Which points of a box belong to its shape: p (1, W) runs from -1 at the left side of the box to 1 at the right side,
q (H, 1) from -1 at the top to 1 at the bottom; the answer is (H, W). Points outside the box are always cut off."""


def draw_boxes(
    boxes: Floats | Sequence[Sequence[float]],
    shapes: Sequence[str],
    values: Sequence[int],
    size: Size,
    *,
    background: int = NO_ANNOTATION,
    overlaps: Overlaps = "smallest",
    sets: Mapping[frozenset[int], int] | None = None,
    angles: Sequence[float] | None = None,
    change: Callable[[int, Cover], Cover] | None = None,
) -> NDArray[np.int32]:
    """Draw boxes into a label map.

    Where boxes of the same value overlap, the pixel has that value (so repeated annotations collapse). Where their
    values differ, ``overlaps`` decides: ``smallest`` draws larger boxes first, equally large ones in the order given,
    so the smallest and latest is on top; ``ignore`` leaves the pixel as background; ``set`` gives it the value that
    ``sets`` has for the set of them, background if it has none.

    A box whose shape holds no pixel centre still gets the one pixel that contains its middle, so that small objects do
    not vanish when an image is scaled down. What lies outside the image is cut off afterwards: a part of an image gets
    the same pixels as the whole image has there, and an object of which no pixel is left draws nothing.

    Args:
        boxes: (N, 4) left, top, right, bottom in pixel edges of the label map, right and bottom exclusive.
        shapes: N names from `SHAPES`.
        values: N values to draw.
        size: (height, width) of the label map.
        background: Value outside all boxes.
        overlaps: What a pixel in several boxes of different values becomes.
        sets: For ``set``: the value of each set of values that `overlapping` finds.
        angles: By how many degrees each box is turned about its middle, clockwise as seen; default: none is.
        change: Given the number of a box and what it covers, returns what it is to cover instead.

    Returns:
        (H, W) int32 label map.

    Raises:
        ValueError: Lengths differ, a box is not finite or has no area, or ``sets`` is missing.
        KeyError: A shape is unknown.
    """
    edges = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    turned = [0.0] * len(edges) if angles is None else angles
    if not len(edges) == len(shapes) == len(values) == len(turned):
        raise ValueError(f"{len(edges)} boxes, {len(shapes)} shapes and {len(values)} values")
    extent = edges[:, 2:] - edges[:, :2]
    if not (np.isfinite(edges).all() and (extent > 0).all() and np.isfinite(turned).all()):
        raise ValueError("every box must be finite, with left < right and top < bottom")
    if overlaps == "set" and sets is None:
        raise ValueError("overlaps='set' needs the value of every set")

    def cover(i: int) -> Cover:
        found = _cover(edges[i], shapes[i], size, turned[i])
        return found if change is None else change(i, found)

    if overlaps != "smallest":
        covers = map(cover, range(len(edges)))
        return _draw_sets(covers, values, size, background, (sets or {}) if overlaps == "set" else {})
    out = np.full(size, background, dtype=np.int32)
    for i in np.argsort(-extent.prod(axis=1), kind="stable"):
        window, inside = cover(int(i))
        out[window][inside] = values[i]
    return out


def _draw_sets(
    covers: Iterable[Cover],
    values: Sequence[int],
    size: Size,
    background: int,
    sets: Mapping[frozenset[int], int],
) -> NDArray[np.int32]:
    """Draw boxes so that none is on top: where their values differ, the value of the set, or background."""
    members = [frozenset[int]()]  # the set of values that each state of a pixel stands for
    state = np.zeros(size, dtype=np.int32)
    for (window, inside), value in zip(covers, values, strict=True):
        before = state[window][inside]
        after = before.copy()
        for number in np.unique(before):
            joined = members[number] | {value}
            if joined not in members:
                members.append(joined)
            after[before == number] = members.index(joined)
        state[window][inside] = after
    drawn = [next(iter(m)) if len(m) == 1 else sets.get(m, background) for m in members]
    return np.array(drawn, dtype=np.int32)[state]


def overlapping(boxes: Floats | Sequence[Sequence[float]], values: Sequence[int]) -> set[frozenset[int]]:
    """The sets of different values that could share a pixel of one image, whatever shapes fill the boxes.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        values: Their N values.

    Returns:
        All sets of two or more values for which some point is inside boxes of all of these values.

    Raises:
        DatasetError: There are too many of them.
    """
    edges = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    areas = 0
    common: dict[frozenset[int], list[Floats]] = {frozenset(): [np.array([-np.inf, -np.inf, np.inf, np.inf])]}
    for edge, value in zip(edges, values, strict=True):
        # Join the box to every set found so far, wherever it overlaps the rectangle that the set's boxes share.
        for members, shared in list(common.items()):
            if value in members:
                continue
            for area in list(shared):
                part = np.array([*np.maximum(area[:2], edge[:2]), *np.minimum(area[2:], edge[2:])])
                if (part[:2] < part[2:]).all():
                    areas += 1
                    if areas > _MOST_OVERLAPS:
                        cure = f"Use overlaps=smallest or overlaps=ignore{OR_SKIP}"
                        raise DatasetError(f"its boxes overlap in more than {_MOST_OVERLAPS:,} places", cure=cure)
                    common.setdefault(members | {value}, []).append(part)
    return {members for members in common if len(members) > 1}


def _cover(edges: Floats, shape: str, size: Size, angle: float) -> Cover:
    """The part of the image that a box touches, as (rows, columns), and which of its pixels the shape covers."""
    left, top, right, bottom = edges.tolist()
    low, high = _bounds(edges, angle)
    limits = np.array([size[1], size[0]])
    x0, y0 = np.clip(np.floor(low), 0, limits).astype(np.int64).tolist()
    x1, y1 = np.clip(np.ceil(high), 0, limits).astype(np.int64).tolist()
    inside = _holds(edges, shape, np.arange(y0, y1), np.arange(x0, x1), angle)
    row, column = int(np.floor((top + bottom) / 2)), int(np.floor((left + right) / 2))
    if y0 <= row < y1 and x0 <= column < x1 and not inside.any():
        # Of every row the shape holds, if any, the pixels nearest the middle column: all shapes are symmetric about it.
        # A turned one is looked at near its middle only.
        rows = np.arange(row - 1, row + 2) if angle else np.arange(int(np.floor(top)), int(np.ceil(bottom)))
        columns = np.arange(column - 1, column + 2)
        inside[row - y0, column - x0] = not _holds(edges, shape, rows, columns, angle).any()
    return (slice(y0, y1), slice(x0, x1)), inside


def _bounds(edges: Floats, angle: float) -> tuple[Floats, Floats]:
    """The smallest and the largest (x, y) of a box."""
    if not angle:
        return edges[:2], edges[2:]
    middle, half = (edges[:2] + edges[2:]) / 2, (edges[2:] - edges[:2]) / 2
    cos, sin = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
    reach = np.array([half[0] * cos + half[1] * sin, half[0] * sin + half[1] * cos])
    return middle - reach, middle + reach


def _holds(
    edges: Floats, shape: str, rows: NDArray[np.int64], columns: NDArray[np.int64], angle: float
) -> NDArray[np.bool_]:
    """Of which pixels a box's shape holds the centre: (H, W) for pixels of H rows and W columns of an endless image."""
    left, top, right, bottom = edges.tolist()
    x = columns[None, :] + 0.5
    y = rows[:, None] + 0.5
    if angle:
        # Turn the pixels back instead of the box.
        across, down = x - (left + right) / 2, y - (top + bottom) / 2
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        x = (left + right) / 2 + across * cos + down * sin
        y = (top + bottom) / 2 - across * sin + down * cos
    # Twice the distance from the middle: exact for integer boxes, so that shapes are exactly symmetric.
    p = (2 * x - (left + right)) / (right - left)
    q = (2 * y - (top + bottom)) / (bottom - top)
    # Half open, on the coordinates themselves: rectangles that share an edge tile whatever the rounding of p and q.
    inside: NDArray[np.bool_] = SHAPES[shape](p, q) & (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return inside
