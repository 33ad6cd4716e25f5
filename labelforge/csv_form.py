"""What a ``dataset.yaml`` says of CSV files of boxes: which column is what, and how numbers are meant.

All of it may be left out where the first line of the files names the columns in a usual way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from labelforge.dataset_file import DatasetFile
from labelforge.errors import did_you_mean
from labelforge.yamlfile import YamlFile

EDGES: Final = ("xmin", "ymin", "xmax", "ymax")
CORNER: Final = ("x", "y", "w", "h")
CENTRE: Final = ("xc", "yc", "w", "h")
BOXES: Final = (EDGES, CORNER, CENTRE)
"""What four numbers can be: the edges of a box, its corner and size, or its middle and size."""
LISTS: Final[Mapping[str, tuple[str, ...]]] = {" ".join(form): form for form in BOXES}
"""What one column with all four is called: "x y w h"."""
OTHERS: Final = ("image", "class", "angle", "ignore", "width", "height")
"""What other columns can be; ``width`` and ``height`` are the image's."""
_KNOWN: Final = (*OTHERS, *dict.fromkeys(name for form in BOXES for name in form), *LISTS)
_MOST: Final = 1000  # columns
_EXAMPLE: Final = "Write {image: 1, xmin: 2, ymin: 3, xmax: 4, ymax: 5, class: 6}, or x, y, w and h, or x y w h."

Decimal = Literal[".", ","]
Units = Literal["pixels", "fractions"]
Columns = Mapping[str, int] | Mapping[str, str]
"""What a column is -> its number, from 1, or its name in the first line."""


@dataclass(frozen=True)
class CsvForm:
    """How CSV files of boxes are to be read.

    Attributes:
        columns: Which column is what; None if the first line says it in a usual way.
        separator: What is between columns, " " for any white space; None for what the first line has most.
        decimal: What is between the whole part of a number and the rest: a point or a comma.
        units: Whether boxes are in pixels or in fractions of the image's width and height.
    """

    columns: Columns | None = None
    separator: str | None = None
    decimal: Decimal = "."
    units: Units = "pixels"

    @property
    def header(self) -> bool:
        """Whether the first line names the columns; else they have numbers."""
        return self.columns is None or any(isinstance(column, str) for column in self.columns.values())

    @property
    def facts(self) -> dict[str, Any]:
        """What of it is not the default, as data."""
        found: dict[str, Any] = {}
        if self.columns is not None:
            found["columns"] = dict(sorted(self.columns.items()))
        for key, default in (("separator", None), ("decimal", "."), ("units", "pixels")):
            if getattr(self, key) != default:
                found[key] = getattr(self, key)
        return found


def read_form(file: YamlFile, content: DatasetFile, classes: int) -> CsvForm:
    """What a ``dataset.yaml`` says of its CSV files.

    Args:
        file: The file, for messages.
        content: What it says.
        classes: How many classes it has; with one, no column needs to be the class.

    Raises:
        TaxonomyError: A key is wrong, or the labels are no CSV files.
    """
    for key in ("columns", "separator", "decimal", "units"):
        if getattr(content, key) is not None and content.format != "csv":
            file.fail((key,), f"only csv can have {key!r}", "Delete the line.")
    if content.decimal == "," and content.separator == ",":
        cure = "Where a comma is in numbers, another sign is between columns."
        file.fail(("decimal",), "the comma is between columns", cure)
    columns = None if content.columns is None else _read_columns(file, content.columns, classes)
    return CsvForm(columns, content.separator, content.decimal or ".", content.units or "pixels")


def _read_columns(file: YamlFile, value: Any, classes: int) -> Columns:
    if not isinstance(value, dict):
        file.fail(("columns",), "must be a mapping from names to numbers", _EXAMPLE)
    numbered = any(type(column) is int for column in value.values())
    for name, column in value.items():
        if name not in _KNOWN:
            file.fail(("columns", name), f"{name!r} is no column that is read", did_you_mean(str(name), _KNOWN))
        if numbered and (type(column) is not int or not 1 <= column <= _MOST):
            cure = f"Columns are counted from 1, to {_MOST}."
            file.fail(("columns", name), f"{column!r} is no number of a column", cure)
        if not numbered and not (isinstance(column, str) and column.strip()):
            cure = "Write its number, from 1, or its name in the first line."
            file.fail(("columns", name), f"{column!r} is no column", cure)
        twice = [other for other in value if other != name and value[other] == column]
        if twice:
            file.fail(("columns", name), f"column {column} is both {name!r} and {twice[0]!r}", "Correct one of them.")
    for name in ("image", "class") if classes > 1 else ("image",):
        if name not in value:
            file.fail(("columns",), f"no column is {name!r}", _EXAMPLE)
    box = {*value} - {*OTHERS}
    if box not in [*({*form} for form in BOXES), *({name} for name in LISTS)]:
        what = "four columns make a box, or one with all four numbers: its edges, or its corner or middle and its size"
        file.fail(("columns",), what, _EXAMPLE)
    return dict(value)
