"""Tables on a device that are made once, and may have to outlive the cache they are in.

A kernel that is recorded (:mod:`labelforge.trainer.replayed_step`) reads its tables where they were. So whoever records
holds them (:func:`holding`): a cache forgets what has not been asked for long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Made = TypeVar("Made")

_HOLDERS: ContextVar[tuple[list[object], ...]] = ContextVar("holders", default=())


def device_cache(maxsize: int) -> Callable[[Callable[P, Made]], Callable[P, Made]]:
    """Like ``functools.lru_cache``, for functions that make tables of hashable arguments."""

    def decorate(make: Callable[P, Made]) -> Callable[P, Made]:
        cached = functools.lru_cache(maxsize)(make)

        @functools.wraps(make)
        def find(*args: P.args, **kwargs: P.kwargs) -> Made:
            found = cached(*args, **kwargs)  # type: ignore[arg-type]
            for holder in _HOLDERS.get():
                holder.append(found)
            return found

        return find

    return decorate


@contextmanager
def holding() -> Iterator[list[object]]:
    """Within this, in this thread, a list of all tables that are asked for."""
    holder: list[object] = []
    token = _HOLDERS.set((*_HOLDERS.get(), holder))
    try:
        yield holder
    finally:
        _HOLDERS.reset(token)
