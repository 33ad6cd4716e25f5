"""Looks into files of COCO's panoptic format: which pictures of segments they mean, and how much each category has.

Where the pictures are, no file says. Of the pictures that have the names, those are taken whose colours are the numbers
of the segments: an image may have the same name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from labelforge.converters.annotations.coco_json import category_names
from labelforge.converters.annotations.panoptic_json import PanopticEntry, read_panoptic
from labelforge.converters.init.marks import AnyClass, MarkLook
from labelforge.converters.init.masks import LOOKED_AT, MaskLook
from labelforge.converters.init.paired import Found, pair_shared
from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.converters.init.survey import Survey
from labelforge.converters.init.templates import spread
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.own.marks import LeftOut
from labelforge.converters.own.panoptic import SegmentMarks, picture_of, segment_marks
from labelforge.converters.own.patterns import Pattern
from labelforge.converters.own.splits import Names
from labelforge.errors import DatasetError, LabelforgeError, counted, listed

_NAMES: Final = 50  # of a file, for which pictures are looked for
_PICTURES: Final = 3  # of a folder, that are compared with a file
_NOTHING: Final = -1  # counts the pixels of no segment


@dataclass
class SegmentLook:
    """What panoptic files hold.

    Attributes:
        entries: File -> the images that it has segments of.
        classes: The names of categories, and the numbers that ``pixels`` has for them.
        ids: Name of a category -> its id in the first file.
        things: Name of a category -> whether the first file says that it is a thing.
        masks: How many pixels each category has, and `_NOTHING`.
        left_out: What would not be labelled.
    """

    entries: dict[str, list[PanopticEntry]] = field(default_factory=dict)
    classes: AnyClass = field(default_factory=AnyClass)
    ids: dict[str, int] = field(default_factory=dict)
    things: dict[str, bool] = field(default_factory=dict)
    masks: MaskLook = field(default_factory=lambda: MaskLook("ids"))
    left_out: LeftOut = field(default_factory=LeftOut)


@dataclass(frozen=True)
class Segments:
    """Images that panoptic files have segments of.

    Attributes:
        found: The images and the files.
        look: What the files hold.
        paths: Paths of the pictures of segments.
        files: The pictures.
    """

    found: Found
    look: SegmentLook
    paths: Sequence[str]
    files: frozenset[str]


def find_segments(survey: Survey, files: Sequence[str], faults: list[str]) -> Segments | None:
    """Pair images with panoptic files; None if none belong together. ``faults`` gets what is wrong with the files."""
    look = SegmentLook()
    marks = MarkLook("masks")
    names = Names({picture: picture for picture in survey.pictures})
    templates: dict[str, str] = {}
    for file in files:
        try:
            entries = _entries(survey.root / file, look)
        except LabelforgeError as error:
            faults.append(f"{file}: {error.what}. {error.cure or ''}".rstrip(". "))
            continue
        template = _template(survey.root, file, entries, names)
        if template is None:
            faults.append(f"{file}: the pictures of segments that it names were not found")
            continue
        look.entries[file], templates[file] = entries, template
        marks.images[file] = [entry.image for entry in entries]
    patterns = [Pattern(template) for template in {*templates.values()}]
    pictures = frozenset(p for p in survey.pictures if any(pattern.match(p) for pattern in patterns))
    found = pair_shared(replace(survey, pictures=[p for p in survey.pictures if p not in pictures]), marks)
    faults += marks.faults
    if found is None:
        faults += [f"{file}: the images that it names were not found" for file in templates]
        return None
    return Segments(found, look, _with_splits(found, templates), pictures)


def _entries(path: Path, look: SegmentLook) -> list[PanopticEntry]:
    """The images of a file that have segments; crowds are told by their native id."""

    def native_ids(categories: Iterable[Any], place: Path) -> Mapping[int, int]:
        listed = [*categories]
        ids = {}
        for (number, name), entry in zip(category_names(listed, place), listed, strict=True):
            ids[number] = look.classes.named(name, place)
            look.ids.setdefault(name, number)
            if "isthing" in entry:
                look.things.setdefault(name, bool(entry["isthing"]))
        return ids

    return [entry for entry in read_panoptic(path, native_ids, NO_ANNOTATION) if entry.picture is not None]


def _template(root: Path, file: str, entries: Sequence[PanopticEntry], names: Names[str]) -> str | None:
    """The path that fits the pictures of a file; None if there are none. Of several, the nearest to the file."""
    places = (PurePosixPath(file).with_suffix(""), PurePosixPath(file).parent)
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in spread(entries, _NAMES):
        for picture in names.find(str(entry.picture)):
            folder = _above(picture, str(entry.picture))
            template = "/".join([*folder, "{key}" + PurePosixPath(picture).suffix])
            found.setdefault(template, []).append((picture, str(entry.segments)))
    ranked = []
    for template, pictures in found.items():
        known = [_known(root / picture, text) for picture, text in spread(pictures, _PICTURES)]
        if max(known) > 0.5 and not {"{", "}", "*"} & {*template.replace("{key}", "", 1)}:
            near = sum(PurePosixPath(template).is_relative_to(place) for place in places)
            ranked.append((sum(known) / len(known), near, len(pictures), template))
    return max(ranked)[-1] if ranked else None


def _above(picture: str, name: str) -> tuple[str, ...]:
    """The folders of a picture above what a file calls it."""
    folders, called = [*PurePosixPath(picture).parent.parts], [*PurePosixPath(name).parent.parts]
    while folders and called and folders[-1] == called[-1]:
        folders.pop()
        called.pop()
    return tuple(folders)


def _known(picture: Path, text: str) -> float:
    """The share of a picture's colours that are numbers of the segments."""
    try:
        labels = _marks(picture, text).labels
    except DatasetError:
        return 0.0
    here = {*np.unique(labels.segments).tolist()} - {0}
    return len(here & labels.labels.keys()) / max(1, len(here))


def _marks(picture: Path, text: str) -> SegmentMarks:
    return segment_marks(text, picture, AnyClass())


def _with_splits(found: Found, templates: Mapping[str, str]) -> list[str]:
    """The paths of the pictures of the files that are used, with ``{split}`` where that makes one of them."""
    several = list(dict.fromkeys(templates[file] for file in found.label_files))
    if len(several) > 1 and "{split}" in found.labels[0]:
        of = {text: templates.get(found.labels[0].replace("{split}", text), "") for text in found.splits.values()}
        folded = {template.replace(text, "{split}", 1) for text, template in of.items()}
        if len(folded) == 1:
            return [*folded]
    return several


def look_at_segments(root: Path, segments: Segments) -> None:
    """Count the pixels of some pictures of segments into what was found."""
    look = segments.look
    names = Names({picture: picture for picture in segments.files})
    all_entries = [(file, entry) for file in segments.found.label_files for entry in look.entries[file]]
    for file, entry in spread(all_entries, LOOKED_AT):
        try:
            picture = picture_of(str(entry.picture), names, Path(file), file)
            if picture is None:
                look.masks.faults.append(f"{file}: names {entry.picture}, which was not found")
                continue
            marks = _marks(root / picture, str(entry.segments))
        except DatasetError as error:
            look.masks.faults.append(f"{file}: {error.what} ({entry.picture})")
            continue
        look.left_out.add(marks.left_out)
        look.masks.opened += 1
        _count(look, marks, f"{picture}: {{}} not in {file}")


def _count(look: SegmentLook, marks: SegmentMarks, fault: str) -> None:
    counts: Counter[int] = Counter()
    unknown: Counter[int] = Counter()
    here, pixels = np.unique(marks.labels.segments, return_counts=True)
    for number, count in zip(here.tolist(), pixels.tolist(), strict=True):
        if number in marks.labels.labels:
            counts[marks.labels.labels[number]] += count
        elif number == 0:
            counts[_NOTHING] += count
        else:
            unknown[number] += count
    if unknown:
        are = "is" if len(unknown) == 1 else "are"
        what = f"{counted(len(unknown), 'segment')} ({listed(map(str, unknown), 3)}; {unknown.total():,} pixels) {are}"
        look.masks.faults.append(fault.format(what))
    look.masks.pixels.update(counts)
    look.masks.files.update([*counts])


def describe_segments(root: Path, segments: Segments, proposal: Proposal, most: int) -> None:
    """Say what pictures of segments hold, with ``most`` of their faults.

    Raises:
        DatasetError: None could be read.
    """
    look_at_segments(root, segments)
    look, masks = segments.look, segments.look.masks
    total = sum(len(look.entries[file]) for file in segments.found.label_files)
    proposal.segments = segments.paths
    if not masks.opened:
        what = f"no picture of segments could be read; {masks.faults[0]}"
        raise DatasetError(what, where=root, cure="Repair them first.")
    of = f"all {total:,} were" if masks.opened == total else f"{masks.opened} of {total:,}, evenly spread, were"
    proposal.looked.append(f"Pictures of segments: {of if total > 1 else 'the only one was'} opened.")
    proposal.remarks += [f"Label file {fault}." for fault in masks.faults[:most]]
    proposal.remarks += look.left_out.sentences(f" (in {counted(masks.opened, 'picture')})")
    if masks.pixels[_NOTHING]:
        proposal.remarks.append(f"In no segment, and so not labelled: {masks.share(_NOTHING)}.")
    ids = look.ids
    if len({*ids.values()}) < len(ids):  # files that number their categories each in its own way
        ids = {name: i for i, name in enumerate(ids)}
    proposal.classes_from = f"The names are those of the categories in {listed(segments.found.label_files, 2)}."
    for name, number in sorted(ids.items(), key=lambda pair: pair[1]):
        kind = {True: "thing; ", False: "stuff; ", None: ""}[look.things.get(name)]
        seen = kind + masks.share(look.classes.numbers[name])
        proposal.classes.append(ProposedClass(number, name, None, seen, guessed=False))
