"""The exponential function in Triton, of base 2.

A GPU computes powers of 2: logits times :data:`LOG2_E` once, where they are read, cost less than exponentials of
another base do. Kernels and what they call read these constants when they are compiled, so they must be constexpr.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
"""exp(x) is 2 to the power of x times this."""
LOG_2 = tl.constexpr(0.6931471805599453)
"""A logarithm of base 2 times this is the natural one."""


@triton.jit
def exp2(value):
    """2 to the power of a value, or 0 below the smallest normal float32: one instruction, and not four."""
    if _COMPILED:
        return tl.inline_asm_elementwise("ex2.approx.ftz.f32 $0, $1;", "=f,f", [value], tl.float32, True, 1)
    return tl.exp2(value)


_COMPILED = tl.constexpr(isinstance(exp2, triton.JITFunction))  # not by the interpreter
