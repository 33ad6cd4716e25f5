"""A strict reader of HTML for tests: every element closed, no attribute twice."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "input", "img", "br"}


class Reader(HTMLParser):
    """All elements of a document: tag, attributes, own text, and the index of the parent."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[dict[str, Any]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self._open[-1] if self._open else None
        assert len({key for key, _ in attrs}) == len(attrs), "no attribute twice"
        self.elements.append({"tag": tag, "text": "", "parent": parent, **dict(attrs)})
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()]["tag"] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.elements[self._open[-1]]["text"] += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, Any]]:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [e for e in self.elements if e["tag"] == tag and wanted.items() <= e.items()]
