"""Looks at a folder and proposes its ``dataset.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from labelforge.converters.init.bare_csv import find_layout
from labelforge.converters.init.class_lists import class_lists, fits_ids, fits_names, say_unfit, take_list
from labelforge.converters.init.csv_content import CsvLayout
from labelforge.converters.init.headed_csv import find_headed
from labelforge.converters.init.marks import LOOKED_AT as MARKS_LOOKED_AT
from labelforge.converters.init.marks import UNNAMED, MarkLook, look_at_marks
from labelforge.converters.init.mask_classes import describe_masks
from labelforge.converters.init.masks import picture_sizes
from labelforge.converters.init.paired import Found, pair_files, pair_shared
from labelforge.converters.init.panoptic import Segments, describe_segments, find_segments
from labelforge.converters.init.proposal import IncompleteError, Proposal, ProposedClass
from labelforge.converters.init.survey import BARE_CSV, Survey, look_at
from labelforge.converters.init.via_attribute import Attribute, find_attribute
from labelforge.converters.own.csv_boxes import read_csv
from labelforge.converters.own.via import read_via
from labelforge.dataset_file import SHARED, DatasetKind
from labelforge.errors import DatasetError, counted, listed

_ORDER: Final = ("labelme", "supervisely", "cvat", "via", "coco", "voc", "kitti", "yolo", "csv", BARE_CSV)
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
    attribute: Attribute | None = None


def propose(root: Path) -> Proposal:
    """What a folder holds.

    Raises:
        DatasetError: It is missing, or no images can be paired with labels.
        IncompleteError: What says what pictures mean breaks off.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise DatasetError(what, where=root, cure="Give the folder with your images and labels.")
    survey = look_at(root)
    if not survey.pictures:
        raise DatasetError("holds no pictures", where=root, cure="Give the folder with your images and labels.")
    faults: list[str] = [*survey.broken]
    candidates = list(_candidates(survey, faults))
    if not candidates:
        raise _nothing(survey, faults)
    first, others = candidates[0], candidates[1:]
    proposal = _described(survey, first)
    if proposal.format == "rgb" and proposal.named_by_nobody and (cut := [f for f in faults if "breaks off" in f]):
        what = f"{cut[0].partition('. ')[0]}, and may say what the pictures {proposal.labels[0]} mean"
        cure = "Get it again, or export it again; if the colours are labels without it, move it elsewhere."
        raise IncompleteError(what, where=root, cure=cure)
    for other in others:
        form = f" ({other.format})" if other.format else ""
        what = f"{other.kind}{form} of {counted(len(other.found.image_files), 'image')}"
        proposal.others.append(f"{what}: images: {other.found.images[0]}, labels: {other.found.labels[0]}")
    proposal.remarks += [f"Not used: {fault}." for fault in faults[:_FAULTS]]
    if survey.outside:
        proposal.remarks.append(f"Links that lead out of the folder are not followed: {listed(survey.outside, 3)}.")
    return proposal


def _nothing(survey: Survey, faults: Sequence[str]) -> DatasetError:
    """That no labels were found, and what there is."""
    seen = [counted(len(files), f"{name} file") for name, files in survey.labels.items()]
    unknown = [counted(count, f"{end} file") for end, count in sorted(survey.unknown.items()) if count and end]
    what = f"holds {counted(len(survey.pictures), 'picture')} (such as {survey.pictures[0]})"
    what += f" and {', '.join(seen)}" if seen else ""
    what += f", and {listed(unknown)} of no form that is known" if unknown else ""
    what += ", but no labels that belong to images were found"
    what += f" ({'; '.join(faults[:_FAULTS])})" if faults else ""
    cure = "Name labels as their images (a.png and a_mask.png), or write dataset.yaml by hand."
    return DatasetError(what, where=survey.root, cure=cure)


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
    layout = read = attribute = None
    if form == "via":
        attribute = find_attribute(survey.root, files)
        read = partial(read_via, attribute=attribute.name)
    if form in ("csv", BARE_CSV):
        find = find_headed if form == "csv" else find_layout
        layout = find(survey.root, files, survey.pictures, faults)
        if layout is None:
            return None
        read = partial(read_csv, form=layout.form)
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
    return _Candidate(look.kind, name, pairing, look, layout, attribute)


def _described(survey: Survey, chosen: _Candidate) -> Proposal:
    found = chosen.found
    proposal = Proposal(chosen.kind, chosen.format, found.images, found.labels, found.splits, found.counts)
    sizes = picture_sizes(survey.root, found.image_files)
    shown = listed((f"{width} x {height}" for (width, height), _ in sizes.most_common(6)), 3)
    proposal.looked.append(
        f"Images: {len(found.image_files):,} with labels; of {sizes.total()} looked at, sizes {shown}."
    )
    if found.rivals:
        what = f"The labels fit the images {listed(found.rivals, 3)} as well"
        proposal.remarks.append(f"{what}: which of them they are of is guessed from names.")
    if chosen.look is None:
        describe_masks(survey, found, proposal, _FAULTS)
    elif isinstance(chosen.look, Segments):
        describe_segments(survey.root, chosen.look, proposal, _FAULTS)
    else:
        _describe_marks(survey, chosen.look, proposal)
    if chosen.layout is not None:
        proposal.csv, proposal.csv_from = chosen.layout.form, chosen.layout.reasons
    if chosen.attribute is not None:
        proposal.attribute, proposal.attribute_from = chosen.attribute.name, chosen.attribute.reason
    for files, what in ((found.bare, "without labels"), (found.lost, "labels without an image")):
        if files:
            noun = "image " + what if files is found.bare else what
            proposal.remarks.append(f"Not paired: {len(files):,} x {noun}, such as {listed(files, 3)}.")
    return proposal


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
    if look.boxes:
        what = f"{look.boxes:,} of these objects are boxes: all pixels in them get their class, also of what is behind."
        proposal.remarks.append(f"{what} 'kind: boxes' reads the boxes alone, as boxes.")
    if not look.all_names:
        proposal.remarks.append(
            f"Only {MARKS_LOOKED_AT} label files were opened: others may name further classes, or hold other shapes."
        )
    seen = {name: f"{count:,} of {total:,} objects" for name, count in look.objects.items()}
    lists = class_lists(survey.root, survey.texts)
    if proposal.format == "yolo" or (proposal.format == "csv" and all(map(str.isdecimal, look.objects))):
        numbers = sorted(int(name) for name in look.objects)
        for known in lists:
            if fits_ids(known, numbers, ()):
                places = proposal.format == "csv" and known.by_place  # YOLO's classes count from 0
                take_list(known, proposal, {int(name): text for name, text in seen.items()}, guessed=places)
                return
        say_unfit(lists, proposal, "lacks classes that occur")
        proposal.classes_from = "The names are made up: no list with all classes was found. Write the right ones."
        proposal.classes = [ProposedClass(n, f"class {n}", None, seen[str(n)], guessed=True) for n in numbers]
        return
    if proposal.format != "coco":
        for known in lists:
            if fits_names(known.classes, look.objects):
                counts = {label.id: seen.get(label.name, "not seen") for label in known.classes}
                take_list(known, proposal, counts, guessed=False)
                return
    made_up = {UNNAMED} if look.unnamed else set()
    proposal.classes_from = "The names are those in the label files."
    if {*look.objects} == made_up:
        proposal.classes_from = "The name is made up: the label files name no class. Write the right one."
    ids = look.ids if {*look.objects} <= {*look.ids} else {name: i for i, name in enumerate(sorted(look.objects))}
    named = sorted((ids[name], name) for name in look.objects)
    proposal.classes = [
        ProposedClass(number, name, None, seen[name], guessed=name in made_up) for number, name in named
    ]
