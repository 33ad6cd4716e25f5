"""Paths with placeholders: which file is the image, or has the labels, of which key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(r"(\{key\}|\{group\}|\*)")
_MEANS: Final = {"{key}": "(?P<key>.+)", "{group}": "(?P<group>[^/]+?)", "*": "[^/]*"}


@dataclass(frozen=True)
class Named:
    """What a path says of a file.

    Attributes:
        key: The sample that it belongs to: group and key, joined by a slash.
        group: The group alone; "" without one.
    """

    key: str
    group: str


class Pattern:
    """A path of a ``dataset.yaml``, of one split.

        >>> from labelforge.converters.own.patterns import Pattern
        >>> pattern = Pattern("images/{split}/{group}_{key}.png", "train")
        >>> pattern.folder, pattern.match("images/train/ulm_000001.png")
        ('images/train', Named(key='ulm/000001', group='ulm'))

    Args:
        text: The path, relative to the dataset's folder.
        split: What stands for ``{split}`` in it.

    Attributes:
        folder: The folder that all its files are below; "" for the dataset's own.
        literal: Number of characters that stand for themselves: of two patterns that fit a file, the more exact one
            has more.
    """

    def __init__(self, text: str, split: str | None = None) -> None:
        self.text = text if split is None else text.replace("{split}", split)
        parts = _PART.split(self.text)
        seen: set[str] = set()
        expression = ""
        for i, part in enumerate(parts, start=1):
            if part in seen:
                expression += f"(?P={part[1:-1]})"  # the same text again
            else:
                expression += _MEANS.get(part) or (_ending(part) if i == len(parts) else re.escape(part))
            seen |= {part} & {"{key}", "{group}"}
        self._regex = re.compile(expression, re.DOTALL)
        self.folder = parts[0].rpartition("/")[0]
        self.literal = sum(len(part) for part in parts if part not in _MEANS)

    def match(self, path: str) -> Named | None:
        """What a path, relative to the dataset's folder, says of its file; None if it does not fit."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        found = match.groupdict()
        group = found.get("group") or ""
        return Named("/".join(part for part in (group, found.get("key")) if part), group)


def _ending(text: str) -> str:
    """An expression for the end of a path: its suffix may be in capitals or not, as cameras differ in this."""
    folders, dot, suffix = text.rpartition(".")
    return f"{re.escape(folders)}(?i:{re.escape(dot + suffix)})" if dot and "/" not in suffix else re.escape(text)
