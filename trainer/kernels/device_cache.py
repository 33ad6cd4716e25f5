"""Tables on a device that are made once, and may have to outlive the cache they are in.

A kernel that is recorded (:mod:`labelforge.trainer.replayed_step`) reads its tables where they were. So whoever records
holds them (:func:`holding`): a cache forgets what has not been asked for long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Made = TypeVar("Made")

_HOLDERS: list[list[object]] = []


def device_cache(maxsize: int) -> Callable[[Callable[P, Made]], Callable[P, Made]]:
    """Like ``functools.lru_cache``, for functions that make tables of hashable arguments."""

    def decorate(make: Callable[P, Made]) -> Callable[P, Made]:
        cached = functools.lru_cache(maxsize)(make)

        @functools.wraps(make)
        def find(*args: P.args, **kwargs: P.kwargs) -> Made:
            found = cached(*args, **kwargs)  # type: ignore[arg-type]
            for holder in _HOLDERS:
                holder.append(found)
            return found

        return find

    return decorate


@contextmanager
def holding() -> Iterator[list[object]]:
    """Within this, a list of all tables that are asked for."""
    holder: list[object] = []
    _HOLDERS.append(holder)
    try:
        yield holder
    finally:
        _HOLDERS.remove(holder)
