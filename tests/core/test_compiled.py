"""Compiling functions: with numba, without it, and where its cache cannot be written."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from labelforge.compiled import compile_or_none


def add(a: int, b: int) -> int:
    return a + b


def test_without_numba_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compile_or_none(add) is None


def test_a_function_compiles_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    compile_, refused = numba.njit, []

    def njit(*functions: Any, **options: Any) -> Any:
        if options.get("cache"):
            refused.append(options)
            raise RuntimeError("cannot cache function 'add': no locator available for file 'compiled.py'")
        return compile_(*functions, **options)

    monkeypatch.setattr(numba, "njit", njit)
    compiled = compile_or_none(add)
    assert refused and compiled is not None and compiled is not add
    assert compiled(2, 3) == 5
