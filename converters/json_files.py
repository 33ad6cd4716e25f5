"""Reads JSON files of annotations: whole, or of a long list one entry at a time.

The files that describe a whole dataset (COCO's hold a gigabyte) are read entry by entry, in little memory. Converters
take entries apart inside `reading`, which says where one has another form than they expect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from labelforge.converters.files import read_file, unreadable
from labelforge.converters.labels.labeled_boxes import FARTHEST
from labelforge.errors import DatasetError

CURE: Final = "Unpack the annotations again."
_PIECE: Final = 1 << 20  # characters that are read at once
_LONGEST: Final = 1 << 28  # characters of one entry
_ENDS: Final = frozenset(" \t\n\r,:]}")  # what follows a value
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

    Args:
        path: A file that holds an object; or a list, which is taken whole and has the name "".
        lists: Names of the lists wanted -> whether there must be one.

    Yields:
        Name of the list, an entry, and the entry's own text.

    Raises:
        DatasetError: The file is missing, is not JSON or of another form, or lacks a list that must be there.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            found = yield from _lists(_Reader(file), lists)
    except UnicodeDecodeError as error:
        raise _not_text(path) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(path, error) from error
    except OSError as error:
        raise unreadable(path, error, CURE) from error
    absent = [name for name, needed in lists.items() if needed and name not in found]
    if absent:
        raise DatasetError(f"holds no list {absent[0]!r}", where=path, cure=CURE)


def _lists(reader: _Reader, lists: Mapping[str, bool]) -> Generator[tuple[str, Any, str], None, set[str]]:
    """What `records` yields; returns the names of the lists that there were."""
    if reader.peek() == "[":
        for entry, own in reader.entries():
            yield "", entry, own
        return {""}
    found: set[str] = set()
    reader.take("{")
    while reader.peek() != "}":
        name, _ = reader.value()
        reader.take(":")
        if reader.peek() == "[":
            wanted = name in lists
            found |= {name} if wanted else set()
            for entry, own in reader.entries():
                if wanted:
                    yield name, entry, own
        else:
            reader.value()
        if reader.peek() != "}":
            reader.take(",")
    return found


class _Reader:
    """Reads JSON from a file piece by piece; raises ValueError and RecursionError."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None  # also nothing at all matches
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise ValueError("it ends too early")

    def take(self, wanted: str) -> None:
        """Go on behind the next character."""
        if (found := self.peek()) != wanted:
            raise ValueError(f"{wanted!r} is wanted where {found!r} is")
        self._at += 1

    def entries(self) -> Iterator[tuple[Any, str]]:
        """The entries of a list, each with its text."""
        self.take("[")
        while self.peek() != "]":
            yield self.value()
            if self.peek() != "]":
                self.take(",")
        self.take("]")

    def value(self) -> tuple[Any, str]:
        """A value of any kind, and its text."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if self._text[end : end + 1] in _ENDS or not self._more():  # else a number may go on
                own = self._text[self._at : end]
                self._at = end
                return found, own

    def _more(self) -> bool:
        """Read on; whether there was more."""
        self._text = self._text[self._at :]
        self._at = 0
        if len(self._text) > _LONGEST:
            raise ValueError(f"an entry is longer than {_LONGEST >> 20} million characters, or is broken")
        # Twice as much each time, so that a long entry is not decoded from its beginning too often.
        piece = self._file.read(max(_PIECE, len(self._text)))
        self._text += piece
        return bool(piece)


def _text(path: Path) -> str:
    data = read_file(path, CURE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(path) from error


def _not_json(path: Path, error: Exception) -> DatasetError:
    if isinstance(error, RecursionError):
        return DatasetError("is nested too deeply to be annotations", where=path, cure=CURE)
    return DatasetError(f"is not JSON of the form expected ({error})", where=path, cure=CURE)


def _not_text(path: Path) -> DatasetError:
    return DatasetError("is not UTF-8 text", where=path, cure="Save it as UTF-8, or unpack it again.")
