"""Recording without a GPU: what was recorded is run again, and fills the same tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from labelforge.trainer.models.recording import RecordingError


class Rerun:
    """In place of a ``torch.cuda.CUDAGraph``."""

    def __init__(self, call: Callable[[], Any], result: Any) -> None:
        self._call = call
        self._result = result

    def replay(self) -> None:
        """Do it again."""
        for old, new in zip(tensors(self._result), tensors(self._call()), strict=True):
            old.copy_(new)


class Rerunner:
    """In place of a recorder; what it makes and is asked for is counted."""

    refuses = 0
    """So many recordings fail."""
    recorded = 0
    network: nn.Module = nn.Identity()
    """The network that is recorded."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def rehearse(self, call: Callable[[], object], times: int = 1) -> None:
        """Do it so often."""
        for _ in range(times):
            call()

    def record(self, call: Callable[[], Any]) -> tuple[Rerun, Any]:
        """Here that computes it, too, and undoes what it changed."""
        if Rerunner.refuses:
            Rerunner.refuses -= 1
            raise RecordingError("this cannot be recorded as a CUDA graph: it waits")
        Rerunner.recorded += 1
        before = [(buffer, buffer.clone()) for buffer in Rerunner.network.buffers()]
        with torch.random.fork_rng([]):
            result = call()
        for buffer, value in before:
            buffer.copy_(value)
        return Rerun(call, result), result


def tensors(result: Any) -> Iterator[Tensor]:
    """All tensors of nested tuples."""
    if isinstance(result, Tensor):
        yield result
    elif result is not None:
        for part in result:
            yield from tensors(part)


@pytest.fixture
def rerunner(monkeypatch: pytest.MonkeyPatch) -> type[Rerunner]:
    """Recorders rerun."""
    for module in ("models.replaying", "learner"):
        monkeypatch.setattr(f"labelforge.trainer.{module}.Recorder", Rerunner)
    monkeypatch.setattr(Rerunner, "refuses", 0)
    monkeypatch.setattr(Rerunner, "recorded", 0)
    return Rerunner
