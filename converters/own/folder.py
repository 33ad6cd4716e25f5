"""Lists the files of a dataset's folder, without leaving it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from labelforge.errors import DatasetError

CLUTTER: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})
"""What systems leave in folders, in lower case; hidden files are left out too."""
_DEEPEST: Final = 40  # folders


def list_below(
    root: Path, folders: Iterable[str], outside: list[str] | None = None, *, follow_links: bool = False
) -> list[str]:
    """The files in some folders of a dataset and below them, as sorted paths relative to its root.

    A folder outside of the root, to which a link leads, is only listed if that is asked for: it may be a whole disk.
    Links to files are listed; the engine refuses what is outside of the root when it knows which files are read.

    Args:
        root: The dataset's folder.
        folders: Folders of it, as relative paths; "" for itself.
        outside: Gets the links that lead out of the root, which are left out then.
        follow_links: List such folders too.

    Raises:
        DatasetError: A link leads to a folder outside of the root, or a folder cannot be read.
    """
    home = None if follow_links else root.resolve()
    wanted = sorted({folder.strip("/") for folder in folders})
    tops = [f for f in wanted if not any(f != other and (not other or f.startswith(f"{other}/")) for other in wanted)]
    found: set[str] = set()
    for top in tops:
        place = root / top
        if place.is_dir():
            if home is not None:
                check_inside(place, home)
            found.update(_walk(place, f"{top}/" if top else "", home, (), outside))
    return sorted(found)


def clutter(name: str) -> bool:
    """Whether a file or folder of this name is none of the dataset's."""
    return name.startswith(".") or name.lower() in CLUTTER


def _walk(
    folder: Path, prefix: str, home: Path | None, above: tuple[Path, ...], outside: list[str] | None
) -> Iterator[str]:
    here = folder.resolve()
    if here in above or len(above) > _DEEPEST:
        return  # a link to a folder above it
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror})", where=folder, cure="Check its permissions.") from error
    for entry in entries:
        if clutter(entry.name):
            continue
        if not entry.name.isprintable():
            cure = "Rename it: names are text without control characters, in the system's encoding."
            raise DatasetError(f"holds the name {entry.name!r}", where=folder, cure=cure)
        if home is not None and entry.is_symlink():
            if outside is not None and not Path(entry.path).resolve().is_relative_to(home):
                outside.append(prefix + entry.name)
                continue
            if entry.is_dir():
                check_inside(Path(entry.path), home)
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", home, (*above, here), outside)
        elif entry.is_file():
            yield prefix + entry.name


def check_inside(path: Path, home: Path) -> None:
    """Raise a `DatasetError` if a file or folder of a dataset is outside of its root, which is resolved, by a link."""
    if not path.resolve().is_relative_to(home):
        cure = "Use --follow-links if that is intended, or move dataset.yaml to a folder that holds all of them."
        raise DatasetError("is a link that leads out of the dataset's folder", where=path, cure=cure)
