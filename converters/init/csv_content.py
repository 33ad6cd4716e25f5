"""What the lines of a CSV file of boxes say: which columns name pictures, hold their sizes, or can be boxes or classes.

Boxes are compared with the sizes of their pictures: what lies inside in all lines can be a box.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.init.templates import spread
from labelforge.converters.own.csv_boxes import four_numbers, number_of
from labelforge.converters.own.splits import PICTURES, Names
from labelforge.converters.pictures.images import BROKEN
from labelforge.csv_form import CENTRE, CORNER, EDGES, CsvForm, Decimal, Units

_HEAD: Final = 1 << 16  # bytes
_OPENED: Final = 500  # images whose sizes are read
_NAMES: Final = 2000  # of a column, that are looked for
_OUTSIDE: Final = 0.02  # share of the boxes that may leave their image
_LINES: Final = 20  # from which on a column of ever new values is no class
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+")
BY_TURNS: Final = ("xmin", "xmax", "ymin", "ymax")
"""Edges in another order, which some tools write."""
AS: Final[Mapping[tuple[str, ...], str]] = {
    EDGES: "edges (x1, y1, x2, y2)",
    CORNER: "corner and size (x, y, width, height)",
    CENTRE: "middle and size (x, y, width, height)",
    BY_TURNS: "edges (x1, x2, y1, y2)",
}
"""What four numbers can be, in words, the likeliest first."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CsvLayout:
    """How some files are to be read.

    Attributes:
        files: The files.
        form: How.
        reasons: Why, in sentences.
    """

    files: Sequence[str]
    form: CsvForm
    reasons: Sequence[str]


@dataclass(frozen=True)
class Fit:
    """What four numbers can be.

    Attributes:
        form: Their names, in their order.
        outside: Boxes that leave their image.
        fractions: Whether they are fractions of the image.
    """

    form: tuple[str, ...]
    outside: int
    fractions: bool

    @property
    def units(self) -> Units:
        """As a ``dataset.yaml`` calls them."""
        return "fractions" if self.fractions else "pixels"


def file_head(path: Path) -> str:
    """The beginning of a text, by which it is recognised; "" of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


class CsvContent:
    """The lines of some CSV files.

    Args:
        root: The folder.
        table: All lines, as text.
        names: The pictures that there are.
        separator: What is between columns.
    """

    def __init__(self, root: Path, table: pd.DataFrame, names: Names[str], separator: str) -> None:
        self._root, self._names = root, names
        self.texts = table.apply(lambda column: column.str.strip())
        comma = separator != "," and any(
            _DECIMAL_COMMA.fullmatch(text) for column in self.texts for text in self.texts[column].tolist()
        )
        self.decimal: Decimal = "," if comma else "."

    def image(self) -> object | None:
        """The column with the names of pictures that are there, best with their suffixes; None if there is none."""
        ranked = []
        for place, column in enumerate(self.texts):
            values = spread([*self.texts[column].unique()], _NAMES)
            there = sum(bool(self._names.find(value)) for value in values if value)
            suffixed = sum(PurePosixPath(value).suffix.lower() in PICTURES for value in values)
            if there:
                ranked.append((suffixed / len(values), there / len(values), -place))
        return self.texts.columns[-max(ranked)[2]] if ranked else None

    def numbers(self, column: object) -> Numbers:
        """(N,) the numbers of a column; NaN where a line has none."""
        return np.array([number_of(text, self.decimal) for text in self.texts[column].tolist()], dtype=np.float64)

    def fours(self, column: object) -> Numbers:
        """(4, N) the numbers of a column that holds four; NaN where a line has none."""
        unknown = [np.nan] * 4
        return (
            np.array([four_numbers(text, self.decimal) or unknown for text in self.texts[column].tolist()])
            .reshape(-1, 4)
            .T
        )

    def sizes(self, image: object) -> Numbers:
        """(2, N) width and height of each line's image, of those that are looked at; else NaN."""
        unknown = (np.nan, np.nan)
        known = dict.fromkeys(self.texts[image], unknown)
        there = {name: found[0] for name in known if len(found := self._names.find(name)) == 1}
        for name in spread([*there], _OPENED):
            try:
                with Image.open(self._root / there[name]) as picture:
                    known[name] = picture.size
            except BROKEN:
                continue
        return np.array([known[name] for name in self.texts[image]], dtype=np.float64).reshape(-1, 2).T

    def classes(self, columns: Iterable[object]) -> list[tuple[tuple[int, int], object]]:
        """The columns that can be the class, with a rank, the likeliest first: text, then whole numbers; few values."""
        found = []
        for column in columns:
            texts, numbers = self.texts[column], self.numbers(column)
            number = int(texts.nunique())
            whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()
            if (texts == "").any() or (np.isfinite(numbers).all() and not (whole and texts.str.isdecimal().all())):
                continue
            rank = 0 if np.isnan(numbers).any() else 1
            rank += 2 if number == 1 else 4 if 2 * number > len(texts) > _LINES else 0
            found.append(((rank, number), column))
        return sorted(found, key=lambda pair: (pair[0], str(pair[1])))


def fits(four: Numbers, size: Numbers, forms: Iterable[tuple[str, ...]] = tuple(AS)) -> Iterator[Fit]:
    """What four numbers can be, of some forms.

    Args:
        four: (4, N) the numbers of each line.
        size: (2, N) width and height of its image; NaN where it is not known.
        forms: The forms to try.
    """
    fractions = bool(four.max() <= 1 and ((four != np.floor(four)).mean(axis=1) > 0.5).all())
    if not fractions and four.max() <= 1.5:
        return
    size = np.where(np.isfinite(size), 1, size) if fractions else size
    slack = 1e-6 if fractions else 0
    known = np.isfinite(size).all(axis=0)
    for form in forms:
        left, top, right, bottom = edges_of(four, form)
        if (right < left).any() or (bottom < top).any():
            continue
        if 2 * ((right > left) & (bottom > top)).sum() <= four.shape[1]:
            continue
        out = (left < -slack) | (top < -slack) | (right > size[0] + slack) | (bottom > size[1] + slack)
        if out[known].mean() <= _OUTSIDE:
            yield Fit(form, int(out[known].sum()), fractions)


def edges_of(four: Numbers, form: tuple[str, ...]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Left, top, right and bottom of boxes, (N,) each, from (4, N) numbers of a form."""
    first, second, third, fourth = four
    if form == EDGES:
        return first, second, third, fourth
    if form == BY_TURNS:
        return first, third, second, fourth
    if form == CENTRE:
        first, second = first - third / 2, second - fourth / 2
    return first, second, first + third, second + fourth
