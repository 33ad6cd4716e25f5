"""Writes local files whole or not at all, and JSON in one style."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelforge.errors import ConfigError
from labelforge.leftovers import missing, unmade


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write a local file whole or not at all: under a temporary name, then fsync, then rename.

    Args:
        path: The file; an existing one is replaced.
        data: Its content; text is written as UTF-8 with the line ends it has.

    Returns:
        The file written.

    Raises:
        OSError: The folder does not exist or is not writable; nothing is left behind.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return target


def check_output(target: str | os.PathLike[str]) -> None:
    """Refuse a file that :func:`write_output` could not write, before any work is done for it; ``-`` is fine.

    Raises:
        ConfigError: Its folder does not exist, or it is a folder itself.
    """
    path = Path(target)
    if str(target) != "-" and not path.parent.is_dir():
        raise ConfigError("cannot be written: its folder does not exist", where=path, cure="Create the folder first.")
    if path.is_dir():
        raise ConfigError("cannot be written: it is a folder", where=path, cure="Name a file in it.")


def write_output(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write a file that a user has named, as :func:`write_atomically` does.

    Raises:
        ConfigError: It cannot be written.
    """
    check_output(path)
    try:
        return write_atomically(path, data)
    except OSError as fault:
        raise ConfigError(
            f"cannot be written ({fault.strerror or fault})",
            where=path,
            cure="Name a file in a folder that exists and that you may write to.",
        ) from None


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Make a folder that a user has named; while files are written into it, what goes wrong is the folder's fault.

    If anything does and the folder is empty, it is removed again, with those above it that were made for it.

    Raises:
        ConfigError: The folder cannot be made, or a file in it cannot be written.
    """
    with unmade(missing(folder), Path.rmdir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as fault:
            if folder.exists() and not folder.is_dir():
                raise ConfigError("is a file", where=folder, cure="Name a folder.") from fault
            cure = "Name a folder that you may write to."
            raise ConfigError(f"cannot be written ({fault.strerror})", where=folder, cure=cure) from fault


def json_text(data: Any) -> str:
    """Data as the text of a JSON file: indented, with a final line end."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def json_digest(content: Any) -> str:
    """Hex SHA-256 of JSON-able data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
