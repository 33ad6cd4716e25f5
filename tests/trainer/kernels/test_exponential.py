"""Exponentials of the numba kernels, against NumPy's in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from labelforge.trainer.kernels.choice import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="numba is not installed")


def of_all(function: Any, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A function that kernels inline, of all values of an array: in vectors, as in kernels, and the rest one by one."""
    import numba

    def loop(values: Any, found: Any) -> None:
        for i in range(len(values)):
            found[i] = function(values[i])

    found = np.empty_like(values)
    numba.njit(loop)(values, found)
    return found


@pytest.mark.parametrize(
    ("name", "exact", "lowest", "highest"), [("exp32", np.exp, -87, 88), ("exp2", np.exp2, -126, 127)]
)
def test_exponentials(name: str, exact: Callable[..., Any], lowest: float, highest: float) -> None:
    from labelforge.trainer.kernels import exponential_numba

    function = getattr(exponential_numba, name)
    halves = np.arange(2 * lowest, 2 * highest + 1) / 2  # where the nearest whole number changes
    values = np.concatenate([halves, np.linspace(lowest, highest, 200_001)]).astype(np.float32)
    np.testing.assert_allclose(of_all(function, values), exact(values.astype(np.float64)), rtol=3e-7)
    assert of_all(function, np.zeros(1, np.float32)).tolist() == [1.0]
    below = of_all(function, np.array([lowest, lowest - 1, -1e30, -np.inf], np.float32))
    assert (below == below[0]).all()
