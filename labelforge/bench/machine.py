"""Describes the machine that the numbers were measured on; without it, a time means nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Final

import torch

from labelforge.bench.results import Gpu, Machine

PROCESSORS: Final = Path("/sys/devices/system/cpu")
"""Where Linux describes the processors."""

_CACHE_UNSAID: Final = 64 * 2**20  # more than most have
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def describe_machine(device: torch.device) -> Machine:
    """Describe this machine, with the GPU if the device is one."""
    return Machine(
        cpu=_cpu_model(),
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        memory=_physical_memory(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        gpu=_describe_gpu(device) if device.type == "cuda" else None,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
    )


def usable_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def last_level_cache(device: torch.device) -> int:
    """Bytes of the last cache before the memory: L2 of a GPU; of a CPU, all caches of the highest level together.

    A virtual machine tells what its host has, of which it may only have a share. Where the system is silent, 64 MiB.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    levels: dict[int, dict[str, int]] = {}  # by level: processors that share a cache -> its size
    for folder in PROCESSORS.glob("cpu[0-9]*/cache/index[0-9]*"):
        try:
            level, shared, size = ((folder / name).read_text().strip() for name in ("level", "shared_cpu_list", "size"))
        except OSError:
            continue
        if found := re.fullmatch(r"(\d+)([KMG]?)", size):
            levels.setdefault(int(level), {})[shared] = int(found[1]) * _UNITS[found[2]]
    return sum(levels[max(levels)].values()) if levels else _CACHE_UNSAID


def driver_version() -> str | None:
    """The version of the GPU's driver, which PyTorch does not know; None if nvidia-smi does not say."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.split()), None)


def _describe_gpu(device: torch.device) -> Gpu:
    properties = torch.cuda.get_device_properties(device)
    return Gpu(
        name=properties.name,
        memory=properties.total_memory,
        driver=driver_version(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    )


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine() or "unknown"


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
