"""Networks on a GPU without the host's work: all kernels of a call are recorded once and then launched together.

A ResNet-50 is some hundred kernels, which a host needs longer to launch one by one than a fast GPU to compute
(benchmarks/LOG.md). CUDA graphs (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs) replay them as one, on
fixed memory: an input is copied to it, and the output copied from it.
"""

from __future__ import annotations

import copy
import threading
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_KEPT = 8
"""Recordings, at most: whatever is met later is run kernel by kernel. Each holds the memory of its input and output,
and of what is in between they share the most that one needs."""


class _Recording(NamedTuple):
    """A call that can be repeated."""

    graph: Any  # torch.cuda.CUDAGraph, which builds of PyTorch without CUDA lack
    given: Tensor
    answer: Tensor


class Replayed(nn.Module):
    """A network that records what it does for inputs of one shape when it meets the shape for the second time.

    So images of ever other sizes are never recorded. The first call also lets cuDNN choose its kernels. Several threads
    may call it, on one stream.

    Args:
        network: From one tensor to one tensor on CUDA, without gradients, by the same kernels each time.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._seen: set[object] = set()
        self._recordings: dict[object, _Recording] = {}
        self._memory: Any = None
        self._lock = threading.Lock()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """What the network answers, in memory of its own."""
        kind = (images.shape, images.stride(), images.dtype)
        with self._lock:
            found = self._recordings.get(kind)
            if found is None and kind in self._seen and len(self._recordings) < _KEPT:
                found = self._recordings[kind] = self._record(images)
            self._seen.add(kind)
            if found is not None:
                found.given.copy_(images)
                found.graph.replay()
                return found.answer.clone()
        return self.network(images)  # type: ignore[no-any-return]

    def _record(self, images: Tensor) -> _Recording:
        if self._memory is None:
            self._memory = torch.cuda.graph_pool_handle()
        given = torch.empty_like(images).copy_(images)
        # What is set up at a stream's first call must not be recorded.
        now, aside = torch.cuda.current_stream(images.device), torch.cuda.Stream(images.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(now)
        with torch.cuda.stream(aside):
            self.network(given)
        now.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the device: they read ahead, and write behind.
        with torch.cuda.graph(graph, pool=self._memory, stream=aside, capture_error_mode="thread_local"):
            answer = self.network(given)
        return _Recording(graph, given, answer)

    def __deepcopy__(self, memo: dict[int, Any]) -> Replayed:
        """A copy of the network, with nothing recorded."""
        return Replayed(copy.deepcopy(self.network, memo))
