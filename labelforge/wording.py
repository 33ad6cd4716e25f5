"""Names as they can be shown: label names and keys come from files that anybody may have written."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Text on one line, with every character that is no letter, sign or plain space as its escape.

    So a terminal gets no control sequence, a page no character that turns the direction of what follows, and a name
    with a line break stays one name: ``a\nb`` is shown as ``a\\nb``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
