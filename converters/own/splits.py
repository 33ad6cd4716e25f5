"""Which samples a split has: all that its folders hold, those that a list names, or a share of them.

A share is decided by a hash of the sample's group, or of its key where there are no groups: a sample stays in its split
when others come or go.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Final, Generic, TypeVar

from labelforge.converters.files import read_file
from labelforge.errors import DatasetError

_RANGE: Final = 1 << 64
_LONGEST: Final = 1 << 28  # bytes of a list
PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
"""Ends of the names of pictures, in lower case."""
_PICTURE: Final = re.compile(rf"(?i).*?(?:{'|'.join(map(re.escape, PICTURES))})(?=$|[\s,;])")
_COLUMN: Final = re.compile(r"[,;\t]")

Thing = TypeVar("Thing")


def split_of(group: str, shares: Mapping[str, float]) -> str | None:
    """The split that a group belongs to, by its name alone.

    Args:
        group: The group, or the key of a sample that has none.
        shares: Share of each split, in order; together at most 1.

    Returns:
        The split; None for what the shares leave over.
    """
    place = int.from_bytes(hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()[:8]) / _RANGE
    end = 0.0
    for name, share in shares.items():
        end += share
        if place < end or end > 1 - 1e-9:
            return name
    return None


def read_list(path: Path) -> list[tuple[str, ...]]:
    """What a list of samples names: what each line may mean, the likeliest first.

    A line that has the path of a picture means it, whatever follows (the path of its labels). Any other is a key, up to
    a comma, a semicolon or a tab; or if there is no such key, up to the first space (VOC's lists have a 1 behind it).

    Raises:
        DatasetError: The list is missing, or too long to be one.
    """
    data = read_file(path, "Write the list, a sample a line, or correct the path in dataset.yaml.")
    if len(data) > _LONGEST:
        raise DatasetError("is too long to be a list of samples", where=path, cure="Write a sample a line.")
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    return [_readings(line.strip()) for line in lines if line.strip(" \t,;") and not line.startswith("#")]


def _readings(line: str) -> tuple[str, ...]:
    picture = _PICTURE.match(line)
    if picture is not None:
        return (picture[0],)
    key = _COLUMN.split(line.lstrip(",;"), maxsplit=1)[0].strip()
    return tuple(dict.fromkeys((key, key.split()[0])))


class PlacedName(str):
    """A name of a file, and a folder that it may be in.

    Of several files of the name, that in the folder is meant; if there is but one, wherever it is, but for the folders
    of others.
    """

    folder: str
    others: frozenset[str]

    def __new__(cls, name: str, folder: str, others: frozenset[str] = frozenset()) -> PlacedName:
        """Put its folder to a name, and those of others."""
        placed = super().__new__(cls, name)
        placed.folder, placed.others = folder, others - {folder}
        return placed


class Names(Generic[Thing]):
    """Finds things by a path that some file gives: whole, from its end, or without its suffix.

    Where both a path and a thing's have folders, those that both have must agree: ``front/a.png`` is never
    ``rear/a.png``. A path without a suffix, or with that of another kind of picture, may mean any picture of its name.

        >>> from labelforge.converters.own.splits import Names
        >>> names = Names({"images/a.png": 1, "images/b.png": 2})
        >>> names.find("a.png"), names.find("/home/me/images/b.png"), names.find("b"), names.find("other/b.png")
        ([1], [2], [2], [])

    Args:
        things: The things by their paths.
    """

    def __init__(self, things: Mapping[str, Thing]) -> None:
        self._by_name: dict[str, list[tuple[PurePosixPath, Thing]]] = defaultdict(list)
        for text, thing in things.items():
            path = PurePosixPath(text)
            for name in {path.name, path.stem}:
                self._by_name[name].append((path, thing))

    def find(self, text: str, near: str = "") -> list[Thing]:
        """The things that a path can mean.

        Args:
            text: The path.
            near: Folder of the file that gives it: of several things, those in this folder are meant.

        Returns:
            One thing; none; or several of one name, those whose folders agree with the path best.
        """
        path = PurePosixPath(text.replace("\\", "/"))
        named = self._agreeing(path, path.name)
        if not named and path.suffix.lower() in PICTURES:
            named = self._agreeing(path, path.stem)
        if isinstance(text, PlacedName):
            folders = ((each, each[1].parts[:-1]) for each in named)
            named = [each for each, parts in folders if text.folder in parts or text.others.isdisjoint(parts)]
        best = max((same for same, _, _ in named), default=0)
        found = [(other, thing) for same, other, thing in named if same == best]
        inside = [thing for other, thing in found if near and other.is_relative_to(near)]
        if len(inside) != 1 and isinstance(text, PlacedName):
            inside = [thing for other, thing in found if text.folder in other.parts[:-1]]
        return inside if len(inside) == 1 else [thing for _, thing in found]

    def elsewhere(self, text: str) -> list[Thing]:
        """The things of the same file name, whose folders do not agree with the path."""
        path = PurePosixPath(text.replace("\\", "/"))
        return (
            []
            if self.find(text)
            else [thing for other, thing in self._by_name.get(path.name, ()) if other.name == path.name]
        )

    def _agreeing(self, path: PurePosixPath, name: str) -> list[tuple[int, PurePosixPath, Thing]]:
        """How well the things of a name agree with a path, those that do."""
        found = []
        for other, thing in self._by_name.get(name, ()):
            alike = _common(path, other)
            if alike is not None:
                found.append((alike, other, thing))
        return found


def _common(one: PurePosixPath, other: PurePosixPath) -> int | None:
    """How many folders above the file both paths have, one more where the file's suffix is the same too.

    None if folders disagree.
    """
    count = int(one.name == other.name)
    for a, b in zip(_folders(one), _folders(other), strict=False):
        if a != b:
            return None
        count += 1
    return count


def _folders(path: PurePosixPath) -> Iterable[str]:
    """Names of the folders of a path, from the file up; up to what leads out of where it begins."""
    return takewhile(lambda part: part not in ("..", "/"), reversed(path.parts[:-1]))
