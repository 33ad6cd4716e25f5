"""Which samples a split has: all that its folders hold, those that a list names, or a share of them.

A share is decided by a hash of the sample's group, or of its key where there are no groups: a sample stays in its split
when others come or go.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, Generic, TypeVar

from labelforge.converters.files import read_file
from labelforge.errors import DatasetError

_RANGE: Final = 1 << 64
_LONGEST: Final = 1 << 28  # bytes of a list

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


def read_list(path: Path) -> list[str]:
    """What a list of samples names: the first word of each line, or the line itself up to a comma or a tab.

    Raises:
        DatasetError: The list is missing, or too long to be one.
    """
    data = read_file(path, "Write the list, a sample a line, or correct the path in dataset.yaml.")
    if len(data) > _LONGEST:
        raise DatasetError("is too long to be a list of samples", where=path, cure="Write a sample a line.")
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    return [line.split()[0].rstrip(",;") for line in lines if line.strip() and not line.startswith("#")]


class Names(Generic[Thing]):
    """Finds things by a path that some file gives: whole, from its end, or without its suffix.

        >>> from labelforge.converters.own.splits import Names
        >>> names = Names({"images/a.png": 1, "images/b.png": 2})
        >>> names.find("a.png"), names.find("/home/me/images/b.png"), names.find("b"), names.find("c")
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

    def find(self, text: str) -> list[Thing]:
        """The things that a path can mean; of several of one name, those whose folders agree with it best."""
        path = PurePosixPath(text.replace("\\", "/"))
        found = self._by_name.get(path.name) or self._by_name.get(path.stem) or []
        if len(found) < 2:
            return [thing for _, thing in found]
        alike = [_common(path, other) for other, _ in found]
        return [thing for (_, thing), same in zip(found, alike, strict=True) if same == max(alike)]


def _common(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many folders above the file have the same names in both; one more where the file's suffix is the same too."""
    count = int(one.name == other.name)
    for a, b in zip(_folders(one), _folders(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _folders(path: PurePosixPath) -> Iterable[str]:
    return reversed(path.parts[:-1])
