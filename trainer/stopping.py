"""Stopping a run from outside: the first SIGTERM or SIGINT asks, the second one kills.

A scheduler that takes a machine back sends SIGTERM, a person presses Ctrl-C (SIGINT). The training loop looks at
:attr:`StopRequest.signal` after every step, saves, and returns.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["StopRequest", "listen_for_stop"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    signal: signal.Signals | None = None


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Take note of SIGTERM and SIGINT instead of dying of them; outside the main thread this does nothing.

    After the first signal the handlers from before are back in place, so a second one acts as ever.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        restore()

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
