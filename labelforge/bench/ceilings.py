"""How fast the device can be: two simple tasks whose speed bounds that of everything else.

*Copying* a buffer that no cache holds: bytes read and written per second. What moves little beside what it computes can
be faster only where a cache holds its data. *A matrix product* in the precision of the networks: floating-point
operations per second. Both take turns, and the fastest call of each counts: a ceiling is what the device can do, not
what it does while others use it.
"""

from __future__ import annotations

import time
from typing import Final

import torch

from labelforge.bench.machine import last_level_cache
from labelforge.bench.meter import Contestants, Meter, Plan, time_in_turns
from labelforge.bench.results import Ceilings

_PLAN: Final = Plan(turns=25, least=5, seconds=0.2)
_LEAST_BUFFER: Final = {"cpu": 64 * 2**20, "cuda": 512 * 2**20}  # on a GPU shorter copies measure their launch
_CACHES: Final = 4  # a buffer of 2 caches was still copied 1.3 to 1.5 times as fast as one of 4 (benchmarks/LOG.md)
_SIDE: Final = {"cpu": 1024, "cuda": 8192}  # of the matrices: large enough for full speed, small enough for a blink


def measure_ceilings(meter: Meter) -> Ceilings:
    """Measure both on the meter's device, with as many threads as PyTorch has.

    Takes about half a second, and memory for two buffers of four caches or more.
    """
    meter.say("ceilings: copy and matrix product")
    device = meter.device
    size = max(_LEAST_BUFFER[device.type], _CACHES * last_level_cache(device))
    source = torch.ones(size, dtype=torch.uint8, device=device)  # written, or a CPU would read one page of zeros
    target = torch.ones_like(source)
    side = _SIDE[device.type]
    arithmetic = getattr(torch, meter.precision)
    left, right = (torch.randn(side, side, device=device).to(arithmetic) for _ in range(2))
    product = torch.empty_like(left)
    contestants: Contestants = {
        "copy": lambda: target.copy_(source),
        "product": lambda: torch.mm(left, right, out=product),
    }
    for call in 2 * list(contestants.values()):
        call()
    samples = time_in_turns(contestants, _PLAN, meter.stopwatch(), time.perf_counter)
    return Ceilings(
        bytes_per_second=2 * size / min(samples["copy"]),
        flops_per_second=2 * side**3 / min(samples["product"]),
    )
