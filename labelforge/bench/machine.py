"""What the numbers were taken on: without it, a time means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Gpu", "Machine", "describe_machine"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gpu(_Record):
    """A CUDA device and its software."""

    name: str = Field(description="Model.")
    memory: int = Field(description="Memory in bytes.")
    driver: str | None = Field(description="Version of the driver; null where nvidia-smi does not say.")
    cuda: str | None = Field(description="CUDA release that PyTorch was built for.")
    cudnn: int | None = Field(description="cuDNN version as PyTorch counts it.")


class Machine(_Record):
    """The machine, and the software that decides speed."""

    cpu: str = Field(description="Model of the processor.")
    cores: int = Field(description="Processors that this process may use.")
    threads: int = Field(description="Threads that PyTorch computes with.")
    memory: int | None = Field(description="Physical memory in bytes.")
    load: float | None = Field(
        description="Processes that wanted to run, averaged over the minute before: on an idle machine near 0."
    )
    gpu: Gpu | None = Field(description="The GPU that was measured; null where a CPU was.")
    system: str = Field(description="Operating system and architecture.")
    python: str = Field(description="Version of Python.")
    torch: str = Field(description="Version of PyTorch.")

    def lines(self) -> Iterator[str]:
        """The description in lines of text."""
        busy = "" if self.load is None else f", load before {self.load:.1f}"
        memory = "" if self.memory is None else f", {_gib(self.memory)} RAM"
        yield f"CPU    {self.cpu}, {self.cores} cores, {self.threads} used{memory}{busy}"
        if self.gpu is not None:
            driver = self.gpu.driver or "unknown"
            yield f"GPU    {self.gpu.name}, {_gib(self.gpu.memory)}, driver {driver}, CUDA {self.gpu.cuda or 'unknown'}"
        yield f"torch  {self.torch}, Python {self.python}, {self.system}"


def describe_machine(device: torch.device) -> Machine:
    """Describe this machine.

    Args:
        device: The device that is measured; its GPU is described if it is one.
    """
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory=_physical_memory(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        gpu=_gpu(device) if device.type == "cuda" else None,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _gpu(device: torch.device) -> Gpu:
    properties = torch.cuda.get_device_properties(device)
    return Gpu(
        name=properties.name,
        memory=properties.total_memory,
        driver=_driver(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    )


def _driver() -> str | None:
    """The driver's version: PyTorch does not know it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.split()), None)


def _gib(size: int) -> str:
    return f"{size / 2**30:.0f} GiB"
