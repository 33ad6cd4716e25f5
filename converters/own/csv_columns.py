"""Finds which column of a CSV file of boxes is what: by the names that people give them, or as a ``dataset.yaml`` says.

Names are compared without capitals, spaces, dots and underscores; ``bbox_x`` and ``Roi.X1`` are columns of a box, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Final

import pandas as pd

from labelforge.csv_form import CENTRE, CORNER, EDGES, CsvForm
from labelforge.errors import DatasetError, did_you_mean, listed

_SIZES: Final = (("w", "h"), ("width", "height"))
_FORMS: Final[Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    EDGES: (
        EDGES,
        ("left", "top", "right", "bottom"),
        ("x0", "y0", "x1", "y1"),
        ("x1", "y1", "x2", "y2"),
        ("minx", "miny", "maxx", "maxy"),
        ("xtl", "ytl", "xbr", "ybr"),
        ("startx", "starty", "endx", "endy"),
    ),
    CORNER: tuple(
        (*corner, *size) for corner, size in product((("x", "y"), ("left", "top"), ("xmin", "ymin")), _SIZES)
    ),
    CENTRE: tuple(
        (*middle, *size)
        for middle, size in product(
            (
                *(("xc", "yc"), ("cx", "cy"), ("xcenter", "ycenter"), ("centerx", "centery")),
                *(("xcentre", "ycentre"), ("centrex", "centrey")),
            ),
            _SIZES,
        )
    ),
}
_PREFIXES: Final = ("bbox", "box", "boundingbox", "bndbox", "roi", "bb")
LIST: Final = "box"
"""What `named_columns` calls one column with four numbers, which may be any of `labelforge.csv_form.BOXES`."""
_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    LIST: ("bbox", "box", "boundingbox", "bndbox", "bboxes", "boxes"),
    "angle": ("angle", "rotation"),
    "ignore": ("ignore", "iscrowd", "crowd", "difficult", "isgroupof"),
    "height": ("height", "imageheight", "imgheight"),
    "width": ("width", "imagewidth", "imgwidth"),
}
_IMAGE: Final = (
    *("image", "filename", "file", "path", "imagepath", "imagename", "imageid", "img", "imgname", "imgpath"),
    *("imagefile", "imagefilename", "filepath", "frame"),
)
_CLASS: Final = (
    *("class", "label", "name", "classname", "labelname", "category", "classid", "categoryid", "categoryname"),
    *("labelid", "objectclass", "object", "type"),
)


def named_columns(header: Sequence[str]) -> dict[str, str]:
    """What the columns are, by their names: ``image``, ``class``, the four of a box or `LIST`, ``angle``, ...

    Args:
        header: The names.

    Returns:
        What a column is -> its name; without what no column is.
    """
    plain: dict[str, str] = {}
    for name in header:
        plain.setdefault("".join(filter(str.isalnum, name.lower())), name)
    found: dict[str, str] = {}

    def take(what: str, names: Iterable[str]) -> None:
        for name in names:
            if name in plain and what not in found:
                found[what] = plain.pop(name)

    take("image", _IMAGE)
    take("class", _CLASS)
    box = next((form for prefix in (*_PREFIXES, "") if (form := _box(plain, prefix))), {})
    found |= box
    for name in [key for key, column in plain.items() if column in box.values()]:
        del plain[name]
    for what, names in _OTHERS.items():
        if what != LIST or not box:
            take(what, names)
    return found


def _box(plain: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The four columns of a box whose names begin so; empty if there are none."""
    names = {name.removeprefix(prefix): column for name, column in plain.items() if name.startswith(prefix)}
    for form, spellings in _FORMS.items():
        for spelling in spellings:
            if {*spelling} <= {*names}:
                return dict(zip(form, (names[name] for name in spelling), strict=True))
    return {}


def boxes_by_name(header: Sequence[str]) -> bool:
    """Whether the first line of a CSV file names columns of boxes; "box" alone, or with numbers, is a class."""
    if len(header) < 2 or any(name.strip().isdecimal() for name in header):
        return False
    return bool({*named_columns(header)} & {*EDGES, *CORNER, *CENTRE, LIST})


def named_table(path: Path, table: pd.DataFrame, form: CsvForm, *, one_class: bool) -> pd.DataFrame:
    """The columns of a table that are read, called by what they are.

    Args:
        path: The file, for messages.
        table: Its table, as text.
        form: What the ``dataset.yaml`` says of it.
        one_class: Whether there is but one class, which no column needs to say.

    Raises:
        DatasetError: A column is missing, or may be several things.
    """
    if form.columns is None:
        columns = named_columns([str(name) for name in table.columns])
        _check(path, columns, [str(name) for name in table.columns], one_class=one_class)
        return table[[*columns.values()]].set_axis([*columns], axis=1)
    given: list[int | str] = []
    for what, column in form.columns.items():
        given.append(_in_table(path, table, what, column))
    return table[given].set_axis([*form.columns], axis=1)


def _in_table(path: Path, table: pd.DataFrame, what: str, column: int | str) -> int | str:
    """What a table calls a column that a ``dataset.yaml`` gives."""
    cure = "Correct 'columns' or 'separator' in dataset.yaml."
    if isinstance(column, int):
        if column > table.shape[1]:
            fault = f"has {table.shape[1]} columns, but column {column} is to be {what!r}"
            raise DatasetError(fault, where=path, line=1, cure=cure)
        return column - 1
    names = {str(name).strip(): str(name) for name in table.columns}
    if column.strip() not in names:
        fault = f"has no column {column!r}, which is to be {what!r}, among {listed(map(repr, names), 8)}"
        raise DatasetError(fault, where=path, line=1, cure=f"{did_you_mean(column, names)} {cure}")
    return names[column.strip()]


def _check(path: Path, columns: Mapping[str, str], header: Sequence[str], *, one_class: bool) -> None:
    """Raise a `DatasetError` if something that must be there is not."""
    among = f"among {listed((repr(name.strip().lower()) for name in header), 8)}"
    mapped = "or write 'columns' in dataset.yaml, such as {image: NAME, class: NAME, xmin: NAME, ...}"
    for what, known in (("image", _IMAGE[0]), ("class", _CLASS[0])):
        if what not in columns and not (what == "class" and one_class):
            cure = f"Give it the name {known} in the first line, {mapped}."
            raise DatasetError(f"has no column for the {what}, {among}", where=path, line=1, cure=cure)
    if LIST in columns:
        fault = f"the column {columns[LIST]!r} may be edges, or corner or middle and size"
        known = ", ".join(f"{what}: {columns[what]}" for what in ("image", "class") if what in columns)
        example = f"{{{known}, x y w h: {columns[LIST]}}}"
        cure = f"Write columns: {example} in dataset.yaml; or xmin ymin xmax ymax; or xc yc w h."
        raise DatasetError(fault, where=path, line=1, cure=cure)
    if not {*columns} & {*EDGES, *CORNER, *CENTRE}:
        cure = "Name them xmin, ymin, xmax, ymax (edges in pixels), or x, y, w, h, in the first line, " + mapped + "."
        raise DatasetError(f"has no columns for boxes, {among}", where=path, line=1, cure=cure)
