"""Which backend computes the loss and the decision."""

from __future__ import annotations

import functools
import importlib.util
from typing import Final, Literal, get_args

import torch

from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.kernels.entries import entries_of
from labelforge.trainer.kernels.problem import LossBackend
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.tables import TableTensors

Kernel = Literal["reference", "torch", "numba"]
"""``reference``: upsample everything, then the plain formula. ``torch``: the same in bands of rows, in plain PyTorch.
``numba``: cell by cell, needs the extra ``fast``."""

KERNELS: Final[tuple[Kernel, ...]] = get_args(Kernel)
"""All backends."""

_DENSE: Final = 8
"""Pixels per cell from which it pays to compute by cells; there are so many where logits have stride 3 or more."""


@functools.cache
def has_numba() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def uses_numba(kernel: Kernel | None, logits: torch.Tensor, size: tuple[int, int]) -> bool:
    """Whether decisions are made by the numba kernel; otherwise in bands of rows.

    Args:
        kernel: The one that is asked for; None: the fastest that fits.
        logits: (N, C, h, w).
        size: Height H and width W of the decision.

    Raises:
        ConfigError: There is no such backend, or it cannot do this.
    """
    check_kernel(kernel)
    fits = has_numba() and logits.device.type == "cpu" and logits.dtype == torch.float32
    if kernel == "numba" and not fits:
        raise _unfit()
    dense = size[0] * size[1] >= max(1, _DENSE * logits.shape[2] * logits.shape[3])
    return fits and (kernel == "numba" or (kernel is None and dense))


def check_kernel(kernel: Kernel | None) -> None:
    """Refuse an unknown backend.

    Raises:
        ConfigError: There is no such backend.
    """
    if kernel is not None and kernel not in KERNELS:
        raise ConfigError(f"no kernel is called {kernel!r}", cure=did_you_mean(kernel, KERNELS))


def _unfit() -> ConfigError:
    cure = "Leave the choice of the kernel out."
    if not has_numba():
        cure = "Install it with pip install 'labelforge[fast]'."
    return ConfigError("the numba kernel needs numba, and float32 logits on the CPU", cure=cure)


def choose_loss(
    kernel: Kernel | None, logits: torch.Tensor, sampling: Sampling, tensors: TableTensors
) -> LossBackend | None:
    """The backend for a loss.

    Args:
        kernel: The one that is asked for; None: the fastest that fits.
        logits: (N, C, h, w) float32 or float64.
        sampling: The pixels over them.
        tensors: The target table.

    Returns:
        None for the reference, which is chosen off the CPU, and where there are not many more pixels than logits.

    Raises:
        ConfigError: There is no such backend, or it cannot do this.
    """
    check_kernel(kernel)
    pixels, cells = sampling.size[0] * sampling.size[1], logits.shape[2] * logits.shape[3]
    if kernel == "reference" or (kernel is None and (logits.device.type != "cpu" or pixels < max(1, _DENSE * cells))):
        return None
    fits = has_numba() and logits.dtype == torch.float32 and logits.device.type == "cpu"
    if kernel == "numba" and not fits:
        raise _unfit()
    if fits and kernel != "torch":
        from labelforge.trainer.kernels.loss_numba import NumbaLoss

        if NumbaLoss.fits(entries_of(tensors)):
            return NumbaLoss()
    from labelforge.trainer.kernels.loss_torch import TorchLoss

    return TorchLoss()
