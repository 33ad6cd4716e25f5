"""Exports a trained network to an ONNX file, for runtimes other than PyTorch.

The network is made ready as for prediction (batch normalisation folded) and traced by torch's exporter for images of
any number and size. Before the file is written, onnxruntime computes it, and its logits are compared with the
network's. What is in the file: :mod:`labelforge.trainer.onnx_file`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from labelforge.errors import ConfigError
from labelforge.files import check_output, write_output
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.models.exportable import exportable
from labelforge.trainer.models.inference import ready_for_inference
from labelforge.trainer.models.network import build_network
from labelforge.trainer.onnx_file import SUFFIX, describe
from labelforge.trainer.runtimes import INPUT, OUTPUT, missing

_OPSET = 20
"""Of ONNX: from May 2023, so that runtimes of the last years read it."""
_TRACED = (2, 3, 96, 160)
"""Images that the exporter sees. All but the 3 stays open; sizes of 1 would not."""
_PROBES = ((1, 3, 65, 97), (1, 3, 70, 99), (2, 3, 64, 90))
"""Images on which the file must answer as the network: sizes of all remainders, where padding differs."""
_CLOSE = 1e-4


def export_onnx(
    run: str | os.PathLike[str] | Checkpoint, out: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a trained network as an ONNX file, from uint8 images of any size to low-resolution logits.

        >>> from labelforge.trainer import export_onnx
        >>> export_onnx("runs/first", "first.onnx", overwrite=True).name
        'first.onnx'

    Args:
        run: Folder of a run (its latest checkpoint), its ``best``, one checkpoint's folder, or an opened checkpoint.
        out: The file to write, ``*.onnx``.
        overwrite: Replace an existing file.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint is missing or broken.
        ConfigError: The file exists or cannot be written, a package of the extra ``onnx`` is missing, or the network
            cannot be exported.
    """
    target = Path(out)
    if target.suffix != SUFFIX:
        raise ConfigError(f"the name of an exported network ends in {SUFFIX}", where=target, cure="Name it so.")
    check_output(target)
    if target.exists() and not overwrite:
        raise ConfigError("exists already", where=target, cure="Name another file, or add --overwrite.")
    onnx, onnxruntime = _packages()
    checkpoint = run if isinstance(run, Checkpoint) else find_checkpoint(run)
    layout, settings = checkpoint.layout, checkpoint.config.model
    network = build_network(layout.sizes, settings, joins=layout.joins, pretrained=False)
    checkpoint.load_into(network, average=True)
    ready = ready_for_inference(network, torch.float32)
    model = _traced(ready)
    stride = network.decoder.output.stride // (2 if settings.upsampling == "hybrid" else 1)
    onnx.helper.set_model_props(model, describe(checkpoint, network, stride))
    model.graph.input[0].doc_string = "(N, 3, H, W) RGB, 0 to 255"
    model.graph.output[0].doc_string = f"(N, C, h, w) choices of all classifiers, one position per {stride} pixels"
    content: bytes = model.SerializeToString(deterministic=True)
    _check_answers(onnxruntime, content, ready)
    return write_output(target, content)


def _packages() -> tuple[ModuleType, ModuleType]:
    """``onnx`` and ``onnxruntime``.

    Raises:
        ConfigError: One of them is missing, or another that torch's exporter needs, or PyTorch is too old.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 -- what torch's exporter is made of
    except ImportError as fault:
        raise missing(str(fault.name), "onnx") from None
    if not hasattr(torch.onnx, "ops"):
        cure = "Install it with pip install 'labelforge[onnx]'."
        raise ConfigError(f"export needs PyTorch 2.8 or newer, not {torch.__version__}", cure=cure)
    return onnx, onnxruntime


def _traced(ready: nn.Module) -> Any:
    """The network as an ``onnx.ModelProto`` without a trace of the machine that made it."""
    images = torch.zeros(_TRACED, dtype=torch.uint8)
    sizes = {axis: torch.export.Dim(name) for axis, name in ((0, "number"), (2, "height"), (3, "width"))}
    try:
        with _quiet():
            program = torch.onnx.export(
                exportable(ready),
                (images,),
                dynamo=True,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(sizes,),
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as fault:
        what = f"the network cannot be exported ({str(fault).strip().splitlines()[0]})"
        raise ConfigError(what, cure="Its backbone must be one that torch.onnx.export takes.") from fault
    assert program is not None
    model = program.model_proto
    for entry in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del entry.metadata_props[:]  # stack traces, with this machine's paths
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch's exporter says of packages that are not asked for, and of its own future."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(before)


@torch.inference_mode()
def _check_answers(onnxruntime: ModuleType, content: bytes, ready: nn.Module) -> None:
    """Compare an exported network with the one that it was made of.

    Raises:
        ConfigError: They give different logits.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    for shape in _PROBES:
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        wanted: Tensor = ready(images)
        try:
            found = torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
        except Exception as fault:  # its exceptions share no base but this
            raise _differs(f"fails on images of {shape[2]}x{shape[3]} in onnxruntime") from fault
        if found.shape != wanted.shape or not torch.allclose(found, wanted, atol=_CLOSE * float(wanted.abs().max())):
            raise _differs(f"gives other logits for images of {shape[2]}x{shape[3]}")


def _differs(how: str) -> ConfigError:
    cure = "Its backbone does something with an image's size that torch's exporter does not follow."
    return ConfigError(f"the exported network {how}", cure=cure)
