"""Recording what a GPU does, to launch it later as one: CUDA graphs.

A graph reads and writes the memory that was used while it was recorded. Recordings of one :class:`Recorder` share
theirs, so it is as large as the largest needs; in between nothing of it can be used for anything else.

Source: https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

_ONE = threading.Lock()
"""Only one recording may be under way in a process."""


class RecordingError(Exception):
    """Something cannot be recorded, like waiting for the device. PyTorch may then be unable to record anything else."""


class Recorder:
    """Records calls on a stream of its own.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Memory belongs to a stream: with another one for each recording nothing would be shared.
        self._aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()

    def rehearse(self, call: Callable[[], object], times: int = 1) -> None:
        """Do it, so that libraries choose their kernels and compilers compile before it is recorded."""
        now = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(now)
        with torch.cuda.stream(self._aside):
            for _ in range(times):
                call()
        now.wait_stream(self._aside)

    def record(self, call: Callable[[], Result]) -> tuple[Any, Result]:
        """Record a call.

        Args:
            call: What to record; rehearsed.

        Returns:
            A ``torch.cuda.CUDAGraph``, and what the call returned: tensors that each replay fills.

        Raises:
            RecordingError: It cannot be.
            OutOfMemoryError: PyTorch's, if memory is short.
        """
        now = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the device: they read ahead, pin memory, and write behind.
        how: dict[str, Any] = {"pool": self._memory, "stream": self._aside, "capture_error_mode": "thread_local"}
        with _ONE, _no_garbage():
            try:
                with torch.cuda.graph(graph, **how):
                    result = call()
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as fault:
                cause = str(fault.__context__ or fault).splitlines()[0]
                raise RecordingError(f"this cannot be recorded as a CUDA graph: {cause}") from fault
            finally:
                torch.cuda.set_stream(now)  # which a recording that fails does not
        return graph, result


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Within this no garbage is collected: a graph that is freed would break the recording under way."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
