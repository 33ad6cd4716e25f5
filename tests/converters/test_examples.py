"""The examples in docstrings, run as they stand there."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelforge.converters import Converter, convert
from tests.converters.layouts import picture, save, write_cityscapes


def write_photos(root: Path) -> None:
    for name in ("one", "two"):
        save(root / "photos" / f"{name}.png", picture(0))


@pytest.mark.parametrize(
    ("thing", "folder", "write"),
    [(convert, "cityscapes", write_cityscapes), (Converter, "mine", write_photos)],
)
def test_an_example_does_what_it_says(
    thing: Any, folder: str, write: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(thing, thing.__name__)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
