"""Says what the values or colours of label maps mean: by a list of classes that fits them, else by names made up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from labelforge.converters.init.class_lists import (
    ClassList,
    class_lists,
    fits_ids,
    say_unfit,
    take_list,
    voc_classes,
)
from labelforge.converters.init.color_classes import PLAIN, classes_of_colors, unpacked
from labelforge.converters.init.masks import MaskLook, look_at_masks
from labelforge.converters.init.paired import Found
from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.converters.init.survey import Survey
from labelforge.errors import DatasetError, counted, listed

_LAST: Final = (255, 65535)
"""The last values of 8 and 16 bits, which most often mean "not labelled"."""


def describe_masks(survey: Survey, found: Found, proposal: Proposal, most_faults: int) -> None:
    """Add to a proposal what label maps hold.

    Raises:
        DatasetError: None of them can be read, or they hold more colours than any classes have.
    """
    look = look_at_masks(survey.root, found.label_files)
    proposal.format = look.format
    number = len(found.label_files)
    of = f"all {number:,} were" if look.opened == number else f"{look.opened} of {number:,}, evenly spread, were"
    proposal.looked.append(f"Label files: {of if number > 1 else 'the only one was'} opened.")
    proposal.remarks += [f"Label file {fault}." for fault in look.faults[:most_faults]]
    if len(look.faults) > most_faults:
        proposal.remarks.append(f"{len(look.faults)} of the label files looked at have such faults.")
    if not look.pixels:
        raise DatasetError(
            f"no label file could be read; {look.faults[0] if look.faults else 'they are empty'}",
            where=survey.root,
            cure="Repair them first.",
        )
    lists = class_lists(survey.root, survey.texts, () if look.format == "rgb" else look.pixels, faults=proposal.remarks)
    if look.differs:
        look = _by_color_where_palettes_differ(look, lists, survey.root, found, proposal)
    if look.format == "rgb":
        classes_of_colors(look, lists, proposal, survey.root)
    else:
        _classes_of_values(look, lists, proposal, survey.root.resolve() / found.label_files[0])


def _by_color_where_palettes_differ(
    look: MaskLook, lists: Sequence[ClassList], root: Path, found: Found, proposal: Proposal
) -> MaskLook:
    """Label maps whose palettes differ, looked at by colour, if their colours are fewer than values or all of a list.

    Palettes of random colours are only for the eye: there are more of these than values, and no list has them.
    """
    said = f"The palettes of label files differ: {look.differs}."
    if look.only_palettes:
        by_color = look_at_masks(root, found.label_files, by_color=True)
        colors = {unpacked(value) for value in by_color.pixels}
        all_listed = any(colors.difference(PLAIN) <= {label.color for label in each.classes} for each in lists)
        if all_listed or (len(colors) <= len(look.pixels) and not any(_has_values(each, look) for each in lists)):
            proposal.format = by_color.format
            proposal.remarks.append(f"{said} So their colours are read, not their values.")
            return by_color
    proposal.remarks.append(
        f"{said} Their values are read, whatever the colours: look whether a value means the same in both."
    )
    return look


def _has_values(known: ClassList, look: MaskLook) -> bool:
    """Whether a list names values, not colours, and most that occur."""
    rest = {*look.pixels}.difference(_LAST)
    colored = all(label.color for label in known.classes)
    return not colored and 2 * len(rest.intersection(label.id for label in known.classes)) >= len(rest)


def _classes_of_values(look: MaskLook, lists: Sequence[ClassList], proposal: Proposal, place: Path) -> None:
    values = sorted(look.pixels)
    proposal.void += _usual_void(values)
    if _take_by_palette(look, lists, proposal):
        return
    for known in lists:
        if fits_ids(known, values, proposal.void):
            ids = [label.id for label in known.classes]
            proposal.void = [value for value in proposal.void if value not in ids]
            _take(known, look, proposal)
            absent = [value for value in ids if value not in look.pixels]
            colored = any(label.color for label in known.classes)
            if known.by_place and 0 in look.pixels and absent and not colored:
                proposal.classes_from += _may_count_from_one(absent, bool(proposal.void))
            return
    if (voc := voc_classes(look.pixels, look.palette, place)) is not None:
        proposal.void = [255]
        _take(ClassList("Pascal VOC, whose values and colours these are", voc, True), look, proposal)
        return
    if _nearly_fits(look, lists, proposal):
        return
    say_unfit(lists, proposal, _lacking(lists[0], values) if lists else "")
    proposal.classes_from = "The names are made up: no list of classes with all values was found. Write the right ones."
    proposal.classes = [_of_value(value, look) for value in values if value not in proposal.void]


def _usual_void(values: Sequence[int]) -> list[int]:
    """The values that mean "not labelled" in most datasets; where there are only two, they are what the mask is of."""
    return [value for value in values if value in (-1, *_LAST) and value in (values[0], values[-1]) and len(values) > 2]


def _of_value(value: int, look: MaskLook) -> ProposedClass:
    return ProposedClass(value, f"value {value}", None, look.share(value), guessed=True)


def _take(known: ClassList, look: MaskLook, proposal: Proposal) -> None:
    seen = {label.id: look.share(label.id) for label in known.classes}
    take_list(known, proposal, seen, guessed=known.by_place)


def _take_by_palette(look: MaskLook, lists: Sequence[ClassList], proposal: Proposal) -> bool:
    """Take a list of colours without ids, if the palette gives each value that occurs the colour of one of its classes.

    Tools number classes in another order than their lists have.
    """
    palette = [(*look.palette[i : i + 3],) for i in range(0, len(look.palette) - 2, 3)]
    values = [value for value in look.pixels if value not in proposal.void]
    for known in lists:
        by_color = {label.color: label for label in known.classes if label.color is not None}
        shown = [palette[value] if value < len(palette) else None for value in values]
        clear = len(by_color) == len(known.classes) and len({*shown}) == len(values) > 1
        if not known.by_place or not clear or not {*shown} <= {*by_color}:
            continue
        taken = dict(zip(shown, values, strict=True))
        places = {color: taken.get(color, palette.index(color)) for color in by_color if color in palette}
        found = sorted((replace(by_color[color], id=value) for color, value in places.items()), key=lambda x: x.id)
        seen = {x.id: look.share(x.id) for x in found}
        take_list(known._replace(classes=found), proposal, seen, guessed=bool(look.differs))
        said = "said by the colours of the palette"
        if look.differs:
            said = f"guessed by the colours of the first palette, from which others differ: {look.differs}"
        proposal.classes_from += f" Which value is which is {said}."
        return True
    return False


def _nearly_fits(look: MaskLook, lists: Sequence[ClassList], proposal: Proposal) -> bool:
    """Take a list that lacks few values, or counts from 1; if any."""
    values = {*look.pixels}.difference(proposal.void)
    for known in lists:
        if not known.by_place:
            if _take_most(known, look, values, proposal):
                return True
            continue
        if any(label.color for label in known.classes):
            continue
        if _take_binary(known, look, proposal):
            return True
        count = len(known.classes)
        from_one = values <= {*range(count + 1)} and count in values
        if from_one and (0 not in values or proposal.void):
            _take_from_one(known, look, proposal)
            return True
        extra = values - {label.id for label in known.classes}
        if len(extra) == 1 and not proposal.void:
            _take_but_one(known, look, extra.pop(), proposal)
            if from_one:
                proposal.classes_from += (
                    f" {counted(count, 'name')} for the values 0 to {count} can be read in two ways: look at a mask, "
                    f"and where 0 ({look.share(0)}) is not labelled instead, write void: 0, and ids that count from 1."
                )
            return True
    return False


def _take_binary(known: ClassList, look: MaskLook, proposal: Proposal) -> bool:
    """Take one or two names for masks of 0 and 255, as tools write "no" and "yes"; or one for 0 and 1; if they are."""
    none, value = min(look.pixels), max(look.pixels)
    named = {1: (1, *_LAST), 2: _LAST}.get(len(known.classes), ())
    if len(look.pixels) != 2 or none != 0 or value not in named:
        return False
    first, last = known.classes[0], known.classes[-1]
    if first is last:
        _take(known._replace(classes=[replace(last, id=value)]), look, proposal)
        proposal.void = [none]
        proposal.classes_from += (
            f" Guessed: that {value} ({look.share(value)}) is {last.name!r}, and that 0 ({look.share(none)}), which "
            "has no name, is not labelled; where it is the rest of the picture, delete void, and name it as a class."
        )
        return True
    _take(known._replace(classes=[first, replace(last, id=value)]), look, proposal)
    proposal.classes_from += f" Guessed: that {value} ({look.share(value)}) is {last.name!r}, and labelled."
    return True


def _take_most(known: ClassList, look: MaskLook, values: Collection[int], proposal: Proposal) -> bool:
    """Take a list that says the values of its classes, if it has most that occur; 0 may be none."""
    absent = sorted({*values} - {label.id for label in known.classes})
    if 2 * len(absent) > len(values):
        return False
    if absent == [0]:
        _take_but_one(known, look, 0, proposal)
        return True
    _take(known, look, proposal)
    proposal.remarks.append(f"Values that {known.file} does not list: {listed(absent, 6)}.")
    proposal.classes += [_of_value(value, look) for value in absent]
    return True


def _take_but_one(known: ClassList, look: MaskLook, void: int, proposal: Proposal) -> None:
    """Take a list, and a value that it lacks for one that means "not labelled"."""
    proposal.void = [void, *proposal.void]
    _take(known, look, proposal)
    proposal.classes_from += f" Guessed: that {void} ({look.share(void)}), which has no name, is not labelled."


def _take_from_one(known: ClassList, look: MaskLook, proposal: Proposal) -> None:
    """Take a list of names for values from 1; a value 0 that occurs is none."""
    _take(known._replace(classes=[replace(label, id=label.id + 1) for label in known.classes]), look, proposal)
    if 0 not in look.pixels:
        proposal.classes_from += " Guessed: that values count from 1, as 0 does not occur."
        return
    count, others = len(known.classes), listed(proposal.void)
    proposal.void = [0, *proposal.void]
    proposal.classes_from += (
        f" Guessed: that values count from 1, and that 0 ({look.share(0)}), which has no name, is not labelled, as "
        f"{others} is not. {counted(count, 'name')} for the values 0 to {count} can be read in two ways: look at a "
        f"mask, and where they count from 0 instead, write void: {others}, ids one less, and a name for {count} "
        f"({look.share(count)})."
    )


def _may_count_from_one(absent: Sequence[int], void: bool) -> str:
    """What to say where names fit values from 0, but not all of them occur."""
    text = (
        f" Not all occur ({listed(map(str, absent), 3)}), so they may count from 1: look at a mask, and where 0 is not"
    )
    if not void:
        return f"{text} labelled, write void: 0, and ids one more."
    return f"{text} labelled either, add it to void, and write ids one more."


def _lacking(known: ClassList, values: Sequence[int]) -> str:
    """What a list lacks, or has too much of."""
    absent = sorted({*values} - {label.id for label in known.classes})
    count = len(known.classes)
    named = f"names 0 to {count - 1}" if known.by_place else f"has {counted(count, 'name')}"
    if not absent:
        return f"{named}, of which only {len({*values})} occur"
    return f"{named}, but {listed(absent, 6)} occur{'s' * (len(absent) == 1)} too"
