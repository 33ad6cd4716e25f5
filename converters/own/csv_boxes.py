"""Boxes of many images in a CSV file, whose columns are found by their names, or where it has none, by their numbers.

A line is a box, in pixels: either its edges (right and bottom exclusive, counted from 0), or its left, top, width and
height. A line that names an image and leaves the rest empty is an image without a box. Where ``width`` and ``height``
are none of the box, as beside its edges, they are the image's, which must have this size.
"""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from labelforge.converters.annotations.json_files import flag
from labelforge.converters.files import read_file
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.own.marks import (
    LARGEST_SHARED,
    BoxMarks,
    Classes,
    check_length,
    checked_boxes,
)
from labelforge.errors import DatasetError, listed

IMAGE: Final = ("image", "filename", "file_name", "file", "path", "image_path", "image_name", "image_id", "img")
CLASS: Final = ("class", "label", "name", "class_name", "label_name", "category", "class_id", "classid", "category_id")
EDGES: Final = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
)
SIZES: Final = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
)
ANGLE: Final = ("angle", "rotation")
IGNORED: Final = ("ignore", "iscrowd", "is_crowd", "crowd", "difficult")
HEIGHT: Final = ("height", "image_height", "img_height")
WIDTH: Final = ("width", "image_width", "img_width")


def read_csv(
    path: Path, classes: Classes, columns: Mapping[str, int] | None = None, separator: str | None = None
) -> Iterator[tuple[str, str]]:
    """The images of a CSV file: name, and the boxes as `csv_marks` reads them.

    Args:
        path: The file.
        classes: The classes.
        columns: Which column is what, from 1; None if the first line says it.
        separator: What is between columns; None for what the first line has most.

    Raises:
        DatasetError: The file is missing or no CSV, a column is missing, or a line is malformed or of an unknown class.
    """
    if columns is None:
        yield from _images(path, csv_table(path, separator), classes, 2)
    else:
        yield from _images(path, _named(path, csv_table(path, separator, header=False), columns), classes, 1)


def _images(path: Path, table: pd.DataFrame, classes: Classes, start: int) -> Iterator[tuple[str, str]]:
    """The images of a table whose first line of boxes is the ``start``-th of the file."""
    columns = {name.strip().lower(): name for name in table.columns}
    image, label = _column(path, columns, IMAGE, "the image"), _column(path, columns, CLASS, "the class")
    names, edges = _box_columns(path, columns)
    numbers = {name: pd.to_numeric(table[columns[name]].str.strip(), errors="coerce").tolist() for name in names}
    texts = {name: table[columns[name]].tolist() for name in names}
    angles = _optional(table, columns, ANGLE)
    ignored = _optional(table, columns, IGNORED)
    sizes = _sizes(path, table, columns, table[image].tolist(), names, start)
    found: dict[str, list[list[float]]] = {}
    for i, (name, kind) in enumerate(zip(table[image].tolist(), table[label].tolist(), strict=True)):
        line = start + i
        empty = not kind.strip() and not any(texts[column][i].strip() for column in names)
        if empty and not name.strip():
            continue  # an empty line
        boxes = found.setdefault(name.strip(), [])
        if empty:
            continue
        values = [numbers[column][i] for column in names]
        bad = [column for column, value in zip(names, values, strict=True) if math.isnan(value)]
        if bad:
            what = f"{bad[0]} is {texts[bad[0]][i][:40]!r}, not a number"
            raise DatasetError(what, where=path, line=line, cure="Correct the line.")
        value = classes.either(kind.strip(), path, line)
        value = classes.unless(_flag(ignored[i], path, line), value)
        left, top, third, fourth = values
        right, bottom = (third, fourth) if edges else (left + third, top + fourth)
        box = Box(value, left, top, right, bottom, _angle(angles[i], path, line))
        checked_boxes([box], path, [line])
        boxes.append([box.value, box.left, box.top, box.right, box.bottom, box.angle])
    _check_pixels(path, found)
    yield from ((name, json.dumps({"size": sizes.get(name), "boxes": boxes})) for name, boxes in found.items())


def csv_marks(text: str, place: Path, _: Classes) -> BoxMarks:
    """The boxes of one image, from what `read_csv` gave."""
    data = json.loads(text)
    boxes = checked_boxes([Box(int(value), *rest) for value, *rest in data["boxes"]], place)
    return BoxMarks(boxes, data["size"] and tuple(data["size"]))


def has_header(first: str) -> bool:
    """Whether a CSV file that begins with this line has boxes that can be read."""
    names = {name.strip().lower() for name in first.replace(";", ",").replace("\t", ",").replace('"', "").split(",")}
    boxes = any({*form} <= names for form in (*EDGES, *SIZES))
    return boxes and bool(names & {*IMAGE}) and bool(names & {*CLASS})


def csv_table(path: Path, separator: str | None = None, *, header: bool = True) -> pd.DataFrame:
    """The table of a CSV file, as text.

    Args:
        path: The file.
        separator: What is between columns; None for what the first line has most.
        header: Whether the first line names the columns; else they are numbered from 0.

    Raises:
        DatasetError: The file is missing, too long or no CSV.
    """
    check_length(path, LARGEST_SHARED)
    data = read_file(path, "Correct the path of the labels in dataset.yaml.")
    try:
        text = data.decode("utf-8-sig")
        first = text.partition("\n")[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a line with more values than there are columns
            return pd.read_csv(
                io.StringIO(text),
                sep=separator or max(",;\t", key=first.count),
                header=0 if header else None,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except (ValueError, pd.errors.ParserWarning, csv.Error) as error:
        what = f"is no CSV ({' '.join(str(error).split())})"
        more = "with a first line that names columns" if header else "with as many columns in each line"
        raise DatasetError(what, where=path, cure=f"Save it as UTF-8, {more}.") from None


def _named(path: Path, table: pd.DataFrame, columns: Mapping[str, int]) -> pd.DataFrame:
    """The columns of a table without a first line of names that have one."""
    name, number = max(columns.items(), key=lambda pair: pair[1])
    if number > table.shape[1]:
        what = f"has {table.shape[1]} columns, but column {number} is to be {name!r}"
        raise DatasetError(what, where=path, line=1, cure="Correct 'columns' or 'separator' in dataset.yaml.")
    found = table[[number - 1 for number in columns.values()]]
    return found.set_axis([*columns], axis=1)


def _column(path: Path, columns: Mapping[str, str], known: Sequence[str], what: str) -> str:
    for name in known:
        if name in columns:
            return columns[name]
    raise DatasetError(
        f"has no column for {what}, among {listed(map(repr, columns), 8)}",
        where=path,
        line=1,
        cure=f"Give it the name {known[0]} in the first line.",
    )


def _box_columns(path: Path, columns: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """The four columns of a box, and whether they are edges."""
    for forms, edges in ((EDGES, True), (SIZES, False)):
        for names in forms:
            if all(name in columns for name in names):
                return names, edges
    what = f"has no columns for boxes, among {listed(map(repr, columns), 8)}"
    cure = "Name them xmin, ymin, xmax, ymax (edges in pixels), or x, y, w, h, in the first line."
    raise DatasetError(what, where=path, line=1, cure=cure)


def _sizes(
    path: Path, table: pd.DataFrame, columns: Mapping[str, str], images: Sequence[str], box: Sequence[str], start: int
) -> dict[str, Size]:
    """Image -> its height and width, where the file says them; tools that do not know them write 0 or nothing."""
    free = {name: column for name, column in columns.items() if name not in box}
    found: dict[str, Size] = {}
    lines = zip(images, _optional(table, free, HEIGHT), _optional(table, free, WIDTH), strict=True)
    for line, (image, height, width) in enumerate(lines, start=start):
        if height.strip() in ("", "0") or width.strip() in ("", "0"):
            continue
        try:
            size = int(float(height)), int(float(width))
        except (ValueError, OverflowError):
            what = f"the image's width {width[:40]!r} and height {height[:40]!r} are no numbers"
            raise DatasetError(what, where=path, line=line, cure="Correct them.") from None
        other = found.setdefault(image.strip(), size)
        if other != size:
            what = f"the image {image[:80]!r} is {size[1]} x {size[0]} here and {other[1]} x {other[0]} before"
            raise DatasetError(what, where=path, line=line, cure="An image has one size; correct the lines.")
    return found


def _optional(table: pd.DataFrame, columns: Mapping[str, str], known: Sequence[str]) -> list[str]:
    name = next((columns[name] for name in known if name in columns), None)
    return [""] * len(table) if name is None else [str(value) for value in table[name].tolist()]


def _flag(text: str, path: Path, line: int) -> bool:
    try:
        return flag(text)
    except ValueError as error:
        raise DatasetError(str(error), where=path, line=line, cure="Write 0 or 1.") from None


def _angle(text: str, path: Path, line: int) -> float:
    try:
        return float(text.strip() or 0)
    except ValueError:
        raise DatasetError(f"the angle {text[:40]!r} is no number", where=path, line=line, cure="Correct it.") from None


def _check_pixels(path: Path, found: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Fractions look like boxes of less than a pixel: all images would be empty."""
    edges = [edge for boxes in found.values() for box in boxes for edge in box[1:5]]
    if edges and max(edges) <= 1.5:
        what = "all boxes end before the second pixel: they are fractions of the image"
        raise DatasetError(what, where=path, cure="Multiply them by the image's width and height.")
