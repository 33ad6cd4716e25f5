"""Finds the lists of samples that make up splits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from labelforge.converters.init.templates import in_order
from labelforge.converters.own.splits import Names, read_list
from labelforge.errors import LabelforgeError

_LISTS: Final = re.compile(r"(?i)(?:trainval|training|train|validation|valid|val|testing|test|dev)(?:[_-]?\w{0,12})?")
_LONGEST: Final = 1 << 26  # bytes


def split_lists(root: Path, texts: Sequence[str], images: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Split -> list of its images, and how many it names; of the folder whose lists name the most, if there is one.

    Args:
        root: The dataset's folder.
        texts: Files that may be lists.
        images: The images that have labels.
    """
    names = Names({image: image for image in images})
    by_folder: dict[str, dict[str, tuple[str, int]]] = {}
    for file in texts:
        path = PurePosixPath(file)
        if path.suffix.lower() != ".txt" or not _LISTS.fullmatch(path.stem) or (root / file).stat().st_size > _LONGEST:
            continue
        try:
            entries = read_list(root / file)
        except LabelforgeError:
            continue
        found = sum(any(len(names.find(text)) == 1 for text in readings) for readings in entries)
        if found and 2 * found > len(entries):
            by_folder.setdefault(str(path.parent), {})[path.stem] = (file, found)
    best = max(by_folder.values(), key=lambda lists: sum(count for _, count in lists.values()), default={})
    return {name: best[name] for name in in_order(best)}
