"""What a label file says of one image: boxes, or layers that are painted one over the other; and what it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from labelforge.converters.labels.boxes import Overlaps
from labelforge.converters.labels.contract import MOST_OBJECTS, NO_ANNOTATION, NativeLabels, Size
from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes
from labelforge.errors import DatasetError, did_you_mean, listed
from labelforge.label_space import LabelSpace

LARGEST: Final = 1 << 28
"""Bytes; the longest label file of one image that is read."""
LARGEST_SHARED: Final = 1 << 32
"""Bytes; the longest file with the labels of many images that is read."""
AGAIN: Final = "Correct the file, or export it again."
"""What to do with a label file that is broken."""
RUN_LENGTHS: Final = "mask in run lengths"
"""What `LeftOut` calls such a mask."""
DONT_CARE: Final = "DontCare"
"""What it calls a region in which nothing was labelled; no option labels that."""


class Classes:
    """The classes of a dataset, by what label files call them.

    Args:
        space: The classes.
        file: Name of the ``dataset.yaml``, for messages.
        crowds: What objects become that are marked as a crowd, as difficult or to be ignored.
    """

    def __init__(self, space: LabelSpace, file: str, crowds: Literal["ignore", "label"] = "ignore") -> None:
        self._ids = {label.name: label.id for label in space.labels}
        self._known = {*space.ids}
        self._file = file
        self._crowds = crowds

    def unless(self, marked: bool, value: int) -> int:
        """The id of an object's class; `NO_ANNOTATION` if it is marked and such objects are not labelled."""
        return NO_ANNOTATION if marked and self._crowds == "ignore" else value

    def named(self, name: object, place: Path, line: int | None = None) -> int:
        """The id of a class by its name.

        Raises:
            DatasetError: There is none.
        """
        if isinstance(name, str) and name in self._ids:
            return self._ids[name]
        cure = f"{did_you_mean(str(name), self._ids)} Or add it to 'classes' in {self._file}."
        raise DatasetError(f"{str(name)[:60]!r} is no class of the dataset", where=place, line=line, cure=cure)

    def numbered(self, number: int, place: Path, line: int | None = None) -> int:
        """An id, if a class has it; raises what `named` raises."""
        if number in self._known:
            return number
        cure = f"Add it to 'classes' in {self._file}."
        raise DatasetError(f"no class of the dataset has the id {number}", where=place, line=line, cure=cure)

    @property
    def one(self) -> bool:
        """Whether there is but one class, so that label files need not say which."""
        return len(self._known) == 1

    def only(self) -> int:
        """The id of the class, where there is but one."""
        (value,) = self._known
        return value

    def either(self, text: str, place: Path, line: int | None = None) -> int:
        """The id of a class by its name, or else by its id; raises what `named` raises."""
        if text not in self._ids and text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 12:
            return self.numbered(int(text), place, line)
        return self.named(text, place, line)


@dataclass(frozen=True)
class LeftOut:
    """What of label files is not labelled.

    Attributes:
        empty: What covers no pixels -> how often.
        unread: What is of a kind that is not read, with its class -> how often.
        marked: What is marked as a crowd, as difficult or to be ignored -> how often.
        plain: What is not marked -> how often, where both kinds are counted.
    """

    empty: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)
    plain: Counter[str] = field(default_factory=Counter)

    def add(self, other: LeftOut) -> None:
        """Count what of another image is not labelled, too."""
        for mine, more in zip(self._counters(), other._counters(), strict=True):
            mine.update(more)

    def no_box(self, kind: object, label: object = None) -> None:
        """Count a shape that a dataset of boxes has no use for, by its kind, and by its class if that is told."""
        of = "" if label is None else f" of {str(label)[:40]!r}"
        self.unread[f"{str(kind)[:20]}{of}, which is no box"] += 1

    def sentences(self, where: str = "") -> list[str]:
        """What to say of it.

        Args:
            where: What was looked at, if that is not everything.
        """
        found = []
        for why, counts, more in (
            ("Left out, since it covers no pixels", self.empty, ""),
            ("Left out, since shapes of this kind are not read", self.unread, ""),
            ("Not labelled, since marked as a crowd, as difficult or to be ignored", self.marked, self._advice),
        ):
            if counts:
                shown = listed((f"{number:,} x {what}" for what, number in sorted(counts.items())), 8)
                found.append(f"{why}: {shown}{where}.{more}")
        return found

    @property
    def _advice(self) -> str:
        if not self.marked.keys() - {DONT_CARE}:
            return ""
        if self.marked[RUN_LENGTHS] and not self.plain[RUN_LENGTHS]:
            why = "All run lengths are marked: Datumaro and CVAT mark every mask so. "
        else:
            why = ""
        return f" {why}With 'crowds: label' in dataset.yaml they are labelled."

    def _counters(self) -> tuple[Counter[str], ...]:
        return self.empty, self.unread, self.marked, self.plain


@dataclass(frozen=True)
class BoxMarks:
    """The boxes of one image.

    Attributes:
        boxes: All of them; those without area draw nothing.
        size: (height, width) of the image, if the file says it.
        fractions: Whether the numbers are fractions of the image's width and height.
        marked: What those are called that mark what is not labelled.
        others: What else the file has, which is no box.
    """

    boxes: Sequence[Box]
    size: Size | None = None
    fractions: bool = False
    marked: str = "box"
    others: LeftOut = field(default_factory=LeftOut)

    @property
    def left_out(self) -> LeftOut:
        """What labels nothing."""
        found = LeftOut()
        found.add(self.others)
        for box in self.boxes:
            if not box.area:
                found.empty["box"] += 1
            elif box.value == NO_ANNOTATION:
                found.marked[self.marked] += 1
        return found

    def labels(self, shapes: Mapping[int, str], overlaps: Overlaps, sets: Mapping[frozenset[int], int]) -> NativeLabels:
        """The boxes as labels that draw themselves."""
        return LabeledBoxes(self.boxes, shapes, overlaps, sets, self.size, self.fractions)


@dataclass(frozen=True)
class PaintMarks:
    """The painted regions of one image.

    Attributes:
        labels: They draw themselves.
        left_out: What else the file has, which labels nothing.
    """

    labels: NativeLabels
    left_out: LeftOut = field(default_factory=LeftOut)


def checked_boxes(boxes: Sequence[Box], place: Path, lines: Sequence[int] | None = None) -> Sequence[Box]:
    """The boxes of an image, if all are places in one and there are not too many.

    Raises:
        DatasetError: One has numbers that are no place in an image, or there are more than `MOST_OBJECTS`.
    """
    check_count(len(boxes), place)
    for i, box in enumerate(boxes):
        if box.fault is not None:
            line = None if lines is None else lines[i]
            raise DatasetError(box.fault, where=place, line=line, cure="Correct the annotation, or delete it.")
    return boxes


def check_count(number: int, place: Path) -> None:
    """Raise a `DatasetError` if there are more objects in an image than any annotation has."""
    if number > MOST_OBJECTS:
        what = f"{number:,} objects in one image, more than {MOST_OBJECTS:,}"
        raise DatasetError(what, where=place, cure="Check the annotations; split the image if they are right.")


def check_length(path: Path, most: int = LARGEST) -> None:
    """Raise a `DatasetError` if a label file is longer than any is; one that is missing is left to who reads it."""
    try:
        size = path.stat().st_size
    except OSError:
        return
    if size > most:
        what = f"has {size:,} bytes, too many for a file of labels"
        raise DatasetError(what, where=path, cure="Check that it is one.")
