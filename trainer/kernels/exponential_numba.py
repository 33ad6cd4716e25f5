"""Exponential functions in float32, in a form that LLVM turns into vector instructions.

``math.exp`` in a numba kernel is a call per number. These are arithmetic for 8 or 16 numbers at a time: exp(x) = 2^k
exp(r) with k the whole number nearest to x / log 2, and the polynomial of the Cephes library for exp(r) on
[-log(2) / 2, log(2) / 2]. Base 2 saves a third of it: 2^x = 2^k 2^r with k the whole number nearest to x, and the
polynomial of degree 5, 1 at 0, whose largest relative error on [-1/2, 1/2] is the smallest: 1e-7.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LOWEST: Final = np.float32(-87.0)
"""exp of this is near the smallest normal float32; below, :func:`exp32` gives the same."""

FUSED: Final = frozenset({"contract", "nsz"})
"""What arithmetic may ignore in a kernel: that a product is rounded before it is added, and the sign of zero."""
REORDERED: Final = FUSED | {"reassoc"}
"""The same and the order of sums, which otherwise keeps them from being vectorised. One build gives one order."""

UNORDERED: Final = REORDERED | {"nnan"}
"""The same and what is not a number: where it is, the result is any."""

LOG2_E: Final = np.float32(1.44269504088896341)
"""exp(x) is 2 to the power of x times this."""

_HIGH: Final = np.float32(0.693359375)  # log(2) = _HIGH + _REST, and k * _HIGH is exact
_REST: Final = np.float32(-2.12194440e-4)
_P0: Final = np.float32(1.9875691500e-4)
_P1: Final = np.float32(1.3981999507e-3)
_P2: Final = np.float32(8.3334519073e-3)
_P3: Final = np.float32(4.1665795894e-2)
_P4: Final = np.float32(1.6666665459e-1)
_P5: Final = np.float32(5.0000001201e-1)
_Q0: Final = np.float32(1.326472722e-3)
_Q1: Final = np.float32(9.671512700e-3)
_Q2: Final = np.float32(5.550733744e-2)
_Q3: Final = np.float32(2.402224208e-1)
_Q4: Final = np.float32(6.931469776e-1)
_LOWEST_2: Final = np.float32(-126)
_ONE: Final = np.float32(1)
_EXPONENT_BIAS: Final = 127
_EXPONENT_SHIFT: Final = 23


@intrinsic
def _nearest(_typing: Any, _x: Any) -> Any:
    """The whole number nearest to a float32, as float32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [ir.FloatType()]), arguments)

    return types.float32(types.float32), generate


@intrinsic
def _two_to_the(_typing: Any, _k: Any) -> Any:
    """2^k of a whole float32 between -126 and 127."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        k = builder.fptosi(arguments[0], integer)
        bits = builder.shl(builder.add(k, ir.Constant(integer, _EXPONENT_BIAS)), ir.Constant(integer, _EXPONENT_SHIFT))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


@njit(inline="always", error_model="numpy", fastmath=set(FUSED))
def exp32(x: Any) -> Any:
    """exp(x) of a float32 up to 88, within 3e-7 relative."""
    x = max(x, LOWEST)
    k = _nearest(x * LOG2_E)
    r = x - k * _HIGH - k * _REST
    y = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    return (y * r * r + r + _ONE) * _two_to_the(k)


@njit(inline="always", error_model="numpy", fastmath=set(FUSED))
def exp2(x: Any) -> Any:
    """2^x of a float32 up to 127, within 3e-7 relative; below -126, that of -126."""
    x = max(x, _LOWEST_2)
    k = _nearest(x)
    r = x - k
    y = ((((_Q0 * r + _Q1) * r + _Q2) * r + _Q3) * r + _Q4) * r + _ONE
    return y * _two_to_the(k)
