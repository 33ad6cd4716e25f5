"""Finds the images that files with the labels of many images name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelforge.converters.own.marks import Classes
from labelforge.converters.own.pairing import Pairs
from labelforge.converters.own.splits import Names
from labelforge.errors import DatasetError, counted, listed


@dataclass(frozen=True)
class Entries:
    """What files say of the images of a split.

    Attributes:
        files: Key -> the file that names its image.
        texts: Key -> what the file says of it.
        missing: Names in the files of images that are not on disk.
        notes: What could not be paired, in sentences.
    """

    files: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_entries(
    root: Path, pairs: Pairs, read: Callable[[Path, Classes], Iterator[tuple[str, str]]], classes: Classes
) -> Entries:
    """Pair the entries of the files of a split with its images.

    Args:
        root: The dataset's folder.
        pairs: The images, and the files.
        read: What takes a file apart.
        classes: The classes.

    Raises:
        DatasetError: A file is broken, a name may mean several images, two entries mean the same, or no image has one.
    """
    names = Names({**dict.fromkeys(pairs.others), **{path: key for key, path in pairs.images.items()}})
    files: dict[str, str] = {}
    texts: dict[str, str] = {}
    called: dict[str, str] = {}
    missing: list[str] = []
    apart: list[tuple[str, str | None]] = []  # names, and keys of images of the same name in other folders
    for file in pairs.shared:
        for name, text in read(root / file, classes):
            found = names.find(name, file.rpartition("/")[0])
            if len(found) > 1:
                images = listed(pairs.images[key] if key is not None else "one of another split" for key in found)
                cure = "Name images by their path from the dataset's folder."
                raise DatasetError(f"the image {name[:80]!r} may be {images}", where=root / file, cure=cure)
            if not found:
                missing.append(name)
                apart += [(name, other) for other in names.elsewhere(name)][:1]
            elif (key := found[0]) is not None:
                if key in texts:
                    what = f"{called[key][:80]!r} and {name[:80]!r} both mean the image {pairs.images[key]}"
                    raise DatasetError(what, where=root / file, cure="Keep one entry per image.")
                files[key], texts[key], called[key] = file, text, name
    bare = [path for key, path in pairs.images.items() if key not in texts]
    if not texts:
        what = f"names none of {counted(len(bare), 'image')}, such as {bare[0]}"
        what += f"; it names {missing[0][:80]!r}" if missing else ""
        cure = "Compare the names with what is on disk" + (", folders too." if apart else ".")
        raise DatasetError(what, where=root / pairs.shared[0], cure=cure)
    notes = []
    other = [(name, pairs.images[key]) for name, key in apart if key is not None]
    if other:
        few = listed((f"{name[:80]!r} is not {image}" for name, image in other), 2)
        one = "name is that of an image in another folder, and is not taken for it"
        more = "names are those of images in other folders, and are not taken for them"
        notes.append(f"{len(other):,} {one if len(other) == 1 else more}: {few}.")
    if bare and pairs.whole:
        has = "is in no label file and is" if len(bare) == 1 else "are in no label file and are"
        notes.append(f"{counted(len(bare), 'image')} {has} left out, such as {listed(bare, 2)}.")
    return Entries(files, texts, tuple(missing), tuple(notes))
