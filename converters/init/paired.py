"""Finds how images and label files belong together, for each format that there is in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from labelforge.converters.init.marks import MarkLook
from labelforge.converters.init.masks import label_like
from labelforge.converters.init.split_lists import split_lists
from labelforge.converters.init.survey import Survey
from labelforge.converters.init.templates import (
    Template,
    best_pairing,
    in_order,
    likely,
    more_suffixes,
    split_in_name,
)
from labelforge.converters.own.splits import Names
from labelforge.errors import listed

_TRIED: Final = 40  # templates


@dataclass
class Found:
    """How the images and labels of one format belong together.

    Attributes:
        images: Paths of the images.
        labels: Paths of the labels.
        splits: Split -> what stands for it; empty for none.
        counts: Split ("" without splits) -> number of images that have labels.
        image_files: The images that have labels.
        label_files: Their label files.
        bare: Images that the paths fit, without labels.
        lost: Labels, or names of images, without an image.
        rivals: Paths of other images that the labels fit as well.
    """

    images: list[str]
    labels: list[str]
    splits: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    image_files: list[str] = field(default_factory=list)
    label_files: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    rivals: list[str] = field(default_factory=list)


def pair_files(survey: Survey, files: Sequence[str], *, masks: bool) -> Found | None:
    """Pair pictures with label files of their own; None if none belong together.

    Args:
        survey: The folder.
        files: The label files; of masks, all pictures.
        masks: Whether the label files are pictures too.
    """
    pairing = best_pairing(survey.pictures, files, both=masks)
    if pairing is None and masks:
        pairing = best_pairing(survey.pictures, files, both=True, labelled=label_like(survey.root, files))
    if pairing is None:
        return None
    templates = [pairing.images, *more_suffixes(pairing, survey.pictures)]
    pairs, lost = dict(pairing.pairs), {*pairing.lost}
    label_keys = pairing.labels.keys(pairing.lost)
    for template in templates[1:]:
        more = {
            key: (file, label_keys[key]) for key, file in template.keys(survey.pictures).items() if key in label_keys
        }
        pairs |= more
        lost -= {label for _, label in more.values()}
    found = Found([template.text for template in templates], [pairing.labels.text])
    found.image_files = [image for image, _ in pairs.values()]
    found.label_files = [label for _, label in pairs.values()]
    found.bare, found.lost, found.rivals = list(pairing.bare), sorted(lost), list(pairing.rivals)
    if "split" in pairing.images.places:
        texts = in_order({split for split, _, _ in pairs})
        found.splits = {text: text for text in texts}
        found.counts = {text: sum(split == text for split, _, _ in pairs) for text in texts}
    else:
        _by_lists(survey, found)
    return found


def _by_lists(survey: Survey, found: Found) -> None:
    """Splits from the lists of samples that there are."""
    lists = split_lists(survey.root, survey.texts, found.image_files)
    found.splits = {name: file for name, (file, _) in lists.items()}
    found.counts = {name: count for name, (_, count) in lists.items()} or {"": len(found.image_files)}


def pair_shared(survey: Survey, look: MarkLook) -> Found | None:
    """Find the images that files of many name; None if there are none."""
    names = Names({picture: picture for picture in survey.pictures})
    images_of: dict[str, list[str]] = {}
    lost: list[str] = []
    seen: set[str] = set()
    for file, called in sorted(look.images.items(), key=lambda pair: ("instances" not in pair[0], pair[0])):
        matches = [_of_split(names.find(name, file.rpartition("/")[0]), file) for name in called]
        mine = [match[0] for match in matches if len(match) == 1]
        if seen & {*mine}:
            continue  # of two files for the same images, one is enough
        lost += [name for name, match in zip(called, matches, strict=True) if len(match) != 1]
        look.faults += _unclear(names, file, called, matches)
        if mine:
            images_of[file] = mine
            seen |= {*mine}
    if not images_of:
        return None
    template = _covering(sorted(seen), survey.pictures)
    if template is None:
        return None
    keys = template.keys(sorted(seen))
    split_of = {file: split for (split, _, _), file in keys.items()}
    found = Found(
        [template.text], sorted(images_of), image_files=sorted(seen), label_files=sorted(images_of), lost=lost
    )
    found.bare = sorted({*template.keys(survey.pictures).values()} - seen)
    if "split" in template.places:
        by_split = {file: {split_of[image] for image in images} for file, images in images_of.items()}
        texts = in_order({split for splits in by_split.values() for split in splits})
        found.splits = {text: text for text in texts}
        found.counts = {text: sum(split == text for split in split_of.values()) for text in texts}
        found.labels = _with_split(by_split) or found.labels
    elif len(images_of) > 1 and (named := _splits_of_files(images_of)) is not None:
        found.labels, by_text = [named[0]], named[1]
        found.splits = {text: text for text in in_order(by_text)}
        found.counts = {text: len(images_of[by_text[text]]) for text in found.splits}
        found.bare = []
    else:
        _by_lists(survey, found)
    return found


def _of_split(images: Sequence[str], file: str) -> Sequence[str]:
    """Of several images of one name, those in a folder of the split that the name of a file of many says."""
    if len(images) < 2:
        return images
    said = _splits_in(file)
    return [image for image in images if said & _splits_in(image)] or images


def _splits_in(path: str) -> set[str]:
    """The words for splits in the names of a path, in lower case."""
    named = (split_in_name(PurePosixPath(part).stem) for part in PurePosixPath(path).parts)
    return {split[1].lower() for split in named if split is not None}


def _unclear(names: Names[str], file: str, called: Sequence[str], matches: Sequence[Sequence[str]]) -> Iterator[str]:
    """Why names in a file mean no picture, by the first of each kind."""
    for name, match in zip(called, matches, strict=True):
        if len(match) > 1:
            yield f"{file}: {name[:80]!r} may be {listed(match, 3)}"
            break
    for name in called:
        if other := names.elsewhere(name):
            yield f"{file}: it names {name[:80]!r}, but the picture is {listed(other, 3)}"
            break


def _covering(images: Sequence[str], pictures: Sequence[str]) -> Template | None:
    """The template that fits the most of some images, and the fewest other pictures."""
    ranked = []
    for template in likely(images)[:_TRIED]:
        fits, all_fits = len(template.keys(images)), len(template.keys(pictures))
        plain = -int("group" in template.places) - len(template.start + template.ending)
        rank = (fits, fits - all_fits, int("split" in template.places), plain, len(template.folders))
        ranked.append((rank, template))
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _with_split(by_split: Mapping[str, set[str]]) -> list[str] | None:
    """The path of files that have a split each, if what stands for it is in their paths."""
    texts = set()
    for file, splits in by_split.items():
        (split,) = splits if len(splits) == 1 else ("",)
        if not split or split not in file or set("{}*") & {*file}:
            return None
        texts.add(re.sub(re.escape(split), "{split}", file, count=1))
    return [*texts] if len(texts) == 1 else None


def _splits_of_files(files: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, str]] | None:
    """The path of files whose names say the split, and the file of each."""
    found: Counter[str] = Counter()
    by_text: dict[str, str] = {}
    for file in files:
        parts = PurePosixPath(file).parts
        for i, part in reversed([*enumerate(parts)]):
            if (split := split_in_name(part)) is not None:
                before, text, after = split
                found["/".join([*parts[:i], f"{before}{{split}}{after}", *parts[i + 1 :]])] += 1
                by_text[text] = file
                break
    if len(found) == 1 and len(by_text) == len(files):
        return next(iter(found)), by_text
    return None
