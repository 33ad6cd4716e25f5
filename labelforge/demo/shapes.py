"""A small language for drawings: what the tables of furniture, people, vehicles and signs are written in.

    box INK l,b r,t      poly INK x,y ...      disc INK x,y radius      limb INK width x,y ...
    arrow INK width x,y ...      a limb that ends in a head        text INK width x,y x,y WORD      digits and STOP
    both KIND ...                the shape, and its mirror image at -x
    @other_thing                 what the shapes after it are
    ~x,y,radius,first,last[,squash]      among points: an arc, in degrees, clockwise from 12 o'clock if y runs down

An ink is the name of a color that whoever draws chooses, with a factor on its brightness: ``coat*0.8``. A limb is a
line with round ends. A text reaches from one corner to the opposite one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from labelforge.demo.canvas import Canvas, Point, shade
from labelforge.palette import Color

_KINDS = ("box", "poly", "disc", "limb", "arrow", "text")
_GLYPHS = {  # strokes on a square, which is stretched; no font, so that pictures are the same everywhere
    "0": "~.5,.5,.5,0,360",
    "1": ".1,.22 .55,0 .55,1",
    "2": "~.5,.28,.46,-80,125,.6 .02,1 1,1",
    "3": "~.46,.25,.45,-75,170,.55 .42,.46 ~.46,.72,.52,10,250,.54",
    "5": ".9,0 .16,0 .08,.46 ~.46,.67,.52,-40,240,.63",
    "6": ".78,0 .3,.28 .04,.66 / ~.5,.68,.5,0,360,.64",
    "7": "0,0 1,0 .36,1",
    "8": "~.5,.25,.42,0,360,.59 / ~.5,.74,.5,0,360,.53",
    "S": "~.5,.25,.45,70,-90,.55 .14,.4 .86,.6 ~.5,.75,.45,90,250,.55",
    "T": "0,0 1,0 / .5,0 .5,1",
    "O": "~.5,.5,.5,0,360",
    "P": ".08,1 .08,0 ~.56,.27,.42,0,180,.64 .08,.54",
}


class Shape(NamedTuple):
    """A polygon (width 0) or a line, in an ink with a factor on its light; ``thing`` is empty for the whole's own."""

    points: tuple[Point, ...]
    width: float
    ink: str
    light: float
    thing: str


def arc(x: float, y: float, radius: float, first: float, last: float, squash: float = 1.0) -> list[Point]:
    """Points on an arc around (x, y), a corner every 10 degrees at least; ``squash`` is its height over its width."""
    steps = max(2, math.ceil(abs(last - first) / 10))
    angles = [math.radians(first + (last - first) * i / steps) for i in range(steps + 1)]
    return [(x + radius * math.sin(a), y - radius * squash * math.cos(a)) for a in angles]


@lru_cache(maxsize=512)
def shapes(text: str) -> tuple[Shape, ...]:
    """The shapes of a drawing, in the order in which they are painted."""
    found: list[Shape] = []
    words, twice, thing = text.split(), False, ""
    starts = [i for i, word in enumerate(words) if word in _KINDS or word == "both" or word.startswith("@")]
    for start, end in pairwise([*starts, len(words)]):
        word = words[start]
        if word == "both":
            twice = True
        elif word.startswith("@"):
            thing = word[1:].replace("_", " ")
        else:
            ink, _, light = words[start + 1].partition("*")
            for points, width in _outlines(word, words[start + 2 : end]):
                shape = Shape(tuple(points), width, ink, float(light or 1), thing)
                found.append(shape)
                if twice:
                    found.append(shape._replace(points=tuple((-x, y) for x, y in points)))
            twice = False
    return tuple(found)


def _points(words: list[str]) -> list[Point]:
    points: list[Point] = []
    for word in words:
        x, y, *rest = (float(number) for number in word.lstrip("~").split(","))
        points += arc(x, y, *rest) if rest else [(x, y)]
    return points


def _outlines(kind: str, words: list[str]) -> Iterator[tuple[list[Point], float]]:
    """The polygons (width 0) and lines that a shape consists of."""
    points = _points([word for word in words if "," in word])
    width = next((float(word) for word in words if "," not in word), 0.0)
    (x0, y0), (x1, y1) = points[0], points[-1]
    if kind == "box":
        yield [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], 0.0
    elif kind == "disc":
        yield arc(x0, y0, width, 0, 350), 0.0
    elif kind == "arrow":
        x0, y0 = points[-2]
        head = 1.6 * width / math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) * head, (y1 - y0) * head
        yield [*points[:-1], (x1 - dx, y1 - dy)], width
        yield [(x1, y1), (x1 - dx - dy * 0.8, y1 - dy + dx * 0.8), (x1 - dx + dy * 0.8, y1 - dy - dx * 0.8)], 0.0
    elif kind == "text":
        step, tall = (x1 - x0) / len(words[-1]), y1 - y0
        for i, glyph in enumerate(words[-1]):
            for stroke in _GLYPHS[glyph].split("/"):
                yield [(x0 + step * (i + 0.16 + 0.68 * x), y0 + tall * y) for x, y in _points(stroke.split())], width
    else:
        yield points, width


Placing = Callable[[float, float], Point]  # where a point of a drawing is, in pixels


def draw(
    canvas: Canvas, text: str, at: Placing, scale: float, inks: Mapping[str, Color], values: dict[str, int]
) -> None:
    """Paint a drawing; ``scale`` is in pixels per unit, ``values`` says what its things are annotated as."""
    for shape in shapes(text):
        pixels, color = [at(x, y) for x, y in shape.points], shade(inks[shape.ink], shape.light)
        if shape.width:
            canvas.line(pixels, shape.width * scale, color, values[shape.thing])
        else:
            canvas.polygon(pixels, color, values[shape.thing])
