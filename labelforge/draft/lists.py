"""Reads a label list in the forms that people have.

    road                     a name a line; ids are counted from 0
    7 road    7,road    7: road    road: 7    road,7
    128 64 128 road          CamVid's table of colours
    road,128,64,128          a name with its colour; road:128,64,128:: is how CVAT writes it
    7,road,128,64,128        all three, in the order of a table
    labels: ...              a label space (.yaml)
    names: [...]             a YOLO data file (.yaml)
    kind: ..., images: ...   a dataset.yaml, or a file of classes that one names

All lines of a text must have one form; blank lines and comments (``#``) are skipped, and so is a first line of column
names. Bullets, quotes around a line and a comma at its end are no part of a name. What was read is said in words, so
that a person sees if it is not what they meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelforge.errors import TaxonomyError, counted
from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.mapping import Supervision
from labelforge.own_dataset import OwnDataset
from labelforge.palette import Color
from labelforge.yamlfile import YamlFile

MAX_LABELS = 65_535
"""A label list has no more labels than label maps have values."""
MAX_NAME = 200
"""Characters of a name."""
MAX_LINE = 1000
"""Characters of a line."""

_YAML = (".yaml", ".yml")
_HEADER = frozenset(
    {"name", "id", "label", "class", "classes", "r", "g", "b", "red", "green", "blue", "color", "index"}
)
_BULLET = re.compile(r"^[-*\u2022]\s+")
_QUOTED = re.compile(r"^([\"'])(.*)\1$")
_NAME = r"(?P<name>\S(?:.*\S)?)"
_ID = r"(?P<id>-?\d{1,9})"
_RGB = r"(?P<r>\d{1,3})[\s,]+(?P<g>\d{1,3})[\s,]+(?P<b>\d{1,3})"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("colour and name", re.compile(rf"{_RGB}[\s,]+(?P<name>[^\s\d].*)")),
    ("id, name and colour", re.compile(rf"{_ID}\s*[,;\t]\s*{_NAME}\s*[,;\t]\s*{_RGB}")),
    ("name and colour", re.compile(rf"{_NAME}\s*[,;:\t]\s*{_RGB}(?::.*)?")),
    ("id and name", re.compile(rf"{_ID}\s*[,;:\t ]\s*{_NAME}")),
    ("name and id", re.compile(rf"{_NAME}\s*[,;:\t]\s*{_ID}")),
)
"""The forms of a line that hold more than a name, the most special first."""

_CURE = "Write a name a line, or 'id name', or give a label space (.yaml)."


@dataclass(frozen=True)
class LabelList:
    """The labels of a dataset as they were read.

    Attributes:
        space: Name, labels and ids.
        form: In what form they stood there, in words.
        is_file: Whether the file is a label space itself, or describes a dataset that has one.
        dataset: The dataset that the file describes, if it is a ``dataset.yaml``.
    """

    space: LabelSpace
    form: str
    is_file: bool
    dataset: OwnDataset | None = None

    @property
    def supervision(self) -> Supervision:
        """What the dataset annotates, as far as the file says: boxes in a ``dataset.yaml`` of boxes, else pixels."""
        return "box" if self.dataset is not None and self.dataset.kind == "boxes" else "pixel"


def read_labels(path: Path, name: str | None = None) -> LabelList:
    """Read a label list: a text, a label space, a YOLO data file or a ``dataset.yaml``.

    Args:
        path: The file.
        name: Name of the dataset; default: that of the label space, or of the file.

    Raises:
        TaxonomyError: The file cannot be read, holds no labels or too many, repeats a name or an id, or has a name
            with control characters (with its line).
    """
    found = _read(path)
    if name is not None:
        found = replace(found, space=replace(found.space, name=name))
    return _checked(found, path)


def _read(path: Path) -> LabelList:
    if path.suffix.lower() not in _YAML:
        return _of_text(path)
    file = YamlFile.load(path)
    if isinstance(file.data, dict) and "names" in file.data and "labels" not in file.data:
        return _of_yolo(file, path)
    if isinstance(file.data, dict) and {"kind", "images"} <= file.data.keys():
        own = OwnDataset.from_file(file)
        form = f"a dataset.yaml, {counted(len(own.space.labels), 'label')}"
        return LabelList(own.space, form, is_file=True, dataset=own)
    space = LabelSpace.load(path)
    return LabelList(space, f"a label space, {counted(len(space.labels), 'label')}", is_file=True)


def _of_text(path: Path) -> LabelList:
    lines = _lines(path)
    if len(lines) > 1 and {word.lower() for word in re.split(r"[\s,;:]+", lines[0][1]) if word} <= _HEADER:
        del lines[0]  # the names of the columns
    if not lines:
        raise TaxonomyError("no labels in it", where=path, cure=_CURE)
    for form, pattern in _FORMS:
        found = [pattern.fullmatch(text) for _, text in lines]
        rows = [match.groupdict() for match in found if match is not None]
        if len(rows) == len(lines) and _plausible(rows):
            return _of_rows(path, [number for number, _ in lines], rows, form)
    names = [{"name": text} for _, text in lines]
    return _of_rows(path, [number for number, _ in lines], names, "a name a line")


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that hold something, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TaxonomyError("no such file", where=path, cure="Check the path.") from None
    except UnicodeDecodeError as fault:
        raise TaxonomyError(f"not UTF-8 text ({fault.reason})", where=path, cure="Save the file as UTF-8.") from None
    except OSError as fault:
        raise TaxonomyError(f"cannot be read ({fault.strerror})", where=path, cure="Check the path.") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        content = re.sub(r"(?:^|\s)#.*", "", line).strip(" \t\r")
        content = _QUOTED.sub(r"\2", _BULLET.sub("", content).rstrip(",;"))
        if len(content) > MAX_LINE:
            what = f"a line of {len(content):,} characters holds no label"
            raise TaxonomyError(what, where=path, line=number, cure=_CURE)
        if content:
            found.append((number, content))
    return found


def _plausible(rows: list[dict[str, Any]]) -> bool:
    """Whether what looks like ids and colours can be that: no id comes twice, no colour is above 255.

    "Car 1", "Car 2" and "speed limit 20" are names; the forms ask for a comma or colon after a name.
    """
    ids = [row["id"] for row in rows if "id" in row]
    colors = [row[part] for row in rows for part in "rgb" if part in row]
    return len(set(map(int, ids))) == len(ids) and all(int(value) <= 255 for value in colors)


def _of_rows(path: Path, numbers: list[int], rows: list[dict[str, Any]], form: str) -> LabelList:
    first: dict[str, int] = {}
    labels = []
    for position, (number, row) in enumerate(zip(numbers, rows, strict=True)):
        name = str(row["name"])
        if name in first:
            what = f"the label {name!r} is repeated (first on line {first[name]})"
            raise TaxonomyError(what, where=path, line=number, cure="Keep one of the two.")
        first[name] = number
        _check_name(name, path, number)
        color: Color | None = (int(row["r"]), int(row["g"]), int(row["b"])) if "r" in row else None
        labels.append(NativeLabel(int(row.get("id", position)), name, color))
    return LabelList(LabelSpace(path.stem, None, tuple(labels)), f"{form}, {counted(len(labels), 'label')}", False)


def _of_yolo(file: YamlFile, path: Path) -> LabelList:
    listed = file.data["names"]
    pairs = list(enumerate(listed)) if isinstance(listed, list) else None
    if isinstance(listed, dict) and all(re.fullmatch(r"\d{1,9}", key) for key in listed):
        pairs = [(int(key), name) for key, name in listed.items()]
    if not pairs or not all(isinstance(name, str) and name.strip() for _, name in pairs):
        file.fail(("names",), "'names' must list the labels", "Write names: [road, ...] or names: {0: road, ...}.")
    names = [name.strip() for _, name in pairs]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        file.fail(("names",), f"the label {repeated!r} is repeated", "Native names must be unique.")
    labels = tuple(NativeLabel(number, name) for (number, _), name in zip(pairs, names, strict=True))
    return LabelList(
        LabelSpace(path.stem, None, labels), f"the names of a YOLO file, {counted(len(labels), 'label')}", False
    )


def _checked(labels: LabelList, path: Path) -> LabelList:
    """A label list, if the YAML files can hold it."""
    if len(labels.space.labels) > MAX_LABELS:
        what = f"{len(labels.space.labels):,} labels are more than the {MAX_LABELS:,} that label maps can tell apart"
        raise TaxonomyError(what, where=path, cure="Leave out those that do not occur.")
    for name in (labels.space.name, *labels.space.names):
        _check_name(name, path, None)
    return labels


def _check_name(name: str, path: Path, line: int | None) -> None:
    if not name.isprintable():
        bad = next(character for character in name if not character.isprintable())
        what = f"a label name has the control character U+{ord(bad):04X}"
        raise TaxonomyError(what, where=path, line=line, cure="Remove it.")
    if len(name) > MAX_NAME:
        what = f"a label name of {len(name):,} characters is longer than {MAX_NAME}"
        raise TaxonomyError(what, where=path, line=line, cure=_CURE)
