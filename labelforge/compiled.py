"""Compiles functions with numba where it is installed (the extra `fast`).

Machine code runs on one thread and lets others run: it is compiled without numba's own threads, which a process that
forks could not use. It is kept on disk for the next process, beside the function's file or in the user's cache, if
either can be written to.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Function = Callable[..., Any]


def compile_or_none(function: Function) -> Function | None:
    """The function as machine code, compiled when it is first called; None without numba.

    Who asks has another way where it is missing.
    """
    try:
        return machine_code()(function)
    except ImportError:
        return None


def machine_code(fastmath: frozenset[str] = frozenset(), *, inline: bool = False) -> Callable[[Function], Function]:
    """A decorator that compiles a function when it is first called.

    Division by zero is not an error but infinite, as in NumPy, so that it does not keep loops from being vectorised.

    A call that is not inlined runs other code in the process that compiles it than in those that load the caller, in
    which the called function was optimised once more. Where the order of sums may change, inline: else the processes
    add up in different orders.

    Args:
        fastmath: LLVM's flags of what arithmetic may ignore: ``contract``, ``nsz``, ``reassoc``.
        inline: Whether callers always get the function's code into theirs.

    Raises:
        ImportError: numba is not installed.
    """
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath), "forceinline": inline}

    def decorate(function: Function) -> Function:
        # What is kept is found by this name, and by nothing of the files that the function's own file imports from.
        function.__qualname__ += f"_{_sources(Path(function.__code__.co_filename).parent)}"
        try:
            compiled: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba finds no folder for its cache
            compiled = numba.njit(**options)(function)
        return compiled

    return decorate


@functools.cache
def _sources(folder: Path) -> str:
    """A digest of all Python files in a folder: a change in one of them must not meet code compiled before it."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
