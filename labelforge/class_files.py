"""Lists of classes, as annotation tools and datasets write them.

    *.txt, *.names   a name a line, perhaps with its colour before or after it: 128 64 128 road; or with its id before
                     it, in all lines: 0 road, or 7: road; or as CVAT's labelmap.txt has it: road:128,64,128::
    *.csv            the columns name, and perhaps id, r, g and b; as Roboflow calls them, too: Pixel Value, Class
    *.yaml           a label space of labelforge; or YOLO's data.yaml, with names as a list or by number
    *.json           COCO's categories, Supervisely's or Mapillary's classes, a list of names, names by id or by colour

Classes without an id are numbered from 0, in the order of the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
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
_LABEL_MAP: Final = re.compile(r"([^:]+):(?:(\d{1,3}),(\d{1,3}),(\d{1,3}))?:[^:]*:[^:]*")
"""A line of CVAT and Datumaro: name, colour, parts and actions."""
_ID_FIRST: Final = re.compile(r"(-?\d{1,9})([\s,;:]+)(?=[^\d\s,;:])(.*)")
_WHOLE: Final = re.compile(r"\s*(-?\d{1,9})(?:\.0+)?\s*")
"""A whole number in a table; 1.0 is how some programs write it where other lines are empty."""

_COLUMNS: Final = {
    "name": ("name", "class", "label", "category", "class_name", "label_name", "labelname", "classname"),
    "id": ("id", "pixel_value", "label_value", "class_value", "class_id", "label_id", "value", "index", "idx"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
}
"""What the columns of CSV files are called, in lower case, with an underscore for a space."""


def read_classes(path: Path) -> tuple[NativeLabel, ...]:
    """The classes of a file, in its order.

    Raises:
        TaxonomyError: It is missing, of no known form, holds no class, or two of the same name or id.
    """
    return read_class_list(path)[0]


def read_class_list(path: Path, values: Collection[int] = ()) -> tuple[tuple[NativeLabel, ...], bool]:
    """The classes of a file, in its order, and whether it says the id of each; raises what `read_classes` raises.

    Args:
        path: The file.
        values: What label maps hold, where that is known: it shows whether numbers before names are ids.
    """
    readers = {".csv": _of_csv, ".json": _of_json, ".yaml": _of_yaml, ".yml": _of_yaml}
    read = readers.get(path.suffix.lower())
    found = list(_of_lines(path, values) if read is None else read(path))
    if not found:
        raise TaxonomyError("holds no class", where=path, cure="Write a name a line.")
    return checked(found, path), all(number is not None for number, _, _ in found)


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


def _of_lines(path: Path, values: Collection[int]) -> _Entries:
    lines = [line.strip() for line in _text(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    matches = [match for line in lines if (match := _ID_FIRST.fullmatch(line))]
    if len(matches) == len(lines) and _are_ids(matches, values):
        for match in matches:
            yield int(match[1]), *_named(match[3])
        return
    for line in lines:
        yield None, *_named(line)


def _are_ids(lines: Sequence[re.Match[str]], values: Collection[int]) -> bool:
    """Whether the numbers before names are ids, not parts of names, such as 2 wheeler, or 30 limit.

    They are if names without them are distinct, and they begin with 0 or 1, or are most of the values of label maps, or
    something other than spaces parts them from names, or the lines have colours, too.
    """
    ids, named = [int(line[1]) for line in lines], [_named(line[3]) for line in lines]
    if len({*ids}) < len(ids) or len({name for name, _ in named}) < len(named):
        return False
    rest = {*values}.difference((0, 255, 65535))
    parted = any(line[2].strip(" ") for line in lines) or all(color for _, color in named)
    return parted or min(ids) <= 1 or 2 * len(rest.intersection(ids)) >= len(rest) > 0


def _named(text: str) -> tuple[str, Color | None]:
    """A class's name and colour, from a line."""
    if match := _LABEL_MAP.fullmatch(text):
        color = None if match[2] is None else color_of([int(match[i]) for i in (2, 3, 4)])
        return match[1].strip(), color
    if match := _COLOR_FIRST.fullmatch(text):
        return match[4].strip(), color_of([int(match[i]) for i in (1, 2, 3)])
    if match := _COLOR_LAST.fullmatch(text):
        return match[1].strip(" \t,:"), color_of([int(match[i]) for i in (2, 3, 4)])
    return text, None


def _of_csv(path: Path) -> _Entries:
    text = _text(path)
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True, delimiter=separator)
    given = {str(name).strip().lower().replace(" ", "_"): name for name in reader.fieldnames or ()}
    columns = {what: next((given[name] for name in names if name in given), None) for what, names in _COLUMNS.items()}
    if columns["name"] is None:
        cure = "Write a first line that names the columns: name,r,g,b"
        raise TaxonomyError("has no column 'name'", where=path, cure=cure)
    rgb = [column for what in "rgb" if (column := columns[what]) is not None]
    rows = [(reader.line_num, row) for row in reader]
    ids = [given[name] for name in _COLUMNS["id"] if name in given]
    by_id = next((column for column in ids if _has_numbers([row[column] for _, row in rows])), None)
    for line, row in rows:
        try:
            number = None if by_id is None else _whole(row[by_id])
            color = color_of([int(row[column]) for column in rgb]) if len(rgb) == len("rgb") else None
        except (TypeError, ValueError) as fault:
            raise TaxonomyError(f"line {line} is not readable ({fault})", where=path, cure="Correct it.") from None
        yield number, str(row[columns["name"]]).strip(), color


def _has_numbers(column: Sequence[str | None]) -> bool:
    """Whether a column called like ids holds them: a whole number, or only such as 1.0; not shares, say, or text."""
    texts = [str(text).strip() for text in column]
    return any(re.fullmatch(r"-?\d+", text) for text in texts) or all(map(_WHOLE.fullmatch, texts))


def _whole(text: str | None) -> int:
    if match := _WHOLE.fullmatch(text or ""):
        return int(match[1])
    raise ValueError(f"{text!r} is no whole number")


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
        data = [_pair(key, value) for key, value in data.items()]
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


def _pair(key: str, value: Any) -> Any:
    """A class from one name and its value in an object: a name or facts by id, an id or a colour by name, ..."""
    if isinstance(value, dict):
        return {("name" if _number(key) is None else "id"): key, **value}
    if _number(key) is not None:
        return {"id": key, "name": value}
    if (color := _color_key(key)) is not None:
        return {"name": value, "color": color}
    return {"name": key, **({"id": value} if color_of(value) is None else {"color": value})}


def _color_key(text: str) -> Color | None:
    """A colour from "#rrggbb" or "r, g, b", perhaps in brackets."""
    numbers = re.fullmatch(rf"[(\[]?\s*{_NUMBER}\s*[)\]]?", text)
    return color_of(text) if numbers is None else color_of([int(number) for number in numbers.groups()])


def _number(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
        return int(value)
    return value if type(value) is int and abs(value) < 2**31 else None
