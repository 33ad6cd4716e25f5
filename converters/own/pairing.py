"""Pairs the images of a dataset with their labels, by the paths that its ``dataset.yaml`` gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labelforge.converters.own.folder import check_inside, list_below
from labelforge.converters.own.patterns import Pattern
from labelforge.converters.own.splits import Names, read_list, split_of
from labelforge.dataset_file import SHARED
from labelforge.errors import DatasetError, counted, listed
from labelforge.own_dataset import OwnDataset

CLASS_LISTS: Final = frozenset({"classes.txt"})
"""What tools write into the folder of label files that has no labels of an image."""


@dataclass(frozen=True)
class Pairs:
    """The files of one split.

    Attributes:
        images: Key -> path of its image.
        labels: Key -> path of its labels; without those whose labels are in a file of many.
        shared: Files with the labels of many images.
        others: Paths of the images of other splits that such files may name.
        notes: What could not be paired, in sentences.
        missing: Keys that have labels but no image.
        whole: Whether all images are of the split; else it has those that its files name.
        pictures: The pictures of segments that such files may name.
    """

    images: Mapping[str, str]
    labels: Mapping[str, str]
    shared: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    whole: bool = True
    pictures: tuple[str, ...] = ()


def find_pairs(own: OwnDataset, root: Path, split: str, *, follow_links: bool = False) -> Pairs:
    """The images of a split that have labels, and the files with these.

    Args:
        own: The dataset.
        root: Its folder.
        split: The split.
        follow_links: Take files outside of the folder, to which links lead.

    Raises:
        DatasetError: No image fits the paths, none has labels, two have the same key, or a link leads out of the root.
    """
    folders, files_of_split = ("{split}" in paths[0] for paths in (own.images, own.labels))
    text = own.splits[split] if folders or files_of_split else None
    stands = text if isinstance(text, str) else None
    images, labels, segments = (
        [Pattern(path, stands) for path in paths] for paths in (own.images, own.labels, own.segments)
    )
    files = list_below(root, [pattern.folder for pattern in (*images, *labels, *segments)], follow_links=follow_links)
    shared = own.format in SHARED
    usable = [file for file in files if file.rpartition("/")[2] not in CLASS_LISTS]
    label_files = _by_key(root, usable, labels, "label files", several=shared)
    pictures = tuple(path for path in files if any(pattern.match(path) for pattern in segments))
    with_labels = {path for paths in label_files.values() for path in paths}
    taken = with_labels.union(pictures)
    image_files = _by_key(root, [path for path in files if path not in taken], images, "images")
    fits = (("images", images, image_files), ("labels", labels, label_files), ("segments", segments, pictures))
    for what, patterns, there in fits:
        if patterns and not there:
            wanted = " or ".join(pattern.text for pattern in patterns)
            raise DatasetError(f"no file fits the path of the {what}, {wanted}", where=root, cure=_cure(own))
    if not follow_links:  # these are read before the engine sees which files the samples have
        lists = [] if folders or files_of_split or not isinstance(own.splits[split], str) else [own.splits[split]]
        for name in (*(with_labels if shared else ()), *lists):
            check_inside(root / str(name), root.resolve())
    chosen, notes = _chosen(own, root, split, image_files, images)
    found = {key: image_files[key][0] for key in chosen}
    if shared:
        others = _others(own, root, split, follow_links) if folders else {paths[0] for paths in image_files.values()}
        return Pairs(
            found,
            {},
            tuple(sorted(with_labels)),
            tuple(sorted(others - {*found.values()})),
            tuple(notes),
            whole=folders or not files_of_split,
            pictures=pictures,
        )
    return _each_its_own(own, root, found, {key: paths[0] for key, paths in label_files.items()}, {*image_files}, notes)


def _each_its_own(
    own: OwnDataset, root: Path, images: dict[str, str], labels: dict[str, str], known: set[str], notes: list[str]
) -> Pairs:
    """The images of a split that have a label file; ``known`` are the keys of all images."""
    bare = [path for key, path in images.items() if key not in labels]
    if len(bare) == len(images):
        what = f"none of {counted(len(images), 'image')} has a label file, such as {bare[0]}"
        raise DatasetError(what, where=root, cure=_cure(own))
    if bare:
        notes.append(f"{_bare(bare)}, such as {listed(bare, 2)}.")
    paired = {key: path for key, path in images.items() if key in labels}
    lost = tuple(sorted(labels.keys() - known))
    return Pairs(paired, {key: labels[key] for key in paired}, notes=tuple(notes), missing=lost)


def _others(own: OwnDataset, root: Path, split: str, follow_links: bool) -> set[str]:
    """The images of other splits, where one file has the labels of all."""
    if any("{split}" in path for path in own.labels):
        return set()
    texts = [text for name, text in own.splits.items() if name != split and isinstance(text, str)]
    patterns = [Pattern(path, text) for path in own.images for text in texts]
    files = list_below(root, [pattern.folder for pattern in patterns], follow_links=follow_links)
    return {path for path in files if any(pattern.match(path) for pattern in patterns)}


def _by_key(
    root: Path, files: Sequence[str], patterns: Sequence[Pattern], what: str, *, several: bool = False
) -> dict[str, list[str]]:
    """Key -> the files that fit a pattern with it; one each, unless several are allowed."""
    found: dict[str, list[str]] = {}
    for path in files:
        fits = [(pattern.literal, named.key) for pattern in patterns if (named := pattern.match(path)) is not None]
        if fits:
            found.setdefault(max(fits)[1], []).append(path)
    twice = [paths for paths in found.values() if len(paths) > 1]
    if twice and not several:
        more = f" (and {len(twice) - 1} more)" if len(twice) > 1 else ""
        cure = "Make the paths in dataset.yaml more exact, so that one file has each key."
        raise DatasetError(f"{what} with the same key: {listed(twice[0], 3)}{more}", where=root, cure=cure)
    return found


def _chosen(
    own: OwnDataset, root: Path, split: str, images: Mapping[str, Sequence[str]], patterns: Sequence[Pattern]
) -> tuple[list[str], list[str]]:
    """The keys of a split's images, sorted, and what to say of those not found."""
    if "{split}" in own.images[0] or "{split}" in own.labels[0]:
        return sorted(images), []
    what = own.splits[split]
    if isinstance(what, str):
        return _listed(own, root, what, images)
    shares = {name: float(share) for name, share in own.splits.items()}
    groups = {key: next((n.group for p in patterns if (n := p.match(paths[0]))), "") for key, paths in images.items()}
    found = sorted(key for key in images if split_of(groups[key] or key, shares) == split)
    if not found:
        cure = "Give it a larger share, or list its images in a file."
        raise DatasetError(f"the split {split!r} has no image of {len(images)}", where=own.path, cure=cure)
    return found, []


def _listed(own: OwnDataset, root: Path, name: str, images: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """The keys that a list names, by key or by path."""
    place = root / name
    names = Names({paths[0]: key for key, paths in images.items()})
    found: set[str] = set()
    lost = []
    entries = read_list(place)
    for readings in entries:
        entry = readings[0]
        keys = [text for text in readings if text in images][:1]
        keys = keys or next((fits for text in readings if (fits := names.find(text))), [])
        if len(keys) > 1:
            cure = "Write its path from the folder of dataset.yaml."
            raise DatasetError(f"{entry!r} may be {listed(images[key][0] for key in keys)}", where=place, cure=cure)
        found |= {*keys}
        lost += [] if keys else [entry]
    if not found:
        what = f"none of {counted(len(entries), 'sample')} that it lists is an image here, such as {lost[:1]}"
        raise DatasetError(what, where=place, cure=_cure(own))
    notes = (
        [f"{len(lost)} of {len(entries)} samples of {name} have no image, such as {listed(lost, 2)}."] if lost else []
    )
    return sorted(found), notes


def _bare(images: Sequence[str]) -> str:
    has, is_ = ("has", "is") if len(images) == 1 else ("have", "are")
    return f"{counted(len(images), 'image')} {has} no label file and {is_} left out"


def _cure(own: OwnDataset) -> str:
    return f"Compare the paths in {own.path.name} with what is on disk."
