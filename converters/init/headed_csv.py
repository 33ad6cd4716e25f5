"""Finds out what the first line of a CSV file of boxes leaves open.

That is: which column is the image, where no name says it; what the four numbers of one column are; whether ``x`` and
``y`` are a corner or the middle; fractions of the image; decimal commas. What is said in the first line is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from labelforge.converters.init.csv_content import (
    AS,
    CsvContent,
    CsvLayout,
    Fit,
    columns_line,
    fault_of,
    file_head,
    readings,
)
from labelforge.converters.init.marks import UNNAMED
from labelforge.converters.own.csv_columns import LIST, named_columns
from labelforge.converters.own.csv_table import csv_table, separator_of
from labelforge.converters.own.splits import Names
from labelforge.csv_form import BOXES, CENTRE, CORNER, EDGES, CsvForm
from labelforge.errors import LabelforgeError, counted, listed


def find_headed(root: Path, files: Sequence[str], pictures: Sequence[str], faults: list[str]) -> CsvLayout | None:
    """How files with a first line of names are to be read, those of the most lines; None if none can be.

    Args:
        root: The folder.
        files: The files.
        pictures: The pictures that there are.
        faults: Gets a sentence for each file that is left out.
    """
    alike: dict[tuple[object, ...], dict[str, pd.DataFrame]] = {}
    for file in files:
        try:
            table = csv_table(root / file)
        except LabelforgeError as error:
            faults.append(fault_of(file, error))
            continue
        separator = separator_of(file_head(root / file).partition("\n")[0])
        alike.setdefault((separator, *named_columns([*table.columns]).items()), {})[file] = table
    names = Names({picture: picture for picture in pictures})
    layouts = []
    for key, tables in sorted(alike.items(), key=lambda pair: -sum(map(len, pair[1].values()))):
        lines = pd.concat([*tables.values()], ignore_index=True).fillna("")
        found = _layout(CsvContent(root, lines, names, str(key[0])), [*tables])
        if isinstance(found, CsvLayout):
            layouts.append(found)
        else:
            faults.append(f"{next(iter(tables))} names columns of boxes, but {found}")
    if not layouts:
        return None
    same = [layout for layout in layouts if layout.form == layouts[0].form]
    return CsvLayout([file for layout in same for file in layout.files], layouts[0].form, layouts[0].reasons)


def _layout(content: CsvContent, files: Sequence[str]) -> CsvLayout | str:
    """How files are to be read; or why that cannot be told, as the end of a sentence."""
    given = named_columns([str(name) for name in content.texts.columns])
    columns = dict(given)
    reasons: list[str] = []
    if "image" not in columns:
        image = content.image()
        if image is None:
            return "no column has names of pictures that are here"
        columns = {"image": str(image), **{what: name for what, name in columns.items() if name != image}}
        reasons.append(f"Guessed: that the column {image!r} is the image, as it has names of pictures.")
    box = [name for name in (*EDGES, *CORNER, *CENTRE[:2], LIST) if name in columns]
    content.texts = content.texts[(content.texts[[columns[name] for name in box]] != "").any(axis=1)]
    if content.texts.empty:
        return "no line has a box"
    of_box = [columns[name] for name in ([LIST] if LIST in box else [*box, "w", "h", "angle"]) if name in columns]
    content.decide_decimal(of_box, lists=LIST in box)
    best = _of_boxes(content, columns, reasons)
    if best is None:
        return (
            f"the numbers in {columns[LIST]!r} are no boxes within the image" if LIST in box else "no box has numbers"
        )
    if best.fractions:
        reasons.append("Guessed: that boxes are in fractions of the image's width and height, as none is more than 1.")
    if content.decimal == ",":
        reasons.append("Guessed: that commas in numbers are decimal commas.")
    if "class" not in columns:
        reasons += _without_class(content, columns)
    return CsvLayout(files, CsvForm(None if columns == given else columns, None, content.decimal, best.units), reasons)


def _of_boxes(content: CsvContent, columns: dict[str, str], reasons: list[str]) -> Fit | None:
    """What the numbers of boxes are; changes ``columns`` where that is not what their names say."""
    forms: tuple[tuple[str, ...], ...]
    if LIST in columns:
        bracket = content.texts[columns[LIST]].iloc[0].startswith("[")  # of COCO's tools and pandas
        forms = (CORNER, EDGES, CENTRE) if bracket else BOXES
        four = content.fours(columns[LIST])
    else:
        named = next(form for form in BOXES if {*form} <= {*columns})
        either = named == CORNER and _plain(columns["x"]).endswith("x")  # left and xmin are no middle
        forms = (CORNER, CENTRE) if either else (named,)
        four = np.stack([content.numbers(columns[name]) for name in named])
    whole = np.isfinite(four).all(axis=0)
    four, size = four[:, whole], content.sizes(columns["image"])[:, whole]
    known = np.isfinite(size).all(axis=0).any()
    found = [*readings(four, size, forms)] if known else []
    if not whole.any() or (LIST in columns and all(fit.many for fit in found)):
        return None
    if LIST in columns:
        best = min(found, key=lambda fit: fit.rank)  # the first of those that are as likely
    else:
        best = _as_named(found, Fit(forms[0], bool(four.max() <= 1)))
    others = [fit for fit in found if fit is not best and fit.few]
    if LIST in columns:
        columns[" ".join(best.form)] = columns.pop(LIST)
        reasons += _of_list(columns, best, others)
    elif best.form != forms[0]:
        first = next(fit for fit in found if fit.form == forms[0])
        reasons.append(
            f"Guessed: that {columns['x']} and {columns['y']} are the middle of a box: with a corner there, "
            f"{_leaving(first)}; with the middle, {best.far:,}."
        )
        columns |= {"xc": columns.pop("x"), "yc": columns.pop("y")}
    elif others:
        reasons += _may_be_middle(columns, best, others[0])
    elif known and not (best in found and best.few):
        fault = _leaving(best) if best in found else "Boxes are turned inside out, or most have no area"
        reasons.append(f"{fault}: look at some before you use them.")
    return best


def _as_named(found: Sequence[Fit], unlikely: Fit) -> Fit:
    """The form that columns have by their names, unless many boxes leave their image then, and hardly any otherwise."""
    named = next((fit for fit in found if fit.form == unlikely.form), unlikely)
    return next((fit for fit in found if fit.few), named) if named.many else named


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _leaving(fit: Fit) -> str:
    """How many boxes leave their image, in words."""
    return f"{fit.far:,} of {fit.known:,} boxes leave their image by more than two pixels"


def _may_be_middle(columns: Mapping[str, str], best: Fit, other: Fit) -> Iterator[str]:
    """What to say where x and y are a corner by their names, and could be the middle as well."""
    yield (
        f"{columns['x']} and {columns['y']} are taken for a box's corner, as their names say: {_leaving(best)}. They "
        f"fit as its middle as well, with which {other.far:,} do: look at a picture, and if so, write this line:"
    )
    yield columns_line({{"x": "xc", "y": "yc"}.get(what, what): name for what, name in columns.items()})


def _of_list(columns: Mapping[str, str], best: Fit, others: Sequence[Fit]) -> Iterator[str]:
    """What to say of a column that holds four numbers."""
    name = columns[" ".join(best.form)]
    text = f"Guessed: that {name!r} holds a box's {AS[best.form]}."
    text += f" {_leaving(best)}." if best.far else ""
    for other in others:
        names = " ".join(other.form)
        text += f" They fit as {AS[other.form]} as well: look at a picture, and if so, write {names}: {name}."
    yield text


def _without_class(content: CsvContent, columns: dict[str, str]) -> Iterator[str]:
    """What to say where no column is the class."""
    text = f"No column is named as the class: all boxes are of one, called {UNNAMED!r}; give it its name."
    free = [column for column in content.texts if column not in columns.values()]
    if ranked := content.classes(free):
        (_, number), column = ranked[0]
        values = f"{counted(number, 'value')} ({listed(sorted({*content.texts[column]}), 4)})"
        yield f"{text} If {column!r}, with {values}, is the class, write its values below 'classes', and this line:"
        yield columns_line({**columns, "class": str(column)})
    else:
        yield text
