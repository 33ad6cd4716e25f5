"""Fixtures of the converters' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.converters.layouts import write_cityscapes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tiny Cityscapes: five frames of the training split, in ``tmp_path / "root"``."""
    write_cityscapes(tmp_path / "root")
    return tmp_path / "root"
