"""Finds out what the first line of a CSV file of boxes leaves open.

That is: which column is the image, where no name says it; what the four numbers of one column are; whether ``x`` and
``y`` are a corner or the middle; fractions of the image; decimal commas. What is said in the first line is not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from labelforge.converters.init.csv_content import AS, CsvContent, CsvLayout, Fit, file_head, fits
from labelforge.converters.init.marks import UNNAMED
from labelforge.converters.own.csv_columns import LIST, named_columns
from labelforge.converters.own.csv_table import csv_table, separator_of
from labelforge.converters.own.splits import Names
from labelforge.csv_form import BOXES, CENTRE, CORNER, EDGES, CsvForm
from labelforge.errors import LabelforgeError, counted


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
            faults.append(f"{file}: {error.what}. {error.cure or ''}".rstrip(". "))
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
        reasons.append(_without_class(content, columns))
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
        forms = (CORNER, CENTRE) if named == CORNER else (named,)
        four = np.stack([content.numbers(columns[name]) for name in named])
    whole = np.isfinite(four).all(axis=0)
    four, size = four[:, whole], content.sizes(columns["image"])[:, whole]
    known = np.isfinite(size).all(axis=0).any()
    found = [*fits(four, size, forms)] if known else []
    if not whole.any() or (LIST in columns and not found):
        return None
    best = found[0] if found else Fit(forms[0], 0, bool(four.max() <= 1))
    if LIST in columns:
        columns[" ".join(best.form)] = columns.pop(LIST)
        reasons.append(_of_list(columns, best, found))
    elif best.form != forms[0]:
        columns |= {"xc": columns.pop("x"), "yc": columns.pop("y")}
        names = f"{columns['xc']} and {columns['yc']}"
        reasons.append(f"Guessed: that {names} are the middle of a box, as with a corner there many leave the image.")
    elif known and not found:
        reasons.append("Many boxes leave their image, or are turned inside out: look at some before you use them.")
    return best


def _of_list(columns: dict[str, str], best: Fit, found: Sequence[Fit]) -> str:
    name = columns[" ".join(best.form)]
    text = f"Guessed: that {name!r} holds a box's {AS[best.form]}."
    for other in found:
        if other is not best:
            names = " ".join(other.form)
            text += f" They fit as {AS[other.form]} as well: look at a picture, and if so, write {names}: {name}."
    return text


def _without_class(content: CsvContent, columns: dict[str, str]) -> str:
    """What to say where no column is the class."""
    text = f"No column is named as the class: all boxes are of one, called {UNNAMED!r}; give it its name."
    free = [column for column in content.texts if column not in columns.values()]
    if ranked := content.classes(free):
        (_, number), column = ranked[0]
        text += f" If {column!r}, with {counted(number, 'value')}, is the class, write class: {column} in 'columns'."
    return text
