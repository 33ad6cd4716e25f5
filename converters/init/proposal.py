"""What is proposed for a folder: the content of its ``dataset.yaml``, with what was seen and what was guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labelforge.csv_form import CsvForm
from labelforge.dataset_file import DatasetKind
from labelforge.errors import DatasetError
from labelforge.palette import Color


class IncompleteError(DatasetError):
    """A file breaks off that says what the pictures of a folder mean."""


@dataclass(frozen=True)
class ProposedClass:
    """One class.

    Attributes:
        id: Its value in label files.
        name: Its name.
        color: Its colour, where labels are colours or a list says it.
        seen: How much of it was seen, in a few words.
        guessed: Whether the name is only made up.
    """

    id: int
    name: str
    color: Color | None
    seen: str
    guessed: bool


@dataclass
class Proposal:
    """The content of a ``dataset.yaml``.

    Attributes:
        kind: What the labels are.
        format: How files hold them.
        images: Paths of the images.
        labels: Paths of the labels.
        splits: Split -> what stands for it; empty for none.
        counts: Split ("" without splits) -> number of images that have labels.
        classes: The classes.
        classes_from: Where they are from, in a sentence.
        void: The values or colours that mean "not labelled", or `labelforge.void_values.UNLISTED`.
        looked: What was looked at, in sentences.
        remarks: What to check, and what could not be paired, in sentences.
        others: What else was found that another ``dataset.yaml`` could describe, in sentences.
        segments: Of panoptic, paths of the pictures of segments.
        csv: Of CSV files, how they are to be read.
        csv_from: Why, in sentences.
        attribute: Of VIA, the attribute of regions that says the class, if it must be named.
        attribute_from: Why, or which others there are; or "".
    """

    kind: DatasetKind
    format: str
    images: Sequence[str]
    labels: Sequence[str]
    splits: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    classes: list[ProposedClass] = field(default_factory=list)
    classes_from: str = ""
    void: list[int | Color | str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    segments: Sequence[str] = ()
    csv: CsvForm = field(default_factory=CsvForm)
    csv_from: Sequence[str] = ()
    attribute: str | None = None
    attribute_from: str = ""

    @property
    def named_by_nobody(self) -> bool:
        """Whether all names of classes are made up."""
        return all(each.guessed for each in self.classes)
