"""Reads the lists of large JSON files entry by entry, with a window of the file in memory.

The annotations of COCO's training images are files of half a gigabyte to more than one. Here no more than one entry and
a megabyte of text are held at a time. Each entry comes with its place in the file, so that whoever needs it later can
keep the place (`EntryPlace`) instead of the text, and read it again (`read_entry`).
"""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

_STEP: Final = 1 << 20  # bytes read at a time, at least
_LONGEST: Final = 1 << 28
"""Characters of one entry; more than that is no annotation but an attack, or a quote that is missing."""
_SPACE: Final = " \t\n\r"
_ENDS: Final = frozenset(" \t\n\r,:]}")  # what follows a value
_EDGE: Final = 16  # characters before the end of the window in which a fault may only mean that there is more


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"holds the number {name}")


DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
"""Decodes JSON as it is defined: without NaN and Infinity."""


class EntryPlace(NamedTuple):
    """Where an entry is in a file.

    Attributes:
        start: Its first byte.
        length: Its bytes.
        checksum: CRC-32 of these.
    """

    start: int
    length: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of a list.

    Attributes:
        name: The list's name; "" if the file is a list.
        entry: The entry.
        text: Its text.
        start: Its first byte in the file.
    """

    name: str
    entry: Any
    text: str
    start: int

    @property
    def place(self) -> EntryPlace:
        """Where it is."""
        data = self.text.encode()
        return EntryPlace(self.start, len(data), zlib.crc32(data))


def read_entry(stream: BinaryIO, place: EntryPlace) -> Any:
    """Read an entry again.

    Raises:
        ValueError: Something else is at its place: the file has changed.
    """
    stream.seek(place.start)
    data = stream.read(place.length)
    if len(data) != place.length or zlib.crc32(data) != place.checksum:
        raise ValueError("it has changed since its annotations were listed")
    return DECODER.decode(data.decode())


def read_lists(stream: BinaryIO, lists: Mapping[str, bool]) -> Iterator[Record]:
    """The entries of lists at the top of a JSON file, one after the other.

    Args:
        stream: A file that holds an object; or a list, whose name is "".
        lists: Names of the lists wanted -> whether there must be one.

    Raises:
        ValueError: It is not JSON, or of another form.
        KeyError: It lacks a list that must be there.
        EOFError: It ends too early.
        RecursionError: It is nested too deeply.
    """
    window = _Window(stream)
    if window.peek() == "[":
        _check_all_there(lists, ())
        yield from _entries(window, "", wanted=True)
        return
    found = set()
    window.take("{")
    while window.peek() != "}":
        name, _ = window.value()
        if not isinstance(name, str):
            raise ValueError(f"a name is missing before byte {window.position}")
        window.take(":")
        if window.peek() == "[":
            # Also an unwanted list is read entry by entry, to need no memory.
            found.add(name)
            yield from _entries(window, name, wanted=name in lists)
        else:
            window.value()
        if window.peek() != "}":
            window.take(",")
    _check_all_there(lists, found)


def _check_all_there(lists: Mapping[str, bool], found: Collection[str]) -> None:
    absent = [name for name, needed in lists.items() if needed and name not in found]
    if absent:
        raise KeyError(absent[0])


def _entries(window: _Window, name: str, *, wanted: bool) -> Iterator[Record]:
    """The entries of the list that begins here, if they are wanted; the window is behind it then."""
    window.skip()
    while window.peek() != "]":
        start = window.position
        entry, text = window.value()
        if wanted:
            yield Record(name, entry, text, start)
        if window.peek() != "]":
            window.take(",")
    window.skip()


class _Window:
    """The part of a file's text that is looked at.

    Args:
        stream: The file, at its beginning.

    Attributes:
        position: The byte of the file that is next.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        mark = stream.read(len(codecs.BOM_UTF8))
        self.position = len(mark) if mark == codecs.BOM_UTF8 else 0
        self._text = "" if self.position else self._decoder.decode(mark)
        self._at = 0

    def peek(self) -> str:
        """The next character that is no white space."""
        while True:
            while self._at == len(self._text):
                if not self._more():
                    raise EOFError
            if self._text[self._at] not in _SPACE:
                return self._text[self._at]
            self.skip()

    def skip(self) -> None:
        """Pass one character, of ASCII."""
        self._at += 1
        self.position += 1

    def take(self, wanted: str) -> None:
        """Pass a character that must be there."""
        if (found := self.peek()) != wanted:
            raise ValueError(f"{wanted!r} is wanted where {found!r} is, at byte {self.position}")
        self.skip()

    def value(self) -> tuple[Any, str]:
        """The value that is next, and its text."""
        self.peek()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._read_on(error)
                continue
            cut = end > len(self._text) - _EDGE and self._text[end : end + 1] not in _ENDS
            if cut and self._more():
                continue  # a number may go on: 0, and behind the window .5
            text = self._text[self._at : end]
            self._at = end
            self.position += _size(text)
            return found, text

    def _read_on(self, error: json.JSONDecodeError) -> None:
        """Read more of the file if that may help; if not, raise what is wrong."""
        unterminated = error.msg.startswith("Unterminated")
        if unterminated or error.pos >= len(self._text) - _EDGE:
            if len(self._text) - self._at > _LONGEST:
                raise ValueError(f"the entry at byte {self.position} does not end") from error
            if self._more():
                return
            if unterminated or not self._text[error.pos :].strip():
                raise EOFError from error
        before = self._text[self._at : error.pos]
        raise ValueError(f"{error.msg} at byte {self.position + _size(before)}") from error

    def _more(self) -> bool:
        """Read on, at least as much again as is held, so that long entries are not parsed again too often."""
        data = self._stream.read(max(_STEP, len(self._text) - self._at))
        new = self._decoder.decode(data, final=not data)
        if not data:
            return False
        self._text, self._at = self._text[self._at :] + new, 0
        return True


def _size(text: str) -> int:
    """Bytes of a text in the file."""
    return len(text) if text.isascii() else len(text.encode())
