"""Fixtures that all parts of the test suite share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports torch: several test processes share the cores, and threads that wait for each other are slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what runs in its background deaf to Ctrl-C, and so all that this starts; tests interrupt processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real dataset samples kept beside the checkout; a clone without them skips the test."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("real sample data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="module")
def backbone() -> Iterator[None]:
    """While a module's tests run, there is the backbone that the configurations of `tests.trainer.tiny` name."""
    from tests.trainer.tiny import tiny_backbone

    with tiny_backbone():
        yield
