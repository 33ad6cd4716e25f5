"""The figures of docs/DRAFT.md are what the code computes."""

from __future__ import annotations

from tests.draft.document import DOCUMENT, parts, stated


def test_the_document_says_what_the_code_computes() -> None:
    """Where a mapping or a synonym has changed, ``python -m tests.draft.document`` writes the figures anew."""
    assert stated(DOCUMENT.read_text(encoding="utf-8")) == parts()
