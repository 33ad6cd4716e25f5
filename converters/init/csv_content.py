"""What the lines of a CSV file of boxes say: which columns name pictures, hold their sizes, or can be boxes or classes.

Boxes are compared with the sizes of their pictures: what lies inside in all lines can be a box.
"""

from __future__ import annotations

import json
import math
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
from labelforge.errors import LabelforgeError

_HEAD: Final = 1 << 16  # bytes
_OPENED: Final = 500  # images whose sizes are read
_NAMES: Final = 2000  # of a column, that are looked for
_SLACK: Final = 2  # pixels by which a box may leave its image, as many do by rounding or by a mouse
_FEW: Final = 0.02  # share of the boxes that may leave their image by more, of a form that fits
_MANY: Final = 0.1  # share from which on they are many
_LINES: Final = 20  # from which on a column of ever new values is no class
_PLAIN: Final = re.compile(r"(?i)(?!(?:true|false|null)\Z)[a-z_]\w*")  # what YAML reads as a text without quotes
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
        fractions: Whether they are fractions of the image.
        known: Boxes whose image's size is known; the counts below are of these.
        outside: Boxes that leave their image.
        far: Boxes that leave it by more than two pixels.
    """

    form: tuple[str, ...]
    fractions: bool
    known: int = 0
    outside: int = 0
    far: int = 0

    @property
    def few(self) -> bool:
        """Whether hardly any box leaves its image, but for a pixel or two."""
        return self.far <= _FEW * self.known

    @property
    def many(self) -> bool:
        """Whether so many boxes leave their image, by more than two pixels, that the form must be another."""
        return self._many(self.far)

    @property
    def rank(self) -> tuple[bool, bool]:
        """How unlikely it is, where nothing else says it: whether many boxes leave their image far, or at all."""
        return self.many, self._many(self.outside)

    def _many(self, number: int) -> bool:
        return number >= min(3, self.known) and number > _MANY * self.known

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


def fault_of(file: str, error: LabelforgeError) -> str:
    """Why a file is not read, in a sentence without its stop."""
    place = file if error.line is None else f"{file}:{error.line}"
    return f"{place}: {error.what}. {error.cure or ''}".rstrip(". ")


def columns_line(columns: Mapping[str, str]) -> str:
    """The line of a ``dataset.yaml`` that says which column is what.

    >>> from labelforge.converters.init.csv_content import columns_line
    >>> columns_line({"image": "image", "class": "Art: 1"})
    'columns: {image: image, class: "Art: 1"}'
    """
    each = (f"{what}: {name if _PLAIN.fullmatch(name) else json.dumps(name)}" for what, name in columns.items())
    return f"columns: {{{', '.join(each)}}}"


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
        self._commas = separator != ","
        self.decimal: Decimal = "."

    def decide_decimal(self, columns: Sequence[object], *, lists: bool) -> None:
        """Take the commas of some columns for decimal ones if more of their texts are numbers then.

        Args:
            columns: The columns of a box; what is in others says nothing of it.
            lists: Whether each holds four numbers.
        """
        texts = [text for column in columns for text in self.texts[column].tolist()]

        def read(decimal: Decimal) -> int:
            if lists:
                return sum(four_numbers(text, decimal) is not None for text in texts)
            return sum(not math.isnan(number_of(text, decimal)) for text in texts)

        self.decimal = "," if self._commas and read(",") > read(".") else "."

    @property
    def decimals(self) -> tuple[Decimal, ...]:
        """What can be in numbers of these files, the likelier first."""
        return (".", ",") if self._commas else (".",)

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

    def numbers(self, column: object, decimal: Decimal | None = None) -> Numbers:
        """(N,) the numbers of a column; NaN where a line has none."""
        mark = decimal or self.decimal
        return np.array([number_of(text, mark) for text in self.texts[column].tolist()], dtype=np.float64)

    def fours(self, column: object, decimal: Decimal | None = None) -> Numbers:
        """(4, N) the numbers of a column that holds four; NaN where a line has none."""
        mark, unknown = decimal or self.decimal, [np.nan] * 4
        found = [four_numbers(text, mark) or unknown for text in self.texts[column].tolist()]
        return np.array(found).reshape(-1, 4).T

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
            texts = self.texts[column]
            numbers = np.fmax.reduce([self.numbers(column, decimal) for decimal in self.decimals])
            number = int(texts.nunique())
            whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()
            if (texts == "").any() or (np.isfinite(numbers).all() and not (whole and texts.str.isdecimal().all())):
                continue
            rank = 0 if np.isnan(numbers).any() else 1
            rank += 2 if number == 1 else 4 if 2 * number > len(texts) > _LINES else 0
            found.append(((rank, number), column))
        return sorted(found, key=lambda pair: (pair[0], str(pair[1])))


def readings(four: Numbers, size: Numbers, forms: Iterable[tuple[str, ...]] = tuple(AS)) -> Iterator[Fit]:
    """What four numbers can be, of some forms, wherever the boxes lie: no box is turned inside out.

    Args:
        four: (4, N) the numbers of each line.
        size: (2, N) width and height of its image; NaN where it is not known.
        forms: The forms to try.
    """
    fractions = bool(four.max() <= 1 and ((four != np.floor(four)).mean(axis=1) > 0.5).all())
    if not fractions and four.max() <= 1.5:
        return
    known = np.isfinite(size).all(axis=0)
    pixel = 1 / size if fractions else np.ones_like(size)
    ends = np.ones_like(size) if fractions else size
    for form in forms:
        left, top, right, bottom = edges_of(four, form)
        if (right < left).any() or (bottom < top).any():
            continue
        if 2 * ((right > left) & (bottom > top)).sum() <= four.shape[1]:
            continue
        beyond = np.max([-left / pixel[0], -top / pixel[1], *(([right, bottom] - ends) / pixel)], axis=0)[known]
        yield Fit(form, fractions, int(known.sum()), int((beyond > 1e-3).sum()), int((beyond > _SLACK).sum()))


def fits(four: Numbers, size: Numbers, forms: Iterable[tuple[str, ...]] = tuple(AS)) -> Iterator[Fit]:
    """What four numbers can be, of some forms: those of `readings` with which few boxes leave their image."""
    return (fit for fit in readings(four, size, forms) if fit.few and not any(fit.rank))


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
