"""Places everything in a static picture of a tree: one layout, rendered as SVG or as PNG.

The tree grows from left to right: leaves are evenly spaced rows, an inner node is halfway between its first and last
child, and every level has a column as wide as its widest inner node. To the right of the leaves is a matrix with a
column per dataset; what a dataset gives to an inner node is shown under the node's name. A `Drawing` is a list of
simple shapes in pixels, so that a renderer is a few lines.

Text is measured with Pillow's built-in font, plus a margin, because a viewer will use another font.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from labelforge.drawing.style import ANNOTATIONS, LEGEND, headline, ink_on, short_count
from labelforge.drawing.survey import Survey
from labelforge.palette import Color
from labelforge.supervision import Signal
from labelforge.taxonomy import Node

_ROW = 14.0
"""Height of a leaf's row."""
_FONT = 10.5
"""Size of all text but the title."""
_PILL = 15.0  # height of an inner node's box
_SWATCH = 9.0
_PITCH = 11.0  # from one dataset's column to the next in the matrix
_SMALL_PITCH = 8.5  # and under an inner node
_FAN = 26.0  # room for the branches between two levels
_MARGIN = 16.0
_AIR = 4.0  # above and below an inner node's rows
_ROOM = 1.1  # a viewer's font may be wider than the one measured with


@dataclass(frozen=True)
class Words:
    """A line of text; ``y`` is its middle. ``ink`` None means the page's own text colour."""

    x: float
    y: float
    text: str
    size: float = _FONT
    bold: bool = False
    ink: str | None = None
    anchor: Literal["start", "middle", "end"] = "start"
    faint: bool = False


@dataclass(frozen=True)
class Box:
    """A filled rectangle with round corners; ``y`` is its middle."""

    x: float
    y: float
    width: float
    height: float
    color: Color
    radius: float


@dataclass(frozen=True)
class Mark:
    """The mark of a signal, centred at (x, y)."""

    x: float
    y: float
    signal: Signal


@dataclass(frozen=True)
class Fork:
    """The branches of a node: along ``y0`` to ``x_turn``, along it to each of ``ends``, and along that to ``x1``."""

    x0: float
    y0: float
    x_turn: float
    x1: float
    ends: tuple[float, ...]


@dataclass(frozen=True)
class Leader:
    """A dotted line that leads the eye from a leaf to its row of the matrix."""

    x0: float
    x1: float
    y: float


Shape = Words | Box | Mark | Fork | Leader


@dataclass(frozen=True)
class Drawing:
    """A picture: sizes in pixels, y downwards.

    Attributes:
        width: Of the whole.
        height: Of the whole.
        survey: What it shows.
        head: Title, datasets, legend, matrix headings.
        branches: The lines of the tree.
        nodes: Per node, in order, its shapes.
    """

    width: int
    height: int
    survey: Survey
    head: tuple[Shape, ...]
    branches: tuple[Fork, ...]
    nodes: tuple[tuple[Shape, ...], ...]


def lay_out(survey: Survey) -> Drawing:
    """Place a tree."""
    head, top = _head(survey)
    levels = _columns(survey)
    middles, bottom = _rows(survey, top)
    matrix = _matrix_start(survey, levels)
    nodes, branches = [], []
    for node in survey.tree.nodes:
        x, y = levels[node.depth], middles[node.index]
        nodes.append(tuple(_inner(survey, node, x, y) if node.children else _leaf(survey, node, x, y, matrix)))
        if node.children:
            next_level = levels[node.depth + 1]
            ends = tuple(_anchor(survey, survey.tree.nodes[c], middles[c]) for c in node.children)
            start = x + _pill_width(survey, node)
            branches.append(Fork(start, _anchor(survey, node, y), next_level - 13, next_level - 3, ends))
    codes = [
        Words(matrix + (i + 0.5) * _PITCH, top - _ROW * 0.6, dataset.code, bold=True, anchor="middle")
        for i, dataset in enumerate(survey.datasets)
    ]
    if survey.counted:
        codes.append(Words(matrix - 6, top - _ROW * 0.6, "pixels", faint=True, anchor="end"))
    right = matrix + _PITCH * len(survey.datasets)
    width = max(
        right,
        *(shape.x + _text_width(shape.text, shape.size, bold=shape.bold) for shape in head if isinstance(shape, Words)),
    )
    return Drawing(
        round(width + _MARGIN), round(bottom + _MARGIN), survey, (*head, *codes), tuple(branches), tuple(nodes)
    )


@functools.lru_cache(maxsize=4096)
def _text_width(text: str, size: float = _FONT, *, bold: bool = False) -> float:
    """Approximate width of a text in pixels, rather too wide than too narrow."""
    from PIL import ImageFont

    return float(ImageFont.load_default(size).getlength(text)) * _ROOM * (1.06 if bold else 1.0)


def _inner_text(survey: Survey, node: Node) -> str:
    """The text of an inner node: its name, its classifier's size, and its pixels if known."""
    total = survey.nodes[node.index].total
    return f"{node.name} ({len(node.children)})" + (f" {short_count(total)}" if total else "")


def _head(survey: Survey) -> tuple[list[Shape], float]:
    """Title, list of datasets and legend; and where the tree starts below them."""
    y = _MARGIN + 8
    shapes: list[Shape] = [Words(_MARGIN, y, survey.tree.name, 17, bold=True)]
    shapes.append(Words(_MARGIN, y := y + 19, headline(survey), faint=True))
    if not survey.datasets:
        return shapes, y + 2 * _ROW
    y += _ROW * 1.6
    columns = 1 if len(survey.datasets) <= 5 else 2 if len(survey.datasets) <= 10 else 3
    per_column = -(-len(survey.datasets) // columns)
    texts = [f"{dataset.name} ({ANNOTATIONS[dataset.supervision]})" for dataset in survey.datasets]
    step = max(map(_text_width, texts)) + 34
    for i, (dataset, text) in enumerate(zip(survey.datasets, texts, strict=True)):
        x, at = _MARGIN + i // per_column * step, y + i % per_column * _ROW
        shapes += [Words(x, at, dataset.code, bold=True), Words(x + 16, at, text)]
    y += per_column * _ROW + _ROW * 0.4
    x = _MARGIN + 4
    for signal, meaning in LEGEND.items():
        shapes += [Mark(x, y, signal), Words(x + 9, y, meaning, faint=True)]
        x += _text_width(meaning) + 26
    return shapes, y + _ROW * 2.4


def _columns(survey: Survey) -> list[float]:
    """Left edge of every level."""
    tree = survey.tree
    depth = max(node.depth for node in tree.nodes)
    edges = [_MARGIN]
    for level in range(depth):
        inner = [node for node in tree.nodes if node.depth == level and node.children]
        marks = _SMALL_PITCH * len(survey.datasets) if level else 0
        edges.append(edges[-1] + max(marks, *(_pill_width(survey, node) for node in inner), 0.0) + _FAN)
    return edges


def _rows(survey: Survey, top: float) -> tuple[list[float], float]:
    """Middle of every node, and the bottom of the last row."""
    tree = survey.tree
    middles = [0.0] * len(tree.nodes)

    def place(node: Node, y: float) -> float:
        if not node.children:
            middles[node.index] = y + _ROW / 2
            return y + _ROW
        # An inner node takes two rows at least: its name, and its marks below that.
        lone = len(node.leaves) == 1
        end = y + (_ROW / 2 if lone else 0) + (_AIR if node.parent is not None else 0)
        for child in node.children:
            end = place(tree.nodes[child], end)
        middles[node.index] = (middles[node.children[0]] + middles[node.children[-1]]) / 2
        return end + (_ROW / 2 if lone else 0) + (_AIR if node.parent is not None else 0)

    return middles, place(tree.root, top)


def _matrix_start(survey: Survey, levels: list[float]) -> float:
    """Left edge of the matrix: right of the widest leaf, and of the counts."""
    leaves = max(levels[leaf.depth] + _SWATCH + 5 + _text_width(leaf.name) for leaf in survey.tree.leaves)
    return leaves + 18 + (_text_width("0.00M") + 6 if survey.counted else 0)


def _pill_width(survey: Survey, node: Node) -> float:
    return _text_width(_inner_text(survey, node), bold=True) + 12 if node.children else 0.0


def _anchor(survey: Survey, node: Node, y: float) -> float:
    """Height at which the branch to a node ends: an inner node's is a little higher, above its marks."""
    return y - 4.5 if node.children and node.parent is not None and survey.datasets else y


def _inner(survey: Survey, node: Node, x: float, y: float) -> Iterator[Shape]:
    at = _anchor(survey, node, y)
    yield Box(x, at, _pill_width(survey, node), _PILL, node.color, 4)
    yield Words(x + 6, at, _inner_text(survey, node), bold=True, ink=ink_on(node.color))
    if node.parent is not None:
        for i, signal in enumerate(survey.nodes[node.index].signals):
            yield Mark(x + 6 + i * _SMALL_PITCH, y + 8.5, signal)


def _leaf(survey: Survey, node: Node, x: float, y: float, matrix: float) -> Iterator[Shape]:
    yield Box(x, y, _SWATCH, _SWATCH, node.color, 2)
    yield Words(x + _SWATCH + 5, y, node.name)
    summary = survey.nodes[node.index]
    end = x + _SWATCH + 5 + _text_width(node.name) + 5
    stop = matrix - 6
    if summary.total:
        count = short_count(summary.total)
        yield Words(stop, y, count, anchor="end")
        stop -= _text_width(count) + 4
    if survey.datasets and stop > end:
        yield Leader(end, stop, y)
    for i, signal in enumerate(summary.signals):
        yield Mark(matrix + (i + 0.5) * _PITCH, y, signal)
