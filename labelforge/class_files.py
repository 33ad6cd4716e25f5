"""Lists of classes, as annotation tools and datasets write them.

    *.txt, *.names   a name a line, perhaps with its colour before or after it: 128 64 128 road
    *.csv            the columns name, and perhaps id, r, g and b
    *.yaml           a label space of labelforge; or YOLO's data.yaml, with names as a list or by number
    *.json           COCO's categories, Supervisely's or Mapillary's classes, names by id, or a list of names

Classes without an id are numbered from 0, in the order of the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from labelforge.errors import TaxonomyError, listed
from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.palette import Color
from labelforge.yamlfile import YamlFile

SUFFIXES: Final = (".txt", ".names", ".csv", ".yaml", ".yml", ".json")
"""The ends of the names of files that can be read."""
LARGEST: Final = 1 << 26
"""Bytes; a longer file is no list of classes (COCO's annotations, which hold one, may be long)."""

_NUMBER = r"(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})"
_COLOR_FIRST: Final = re.compile(rf"{_NUMBER}[\s,]+(\D.*)")
_COLOR_LAST: Final = re.compile(rf"(.*?\D)[\s,:]+{_NUMBER}")


def read_classes(path: Path) -> tuple[NativeLabel, ...]:
    """The classes of a file, in its order.

    Raises:
        TaxonomyError: It is missing, of no known form, holds no class, or two of the same name or id.
    """
    readers = {".csv": _of_csv, ".json": _of_json, ".yaml": _of_yaml, ".yml": _of_yaml}
    found = list(readers.get(path.suffix.lower(), _of_lines)(path))
    if not found:
        raise TaxonomyError("holds no class", where=path, cure="Write a name a line.")
    return checked(found, path)


def checked(classes: Sequence[tuple[int | None, str, Color | None]], place: Path) -> tuple[NativeLabel, ...]:
    """Classes as labels; those without an id are numbered by position.

    Raises:
        TaxonomyError: A name or an id is used twice, or a name is empty or cannot be printed.
    """
    labels = tuple(
        NativeLabel(i if number is None else number, name, color) for i, (number, name, color) in enumerate(classes)
    )
    for what, counts in (("name", Counter(x.name for x in labels)), ("id", Counter(x.id for x in labels))):
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            cure = "Names and ids of classes must be unique; correct the list."
            raise TaxonomyError(f"two classes have the {what} {listed(map(repr, twice))}", where=place, cure=cure)
    bad = [label.name for label in labels if not label.name.strip() or not label.name.isprintable()]
    if bad:
        raise TaxonomyError(f"{bad[0]!r} is no name of a class", where=place, cure="Use letters that can be printed.")
    return labels


def color_of(value: Any) -> Color | None:
    """An RGB colour from [r, g, b] or "#rrggbb"; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if isinstance(value, list | tuple) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    return None


_Entries = Iterator[tuple[int | None, str, Color | None]]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            what, cure = "is too long to be a list of classes", "Write the classes into a file of their own."
            raise TaxonomyError(what, where=path, cure=cure)
        return path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise TaxonomyError(f"cannot be read ({fault.strerror})", where=path, cure="Check the path.") from None
    except UnicodeDecodeError:
        raise TaxonomyError("is not UTF-8 text", where=path, cure="Save it as UTF-8.") from None


def _of_lines(path: Path) -> _Entries:
    for line in _text(path).splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if match := _COLOR_FIRST.fullmatch(text):
            yield None, match[4].strip(), color_of([int(match[i]) for i in (1, 2, 3)])
        elif match := _COLOR_LAST.fullmatch(text):
            yield None, match[1].strip(" \t,:"), color_of([int(match[i]) for i in (2, 3, 4)])
        else:
            yield None, text, None


def _of_csv(path: Path) -> _Entries:
    reader = csv.DictReader(_text(path).splitlines(), skipinitialspace=True)
    columns = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
    named = next((columns[name] for name in ("name", "class", "label", "category") if name in columns), None)
    if named is None:
        cure = "Write a first line that names the columns: name,r,g,b"
        raise TaxonomyError("has no column 'name'", where=path, cure=cure)
    try:
        for row in reader:
            number = int(row[columns["id"]]) if "id" in columns else None
            rgb = [int(row[columns[c]]) for c in "rgb"] if {*"rgb"} <= {*columns} else None
            yield number, str(row[named]).strip(), color_of(rgb)
    except (TypeError, ValueError) as fault:
        raise TaxonomyError(
            f"line {reader.line_num} is not readable ({fault})", where=path, cure="Correct it."
        ) from None


def _of_yaml(path: Path) -> _Entries:
    data = YamlFile.load(path).data
    if isinstance(data, dict) and "names" in data:
        yield from _of_data(path, data["names"])
    else:
        yield from ((label.id, label.name, label.color) for label in LabelSpace.load(path).labels)


def _of_json(path: Path) -> _Entries:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as fault:
        raise TaxonomyError(f"is not JSON ({fault})", where=path, cure="Correct it.") from None
    if isinstance(data, dict):
        data = next((data[name] for name in ("categories", "classes", "labels", "names") if name in data), data)
    yield from _of_data(path, data)


def _of_data(path: Path, data: Any) -> _Entries:
    """Classes from a list of names or of objects, or from names by id or ids by name."""
    if isinstance(data, dict):
        data = [
            {"id": key, "name": value} if _number(key) is not None else {"id": value, "name": key}
            for key, value in data.items()
        ]
    if not isinstance(data, list):
        raise TaxonomyError("holds no list of classes", where=path, cure="Write a list of names.")
    for entry in data:
        facts = entry if isinstance(entry, dict) else {"name": entry}
        name = next((facts[key] for key in ("name", "title") if isinstance(facts.get(key), str)), None)
        number = _number(facts.get("id")) if "title" not in facts else None  # Supervisely's ids are not in its files
        if name is None or (number is None and isinstance(facts.get("id"), str)):
            raise TaxonomyError(
                f"{entry!r:.60} is no class", where=path, cure="A class is a name, or {id, name, color}."
            )
        yield number, name, color_of(facts.get("color"))


def _number(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
        return int(value)
    return value if type(value) is int and abs(value) < 2**31 else None
