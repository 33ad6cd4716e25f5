"""Reads XML files of annotations, which nobody may trust: no entities, no depth, no end of elements.

Entities make a few lines grow to gigabytes, or read other files; annotations need none, so a file that declares one is
refused. Elements know their lines, for messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn
from xml.parsers import expat

from labelforge.converters.files import read_file
from labelforge.converters.own.marks import AGAIN, LARGEST, check_length
from labelforge.errors import DatasetError

_DEEPEST: Final = 50


@dataclass
class Element:
    """An element of an XML file.

    Attributes:
        tag: Its name.
        facts: Its attributes.
        line: Its line in the file.
        text: The text directly in it.
        below: The elements directly in it.
    """

    tag: str
    facts: dict[str, str]
    line: int
    text: str = ""
    below: list[Element] = field(default_factory=list)

    def find(self, tag: str) -> Element | None:
        """The first element below with a name."""
        return next((element for element in self.below if element.tag == tag), None)

    def value(self, tag: str) -> str | None:
        """The text of the first element below with a name."""
        found = self.find(tag)
        return None if found is None else found.text.strip()


def read_xml(path: Path, root: str, most: int = LARGEST) -> Iterator[Element]:
    """The elements directly below the root of a file, one after the other, each with all that is in it.

    Args:
        path: The file.
        root: The name that its root must have.
        most: The most bytes that it may have.

    Raises:
        DatasetError: The file is missing, too long, not XML, of another root, declares entities, or is nested too
            deeply.
    """
    check_length(path, most)
    data = read_file(path, AGAIN)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    handlers = _Handlers(parser, root)
    try:
        for start in range(0, max(1, len(data)), 1 << 20):
            parser.Parse(data[start : start + (1 << 20)], start + (1 << 20) >= len(data))
            yield from handlers.take()
    except _RefusedError as error:
        raise DatasetError(error.what, where=path, line=parser.CurrentLineNumber, cure=error.cure) from None
    except (LookupError, ValueError) as error:  # of the encoding that it says it has
        what = f"is not XML that can be read ({error})"
        raise DatasetError(what, where=path, cure="Save it as UTF-8.") from None
    except expat.ExpatError as error:
        what = f"is not XML ({expat.ErrorString(error.code)})"
        raise DatasetError(what, where=path, line=error.lineno, cure=AGAIN) from None


class _RefusedError(Exception):
    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what, self.cure = what, cure


class _Handlers:
    """Builds elements from what the parser meets."""

    def __init__(self, parser: Any, root: str) -> None:
        self._parser, self._root = parser, root
        self._open: list[Element] = []
        self._done: list[Element] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._entity

    def take(self) -> list[Element]:
        """The elements below the root that have ended since it was last asked."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, facts: dict[str, str]) -> None:
        if not self._open and tag != self._root:
            cure = "Correct 'format' or 'labels' in dataset.yaml."
            raise _RefusedError(f"its root is <{tag[:40]}>, but <{self._root}> was expected", cure)
        if len(self._open) > _DEEPEST:
            raise _RefusedError("is nested too deeply to be annotations", AGAIN)
        self._open.append(Element(tag, facts, self._parser.CurrentLineNumber))

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if len(self._open) > 1:
            self._open[-1].below.append(element)
        elif self._open:
            self._done.append(element)

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def _entity(self, *_: object) -> NoReturn:
        raise _RefusedError("declares entities, which annotations have no use for", "Delete its DOCTYPE.")
