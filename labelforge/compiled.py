"""Compiles functions with numba where it is installed (the extra `fast`); who asks has another way where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compile_or_none(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function as machine code, compiled when it is first called; None without numba.

    It runs on one thread and lets others run. The code is kept on disk for the next process, beside the function's
    file or in the user's cache, if either can be written to.
    """
    try:
        import numba
    except ImportError:
        return None
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no folder for its cache
        compiled = numba.njit(nogil=True)(function)
    return compiled
