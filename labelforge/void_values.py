"""What ``void`` in a ``dataset.yaml`` says: which values or colours of masks mean "not labelled".

void: 255                        # a value, or where masks are colours, a colour
void: [0, 255]                   # several
void: background                 # a class: its value, which is no label then
void: unlisted                   # all that no class has
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labelforge.class_files import color_of
from labelforge.errors import did_you_mean
from labelforge.label_space import NativeLabel
from labelforge.palette import Color
from labelforge.yamlfile import KeyPath, YamlFile

UNLISTED: Final = "unlisted"
"""Stands for all values or colours that no class has."""


@dataclass(frozen=True)
class Void:
    """What of masks is not labelled.

    Attributes:
        values: Values, or where masks are colours, colours; no class has one of them.
        unlisted: Whether whatever no class has is not labelled either, instead of an error.
        names: The classes that are named as void, and are no labels.
    """

    values: tuple[int | Color, ...] = ()
    unlisted: bool = False
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values) or self.unlisted

    @property
    def id(self) -> int | None:
        """The first value, as a label space has it: from 0 to 65535; None if there is none."""
        return next((value for value in self.values if isinstance(value, int) and 0 <= value < 2**16), None)


def read_void(
    file: YamlFile, given: Any, labels: Sequence[NativeLabel], *, colors: bool
) -> tuple[Void, tuple[NativeLabel, ...]]:
    """The void of a ``dataset.yaml``, and its classes without those that are named as void.

    Args:
        file: The file, for messages.
        given: What it says; None for nothing.
        labels: The classes.
        colors: Whether masks are colours.

    Raises:
        TaxonomyError: It is no value, colour or class, is that of a class, is given twice, or leaves no class.
    """
    if given is None:
        return Void(), tuple(labels)
    one = not isinstance(given, list) or (colors and color_of(given) is not None)
    if given == []:
        file.fail(("void",), "the list is empty", "Write what means 'not labelled', or delete the line.")
    by_name = {label.name: label for label in labels}
    taken = {_key(label, colors): label.name for label in labels}
    found: dict[int | Color, str] = {}  # what is void, and the class that has it, or ""
    unlisted = False
    for i, entry in enumerate([given] if one else given):
        at: KeyPath = ("void",) if one else ("void", i)
        label = by_name.get(entry) if isinstance(entry, str) else None
        if label is None and entry == UNLISTED:
            unlisted = True
            continue
        value = _value(file, at, entry, by_name, colors=colors) if label is None else _key(label, colors)
        if value in found:
            file.fail(at, f"{entry!r} is given twice", "Delete one of them.")
        if label is None and value in taken:
            name = taken[value]
            cure = f"Write {name!r} instead, and it is no class any more; or delete it, and map the class to 'ignore'."
            file.fail(at, f"the class {name!r} has this value", cure)
        found[value] = "" if label is None else label.name
    left = tuple(label for label in labels if label.name not in found.values())
    if not left:
        file.fail(("void",), "no class is left", "Name only those that mean 'not labelled'.")
    return Void(tuple(found), unlisted, tuple(filter(None, found.values()))), left


def _key(label: NativeLabel, colors: bool) -> int | Color:
    """What masks hold of a class."""
    return label.color if colors and label.color is not None else label.id


def _value(file: YamlFile, at: KeyPath, entry: Any, by_name: Mapping[str, NativeLabel], *, colors: bool) -> int | Color:
    """The value or the colour that an entry means that is no class."""
    color = color_of(entry)
    value: int | None = entry if type(entry) is int and -(2**31) <= entry < 2**31 else None
    found = color if colors else value
    if found is None:
        if isinstance(entry, str) and color is None:
            cure = did_you_mean(entry, (*by_name, UNLISTED))
        elif colors:
            cure = "Write [r, g, b] or '#rrggbb', since the labels are colours."
        else:
            cure = "Write the value that means 'not labelled'."
        file.fail(at, f"{entry!r} is no {'colour' if colors else 'value of a mask'}", cure)
    return found
