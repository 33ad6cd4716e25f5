"""Finds out what the columns of a CSV file of boxes are that has no first line of names.

The image is the column with the names of pictures that are there. A box is four columns side by side that lie within
the image in all lines, as edges, or as corner or middle and size, in pixels or in fractions; or one column with these
four numbers. The class is what is left, a text or few whole numbers. All of it is a guess that the lines agree with,
and so it is written into the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, cast

import numpy as np
import pandas as pd

from labelforge.converters.init.csv_content import AS, CsvContent, CsvLayout, Fit, Numbers, fault_of, file_head, fits
from labelforge.converters.own.csv_boxes import four_numbers, number_of
from labelforge.converters.own.csv_table import csv_table
from labelforge.converters.own.splits import PICTURES, Names
from labelforge.csv_form import CsvForm, Decimal
from labelforge.errors import LabelforgeError, counted

_SEPARATORS: Final = (";", "\t", "|", ",", " ")
_FEWEST: Final = 6  # columns: image, box and class
_LINES: Final = 20  # by which such a file is recognised
_BY_LIST: Final = 3  # columns, of which one holds four numbers


@dataclass(frozen=True)
class _Box:
    """Columns that can be a box.

    Attributes:
        fit: What they are.
        columns: Their numbers, from 0: four, or one.
        decimal: What is in their numbers.
    """

    fit: Fit
    columns: tuple[int, ...]
    decimal: Decimal

    @property
    def names(self) -> tuple[str, ...]:
        """What a ``dataset.yaml`` calls the columns."""
        return self.fit.form if len(self.columns) > 1 else (" ".join(self.fit.form),)

    @property
    def called(self) -> str:
        """What to call the columns."""
        first, last = self.columns[0] + 1, self.columns[-1] + 1
        return f"columns {first} to {last}" if last > first else f"column {first}"


def looks_bare(text: str) -> bool:
    """Whether a text can be the beginning of such a file: lines of as many columns, with four numbers or more."""
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
            faults.append(fault_of(file, error))
            continue
        alike.setdefault((separator, table.shape[1]), {})[file] = table
    names = Names({picture: picture for picture in pictures})
    ranked = sorted(alike.items(), key=lambda pair: -sum(map(len, pair[1].values())))
    for (separator, _), tables in ranked:
        found = _Guess(root, pd.concat([*tables.values()], ignore_index=True), names, separator).layout([*tables])
        if isinstance(found, CsvLayout):
            return found
        faults += [f"{file} may be CSV without a first line of names, but {found}" for file in [*tables][:1]]
    return None


def _separator(text: str) -> str | None:
    lines = [line for line in text.splitlines()[:_LINES] if line.strip()]
    for separator in _SEPARATORS:
        try:
            rows = [line.split() for line in lines] if separator == " " else [*csv.reader(lines, delimiter=separator)]
        except csv.Error:
            continue
        if not rows or {len(row) for row in rows} != {len(rows[0])}:
            continue
        if separator == " " and not any(PurePosixPath(field).suffix.lower() in PICTURES for field in rows[0]):
            continue  # of many kinds of lines of numbers, only those that name pictures
        filled = [[field for field in column if field.strip()] for column in zip(*rows, strict=True)]
        decimal = "." if separator == "," else ","
        numbers = sum(bool(column) and all(_is_number(field, decimal) for field in column) for column in filled)
        lists = sum(bool(column) and all(map(four_numbers, column)) for column in filled)
        if (len(rows[0]) >= _FEWEST and numbers >= 4) or (len(rows[0]) >= _BY_LIST and lists):
            return separator
    return None


def _is_number(text: str, decimal: str) -> bool:
    return not (np.isnan(number_of(text)) and np.isnan(number_of(text, decimal)))


class _Guess:
    """Guesses what the columns of a table are.

    Args:
        root: The folder.
        table: All lines, as text.
        names: The pictures that there are.
        separator: What is between columns.
    """

    def __init__(self, root: Path, table: pd.DataFrame, names: Names[str], separator: str) -> None:
        self._content, self._separator = CsvContent(root, table, names, separator), separator
        self._known: dict[tuple[int, Decimal], Numbers] = {}

    def layout(self, files: Sequence[str]) -> CsvLayout | str:
        """What the columns are; or why that cannot be told, as the end of a sentence."""
        content = self._content
        image = cast("int | None", content.image())
        if image is None:
            return "no column has names of pictures that are here"
        others = [column for column in content.texts if column != image]
        content.texts = content.texts[(content.texts[others] != "").any(axis=1)]
        if content.texts.empty:
            return "no line has a box"
        size = content.sizes(image)
        if not np.isfinite(size).all(axis=0).any():
            return "no picture that has boxes can be opened"
        sides = self._size_columns(others, size)
        free = [column for column in others if column not in sides.values()]
        boxes = [box for decimal in content.decimals for box in self._boxes(free, size, decimal)]
        if not boxes:
            return "no four columns side by side are boxes within the image in all lines"
        labels = {box: content.classes([c for c in free if c not in box.columns]) for box in boxes}
        usable = [box for box in boxes if labels[box]]
        if not usable:
            return "no column can be the class"
        forms = [*AS]
        best = min(usable, key=lambda b: (labels[b][0][0], b.fit.far, forms.index(b.fit.form), b.columns))
        boxes = [box for box in boxes if box.decimal == best.decimal]
        label = cast(int, labels[best][0][1])
        columns = {"image": image, **dict(zip(best.names, best.columns, strict=True)), "class": label, **sides}
        reasons = [self._of_image(image, size), self._of_box(best, boxes, size), self._of_class(labels[best])]
        numbers = {name: int(number) + 1 for name, number in columns.items()}
        form = CsvForm(numbers, self._separator, best.decimal, best.fit.units)
        return CsvLayout(files, form, reasons)

    def _size_columns(self, columns: Sequence[int], size: Numbers) -> dict[str, int]:
        """The columns that have the size of the image, if both are there."""
        known = np.isfinite(size).all(axis=0)
        found: dict[str, int] = {}
        for name, side in zip(("width", "height"), size, strict=True):
            for column in columns:
                if column in found.values() or name in found:
                    continue
                if (self._numbers(column, ".")[known] == side[known]).all():
                    found[name] = column
        return found if len(found) == 2 else {}

    def _boxes(self, columns: Sequence[int], size: Numbers, decimal: Decimal) -> Iterator[_Box]:
        """The boxes that some columns can be; with decimal commas, only those that are no numbers without."""
        whole = [column for column in columns if np.isfinite(self._numbers(column, decimal)).all()]
        starts = [first for first in whole if {*range(first, first + 4)} <= {*whole}]
        fours = [(tuple(range(first, first + 4)), [*AS]) for first in starts]
        lists = [((column,), [*AS][:3]) for column in columns if column not in whole]
        for places, forms in (*fours, *lists):
            numbers = self._read(places, decimal)
            if not np.isfinite(numbers).all() or (decimal == "," and np.isfinite(self._read(places, ".")).all()):
                continue
            yield from (_Box(fit, places, decimal) for fit in fits(numbers, size, forms))

    def _read(self, columns: tuple[int, ...], decimal: Decimal) -> Numbers:
        """(4, N) the numbers of four columns, or of one that holds them."""
        if len(columns) == 1:
            return self._content.fours(columns[0], decimal)
        return np.stack([self._numbers(column, decimal) for column in columns])

    def _numbers(self, column: int, decimal: Decimal) -> Numbers:
        if (column, decimal) not in self._known:
            self._known[column, decimal] = self._content.numbers(column, decimal)
        return self._known[column, decimal]

    def _of_image(self, image: int, size: Numbers) -> str:
        names = self._content.texts[image]
        known = np.isfinite(size).all(axis=0)
        opened = names[known].nunique()
        return (
            f"Guessed: that column {image + 1} is the image. It has {counted(names.nunique(), 'name')}; the boxes were "
            f"compared with the sizes of {opened:,} of them, in {counted(int(known.sum()), 'line')}."
        )

    def _of_box(self, best: _Box, boxes: Sequence[_Box], size: Numbers) -> str:
        known = int(np.isfinite(size).all(axis=0).sum())
        text = f"Guessed: that {best.called} {'is' if len(best.columns) == 1 else 'are'} a box's {AS[best.fit.form]}"
        text += ", in fractions of the image." if best.fit.fractions else "."
        if best.fit.outside:
            text += f" {best.fit.outside} of {known:,} leave the image."
        for same in [box for box in boxes if box.columns == best.columns and box is not best]:
            names = ", ".join(f"{name}: {i + 1}" for name, i in zip(same.names, same.columns, strict=True))
            text += f" They fit as {AS[same.fit.form]} as well: look at a picture, and if so, write {names}."
        others = [box for box in boxes if box.columns != best.columns]
        if others:
            called = others[0].called
            text += f" {called[0].upper()}{called[1:]} fit too, as {AS[others[0].fit.form]}."
        return text

    def _of_class(self, ranked: Sequence[tuple[tuple[int, int], object]]) -> str:
        (_, number), column = ranked[0]
        text = f"Guessed: that column {cast(int, column) + 1}, with {counted(number, 'value')}, is the class."
        if len(ranked) > 1:
            text += f" It may be column {cast(int, ranked[1][1]) + 1}, which has {counted(ranked[1][0][1], 'value')}."
        return text
