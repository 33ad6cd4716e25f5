"""Which backend computes the loss and the decision."""

from __future__ import annotations

import functools
import importlib.util
import os
from typing import Final, Literal, get_args

import torch

from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.kernels.entries import entries_of
from labelforge.trainer.kernels.problem import DecisionBackend, LossBackend
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.tables import TableTensors

Kernel = Literal["reference", "torch", "numba", "triton"]
"""``reference``: upsample everything, then the plain formula. ``torch``: the same in bands of rows, in plain PyTorch.
``numba``: cell by cell on a CPU, needs the extra ``fast``. ``triton``: cell by cell on a GPU."""

KERNELS: Final[tuple[Kernel, ...]] = get_args(Kernel)
"""All backends."""

_LEAVE_OUT: Final = "Leave the choice of the kernel out."
_DENSE: Final = 8
"""Pixels per cell from which it pays on a CPU to compute by cells; there are so many where logits have stride 3 or
more."""


@functools.cache
def has_numba() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed; it comes with PyTorch for CUDA."""
    return importlib.util.find_spec("triton") is not None


def interprets() -> bool:
    """Whether Triton interprets kernels, on tensors of the CPU, instead of compiling them: for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def kernel_name(device: torch.device) -> str:
    """What computes losses and decisions between float32 logits on a device, in words."""
    logits = torch.empty(1, 1, 1, 1, device=device)
    if logits.is_cuda and _fits("triton", logits):
        return "Triton kernels"
    if _fits("numba", logits):
        return "numba kernels"
    return "plain PyTorch"


def choose_decision(
    kernel: Kernel | None, logits: torch.Tensor, size: tuple[int, int] | None
) -> DecisionBackend | None:
    """The backend for decisions between low-resolution logits.

    Args:
        kernel: The one that is asked for; None: the fastest that fits.
        logits: (N, C, h, w), any floating dtype.
        size: Height H and width W of the decision; None: theirs.

    Returns:
        None for the plain form, in bands of rows or all at once.

    Raises:
        ConfigError: There is no such backend, or it cannot do this.
    """
    _check(kernel, logits, exact=False)
    if size is None or kernel in ("reference", "torch") or not logits.numel():
        return None
    if kernel == "triton" or (kernel is None and _fits("triton", logits, exact=False) and logits.is_cuda):
        from labelforge.trainer.kernels import decision_triton

        return decision_triton
    dense = size[0] * size[1] >= _DENSE * logits.shape[2] * logits.shape[3]
    if kernel == "numba" or (_fits("numba", logits) and dense):
        from labelforge.trainer.kernels import decision_numba

        return decision_numba
    return None


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
        None for the reference: also where no kernel is for the logits' device, and where there are not many more pixels
        than logits.

    Raises:
        ConfigError: There is no such backend, or it cannot do this.
    """
    _check(kernel, logits)
    size, pixels = (logits.shape[2], logits.shape[3]), sampling.size[0] * sampling.size[1]
    if kernel == "reference" or not pixels or not logits.numel():
        return None
    if kernel is None:
        sparse = pixels < _DENSE * size[0] * size[1]
        if sampling.size == size if logits.is_cuda else sparse:
            return None
    wanted: tuple[Kernel, ...] = (kernel,) if kernel is not None else ("triton", "numba", "torch")
    for name in wanted:
        if _fits(name, logits) and (name != "triton" or kernel is not None or logits.is_cuda):
            backend = _backend(name, tensors)
            if backend is not None:
                return backend
    if kernel is not None:
        what = f"the {kernel} kernel cannot hold the labels of this table, whose boxes train too many classifiers"
        raise ConfigError(what, cure=_LEAVE_OUT)
    return None


def _backend(kernel: Kernel, tensors: TableTensors) -> LossBackend | None:
    """A backend of the loss; None where the labels of a table do not fit into its codes."""
    if kernel == "triton":
        from labelforge.trainer.kernels.loss_triton import TritonLoss

        return TritonLoss() if TritonLoss.fits(tensors) else None
    if kernel == "numba":
        from labelforge.trainer.kernels.loss_numba import NumbaLoss

        return NumbaLoss() if NumbaLoss.fits(entries_of(tensors)) else None
    from labelforge.trainer.kernels.loss_torch import TorchLoss

    return TorchLoss()


def _fits(kernel: Kernel, logits: torch.Tensor, *, exact: bool = True) -> bool:
    """Whether a backend can compute with these logits; with half precision only where nothing ``exact`` is asked."""
    single = logits.dtype == torch.float32
    if kernel == "numba":
        return has_numba() and single and logits.device.type == "cpu"
    if kernel == "triton":
        half = not exact and logits.dtype in (torch.bfloat16, torch.float16)
        return has_triton() and (single or half) and (logits.is_cuda or interprets())
    return kernel == "reference" or not exact or logits.device.type == "cpu"


def _check(kernel: Kernel | None, logits: torch.Tensor, *, exact: bool = True) -> None:
    """Refuse an unknown backend, and one that cannot compute with these logits.

    Raises:
        ConfigError: There is no such backend, or it cannot do this.
    """
    if kernel is None:
        return
    if kernel not in KERNELS:
        raise ConfigError(f"no kernel is called {kernel!r}", cure=did_you_mean(kernel, KERNELS))
    if _fits(kernel, logits, exact=exact):
        return
    cure = _LEAVE_OUT
    if kernel == "torch":
        raise ConfigError("the torch kernel of the loss is for logits on the CPU", cure=cure)
    if kernel == "numba":
        if not has_numba():
            cure = "Install it with pip install 'labelforge[fast]'."
        raise ConfigError("the numba kernel needs numba, and float32 logits on the CPU", cure=cure)
    if not has_triton() and logits.is_cuda:
        cure = "Install it with pip install triton."
    raise ConfigError("the triton kernel needs Triton, and float32 logits on a CUDA device", cure=cure)
