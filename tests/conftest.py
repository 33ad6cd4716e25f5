"""Fixtures that every room of the test suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real dataset samples kept beside the checkout; a clone without them skips the test."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("real sample data is not beside this checkout")
    return SHARED_DATA
