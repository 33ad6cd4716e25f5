"""YOLO's labels, a text per image: a line for each object, in fractions of the image's width and height.

class x y width height            of boxes: the middle and the size
class x1 y1 x2 y2 x3 y3 ...       of polygons: the corners; a line with four numbers is a box there, too

A turned box, by its four corners, is a polygon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from labelforge.converters.files import read_file
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.labels.polygons import Region
from labelforge.converters.own.layers import Collected, Layers
from labelforge.converters.own.marks import (
    AGAIN,
    BoxMarks,
    Classes,
    PaintMarks,
    check_count,
    check_length,
    checked_boxes,
)
from labelforge.errors import DatasetError

_CONFIDENCE: Final = "If the last number is how sure a network was, delete it, and check that the boxes are right."
_POLYGONS: Final = "Write 'kind: polygons' in dataset.yaml; a line of a box is 'class x y width height'."


def read_yolo_boxes(path: Path, classes: Classes) -> BoxMarks:
    """The boxes of a file, which may be empty.

    Raises:
        DatasetError: The file is missing, or a line is malformed or of an unknown class.
    """
    boxes, lines = [], []
    for line, value, numbers in _objects(path, classes):
        if len(numbers) != 4:
            what, cure = _no_box(len(numbers))
            raise DatasetError(what, where=path, line=line, cure=cure)
        boxes.append(_box(value, numbers))
        lines.append(line)
    checked_boxes(boxes, path, lines)
    return BoxMarks(boxes, fractions=True)


def read_yolo_polygons(path: Path, classes: Classes) -> PaintMarks:
    """The polygons of a file, which may be empty, in its order, the last on top.

    Raises:
        DatasetError: The file is missing, or a line is malformed or of an unknown class.
    """
    found = Collected()
    for number, (line, value, numbers) in enumerate(_objects(path, classes), start=1):
        check_count(number, path)
        if len(numbers) == 4:
            box = _box(value, numbers)
            edges = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
            found.add("box", Region(value, [edges]) if box.area else None)
            continue
        if len(numbers) % 2:
            cure = _CONFIDENCE if len(numbers) == 5 else "A line of a polygon is 'class x1 y1 x2 y2 x3 y3 ...'."
            raise DatasetError(f"{len(numbers)} numbers are no pairs of x and y", where=path, line=line, cure=cure)
        corners = list(zip(numbers[::2], numbers[1::2], strict=True))
        try:
            found.add("polygon", Region(value, [corners]) if len(corners) > 2 else None)
        except ValueError as error:
            raise DatasetError(str(error), where=path, line=line, cure="Check the annotations.") from None
    return PaintMarks(Layers(None, found.layers, fractions=True), found.left_out)


def _objects(path: Path, classes: Classes) -> Iterator[tuple[int, int, Sequence[float]]]:
    """Line number, native id and numbers of every object."""
    check_length(path)
    text = read_file(path, AGAIN).decode("utf-8-sig", errors="replace")
    for line, words in enumerate((line.split() for line in text.splitlines()), start=1):
        if not words:
            continue
        try:
            number, numbers = _whole(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            what = f"{' '.join(words)[:60]!r} is no object"
            cure = "A line is a class and numbers, in fractions of the image."
            raise DatasetError(what, where=path, line=line, cure=cure) from None
        wild = [value for value in numbers if not -1 <= value <= 2]
        if wild:
            what = f"{wild[0]:g} is not in fractions of the image"
            raise DatasetError(what, where=path, line=line, cure="Divide by the image's width and height.")
        yield line, classes.numbered(number, path, line), numbers


def _whole(word: str) -> int:
    """The number of a class; tools that write arrays of floats write 2.0 or 2.000000e+00."""
    number = float(word)
    if not number.is_integer():
        raise ValueError("is no whole number")
    return int(number)


def _no_box(numbers: int) -> tuple[str, str]:
    """What to say of a line with so many numbers after the class, and what to do."""
    what = f"{1 + numbers} words are no box"
    if numbers == 5:
        return f"{what}, but perhaps one with a confidence", _CONFIDENCE
    if numbers == 8:
        return f"{what}, but perhaps one that is turned, by its four corners", _POLYGONS
    if numbers >= 6:
        return f"{what}, but perhaps a polygon", _POLYGONS
    return what, "A line of a box is 'class x y width height'."


def _box(value: int, numbers: Sequence[float]) -> Box:
    x, y, width, height = numbers
    return Box(value, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
