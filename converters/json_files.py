"""Reads JSON files of annotations: whole, or of a long list one entry at a time.

The files that describe a whole dataset (COCO's hold a gigabyte) are read entry by entry, so that memory holds their
text and not their objects, which take several times as much. Converters take entries apart inside `reading`, which says
where one has another form than they expect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from labelforge.converters.files import read_file
from labelforge.converters.labels.labeled_boxes import FARTHEST
from labelforge.errors import DatasetError

CURE: Final = "Unpack the annotations again."
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"holds the number {name}")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DatasetError: The file is missing or is not JSON, or is nested too deeply, or holds NaN or Infinity.
    """
    return parse(_text(path), path)


def parse(text: str, place: Path) -> Any:
    """The content of JSON text; raises what `read_json` raises, naming ``place``."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(place, error) from error


@contextmanager
def reading(place: Path, what: str) -> Iterator[None]:
    """Turn the errors of taking an entry apart into one that names the file and the entry.

        >>> from pathlib import Path
        >>> from labelforge.converters.json_files import reading
        >>> with reading(Path("a.json"), "annotation 3"):
        ...     {"id": 3}["bbox"]
        Traceback (most recent call last):
        labelforge.errors.DatasetError: a.json: annotation 3 has no 'bbox'. Unpack the annotations again.

    Raises:
        DatasetError: The block raised a KeyError, IndexError, TypeError, ValueError or AttributeError.
    """
    try:
        yield
    except KeyError as error:
        raise DatasetError(f"{what} has no {error}", where=place, cure=CURE) from error
    except (IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(f"{what} is not of the form expected ({error})", where=place, cure=CURE) from error


def corners(value: Any) -> list[tuple[float, float]]:
    """The corners of an outline, from [[x, y], ...] or [x, y, x, y, ...].

    Raises:
        ValueError: It has another form, or is no place in an image.
    """
    flat = [float(number) for pair in value for number in (pair if isinstance(pair, list | tuple) else [pair])]
    if len(flat) % 2:
        raise ValueError(f"an outline has {len(flat)} numbers, which are no pairs of x and y")
    wild = [number for number in flat if not abs(number) <= FARTHEST]
    if wild:
        raise ValueError(f"the coordinate {wild[0]:g} is no place in an image")
    return list(zip(flat[::2], flat[1::2], strict=True))


def records(path: Path, lists: Mapping[str, bool]) -> Iterator[tuple[str, Any, str]]:
    """The entries of lists at the top of a JSON file, one after the other.

        >>> from pathlib import Path
        >>> from labelforge.converters.json_files import records
        >>> [(name, entry["file_name"]) for name, entry, _ in records(Path("data/coco.json"), {"images": True})]
        [('images', '000000000001.jpg')]

    Args:
        path: A file that holds an object; or a list, whose name is "".
        lists: Names of the lists wanted -> whether there must be one.

    Yields:
        Name of the list, an entry, and the entry's own text.

    Raises:
        DatasetError: The file is missing, is not JSON or of another form, or lacks a list that must be there.
    """
    text = _text(path)
    try:
        found = yield from _lists(text, lists)
    except (ValueError, RecursionError, IndexError) as error:
        raise _not_json(path, error) from error
    absent = [name for name, needed in lists.items() if needed and name not in found]
    if absent:
        raise DatasetError(f"holds no list {absent[0]!r}", where=path, cure=CURE)


def _lists(text: str, lists: Mapping[str, bool]) -> Generator[tuple[str, Any, str], None, set[str]]:
    """What `records` yields, from the file's text; returns the names of the lists that there were."""
    at = _skip(text, 0)
    if text[at] == "[":
        yield from _entries(text, at, "")
        return {""}
    if text[at] != "{":
        raise ValueError("it holds neither an object nor a list")
    found: set[str] = set()
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError(f"a colon is missing at character {at}")
        at = _skip(text, at + 1)
        if name in lists and text[at] == "[":
            found.add(name)
            at = yield from _entries(text, at, name)
        else:
            _, at = _DECODER.raw_decode(text, at)
        at = _next(text, at, "}")
    return found


def _entries(text: str, at: int, name: str) -> Generator[tuple[str, Any, str], None, int]:
    """The entries of the list that begins at ``at``; returns where it ends."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        entry, end = _DECODER.raw_decode(text, at)
        yield name, entry, text[at:end]
        at = _next(text, end, "]")
    return at + 1


def _next(text: str, at: int, close: str) -> int:
    """Where the next entry begins, after a comma, or the closing bracket is."""
    at = _skip(text, at)
    if text[at] == ",":
        return _skip(text, at + 1)
    if text[at] != close:
        raise ValueError(f"a comma is missing at character {at}")
    return at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # also nothing at all matches
    return match.end()


def _text(path: Path) -> str:
    data = read_file(path, CURE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError("is not UTF-8 text", where=path, cure="Save it as UTF-8, or unpack it again.") from error


def _not_json(path: Path, error: Exception) -> DatasetError:
    if isinstance(error, RecursionError):
        return DatasetError("is nested too deeply to be annotations", where=path, cure=CURE)
    what = "it ends too early" if isinstance(error, IndexError) else str(error)
    return DatasetError(f"is not JSON of the form expected ({what})", where=path, cure=CURE)
