"""Finds the list of classes of a folder, if there is one, by the name of its file and by what label files hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from labelforge.class_files import read_class_list
from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.errors import LabelforgeError
from labelforge.label_space import NativeLabel
from labelforge.palette import Color

_NAMES: Final = (
    *("classes.txt", "labels.txt", "labelmap.txt", "label_colors.txt", "class_names.txt", "obj.names", "names.txt"),
    *("label_names.txt", "predefined_classes.txt", "_classes.csv", "class_dict.csv", "classes.csv", "labels.csv"),
    *("class_names.csv", "label_names.csv", "class_names.json", "data.yaml"),
    *("data.yml", "classes.yaml", "classes.json", "config.json", "meta.json", "labels.json"),
    "notes.json",
)
"""Names of files that are known to hold lists of classes, the surest first."""
_LIKELY: Final = re.compile(r"(?i).*(?:class|label|colou?r|categor|legend|palette|ontology).*\.(?:csv|txt|json|ya?ml)")
"""Names of files that may hold them; any list of names would fit values from 0, so they must say ids or colours."""
_VOC: Final = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The classes of Pascal VOC since 2007, from 0 (Everingham et al., the development kit's documentation)."""
_SURELY: Final = frozenset(_NAMES[: _NAMES.index("data.yaml")]) - {"labels.txt", "labels.csv", "names.txt"}
"""Those that are nothing else, so that it is said where one cannot be read."""
_TRIED: Final = 20  # files that may hold them
_VOC_FOLDER: Final = re.compile(r"(?i)voc20\d\d|vocdevkit")


class ClassList(NamedTuple):
    """A list of classes that a folder has.

    Attributes:
        file: Its path, or what to call it.
        classes: The classes.
        by_place: Whether their ids are only the places in it.
    """

    file: str
    classes: Sequence[NativeLabel]
    by_place: bool


def class_lists(
    root: Path, texts: Sequence[str], values: Collection[int] = (), faults: list[str] | None = None
) -> list[ClassList]:
    """The lists of classes among some files, the surest first.

    Args:
        root: Their folder.
        texts: Their paths in it.
        values: What label maps hold, where that is known.
        faults: Gets a sentence for each that is called like a list, and cannot be read as one.
    """
    found = []
    ordered = sorted(texts, key=lambda file: (file.count("/"), file))
    named = [file for name in _NAMES for file in ordered if PurePosixPath(file).name.lower() == name]
    likely = [file for file in ordered if file not in named and _LIKELY.fullmatch(PurePosixPath(file).name)]
    for file in (*named, *likely[:_TRIED]):
        try:
            classes, with_ids = read_class_list(root / file, values)
        except LabelforgeError as fault:
            if faults is not None and PurePosixPath(file).name.lower() in _SURELY:
                line = "" if fault.line is None else f"line {fault.line}: "
                faults.append(f"The list {file} was not used: {line}{fault.what}.")
            continue
        if file in named or with_ids or all(label.color for label in classes):
            found.append(ClassList(file, classes, not with_ids))
    return found


def fits_ids(known: ClassList, values: Collection[int], void: Collection[object]) -> bool:
    """Whether a list has a class for every value that occurs, but for those that mean "not labelled".

    A list of colours is one for masks in colours, which may have other classes: it must have exactly as many.
    """
    ids = {label.id for label in known.classes}
    colors = known.by_place and any(label.color for label in known.classes)
    rest = {*values}.difference(void)
    return rest <= ids and not (colors and max(rest, default=0) != max(ids))


def fits_colors(classes: Sequence[NativeLabel], pixels: Mapping[Color, int], plain: Collection[Color]) -> bool:
    """Whether a list has colours, and those of most pixels, but for ``plain`` ones, which may mean "not labelled"."""
    known = {label.color for label in classes}
    rest = {color: count for color, count in pixels.items() if color in known or color not in plain}
    fits = {color: count for color, count in rest.items() if color in known}
    return None not in known and len(fits) >= min(2, len(rest)) > 0 and 2 * sum(fits.values()) >= sum(rest.values())


def fits_names(classes: Sequence[NativeLabel], names: Collection[str]) -> bool:
    """Whether a list has every name that occurs."""
    return {*names} <= {label.name for label in classes}


def take_list(known: ClassList, proposal: Proposal, seen: Mapping[int, str], *, guessed: bool) -> None:
    """Take the classes of a list; guessed are those that only their places in it make the values of masks."""
    order = " Guessed: that their order is that of the values." if guessed else ""
    proposal.classes_from = f"The names are those of {known.file}.{order}"
    proposal.classes = [
        ProposedClass(label.id, label.name, label.color, seen.get(label.id, "not seen"), guessed)
        for label in known.classes
    ]


def say_unfit(lists: Sequence[ClassList], proposal: Proposal, why: str) -> None:
    """Say why the surest list is not used, if there is one."""
    if lists:
        proposal.remarks.append(f"The list {lists[0].file} {why}, and was not used.")


def voc_classes(values: Collection[int], palette: Sequence[int], place: Path) -> tuple[NativeLabel, ...] | None:
    """The classes of Pascal VOC, if only its values occur, in its colours, and a folder is called so or all occur.

    Other datasets use its colours too, for values of their own.

    Args:
        values: The values that occur.
        palette: r, g, b, r, g, b, ... of the values from 0.
        place: Path of a label file.
    """
    known = {*range(len(_VOC)), 255}
    called = any(_VOC_FOLDER.fullmatch(part) for part in place.parts)
    colors = [_voc_color(i) for i in range(len(_VOC))]
    given = [number for color in colors for number in color]
    if [*palette[: len(given)]] != given or not ({*values} == known or (called and {*values} <= known)):
        return None
    return tuple(NativeLabel(i, name, color) for i, (name, color) in enumerate(zip(_VOC, colors, strict=True)))


def _voc_color(number: int) -> Color:
    """The colour of a value in VOC's palette: its bits by turns in r, g and b (VOClabelcolormap.m)."""
    red, green, blue = (sum((number >> 3 * i + shift & 1) << 7 - i for i in range(8)) for shift in range(3))
    return red, green, blue
