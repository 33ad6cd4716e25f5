"""Finds out what the columns of a CSV file of boxes are that has no first line of names.

The image is the column with the names of pictures that are there. A box is four columns side by side that lie within
the image in all lines, as edges or as corner and size; the class is what is left, a text or few whole numbers. All of
it is a guess that the lines agree with, and so it is written into the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.init.templates import spread
from labelforge.converters.own.csv_boxes import csv_table
from labelforge.converters.own.splits import PICTURES, Names
from labelforge.converters.pictures.images import BROKEN
from labelforge.errors import LabelforgeError, counted

_SEPARATORS: Final = (";", "\t", ",")
_FEWEST: Final = 6  # columns: image, box and class
_HEAD: Final = 1 << 16  # bytes
_LINES: Final = 20  # by which such a file is recognised
_OPENED: Final = 500  # images whose sizes are read
_NAMES: Final = 2000  # of a column, that are looked for
_OUTSIDE: Final = 0.02  # share of the boxes that may leave their image
_EDGES: Final = ("xmin", "ymin", "xmax", "ymax")
_CORNER: Final = ("x", "y", "w", "h")
_AS: Final[Mapping[tuple[str, ...], str]] = {
    _EDGES: "edges (x1, y1, x2, y2)",
    _CORNER: "corner and size (x, y, width, height)",
}

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CsvLayout:
    """What the columns of some files are.

    Attributes:
        files: The files.
        columns: What a column is -> its number, from 1.
        separator: What is between columns.
        reasons: Why, in sentences.
    """

    files: Sequence[str]
    columns: Mapping[str, int]
    separator: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class _Box:
    """Four columns that can be a box.

    Attributes:
        form: What they are.
        first: Number of the first, from 0.
        outside: Boxes that leave their image.
    """

    form: tuple[str, ...]
    first: int
    outside: int

    @property
    def columns(self) -> range:
        return range(self.first, self.first + 4)


def file_head(path: Path) -> str:
    """The beginning of a text, by which it is recognised; "" of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def looks_bare(text: str) -> bool:
    """Whether a text can be the beginning of such a file: lines of as many columns, four or more of them numbers."""
    return _separator(text) is not None


def find_layout(root: Path, files: Sequence[str], pictures: Sequence[str], faults: list[str]) -> CsvLayout | None:
    """What the columns of some files are, of the most lines that are alike; ``faults`` gets why others are not read.

    Args:
        root: The folder.
        files: The files.
        pictures: The pictures that there are.
        faults: Gets a sentence for each file that is left out.
    """
    alike: dict[tuple[str, int], dict[str, pd.DataFrame]] = {}
    for file in files:
        try:
            separator = _separator(file_head(root / file)) or ","
            table = csv_table(root / file, separator, header=False)
        except LabelforgeError as error:
            faults.append(f"{file}: {error.what}. {error.cure or ''}".rstrip(". "))
            continue
        alike.setdefault((separator, table.shape[1]), {})[file] = table
    names = Names({picture: picture for picture in pictures})
    ranked = sorted(alike.items(), key=lambda pair: -sum(map(len, pair[1].values())))
    for (separator, _), tables in ranked:
        found = _Guess(root, pd.concat([*tables.values()], ignore_index=True), names).layout([*tables], separator)
        if isinstance(found, CsvLayout):
            return found
        faults += [f"{file} may be CSV without a first line of names, but {found}" for file in [*tables][:1]]
    return None


def _separator(text: str) -> str | None:
    lines = [line for line in text.splitlines()[:_LINES] if line.strip()]
    for separator in _SEPARATORS:
        try:
            rows = [*csv.reader(lines, delimiter=separator)]
        except csv.Error:
            continue
        if rows and len(rows[0]) >= _FEWEST and {len(row) for row in rows} == {len(rows[0])}:
            filled = [[field for field in column if field.strip()] for column in zip(*rows, strict=True)]
            if sum(bool(column) and all(map(_is_number, column)) for column in filled) >= 4:
                return separator
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Guess:
    """Guesses what the columns of a table are.

    Args:
        root: The folder.
        table: All lines, as text.
        names: The pictures that there are.
    """

    def __init__(self, root: Path, table: pd.DataFrame, names: Names[str]) -> None:
        self._root, self._names = root, names
        self._texts = table.apply(lambda column: column.str.strip())
        self._numbers: dict[int, Numbers] = {}

    def layout(self, files: Sequence[str], separator: str) -> CsvLayout | str:
        """What the columns are; or why that cannot be told, as the end of a sentence."""
        image = self._image()
        if image is None:
            return "no column has names of pictures that are here"
        others = [column for column in self._texts if column != image]
        rows = (self._texts[others] != "").any(axis=1)
        self._texts = self._texts[rows]
        if self._texts.empty:
            return "no line has a box"
        self._numbers = {column: self._column(column) for column in others}
        size = self._sizes(image)
        if not np.isfinite(size).all(axis=0).any():
            return "no picture that has boxes can be opened"
        sides = self._size_columns(size)
        boxes = [*self._boxes({image, *sides.values()}, size)]
        if not boxes:
            return "no four columns side by side are boxes within the image in all lines"
        free = {box: self._classes([c for c in others if c not in (*box.columns, *sides.values())]) for box in boxes}
        usable = [box for box in boxes if free[box]]
        if not usable:
            return "no column can be the class"
        best = min(usable, key=lambda box: (free[box][0][0], box.outside, box.form is _CORNER, box.first))
        label = free[best][0][1]
        columns = {"image": image, **dict(zip(best.form, best.columns, strict=True)), "class": label, **sides}
        reasons = [self._of_image(image, size), self._of_box(best, boxes, size), self._of_class(free[best])]
        return CsvLayout(files, {name: number + 1 for name, number in columns.items()}, separator, reasons)

    def _image(self) -> int | None:
        """The column with the names of pictures that are there, best with their suffixes."""
        ranked = []
        for column in self._texts:
            values = spread([*self._texts[column].unique()], _NAMES)
            there = sum(bool(self._names.find(value)) for value in values if value)
            suffixed = sum(PurePosixPath(value).suffix.lower() in PICTURES for value in values)
            if there:
                ranked.append((suffixed / len(values), there / len(values), -int(column)))
        return -max(ranked)[2] if ranked else None

    def _column(self, column: int) -> Numbers:
        return np.asarray(pd.to_numeric(self._texts[column], errors="coerce"), dtype=np.float64)

    def _sizes(self, image: int) -> Numbers:
        """(2, N) width and height of each line's image, of those that are looked at."""
        unknown = (np.nan, np.nan)
        known = dict.fromkeys(self._texts[image], unknown)
        there = {name: found[0] for name in known if len(found := self._names.find(name)) == 1}
        for name in spread([*there], _OPENED):
            try:
                with Image.open(self._root / there[name]) as picture:
                    known[name] = picture.size
            except BROKEN:
                continue
        return np.array([known[name] for name in self._texts[image]], dtype=np.float64).T

    def _size_columns(self, size: Numbers) -> dict[str, int]:
        """The columns that have the size of the image, if both are there."""
        known = np.isfinite(size).all(axis=0)
        found: dict[str, int] = {}
        for name, side in zip(("width", "height"), size, strict=True):
            for column, numbers in self._numbers.items():
                if column not in found.values() and name not in found and (numbers[known] == side[known]).all():
                    found[name] = column
        return found if len(found) == 2 else {}

    def _boxes(self, taken: set[int], size: Numbers) -> Iterator[_Box]:
        whole = [c for c, numbers in self._numbers.items() if c not in taken and np.isfinite(numbers).all()]
        known = np.isfinite(size).all(axis=0)
        for first in whole:
            if not {*range(first, first + 4)} <= {*whole}:
                continue
            left, top, third, fourth = (self._numbers[column] for column in range(first, first + 4))
            for form in (_EDGES, _CORNER):
                right, bottom = (third, fourth) if form is _EDGES else (left + third, top + fourth)
                if (right < left).any() or (bottom < top).any() or max(right.max(), bottom.max()) <= 1.5:
                    continue
                if 2 * ((right > left) & (bottom > top)).sum() <= len(left):
                    continue
                out = (left < 0) | (top < 0) | (right > size[0]) | (bottom > size[1])
                if out[known].mean() <= _OUTSIDE:
                    yield _Box(form, first, int(out[known].sum()))

    def _classes(self, columns: Sequence[int]) -> list[tuple[tuple[int, int], int]]:
        """The columns that can be the class, with a rank, the likeliest first: text, then whole numbers; few values."""
        found = []
        for column in columns:
            texts, numbers = self._texts[column], self._numbers[column]
            number = int(texts.nunique())
            whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()
            if (texts == "").any() or (np.isfinite(numbers).all() and not (whole and texts.str.isdecimal().all())):
                continue
            rank = 0 if np.isnan(numbers).any() else 1
            rank += 2 if number == 1 else 4 if 2 * number > len(texts) > _LINES else 0
            found.append(((rank, number), column))
        return sorted(found)

    def _of_image(self, image: int, size: Numbers) -> str:
        names = self._texts[image]
        known = np.isfinite(size).all(axis=0)
        opened = names[known].nunique()
        return (
            f"Guessed: that column {image + 1} is the image. It has {counted(names.nunique(), 'name')}; the boxes were "
            f"compared with the sizes of {opened:,} of them, in {counted(int(known.sum()), 'line')}."
        )

    def _of_box(self, best: _Box, boxes: Sequence[_Box], size: Numbers) -> str:
        known = int(np.isfinite(size).all(axis=0).sum())
        where = f"columns {best.first + 1} to {best.first + 4}"
        text = f"Guessed: that {where} are a box's {_AS[best.form]}."
        if best.outside:
            text += f" {best.outside} of {known:,} leave the image."
        if any(box.first == best.first and box is not best for box in boxes):
            other = _CORNER if best.form is _EDGES else _EDGES
            names = ", ".join(f"{name}: {i + 1}" for name, i in zip(other, best.columns, strict=True))
            text += f" They fit as {_AS[other]} as well: look at a picture, and if so, write {names}."
        others = [box for box in boxes if box.first != best.first]
        if others:
            text += f" Columns {others[0].first + 1} to {others[0].first + 4} fit too, as {_AS[others[0].form]}."
        return text

    def _of_class(self, ranked: Sequence[tuple[tuple[int, int], int]]) -> str:
        (_, number), column = ranked[0]
        text = f"Guessed: that column {column + 1}, with {counted(number, 'value')}, is the class."
        if len(ranked) > 1:
            text += f" It may be column {ranked[1][1] + 1}, which has {counted(ranked[1][0][1], 'value')}."
        return text
