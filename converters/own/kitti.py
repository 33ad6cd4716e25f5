"""KITTI's object labels, a text per image: a line for each object.

    Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56

The words are the class, how far it is cut off and hidden, an angle, and the box: left, top, right, bottom; what follows
is of three dimensions, and perhaps a score. Pixels count from 0, and a box holds those whose numbers lie in it, so its
last ones, too. "DontCare" marks where objects were not labelled: nothing is labelled there, either.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from labelforge.converters.files import read_file
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.own.marks import AGAIN, DONT_CARE, BoxMarks, Classes, check_length, checked_boxes
from labelforge.errors import DatasetError

WORDS: Final = (15, 16)
"""How many words a line has, the last a score."""
_EDGES: Final = slice(4, 8)
_CURE: Final = "A line has 15 words: class, truncated, occluded, alpha, left, top, right, bottom, and 7 more."


def read_kitti(path: Path, classes: Classes) -> BoxMarks:
    """The boxes of a file, which may be empty.

    Raises:
        DatasetError: The file is missing, or a line is malformed or of an unknown class.
    """
    check_length(path)
    text = read_file(path, AGAIN).decode("utf-8-sig", errors="replace")
    boxes, lines = [], []
    for line, words in enumerate((line.split() for line in text.splitlines()), start=1):
        if not words:
            continue
        try:
            if len(words) not in WORDS:
                raise ValueError
            left, top, right, bottom = (float(word) for word in words[_EDGES])
        except ValueError:
            what = f"{' '.join(words)[:60]!r} is no object"
            raise DatasetError(what, where=path, line=line, cure=_CURE) from None
        value = NO_ANNOTATION if words[0] == DONT_CARE else classes.named(words[0], path, line)
        boxes.append(Box(value, _first(left), _first(top), _last(right), _last(bottom)))
        lines.append(line)
    return BoxMarks(checked_boxes(boxes, path, lines), marked=DONT_CARE)


def _first(number: float) -> float:
    """The edge before the first pixel whose number is at least this."""
    return math.ceil(number) if math.isfinite(number) else number


def _last(number: float) -> float:
    """The edge behind the last pixel whose number is at most this."""
    return math.floor(number) + 1 if math.isfinite(number) else number
