"""Peak memory of one call, beyond what was held before it.

On CUDA it is what PyTorch's allocator counts. On a CPU nothing counts tensors alone, so it is the peak of the process's
resident memory, as Linux keeps it (``VmHWM``, which writing to ``/proc/self/clear_refs`` resets). The C library is
first asked to give back what was freed earlier, since the call would otherwise fill that unseen; what the call frees it
may still keep, so the figure lies between the call's true peak and the sum of all that it allocates. Where the system
does not offer this, the answer is None: not measured.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["peak_memory"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): reset the peak resident set size to the current one


def peak_memory(call: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that a call needs at its peak, on top of what is held before it; None where that cannot be measured.

    Args:
        call: Called once, measurable or not. Warm it up first: a first call also allocates what later ones reuse.
        device: Whose memory.
    """
    if device.type == "cuda":
        return _peak_cuda(call, device)
    return _peak_resident(call)


def _peak_cuda(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _peak_resident(call: Callable[[], object]) -> int | None:
    _give_back_freed_memory()
    try:
        _RESET.write_text(_RESET_PEAK)
    except OSError:
        call()
        return None
    before = _status("VmRSS")
    call()
    peak = _status("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


def _give_back_freed_memory() -> None:
    """Call glibc's malloc_trim; other C libraries keep what they keep."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def _status(field: str) -> int | None:
    """A field of /proc/self/status, in bytes."""
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return None
