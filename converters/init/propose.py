"""Looks at a folder and proposes its ``dataset.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from labelforge.converters.init.bare_csv import CsvLayout, find_layout
from labelforge.converters.init.class_lists import class_lists, fits_colors, fits_ids, fits_names, numbered, voc_classes
from labelforge.converters.init.marks import LOOKED_AT as MARKS_LOOKED_AT
from labelforge.converters.init.marks import MarkLook, look_at_marks
from labelforge.converters.init.masks import MaskLook, look_at_masks, picture_sizes
from labelforge.converters.init.paired import Found, pair_files, pair_shared
from labelforge.converters.init.panoptic import Segments, describe_segments, find_segments
from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.converters.init.survey import BARE_CSV, Survey, look_at
from labelforge.converters.own.csv_boxes import read_csv
from labelforge.dataset_file import SHARED, DatasetKind
from labelforge.errors import DatasetError, counted, listed
from labelforge.label_space import NativeLabel
from labelforge.palette import Color, hex_color

_ORDER: Final = ("labelme", "supervisely", "cvat", "coco", "voc", "yolo", "csv", BARE_CSV)
"""Formats of files with labels; the first that can be paired is proposed, after masks."""
_FAULTS: Final = 5  # that are repeated


@dataclass
class _Candidate:
    """One kind of labels that the folder has."""

    kind: DatasetKind
    format: str
    found: Found
    look: MarkLook | Segments | None
    layout: CsvLayout | None = None


def propose(root: Path) -> Proposal:
    """What a folder holds.

    Raises:
        DatasetError: It is missing, or no images can be paired with labels.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise DatasetError(what, where=root, cure="Give the folder with your images and labels.")
    survey = look_at(root)
    if not survey.pictures:
        raise DatasetError("holds no pictures", where=root, cure="Give the folder with your images and labels.")
    faults: list[str] = []
    candidates = list(_candidates(survey, faults))
    if not candidates:
        seen = ", ".join(f"{counted(len(files), f'{name} file')}" for name, files in survey.labels.items())
        what = f"holds {counted(len(survey.pictures), 'picture')} (such as {survey.pictures[0]})"
        what += f" and {seen}" if seen else ""
        what += ", but no labels that belong to images were found"
        what += f" ({'; '.join(faults[:_FAULTS])})" if faults else ""
        cure = "Name labels as their images (a.png and a_mask.png), or write dataset.yaml by hand."
        raise DatasetError(what, where=root, cure=cure)
    first, others = candidates[0], candidates[1:]
    proposal = _described(survey, first)
    for other in others:
        form = f" ({other.format})" if other.format else ""
        what = f"{other.kind}{form} of {counted(len(other.found.image_files), 'image')}"
        proposal.others.append(f"{what}: images: {other.found.images[0]}, labels: {other.found.labels[0]}")
    proposal.remarks += [f"Not used: {fault}." for fault in faults[:_FAULTS]]
    if survey.outside:
        proposal.remarks.append(f"Links that lead out of the folder are not followed: {listed(survey.outside, 3)}.")
    return proposal


def _candidates(survey: Survey, faults: list[str]) -> Iterator[_Candidate]:
    """What labels the folder has, the most telling first; ``faults`` gets what is wrong with files not used."""
    segments = None
    if files := survey.labels.get("panoptic"):
        segments = find_segments(survey, files, faults)
    if segments is not None:
        yield _Candidate("masks", "panoptic", segments.found, segments)
        survey = replace(survey, pictures=[file for file in survey.pictures if file not in segments.files])
    masks = pair_files(survey, survey.pictures, masks=True)
    last = "panoptic" in survey.labels  # pictures whose colours may be numbers of segments, not labels
    if masks is not None and not last:
        yield _Candidate("masks", "", masks, None)
    for form in _ORDER:
        files = survey.labels.get(form, [])
        candidate = _with_marks(survey, form, files, faults) if files else None
        if candidate is not None:
            yield candidate
    if masks is not None and last:
        yield _Candidate("masks", "", masks, None)


def _with_marks(survey: Survey, form: str, files: Sequence[str], faults: list[str]) -> _Candidate | None:
    """Images that belong to files with boxes or polygons; None if there are none, and ``faults`` gets why."""
    layout = read = None
    if form == BARE_CSV:
        layout = find_layout(survey.root, files, survey.pictures, faults)
        if layout is None:
            return None
        read = partial(read_csv, columns=layout.columns, separator=layout.separator)
    name, files = (form, files) if layout is None else ("csv", layout.files)
    look = look_at_marks(survey.root, name, files, read) if name in SHARED else None
    pairing = pair_shared(survey, look) if look is not None else pair_files(survey, files, masks=False)
    if pairing is None:
        faults += look.faults if look is not None else []
        return None
    if look is None or {*pairing.label_files} < {*look.images}:  # what others name is none of this dataset
        faults_before = look.faults if look is not None else []
        look = look_at_marks(survey.root, name, pairing.label_files, read)
        look.faults = list(dict.fromkeys((*faults_before, *look.faults)))
    return _Candidate(look.kind, name, pairing, look, layout)


def _described(survey: Survey, chosen: _Candidate) -> Proposal:
    found = chosen.found
    proposal = Proposal(chosen.kind, chosen.format, found.images, found.labels, found.splits, found.counts)
    sizes = picture_sizes(survey.root, found.image_files)
    shown = listed((f"{width} x {height}" for (width, height), _ in sizes.most_common(6)), 3)
    proposal.looked.append(
        f"Images: {len(found.image_files):,} with labels; of {sizes.total()} looked at, sizes {shown}."
    )
    if chosen.look is None:
        _describe_masks(survey, found, proposal)
    elif isinstance(chosen.look, Segments):
        describe_segments(survey.root, chosen.look, proposal, _FAULTS)
    else:
        _describe_marks(survey, chosen.look, proposal)
    if chosen.layout is not None:
        proposal.columns, proposal.separator = chosen.layout.columns, chosen.layout.separator
        proposal.columns_from = chosen.layout.reasons
    for files, what in ((found.bare, "without labels"), (found.lost, "labels without an image")):
        if files:
            noun = "image " + what if files is found.bare else what
            proposal.remarks.append(f"Not paired: {len(files):,} x {noun}, such as {listed(files, 3)}.")
    return proposal


def _describe_masks(survey: Survey, found: Found, proposal: Proposal) -> None:
    look = look_at_masks(survey.root, found.label_files)
    proposal.format = look.format
    number = len(found.label_files)
    of = f"all {number:,} were" if look.opened == number else f"{look.opened} of {number:,}, evenly spread, were"
    proposal.looked.append(f"Label files: {of if number > 1 else 'the only one was'} opened.")
    proposal.remarks += [f"Label file {fault}." for fault in look.faults[:_FAULTS]]
    if len(look.faults) > _FAULTS:
        proposal.remarks.append(f"{len(look.faults)} of the label files looked at have such faults.")
    if not look.pixels:
        raise DatasetError(
            f"no label file could be read; {look.faults[0] if look.faults else 'they are empty'}",
            where=survey.root,
            cure="Repair them first.",
        )
    lists = class_lists(survey.root, survey.texts)
    if look.format == "rgb":
        _classes_of_colors(look, lists, proposal)
    else:
        _classes_of_values(look, lists, proposal, survey.root.resolve() / found.label_files[0])


def _classes_of_values(
    look: MaskLook, lists: Sequence[tuple[str, Sequence[NativeLabel]]], proposal: Proposal, place: Path
) -> None:
    values = sorted(look.pixels)
    if values[-1] == 255 and len(values) > 2:  # of two values, it is what the mask is of
        proposal.void = 255
    for file, classes in lists:
        if fits_ids(classes, values, 255):
            if any(label.id == 255 for label in classes):
                proposal.void = None
            seen = {label.id: look.share(label.id) for label in classes}
            _take_list(file, classes, proposal, seen, guessed=numbered(classes))
            absent = [label.id for label in classes if label.id not in look.pixels]
            if numbered(classes) and 0 in look.pixels and absent and not any(label.color for label in classes):
                proposal.classes_from += _may_count_from_one(absent, proposal.void)
            return
    if (voc := voc_classes(look.pixels, look.palette, place)) is not None:
        proposal.void = 255
        seen = {label.id: look.share(label.id) for label in voc}
        _take_list("Pascal VOC, whose values and colours these are", voc, proposal, seen, guessed=True)
        return
    if _nearly_fits(look, lists, proposal):
        return
    _say_unfit(lists, proposal, _lacking(lists[0][1], values) if lists else "")
    proposal.classes_from = "The names are made up: no list of classes with all values was found. Write the right ones."
    proposal.classes = [
        ProposedClass(value, f"value {value}", None, look.share(value), guessed=True)
        for value in values
        if value != proposal.void
    ]


def _nearly_fits(look: MaskLook, lists: Sequence[tuple[str, Sequence[NativeLabel]]], proposal: Proposal) -> bool:
    """Take a list of names alone that counts from 1, or lacks one value, which then means "not labelled"; if any."""
    values = {*look.pixels} - {proposal.void}
    for file, classes in lists:
        count = len(classes)
        if not numbered(classes) or any(label.color for label in classes):
            continue
        from_one = values <= {*range(count + 1)} and count in values
        if from_one and (0 not in values or proposal.void is not None):
            _take_from_one(file, classes, look, proposal)
            return True
        extra = values - {label.id for label in classes}
        if len(extra) == 1 and proposal.void is None:
            proposal.void = extra.pop()
            _take_list(file, classes, proposal, {x.id: look.share(x.id) for x in classes}, guessed=True)
            share = look.share(proposal.void)
            proposal.classes_from += f" Guessed: that {proposal.void} ({share}), which has no name, is not labelled."
            if from_one:
                proposal.classes_from += (
                    f" {counted(count, 'name')} for the values 0 to {count} can be read in two ways: look at a mask, "
                    f"and where 0 ({look.share(0)}) is not labelled instead, write void: 0, and ids that count from 1."
                )
            return True
    return False


def _take_from_one(file: str, classes: Sequence[NativeLabel], look: MaskLook, proposal: Proposal) -> None:
    """Take a list of names for values from 1; a value 0 that occurs is one without a name."""
    shifted = [replace(label, id=label.id + 1) for label in classes]
    _take_list(file, shifted, proposal, {x.id: look.share(x.id) for x in shifted}, guessed=True)
    if 0 not in look.pixels:
        proposal.classes_from += " Guessed: that values count from 1, as 0 does not occur."
        return
    count = len(classes)
    proposal.classes_from += (
        f" Guessed: that values count from 1, and that 0 has no name, as {proposal.void} is not labelled already. "
        f"{counted(count, 'name')} for the values 0 to {count} can be read in two ways: look at a mask, and where they "
        f"count from 0 instead, write ids one less, and a name for {count} ({look.share(count)})."
    )
    proposal.classes.insert(0, ProposedClass(0, "value 0", None, look.share(0), guessed=True))


def _may_count_from_one(absent: Sequence[int], void: int | Color | None) -> str:
    """What to say where names fit values from 0, but not all of them occur."""
    text = (
        f" Not all occur ({listed(map(str, absent), 3)}), so they may count from 1: look at a mask, and where 0 is not"
    )
    if void is None:
        return f"{text} labelled, write void: 0, and ids one more."
    return f"{text} labelled either, write a name for it, and the other ids one more."


def _lacking(classes: Sequence[NativeLabel], values: Sequence[int]) -> str:
    """What a list lacks."""
    absent = sorted({*values} - {label.id for label in classes})
    named = f"has {counted(len(classes), 'class')}" if not numbered(classes) else f"names 0 to {len(classes) - 1}"
    return f"{named}, but {listed(absent, 6)} occur{'s' * (len(absent) == 1)} too"


def _classes_of_colors(look: MaskLook, lists: Sequence[tuple[str, Sequence[NativeLabel]]], proposal: Proposal) -> None:
    colors = {value: (value >> 16, value >> 8 & 255, value & 255) for value in look.pixels}
    for file, classes in lists:
        if fits_colors(classes, {*colors.values()}):
            seen = {label.id: look.share(_packed(label.color)) for label in classes if label.color is not None}
            _take_list(file, classes, proposal, seen, guessed=False)
            known = {label.color for label in classes}
            unknown = [color for color in colors.values() if color not in known]
            if unknown == [(0, 0, 0)]:
                proposal.void = (0, 0, 0)
            elif unknown:
                proposal.remarks.append(f"Colours that {file} does not list: {listed(map(hex_color, unknown), 6)}.")
                start = max(label.id for label in classes) + 1
                proposal.classes += [_of_color(i, color, look) for i, color in enumerate(unknown, start)]
            return
    _say_unfit(lists, proposal, "lacks colours that occur")
    proposal.classes_from = (
        "The names are made up: no list of classes with these colours was found. Write the right ones."
    )
    ordered = sorted(look.pixels, key=lambda value: (-look.pixels[value], value))
    proposal.classes = [_of_color(i, colors[value], look) for i, value in enumerate(ordered)]


def _of_color(number: int, color: Color, look: MaskLook) -> ProposedClass:
    return ProposedClass(number, f"color {hex_color(color)[1:]}", color, look.share(_packed(color)), guessed=True)


def _describe_marks(survey: Survey, look: MarkLook, proposal: Proposal) -> None:
    total = look.objects.total()
    which = f"the labels of {counted(look.opened, 'image')}" + ("" if look.all_names else ", evenly spread")
    if not look.objects:
        what = f"no label could be read; {look.faults[0]}" if look.faults else "has label files, but no object in them"
        cure = "Repair or label some first, or write a dataset.yaml by hand (docs/OWN_DATA.md)."
        raise DatasetError(what, where=survey.root, cure=cure)
    proposal.looked.append(f"Labels: {counted(total, 'object')} in {which}.")
    proposal.remarks += [f"Label file {fault}" for fault in look.faults[:_FAULTS]]
    proposal.remarks += look.left_out.sentences(f" (in {which})")
    if not look.all_names:
        proposal.remarks.append(
            f"Only {MARKS_LOOKED_AT} label files were opened: other files may name further classes."
        )
    seen = {name: f"{count:,} of {total:,} objects" for name, count in look.objects.items()}
    lists = class_lists(survey.root, survey.texts)
    if proposal.format == "yolo" or (proposal.format == "csv" and all(map(str.isdecimal, look.objects))):
        numbers = sorted(int(name) for name in look.objects)
        for file, classes in lists:
            if fits_ids(classes, numbers, None):
                places = proposal.format == "csv" and numbered(classes)  # YOLO's classes count from 0
                _take_list(file, classes, proposal, {int(name): text for name, text in seen.items()}, guessed=places)
                return
        _say_unfit(lists, proposal, "lacks classes that occur")
        proposal.classes_from = "The names are made up: no list with all classes was found. Write the right ones."
        proposal.classes = [ProposedClass(n, f"class {n}", None, seen[str(n)], guessed=True) for n in numbers]
        return
    if proposal.format != "coco":
        for file, classes in lists:
            if fits_names(classes, look.objects):
                _take_list(
                    file, classes, proposal, {x.id: seen.get(x.name, "not seen") for x in classes}, guessed=False
                )
                return
    proposal.classes_from = "The names are those in the label files."
    ids = look.ids if {*look.objects} <= {*look.ids} else {name: i for i, name in enumerate(sorted(look.objects))}
    named = sorted((ids[name], name) for name in look.objects)
    proposal.classes = [ProposedClass(number, name, None, seen[name], guessed=False) for number, name in named]


def _take_list(
    file: str, classes: Sequence[NativeLabel], proposal: Proposal, seen: dict[int, str], *, guessed: bool
) -> None:
    """Take the classes of a list; guessed are those that only their places in it make the values of masks."""
    order = " Guessed: that their order is that of the values." if guessed else ""
    proposal.classes_from = f"The names are those of {file}.{order}"
    proposal.classes = [
        ProposedClass(label.id, label.name, label.color, seen.get(label.id, "not seen"), guessed) for label in classes
    ]


def _say_unfit(lists: Sequence[tuple[str, Sequence[NativeLabel]]], proposal: Proposal, why: str) -> None:
    if lists:
        proposal.remarks.append(f"The list {lists[0][0]} {why}, and was not used.")


def _packed(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]
