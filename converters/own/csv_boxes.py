"""Boxes of many images in a CSV file: a line is a box, of an image that it names.

A box is its edges (right and bottom exclusive, counted from 0), its left, top, width and height, or its middle and its
size, in four columns or in one; in pixels, or in fractions of the image. A line that names an image and leaves the rest
empty is an image without a box. Where ``width`` and ``height`` are none of the box, as beside its edges, they are the
image's, which must have this size.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from labelforge.converters.annotations.json_files import flag
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.own.csv_columns import named_table
from labelforge.converters.own.csv_table import csv_table
from labelforge.converters.own.marks import BoxMarks, Classes, checked_boxes
from labelforge.csv_form import BOXES, CENTRE, EDGES, LISTS, CsvForm
from labelforge.errors import DatasetError

_BETWEEN: Final = re.compile(r"[\s,;]+")
_NONE: Final = frozenset({"", "[]", "()", "nan", "none", "null"})  # what a column of four numbers says of no box
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+")
_UNKNOWN: Final = "-1"  # a mark in Open Images of which nobody knows


def read_csv(path: Path, classes: Classes, form: CsvForm | None = None) -> Iterator[tuple[str, str]]:
    """The images of a CSV file: name, and the boxes as `csv_marks` reads them.

    Args:
        path: The file.
        classes: The classes.
        form: How to read it; None for columns that the first line names.

    Raises:
        DatasetError: The file is missing or no CSV, a column is missing, or a line is malformed or of an unknown class.
    """
    form = form or CsvForm()
    table = csv_table(path, form.separator, header=form.header)
    named = named_table(path, table, form, one_class=classes.one)
    yield from _images(path, named, classes, form, 2 if form.header else 1)


def csv_marks(text: str, place: Path, _: Classes) -> BoxMarks:
    """The boxes of one image, from what `read_csv` gave."""
    data = json.loads(text)
    boxes = checked_boxes([Box(int(value), *rest) for value, *rest in data["boxes"]], place)
    return BoxMarks(boxes, data["size"] and tuple(data["size"]), data["fractions"])


def four_numbers(text: str, decimal: str = ".") -> list[float] | None:
    """The numbers of a column that holds four, such as "[3, 4, 20, 30]" or "3 4 20 30"; None if it holds others.

    >>> from labelforge.converters.own.csv_boxes import four_numbers
    >>> four_numbers("[3, 4.5, 20, 30]"), four_numbers("3 4 20")
    ([3.0, 4.5, 20.0, 30.0], None)
    """
    inside = text.strip().strip("[](){}").strip()
    parts = inside.split() if decimal == "," else _BETWEEN.split(inside)
    found = [number_of(part, decimal) for part in parts]
    return None if len(found) != 4 or any(map(math.isnan, found)) else found


def number_of(text: str, decimal: str = ".") -> float:
    """A number; NaN for a text that is none."""
    if decimal == ",":
        text = "" if "." in text else text.replace(",", ".")
    try:
        return math.nan if "_" in text else float(text)  # Python takes 1_000 for a number
    except ValueError:
        return math.nan


def _images(path: Path, table: pd.DataFrame, classes: Classes, form: CsvForm, start: int) -> Iterator[tuple[str, str]]:
    """The images of a table whose first line of boxes is the ``start``-th of the file."""
    columns = {str(name): table[name].str.strip().tolist() for name in table.columns}
    names = next(form for form in (*BOXES, *((name,) for name in LISTS)) if {*form} <= {*columns})
    none = [""] * len(table)
    kinds, angles, ignored = (columns.get(name, none) for name in ("class", "angle", "ignore"))
    kind = LISTS[names[0]] if len(names) == 1 else names
    fours = _fours([columns[name] for name in names], form)
    sizes = _sizes(path, columns, start)
    found: dict[str, list[list[float]]] = {}
    for i, name in enumerate(columns["image"]):
        line = start + i
        texts = [columns[column][i] for column in names]
        empty = not kinds[i] and not any(texts)
        if empty and not name:
            continue  # an empty line
        boxes = found.setdefault(name, [])
        if empty or (len(texts) == 1 and "".join(texts[0].lower().split()) in _NONE):
            continue
        fault = _fault(fours[i], names, texts, form)
        if fault is not None:
            raise DatasetError(fault[0], where=path, line=line, cure=fault[1])
        value = classes.either(kinds[i], path, line) if "class" in columns else classes.only()
        if ignored[i]:
            value = classes.unless(_flag(ignored[i], path, line), value)
        box = Box(value, *_edges(kind, *fours[i]), _angle(angles[i], form, path, line) if angles[i] else 0.0)
        checked_boxes([box], path, [line])
        boxes.append([box.value, box.left, box.top, box.right, box.bottom, box.angle])
    if form.units == "pixels":
        _check_pixels(path, found)
    fractions = form.units == "fractions"
    for name, boxes in found.items():
        yield name, json.dumps({"size": sizes.get(name), "boxes": boxes, "fractions": fractions})


def _fours(columns: Sequence[Sequence[str]], form: CsvForm) -> list[tuple[float, float, float, float]]:
    """The four numbers of each line, from four columns or from one; NaN where there are none."""
    if len(columns) == 1:
        found = (four_numbers(text, form.decimal) or [math.nan] * 4 for text in columns[0])
        return [(a, b, c, d) for a, b, c, d in found]
    series = [pd.Series(column, dtype=str) for column in columns]
    if form.decimal == ",":
        series = [
            each.mask(each.str.contains(".", regex=False), "").str.replace(",", ".", regex=False) for each in series
        ]
    return [*zip(*(pd.to_numeric(each, errors="coerce").tolist() for each in series), strict=True)]


def _fault(
    values: Sequence[float], names: Sequence[str], texts: Sequence[str], form: CsvForm
) -> tuple[str, str] | None:
    """What is wrong with the numbers of a line, and what to do; None if nothing is."""
    bad = next((i for i, value in enumerate(values) if math.isnan(value)), None)
    if bad is not None and len(names) == 1:
        return f"the box is {texts[0][:60]!r}, not four numbers", "Write one box a line; correct the line."
    if bad is not None:
        comma = _DECIMAL_COMMA.fullmatch(texts[bad]) and form.decimal == "."
        cure = "Write decimal: ',' in dataset.yaml, if its comma is a decimal one." if comma else "Correct the line."
        return f"{names[bad]} is {texts[bad][:40]!r}, not a number", cure
    wild = [value for value in values if not -1 <= value <= 2] if form.units == "fractions" else []
    if wild:
        cure = "Divide by the image's width and height; or if all boxes are in pixels, delete 'units' in dataset.yaml."
        return f"{wild[0]:g} is not in fractions of the image", cure
    return None


def _edges(
    kind: Sequence[str], first: float, second: float, third: float, fourth: float
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box, from four numbers of a kind."""
    if kind == EDGES:
        return first, second, third, fourth
    if kind == CENTRE:
        first, second = first - third / 2, second - fourth / 2
    return first, second, first + third, second + fourth


def _sizes(path: Path, columns: Mapping[str, Sequence[str]], start: int) -> dict[str, Size]:
    """Image -> its height and width, where the file says them; tools that do not know them write 0 or nothing."""
    found: dict[str, Size] = {}
    if "height" not in columns or "width" not in columns:
        return found
    lines = zip(columns["image"], columns["height"], columns["width"], strict=True)
    for line, (image, height, width) in enumerate(lines, start=start):
        if height in ("", "0") or width in ("", "0"):
            continue
        try:
            size = int(float(height)), int(float(width))
        except (ValueError, OverflowError):
            what = f"the image's width {width[:40]!r} and height {height[:40]!r} are no numbers"
            raise DatasetError(what, where=path, line=line, cure="Correct them.") from None
        other = found.setdefault(image, size)
        if other != size:
            what = f"the image {image[:80]!r} is {size[1]} x {size[0]} here and {other[1]} x {other[0]} before"
            raise DatasetError(what, where=path, line=line, cure="An image has one size; correct the lines.")
    return found


def _flag(text: str, path: Path, line: int) -> bool:
    try:
        return text != _UNKNOWN and flag(text)
    except ValueError as error:
        raise DatasetError(str(error), where=path, line=line, cure="Write 0 or 1.") from None


def _angle(text: str, form: CsvForm, path: Path, line: int) -> float:
    angle = number_of(text, form.decimal)
    if math.isnan(angle):
        raise DatasetError(f"the angle {text[:40]!r} is no number", where=path, line=line, cure="Correct it.")
    if angle and form.units == "fractions":
        what = "a box in fractions is turned, and they are not of the same length across and down"
        raise DatasetError(what, where=path, line=line, cure="Write boxes in pixels.")
    return angle


def _check_pixels(path: Path, found: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Fractions look like boxes of less than a pixel: all images would be empty."""
    edges = [edge for boxes in found.values() for box in boxes for edge in box[1:5]]
    if edges and max(edges) <= 1.5:
        what = "all boxes end before the second pixel: they are fractions of the image"
        raise DatasetError(what, where=path, cure="Write 'units: fractions' in dataset.yaml.")
