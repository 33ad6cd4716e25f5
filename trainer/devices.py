"""The device and the precision that a network computes with."""

from __future__ import annotations

import torch

from labelforge.errors import ConfigError
from labelforge.trainer.config import Precision


def resolve_device(name: str) -> torch.device:
    """The device that a name means; ``auto`` is CUDA if available, else the CPU.

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


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The arithmetic of a network on a device: ``auto`` is bfloat16 on CUDA, else float32."""
    if precision == "bfloat16" or (precision == "auto" and device.type == "cuda"):
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """A context in which a network with float32 weights computes in ``dtype``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)
