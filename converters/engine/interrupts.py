"""Ctrl-C while worker processes start and work: it reaches the parent, and workers end quietly with it.

A terminal sends Ctrl-C to all processes. In a worker that is just starting it would end an import in the middle;
between tasks it would end the worker before its parent knows why. So only a task in work is interrupted.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labelforge.orphans import end_with_parent


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: in them it would end an import in the middle, and here leave some running.

    It is handled at the end of the block. Workers inherit that it is held back, and let it through when they are ready.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set what signals do
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    held = _hold_interrupts()
    try:
        yield
    finally:
        if held is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)  # what was held back comes now
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(signal.SIGINT, None)


def _hold_interrupts() -> set[int] | None:
    """Hold Ctrl-C back in this thread, and what it starts; returns what was held back before, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}))


def start_worker() -> None:
    """What a worker does first: between tasks, only the parent process handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()


@contextmanager
def interruptible() -> Iterator[None]:
    """Run a task in a worker so that Ctrl-C ends it and the worker quietly, without leaving half a file."""
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, ignored)
