"""Finds the list of classes of a folder, if there is one, by the name of its file and by what label files hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from labelforge.class_files import read_classes
from labelforge.errors import LabelforgeError
from labelforge.label_space import NativeLabel
from labelforge.palette import Color

_NAMES: Final = (
    *("classes.txt", "labels.txt", "label_colors.txt", "class_names.txt", "obj.names", "names.txt", "labelmap.txt"),
    *("label_names.txt", "predefined_classes.txt", "class_dict.csv", "classes.csv", "labels.csv", "data.yaml"),
    *("data.yml", "classes.yaml", "classes.json", "class_names.json", "config.json", "meta.json", "labels.json"),
    "notes.json",
)
"""Names of files that are known to hold lists of classes, the surest first."""
_VOC: Final = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The classes of Pascal VOC since 2007, from 0 (Everingham et al., the development kit's documentation)."""
_VOC_FOLDER: Final = re.compile(r"(?i)voc20\d\d|vocdevkit")


def class_lists(root: Path, texts: Sequence[str]) -> list[tuple[str, tuple[NativeLabel, ...]]]:
    """The lists of classes among some files: path and classes, the surest first."""
    found = []
    for name in _NAMES:
        for file in sorted(texts, key=lambda file: (file.count("/"), file)):
            if PurePosixPath(file).name.lower() == name:
                try:
                    found.append((file, read_classes(root / file)))
                except LabelforgeError:
                    continue
    return found


def fits_ids(classes: Sequence[NativeLabel], values: Collection[int], void: int | None) -> bool:
    """Whether a list has a class for every value that occurs, but for one that means "not labelled".

    A list of colours is one for masks in colours, which may have other classes: it must have exactly as many.
    """
    ids = {label.id for label in classes}
    colors = numbered(classes) and any(label.color for label in classes)
    return {*values} - {void} <= ids and not (colors and max({*values} - {void}, default=0) != max(ids))


def numbered(classes: Sequence[NativeLabel]) -> bool:
    """Whether the ids of a list are only the places in it."""
    return [label.id for label in classes] == list(range(len(classes)))


def fits_colors(classes: Sequence[NativeLabel], colors: Collection[Color]) -> bool:
    """Whether a list has colours, and most of those that occur."""
    known = {label.color for label in classes}
    return None not in known and 2 * len({*colors} & known) > len(colors)


def fits_names(classes: Sequence[NativeLabel], names: Collection[str]) -> bool:
    """Whether a list has every name that occurs."""
    return {*names} <= {label.name for label in classes}


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
