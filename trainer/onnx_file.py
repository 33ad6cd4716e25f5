"""An exported network: an ONNX file that explains itself.

Its input ``images`` is (N, 3, H, W) uint8 RGB, 0 to 255, of any size; its output ``logits`` (N, C, h, w) float32, at
the network's stride. Upsampling and the decision follow as for any network (:mod:`labelforge.trainer.decision`).

The file's metadata properties, all text, say what the logits mean and how an image is to be scaled:

    labelforge.version            of these properties
    labelforge.tree               name of the tree
    labelforge.taxonomy_digest    its digest
    labelforge.taxonomy           the tree itself; this and what follows is JSON
    labelforge.classifiers        the layout: per classifier its node and choices, in the order of the logits
    labelforge.priors             what the labels taught of how often each choice is right, in the order of the logits
    labelforge.datasets           label tables of the datasets
    labelforge.config, .step      configuration of the run, steps done
    labelforge.resize             size at which the network was trained to see images: ``fit`` (the crop of height and
                                  width just fits into them) or ``none`` (as they are)
    labelforge.scaling            mean and scale of the colours; the network applies them itself
    labelforge.stride             pixels of the image per position of the logits
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from labelforge.errors import CheckpointError, shortened
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.config import Precision
from labelforge.trainer.description import Described, NetworkDescription
from labelforge.trainer.devices import resolve_precision
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.runtimes import Runtime, RuntimeNetwork, missing

SUFFIX = ".onnx"
"""What names of such files end in."""

_VERSION = 1
_PREFIX = "labelforge."
_CURE = "Export the run again with 'labelforge export'."
_TEXTS = ("taxonomy_digest",)
"""Fields of the description that are text as they are; the others are JSON."""


@dataclass(frozen=True)
class OnnxFile(Described):
    """An opened file of :func:`labelforge.trainer.export_onnx`.

        >>> from labelforge.trainer import OnnxFile, export_onnx
        >>> file = OnnxFile.open(export_onnx("runs/first", "first.onnx", overwrite=True))
        >>> file.taxonomy.name, [mapping.dataset for mapping in file.mappings]
        ('iv2018', ['cityscapes', 'gtsdb'])
        >>> import torch
        >>> logits = file.network(runtime="onnxruntime")(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))
        >>> logits.shape[1] == file.layout.num_logits
        True

    Attributes:
        file: The file.
        about: What it says of the network.
    """

    file: Path
    about: NetworkDescription
    lost = _CURE

    @classmethod
    def open(cls, file: str | os.PathLike[str]) -> OnnxFile:
        """Open a file.

        Raises:
            CheckpointError: It is missing, broken, or was not written by ``labelforge export``.
            ConfigError: The package ``onnx`` is not installed.
        """
        place = Path(file)
        properties = _properties(place)
        version = properties.get(f"{_PREFIX}version")
        if version is None:
            raise CheckpointError("says nothing of its network: labelforge did not write it", where=place, cure=_CURE)
        if version != str(_VERSION):
            raise CheckpointError(f"of format version {version}, not {_VERSION}", where=place, cure=_CURE)
        try:
            names = [name for name in NetworkDescription.model_fields if f"{_PREFIX}{name}" in properties]
            found = {name: properties[f"{_PREFIX}{name}"] for name in names}
            fields = {name: text if name in _TEXTS else json.loads(text) for name, text in found.items()}
            return cls(place, NetworkDescription.model_validate(fields))
        except ValueError as fault:
            detail = _first(fault) if isinstance(fault, ValidationError) else str(fault)
            raise CheckpointError(f"its description is not readable ({detail})", where=place, cure=_CURE) from None

    def __repr__(self) -> str:
        return f"<OnnxFile {shortened(self.file)}: {self.about.taxonomy.get('name')}>"

    @property
    def place(self) -> Path:
        """The file."""
        return self.file

    def network(self, precision: Precision = "auto", runtime: Runtime | None = None) -> RuntimeNetwork:
        """The network in a runtime, on the CPU, with as many threads as PyTorch uses.

        Args:
            precision: Its arithmetic; bfloat16 needs OpenVINO; auto: float32.
            runtime: ``onnxruntime`` or ``openvino``; default: the installed one that suits the precision.

        Raises:
            CheckpointError: The runtime does not take the file.
            ConfigError: The runtime is not installed, or does not compute in this precision.
        """
        return RuntimeNetwork(self.file, runtime, resolve_precision(precision, torch.device("cpu")))


def describe(checkpoint: Checkpoint, network: SegmentationNet, stride: int) -> dict[str, str]:
    """The metadata properties of an exported checkpoint.

    Args:
        checkpoint: The checkpoint.
        network: Its network.
        stride: Of the logits, in pixels.
    """
    about = checkpoint.about.model_dump(mode="json", include=set(NetworkDescription.model_fields))
    data, scaling = checkpoint.config.data, network.scaling
    more: dict[str, Any] = {
        "version": _VERSION,
        "resize": {"rule": data.resize, "crop": list(data.crop)},
        "scaling": {"mean": list(scaling.mean), "scale": list(scaling.scale)},
        "stride": stride,
        "tree": checkpoint.taxonomy.name,
    }
    entries = {**about, **more}
    return {f"{_PREFIX}{name}": _text(entries[name]) for name in sorted(entries)}


def _first(fault: ValidationError) -> str:
    """The first of some faults, with the property that has it."""
    first = fault.errors()[0]
    return f"{_PREFIX}{first['loc'][0]}: {first['msg']}" if first["loc"] else first["msg"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _properties(place: Path) -> Mapping[str, str]:
    """The metadata properties of an ONNX file."""
    try:
        import onnx
    except ImportError:
        raise missing("onnx", "onnx") from None
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(place), load_external_data=False)
    except FileNotFoundError:
        raise CheckpointError("no such file", where=place, cure="Name a file of 'labelforge export'.") from None
    except (DecodeError, OSError) as fault:
        what = "not an ONNX file, or damaged" if isinstance(fault, DecodeError) else f"not readable ({fault})"
        raise CheckpointError(what, where=place, cure=_CURE) from None
    return {entry.key: entry.value for entry in model.metadata_props}
