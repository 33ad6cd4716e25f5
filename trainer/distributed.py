"""Training in several processes, one per device, as ``torchrun`` starts them.

Every process builds the same network and draws its own samples; gradients are averaged by DistributedDataParallel, and
the loss takes its means over the pixels of all processes. Only the first process writes. Without torchrun's environment
variables there is one process, and nothing here does anything.

A signal stops a run from outside: a scheduler that takes a machine back sends SIGTERM, a person presses Ctrl-C
(SIGINT). The first signal asks the training loop to save and return, the second one kills.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import torch
import torch.distributed as dist

from labelforge.trainer.devices import resolve_device

_PATIENCE = timedelta(days=7)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Processes:
    """This process, one of those that train together.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        device: The device it computes on.
        patient: The group in which they wait for work that takes one of them long; None if there is only one.
    """

    rank: int
    world: int
    device: torch.device
    patient: dist.ProcessGroup | None = None

    @property
    def main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the answer is yes in any process; a collective call."""
        if self.world == 1:
            return flag
        votes = torch.tensor([int(flag)], device=self.device)
        dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return bool(votes.item())

    def told(self, flag: bool) -> bool:
        """What the first process says; the others wait for it, for hours if need be. A collective call."""
        if self.world == 1:
            return flag
        said = torch.tensor([int(flag)])
        dist.broadcast(said, 0, group=self.patient)
        return bool(said.item())

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, if it did.

    Args:
        device: ``device`` of the configuration; with several processes ``cuda`` means one GPU each.

    Raises:
        ConfigError: The device is not there.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1, resolve_device(device))
        return
    local = resolve_device(device)
    if local.type == "cuda":
        local = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if local.type == "cuda" else "gloo")
    try:
        # A collective call on the GPU fails after ten minutes; the first process may be busy for longer.
        patient = dist.new_group(backend="gloo", timeout=_PATIENCE)
        yield Processes(dist.get_rank(), dist.get_world_size(), local, patient)
    finally:
        dist.destroy_process_group()


@dataclass
class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    signal: signal.Signals | None = None


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Note SIGTERM and SIGINT instead of dying; outside the main thread this does nothing.

    After the first signal the previous handlers are back in place, so a second one acts as usual.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        restore()

    for number in _STOP_SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
