"""The tree as PNG: the layout of the SVG, drawn with Pillow and its built-in font, so that no SVG renderer is needed.

Everything is drawn at twice the final size and scaled down, which smooths the edges. The built-in font has Latin
letters only; for a tree in another script, use SVG.
"""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

from labelforge.drawing.layout import Box, Fork, Leader, Mark, Shape, Words, lay_out
from labelforge.drawing.survey import Survey
from labelforge.palette import Color
from labelforge.supervision import Signal

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_SCALE = 2  # pixels of the picture per pixel of the layout: sharp in print
_SMOOTH = 2  # and drawn this many times larger

_INK = (0, 0, 0)
_FAINT = (110, 110, 110)
_LINE = (150, 150, 150)
_DOT = (185, 185, 185)


def draw_png(survey: Survey) -> bytes:
    """The tree as the bytes of a PNG file, dark on white, two pixels per unit of the layout."""
    from PIL import Image, ImageDraw

    drawing = lay_out(survey)
    zoom = _SCALE * _SMOOTH
    size = drawing.width * zoom, drawing.height * zoom
    picture = Image.new("RGB", size, (255, 255, 255))
    brush = _Brush(ImageDraw.Draw(picture), zoom)
    for shape in (*drawing.head, *drawing.branches, *itertools.chain.from_iterable(drawing.nodes)):
        brush.draw(shape)
    buffer = io.BytesIO()
    picture.reduce(_SMOOTH).save(buffer, "PNG", dpi=(96 * _SCALE, 96 * _SCALE))
    return buffer.getvalue()


class _Brush:
    """Draws shapes, given in the layout's units, on a larger canvas."""

    def __init__(self, canvas: ImageDraw, zoom: int) -> None:
        self._canvas = canvas
        self._zoom = zoom

    def draw(self, shape: Shape) -> None:
        match shape:
            case Words():
                self._words(shape)
            case Box(x, y, width, height, color, radius):
                corners = self._at(x, y - height / 2, x + width, y + height / 2)
                self._canvas.rounded_rectangle(
                    corners, radius * self._zoom, fill=color, outline=_LINE, width=self._zoom // 2
                )
            case Mark():
                self._mark(shape)
            case Fork(x0, y0, x_turn, x1, ends):
                for end in ends:
                    points = self._at(x0, y0, x_turn, y0, x_turn, end, x1, end)
                    self._canvas.line(points, fill=_LINE, width=self._zoom)
            case Leader(x0, x1, y):
                for i in range(int((x1 - x0) / 4) + 1):
                    self._disc(x0 + 4 * i, y, 0.45, _DOT)

    def _at(self, *values: float) -> list[float]:
        return [value * self._zoom for value in values]

    def _disc(self, x: float, y: float, radius: float, fill: Color) -> None:
        self._canvas.ellipse(self._at(x - radius, y - radius, x + radius, y + radius), fill=fill)

    def _words(self, words: Words) -> None:
        from PIL import ImageFont

        ink: Color | str = words.ink or (_FAINT if words.faint else _INK)
        # The built-in font has one weight: a stroke of its own colour makes it bold.
        stroke = 0.22 * self._zoom if words.bold else 0
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
        place = (words.x * self._zoom, (words.y + 0.35 * words.size) * self._zoom)
        font = ImageFont.load_default(words.size * self._zoom)
        self._canvas.text(place, words.text, ink, font, anchor, stroke_width=stroke)

    def _mark(self, mark: Mark) -> None:
        x, y = mark.x, mark.y
        match mark.signal:
            case Signal.FROM_PIXELS:
                self._disc(x, y, 3.2, _INK)
            case Signal.FROM_BOX:
                corners = self._at(x - 3.2, y - 3.2, x + 3.2, y + 3.2)
                self._canvas.rectangle(corners, outline=_INK, width=self._zoom)
            case Signal.PARTIAL:
                corners = self._at(x - 3.2, y - 3.2, x + 3.2, y + 3.2)
                self._canvas.ellipse(corners, outline=_INK, width=round(0.8 * self._zoom))
                self._canvas.pieslice(corners, 90, 270, fill=_INK)
            case Signal.NOTHING:
                self._disc(x, y, 0.9, _DOT)
