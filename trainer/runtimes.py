"""Runtimes other than PyTorch that compute an exported network on a CPU: onnxruntime and OpenVINO.

Each is an optional package. A network in one of them looks like any other module, from images to logits, and computes
with as many threads as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from labelforge.errors import CheckpointError, ConfigError

Runtime = Literal["onnxruntime", "openvino"]
"""A package that computes exported networks."""

INPUT, OUTPUT = "images", "logits"
"""What an exported network calls its tensors."""

_Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class RuntimeNetwork(nn.Module):
    """An exported network in a runtime: (N, 3, H, W) uint8 RGB to (N, C, h, w) float32 logits, both on the CPU.

    Copies share what the runtime has compiled: nothing of it changes.

    Args:
        file: The ONNX file.
        runtime: What computes it; default: see :func:`choose_runtime`.
        dtype: float32 or, in OpenVINO, bfloat16: what it computes in.

    Attributes:
        runtime: What computes it.

    Raises:
        CheckpointError: The runtime does not take the file.
        ConfigError: The runtime is not installed, or does not compute in bfloat16.
    """

    def __init__(self, file: Path, runtime: Runtime | None = None, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.runtime: Runtime = runtime or choose_runtime(dtype)
        self._run = _onnxruntime(file, dtype) if self.runtime == "onnxruntime" else _openvino(file, dtype)

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute logits.

        Args:
            images_nchw: (N, 3, H, W) uint8 RGB.

        Returns:
            (N, C, h, w) float32.
        """
        return torch.from_numpy(self._run(np.ascontiguousarray(images_nchw.numpy())))

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self


def choose_runtime(dtype: torch.dtype) -> Runtime:
    """The installed runtime that suits an arithmetic: OpenVINO for bfloat16; else onnxruntime, or OpenVINO without it.

    Both take about as long in float32; onnxruntime has none of bfloat16 on a CPU.
    """
    if dtype == torch.bfloat16 or (find_spec("onnxruntime") is None and find_spec("openvino") is not None):
        return "openvino"
    return "onnxruntime"


def missing(package: str, extra: str) -> ConfigError:
    """The error where a package is not installed."""
    cure = f"Install it with pip install 'labelforge[{extra}]'."
    return ConfigError(f"exported networks need {package}, which is not installed", cure=cure)


def _onnxruntime(file: Path, dtype: torch.dtype) -> _Run:
    if dtype != torch.float32:
        cure = "Leave --precision out, or use OpenVINO (pip install 'labelforge[openvino]')."
        raise ConfigError("onnxruntime computes exported networks in float32 only", cure=cure)
    try:
        import onnxruntime
    except ImportError:
        raise missing("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Its threads would wait in a loop for the next image while others decide, read and write.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # its exceptions share no base but this
        raise _refused("onnxruntime", file, fault) from None
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def _openvino(file: Path, dtype: torch.dtype) -> _Run:
    try:
        import openvino
    except ImportError:
        if dtype == torch.bfloat16:
            cure = "Install it with pip install 'labelforge[openvino]', or leave --precision out."
            raise ConfigError(
                "an exported network in bfloat16 needs openvino, which is not installed", cure=cure
            ) from None
        raise missing("openvino", "openvino") from None
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        compiled = openvino.Core().compile_model(str(file), "CPU", options)
    except RuntimeError as fault:
        raise _refused("OpenVINO", file, fault) from None
    return lambda images: compiled({INPUT: images})[OUTPUT]


def _refused(runtime: str, file: Path, fault: Exception) -> CheckpointError:
    what = f"{runtime} does not take it ({str(fault).splitlines()[0]})"
    return CheckpointError(what, where=file, cure="Export it again, or install a newer runtime.")
