"""Training in several processes, one per device, as ``torchrun`` starts them.

Every process builds the same network and draws its own samples; gradients are averaged by DistributedDataParallel, and
the loss takes its means over the pixels of all processes. Only the first process writes. Without torchrun's environment
variables there is one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from labelforge.errors import ConfigError

__all__ = ["Processes", "join_processes", "resolve_device"]


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        device: The device it computes on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether any process says so; a collective call."""
        if self.world == 1:
            return flag
        votes = torch.tensor([int(flag)], device=self.device)
        dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return bool(votes.item())

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, if it did.

    Args:
        device: ``device`` of the configuration; with several processes ``cuda`` means one GPU for each.

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
        yield Processes(dist.get_rank(), dist.get_world_size(), local)
    finally:
        dist.destroy_process_group()


def resolve_device(name: str) -> torch.device:
    """The device that a name means; ``auto`` is CUDA where there is one.

    Raises:
        ConfigError: It is unknown or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: unknown device {name!r}", cure="Use auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ConfigError(
            f"device: {name} is not on this machine ({found} CUDA devices found)", cure="Use auto or cpu."
        )
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device: {name!r} is not supported", cure="Use auto, cpu, cuda or cuda:N.")
    return device
