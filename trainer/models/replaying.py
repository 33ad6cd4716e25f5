"""Networks on a GPU without the host's work: all kernels of a call are recorded once and then launched together.

A ResNet-50 is some hundred kernels, which a host needs longer to launch one by one than a fast GPU to compute
(benchmarks/LOG.md). A recording (:mod:`labelforge.trainer.models.recording`) works on fixed memory: an input is copied
to it, and the output copied from it.
"""

from __future__ import annotations

import copy
import threading
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from labelforge.trainer.models.recording import Recorder, RecordingError

_KEPT = 8
"""Recordings, at most: whatever is met later is run kernel by kernel."""
_SEEN = 1024
"""Kinds of input that are remembered as seen once."""


class _Recording(NamedTuple):
    """A call that can be repeated."""

    graph: Any
    given: Tensor
    answer: Tensor


class Replayed(nn.Module):
    """A network that records what it does for inputs of one shape when it meets the shape for the second time.

    So images of ever other sizes are never recorded. The first call also lets cuDNN choose its kernels. If something
    cannot be recorded, or memory is short, everything is run kernel by kernel from then on. Several threads may call
    it, on one stream.

    Args:
        network: From one tensor to one tensor on CUDA, without gradients, by the same kernels each time.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._seen: set[object] = set()
        self._recordings: dict[object, _Recording] = {}
        self._recorder: Recorder | None = None
        self._records = True
        self._lock = threading.Lock()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """What the network answers, in memory of its own."""
        kind = (images.shape, images.stride(), images.dtype)
        with self._lock:
            found = self._recordings.get(kind)
            if found is None and self._records and kind in self._seen and len(self._recordings) < _KEPT:
                found = self._record(kind, images)
            if len(self._seen) < _SEEN:
                self._seen.add(kind)
            if found is not None:
                found.given.copy_(images)
                found.graph.replay()
                return found.answer.clone()
        return self.network(images)  # type: ignore[no-any-return]

    def _record(self, kind: object, images: Tensor) -> _Recording | None:
        try:
            if self._recorder is None:
                self._recorder = Recorder(images.device)
            given = images.clone()
            self._recorder.rehearse(lambda: self.network(given))
            graph, answer = self._recorder.record(lambda: self.network(given))
        except (RecordingError, torch.OutOfMemoryError):
            self._records = False
            return None
        recording = self._recordings[kind] = _Recording(graph, given, answer)
        return recording

    def __deepcopy__(self, memo: dict[int, Any]) -> Replayed:
        """A copy of the network, with nothing recorded."""
        return Replayed(copy.deepcopy(self.network, memo))
