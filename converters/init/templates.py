"""Guesses paths with placeholders from the paths of files: which files are images, and which have their labels.

Every file suggests templates of its own path: how many of its folders belong to the key, which folder names a split,
which is a group, what its name ends in. Of all pairs of templates, the one is taken by which most images find labels.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import PurePosixPath
from typing import Final, TypeVar

Thing = TypeVar("Thing")

_SAMPLED: Final = 2000  # files that suggest templates
_RANKED: Final = 50  # pairs whose names are looked at
_TRIED: Final = 30  # templates of images, and of labels, that are tried with each other
_WORDS: Final = (
    r"(?:annot(?:ation)?s?|labels?|labelids|labeltrainids|masks?|gt|gtfine|gtcoarse|ground[-_ ]?truth|seg|segs|"
    r"segmentations?|segmentationclass|segmentationobject|semantic|classes|target|targets|l|ann|instanceids)"
)
_LABEL: Final = re.compile(rf"(?i)(?:^|[^a-z])(?:train|val|test)?{_WORDS}(?:$|[^a-z])")
_SPLIT: Final = re.compile(
    r"(?i)(?P<before>(?:.*[^a-z])?)(?P<split>(?:trainval|training|train|validation|valid|val|testing|test|dev)(?:\d+)?)"
    rf"(?P<after>(?:[^a-z0-9].*|{_WORDS}|images?|imgs?)?)"
)
_ENDING: Final = re.compile(
    r"(?i)(?:[-_.](?:masks?|gt|labels?|labelids|labeltrainids|labelmap|annotations?|seg|segmentation|semantic|l|color|"
    r"ground[-_]?truth|"
    r"gtfine_\w+|gtcoarse_\w+|leftimg8bit|rgb|image|img|sat|jpg|jpeg|png|bmp))+"
)
_START: Final = re.compile(r"(?i)(?:images?|imgs?|photos?|frames?|rgb|masks?|labels?|gt|seg|annotations?)[-_]")
_NUMBER: Final = re.compile(r"(\d+)$")
_FIRST: Final = re.compile(r"(?i)semantic|labelids")
_SECOND: Final = re.compile(r"(?i)instance|object|colou?r|vis|trainids|overlay|preview|edge|boundar|depth|disparity")
"""What tells labels of an image that are to be preferred, and those from which others are."""


@dataclass(frozen=True)
class Template:
    """A path with placeholders that some file suggests.

    Attributes:
        folders: Its folders, in which ``{split}`` and ``{group}`` may stand.
        start: What names begin with.
        ending: What they end in, before the suffix.
        suffix: With its dot.
    """

    folders: tuple[str, ...]
    start: str
    ending: str
    suffix: str

    @property
    def text(self) -> str:
        """The path as a ``dataset.yaml`` has it."""
        return "/".join([*self.folders, self.start + "{key}" + self.ending + self.suffix])

    @property
    def places(self) -> frozenset[str]:
        """``split`` and ``group``, where it has them."""
        return frozenset(name for name in ("split", "group") if any(f"{{{name}}}" in folder for folder in self.folders))

    def of_labels(self, common: int) -> bool:
        """Whether its words are those of labels; the first folders, which all files have in ``common``, say nothing."""
        return any(_LABEL.search(word) for word in (*self.folders[common:], self.start, self.ending))

    @property
    def doubts(self) -> int:
        """How many of its words speak for something else than plain labels."""
        return len(_SECOND.findall("/".join((*self.folders, self.start, self.ending))))

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        text = "/".join([*(re.escape(folder) for folder in self.folders), ""]) if self.folders else ""
        text = text.replace(r"\{split\}", f"(?P<split>{_SPLIT_WORD})").replace(r"\{group\}", "(?P<group>[^/]+)")
        return re.compile(text + re.escape(self.start) + "(?P<key>.+)" + re.escape(self.ending + self.suffix))

    def keys(self, files: Iterable[str]) -> dict[tuple[str, str, str], str]:
        """(split, group, key) of the files that fit -> the file."""
        found = {}
        for file in files:
            if (match := self._regex.fullmatch(file)) is not None:
                facts = match.groupdict()
                found[facts.get("split") or "", facts.get("group") or "", facts["key"]] = file
        return found


_SPLIT_WORD: Final = r"(?i:trainval|training|train|validation|valid|val|testing|test|dev)\d*"


@dataclass(frozen=True)
class Pairing:
    """Two templates by which images and labels belong together.

    Attributes:
        images: Of the images.
        labels: Of the labels.
        pairs: (split, group, key) -> image and labels.
        bare: Images without labels.
        lost: Labels without an image.
        rivals: Paths of other images that find the same labels, and as many of them.
    """

    images: Template
    labels: Template
    pairs: Mapping[tuple[str, str, str], tuple[str, str]]
    bare: Sequence[str]
    lost: Sequence[str]
    rivals: Sequence[str] = ()

    @property
    def splits(self) -> list[str]:
        """The texts that stand for ``{split}`` in pairs, in the usual order."""
        return in_order({split for split, _, _ in self.pairs if split})

    @property
    def _below_split(self) -> int:
        """How many folders both have in common at their ends, below ``{split}``: a city that is only the first."""
        count = 0
        for one, other in zip(reversed(self.images.folders), reversed(self.labels.folders), strict=False):
            if one != other or "{split}" in one:
                break
            count += 1
        return count if "split" in self.images.places else 0

    @property
    def _images_like_labels(self) -> int:
        """How many of some images have names as labels have, and the labels' names only add to theirs."""
        some = spread([*self.pairs.values()], _RANKED)
        stems = [(PurePosixPath(image).stem, PurePosixPath(label).stem) for image, label in some]
        return sum(_LABEL.search(image) is not None and label.startswith(image) for image, label in stems)

    @property
    def _same_number(self) -> int:
        """Whether folders of both end in one number, of a camera; less than 0 if in others only."""
        images, labels = (
            {match[1] for part in template.folders if (match := _NUMBER.search(part))}
            for template in (self.images, self.labels)
        )
        return len(images & labels) or -len(images | labels)

    @property
    def _same_split(self) -> bool:
        """Whether no folder says that images and labels are of different splits; val and validation are one."""
        images, labels = (
            {match["split"].lower()[:3] for part in template.folders if (match := _SPLIT.fullmatch(part))}
            for template in (self.images, self.labels)
        )
        return not images or not labels or bool(images & labels)

    @property
    def rank(self) -> tuple[int, ...]:
        """The larger, the better."""
        images, labels = self.images, self.labels
        return (
            self._same_split,
            len(self.pairs),
            -labels.doubts - images.doubts,
            -self._images_like_labels,
            len(_FIRST.findall(labels.start + labels.ending)),
            self._same_number,
            -len(self.bare) - len(self.lost),
            int("split" in images.places),
            -int("group" in images.places),
            -self._below_split,
            len(images.folders) + len(labels.folders),
        )


def in_order(splits: Iterable[str]) -> list[str]:
    """Names of splits: training first, then validation, then tests."""
    order = ("train", "val", "dev", "test")
    return sorted(
        splits, key=lambda name: (next((i for i, o in enumerate(order) if name.lower().startswith(o)), 9), name)
    )


def suggested(file: str) -> Iterator[Template]:
    """The templates that a file's path suggests."""
    path = PurePosixPath(file)
    if set("{}*") & set(file):
        return
    folders, stem, suffix = path.parts[:-1], path.stem, path.suffix
    ends = ["", *(stem[i:] for i in range(1, len(stem)) if stem[i] in "-_." and _ENDING.fullmatch(stem, i))]
    match = _START.match(stem)
    starts = ["", *([match[0]] if match else [])]
    where = next(((i, split) for i, part in enumerate(folders) if (split := _SPLIT.fullmatch(part))), None)
    for cut in range(len(folders) + 1):
        literal = list(folders[:cut])
        forms = [literal]
        if where is not None and where[0] < cut:
            at, split = where
            forms.append([*literal[:at], split["before"] + "{split}" + split["after"], *literal[at + 1 :]])
        for form in forms:
            grouped = [
                [*form[:i], "{group}", *form[i + 1 :]] for i in range(cut - 1) if "{split}" not in form[i]
            ]  # a folder below it keeps its name, else it would be part of the key
            for found in (form, *grouped):
                for start, end in product(starts, ends):
                    if cut == len(folders) or not start:  # of names in further folders, the key would not begin so
                        yield Template(tuple(found), start, end, suffix)


def spread(things: Sequence[Thing], number: int) -> list[Thing]:
    """Some of the things, evenly spread."""
    if len(things) <= number:
        return list(things)
    return [things[i * len(things) // number] for i in range(number)]


def likely(files: Sequence[str]) -> list[Template]:
    """The templates that most of some files suggest."""
    counts: Counter[Template] = Counter()
    for file in spread(files, _SAMPLED):
        counts.update({*suggested(file)})
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], -len(pair[0].folders), pair[0].text))
    return [template for template, _ in ordered]


def best_pairing(
    images: Sequence[str], labels: Sequence[str], *, both: bool, labelled: Collection[str] = ()
) -> Pairing | None:
    """The templates by which most images find labels; None if none does.

    Args:
        images: Files that may be images.
        labels: Files that may have labels.
        both: Whether the same files may be either: then labels are those whose names say so.
        labelled: Files that hold labels by their content, where names do not say it.
    """
    of_images, of_labels = likely(images), likely(labels)
    if both:
        common = len(PurePosixPath(os.path.commonpath([f"/{file}" for file in images])).parts) - 1
        of_labels = [t for t in of_labels if (t.keys(labelled) if labelled else t.of_labels(common))]
        of_images = [template for template in of_images if template not in of_labels]
    found: list[Pairing] = []
    keyed = [(template, template.keys(labels)) for template in of_labels[:_TRIED]]
    for pictured in of_images[:_TRIED]:
        all_keys = pictured.keys(images)
        for template, label_keys in keyed:
            if pictured.places != template.places or pictured == template:
                continue
            if not any(key in label_keys for key in all_keys):
                continue
            pairing = _paired(pictured, template, all_keys, label_keys)
            if pairing.pairs:
                found.append(pairing)
    if not found:
        return None
    best = max(found, key=lambda pairing: pairing.rank)
    if both:  # pictures beside images may be further labels
        return best
    files = {image for image, _ in best.pairs.values()}
    rivals = [
        other.images.text
        for other in found
        if other.labels == best.labels
        and other._same_split
        and len(other.pairs) == len(best.pairs)
        and files.isdisjoint(image for image, _ in other.pairs.values())
    ]
    return replace(best, rivals=tuple(dict.fromkeys(rivals)))


def _paired(
    images: Template,
    labels: Template,
    image_keys: Mapping[tuple[str, str, str], str],
    label_keys: Mapping[tuple[str, str, str], str],
) -> Pairing:
    taken = {*label_keys.values()}
    free = {key: file for key, file in image_keys.items() if file not in taken}
    pairs = {key: (file, label_keys[key]) for key, file in free.items() if key in label_keys}
    bare = [file for key, file in free.items() if key not in pairs]
    lost = [file for key, file in label_keys.items() if key not in pairs]
    return Pairing(images, labels, pairs, bare, lost)


def more_suffixes(pairing: Pairing, images: Sequence[str]) -> list[Template]:
    """The templates of images that differ from the pairing's by their suffix alone, and find further labels."""
    open_keys = pairing.labels.keys(pairing.lost)
    found = []
    for suffix in sorted({PurePosixPath(image).suffix for image in images} - {pairing.images.suffix}):
        template = replace(pairing.images, suffix=suffix)
        if any(key in open_keys for key in template.keys(images)):
            found.append(template)
    return found


def split_in_name(name: str) -> tuple[str, str, str] | None:
    """What a name has before the word for a split, the word, and what it has after it; None if it has none."""
    match = _SPLIT.fullmatch(name)
    return None if match is None else (match["before"], match["split"], match["after"])
