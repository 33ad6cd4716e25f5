"""Finds and reads the files of a dataset; says what is missing, and where a dataset's root seems to be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from labelforge.errors import DatasetError, listed

OR_SKIP: Final = ", or leave it out: --on-error skip."
"""End of a cure where one sample is broken and the others may be whole; not said of a sample that is left out."""


def read_file(path: Path, cure: str) -> bytes:
    """The content of a file of a dataset.

    Raises:
        DatasetError: The file is missing or cannot be read; ``cure`` says what to do.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, cure) from error


def open_file(path: Path, cure: str) -> BinaryIO:
    """A file of a dataset, opened for reading; raises what `read_file` raises."""
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error, cure) from error


def check_name(path: Path) -> None:
    """Raise a `DatasetError` where a file's name is no text: shards and manifests could not name it."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        what = f"holds a file whose name is no UTF-8 text: {os.fsencode(path.name)!r}"
        raise DatasetError(what, where=path.parent, cure="Rename it.") from None


def unreadable(path: Path, error: OSError, cure: str) -> DatasetError:
    """The error for a file of a dataset that is missing or cannot be read."""
    missing = isinstance(error, FileNotFoundError)
    what = "this file is missing" if missing else f"cannot be read ({error.strerror})"
    return DatasetError(what, where=path, cure=cure)


def first_folder(root: Path, names: Sequence[str], *, what: str) -> str:
    """The first of some folders of a dataset that exists.

    Args:
        root: The dataset's root.
        names: Where the folder may be, relative to the root, the published place first.
        what: What is in it, for the message ("images of the split train").

    Raises:
        DatasetError: None of them exists.
    """
    for name in names:
        if (root / name).is_dir():
            return name
    others = f" (or in {' or '.join(names[1:])})" if len(names) > 1 else ""
    raise DatasetError(
        f"no such folder, but {what} should be in it{others}", where=root / names[0], cure="Unpack that part too."
    )


def is_root(folder: Path, expected: Sequence[str]) -> bool:
    """Whether a folder holds all that a dataset's root holds (`check_root` says how it is given)."""
    return all(any(any(folder.glob(name)) for name in names.split(" or ")) for names in expected)


def check_root(root: Path, expected: Sequence[str], title: str) -> None:
    """Check that a folder is a dataset's root; if not, say where the root seems to be.

        >>> from pathlib import Path
        >>> from labelforge.converters import check_root
        >>> check_root(Path("data/cityscapes"), ["leftImg8bit", "gtFine"], "Cityscapes")

    Args:
        root: What the user gave.
        expected: Folders or files that a root holds, relative to it; glob patterns. "a or b": one of the two.
        title: The dataset's name, for the message.

    Raises:
        DatasetError: One of ``expected`` is missing. The cure names the folder above or below that holds all of them.
    """
    if is_root(root, expected):
        return
    inside = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    below = [folder for folder in inside if folder.is_dir() and is_root(folder, expected)]
    above = [folder for folder in list(root.resolve().parents)[:3] if is_root(folder, expected)]
    found = listed(entry.name + ("/" if entry.is_dir() else "") for entry in inside)
    wanted = (", and " if any(" or " in names for names in expected) else " and ").join(expected)
    nearby = [*below, *above]
    raise DatasetError(
        f"not the root of {title}: expected {wanted} in it, found {found or 'nothing'}",
        where=root,
        cure=f"Give {nearby[0]} instead." if nearby else f"Give the folder that holds {wanted}.",
    )


def list_files(folder: Path, suffixes: Sequence[str], *, what: str, recursive: bool = False) -> list[Path]:
    """The files of a folder that end in one of some suffixes, sorted by path, hidden ones left out.

        >>> from pathlib import Path
        >>> from labelforge.converters import list_files
        >>> [file.name for file in list_files(Path("data/mine/photos"), [".png"], what="photos")]
        ['one.png', 'two.png']

    Args:
        folder: Where to look.
        suffixes: Accepted ends of the name, in any case (``_leftImg8bit.png``, ``.jpg``).
        what: What the files are, for the message ("images of the split train").
        recursive: Look into subfolders too.

    Raises:
        DatasetError: The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"no such folder, but {what} should be in it", where=folder, cure="Unpack that part too.")
    entries = folder.rglob("*") if recursive else folder.iterdir()
    ends = tuple(suffix.lower() for suffix in suffixes)
    files = sorted(p for p in entries if p.name.lower().endswith(ends) and not p.name.startswith(".") and p.is_file())
    for file in files:
        check_name(file)
    if not files:
        raise DatasetError(
            f"holds no {what} (looked for *{', *'.join(suffixes)})",
            where=folder,
            cure="Make or unpack that part again.",
        )
    return files
