"""Random trees and label tables for the tests of everything that is compiled from them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

Nested = dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)  # test processes run side by side: more threads than cores would wait for each other


@pytest.fixture(scope="session")
def grow_tree() -> Callable[[random.Random], Nested]:
    """A function that makes the definition of a random tree, up to four levels of classifiers deep.

    Names are n0, n1, ... in depth-first order, so that the oracles can find their way without the code under test.
    """

    def grow(rng: random.Random) -> Nested:
        number = itertools.count()

        def node(depth: int) -> Nested | None:
            if depth > 0 and (depth == 4 or rng.random() < 0.55):
                return None
            return {f"n{next(number)}": node(depth + 1) for _ in range(rng.randint(2, 4))}

        return {"name": "random", "tree": {"root": node(0)}}

    return grow
