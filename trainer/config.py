"""The training configuration: every number of a run, as validated data.

One frozen pydantic model per concern, nested in :class:`TrainConfig`. Its defaults are the paper's training as far as
the paper states it. A configuration file is YAML with any part of it; what it leaves out keeps its default, and a key
that no model knows is an error with file, line and the nearest known name. ``labelforge train --help`` prints the
descriptions below.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from labelforge.errors import ConfigError
from labelforge.logits import Head
from labelforge.treefile import Boxes
from labelforge.yamlfile import YamlFile

Gate = Literal["parent", "path", "none"]
"""Where a box trains a classifier: where its parent chooses it, where all classifiers above do, or everywhere."""

Normalisation = Literal["symmetric", "imagenet"]
"""``symmetric``: to [-1, 1], as the paper does. ``imagenet``: by ImageNet's mean and deviation, as torchvision's
ImageNet weights expect."""

Precision = Literal["auto", "float32", "bfloat16"]
"""Arithmetic of a network; auto: bfloat16 on CUDA, else float32."""

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Part):
    """The network.

    >>> from labelforge.trainer import ModelConfig
    >>> ModelConfig(backbone="resnet18", output_stride=16).features
    256
    """

    backbone: str = Field(
        default="resnet50", description="resnet18, resnet34, resnet50, or one that another package adds."
    )
    output_stride: Literal[8, 16, 32] = Field(
        default=8, description="Input pixels per feature cell; 8 and 16 use dilation instead of stride."
    )
    head: Head = Field(
        default="hierarchical",
        description="hierarchical: one classifier per inner node. flat-union: one softmax over all distinct meanings "
        "of labels. flat-marginal: one softmax over the leaves, coarse labels as sums of probabilities.",
    )
    features: Positive = Field(default=256, multiple_of=4, description="Channels after the 1x1 reduction.")
    context_dilation: int = Field(
        default=0,
        ge=0,
        description="Dilation of an extra 3x3 convolution after the reduction, for a wider view; 0 leaves it out.",
    )
    weights: str | None = Field(
        default=None,
        description="Backbone weights to start from: a file with torchvision's parameter names (.pth, .safetensors).",
    )
    normalisation: Literal["auto", Normalisation] = Field(
        default="auto",
        description="symmetric: images to [-1, 1], as the paper does. imagenet: by ImageNet's mean and deviation. "
        "auto: imagenet if weights are given, else symmetric.",
    )
    freeze_batch_norm: bool = Field(
        default=False, description="Keep the backbone's batch statistics as loaded; only makes sense with weights."
    )


class DataConfig(_Part):
    """What a batch is made of.

    >>> from labelforge.trainer import DataConfig
    >>> DataConfig(crop=(256, 512), batch={"cityscapes": 2}).flip
    True
    """

    crop: tuple[Positive, Positive] = Field(
        default=(512, 706), description="Height and width of a training crop, in pixels."
    )
    resize: Literal["fit", "none"] = Field(
        default="fit",
        description="Size of an image before the random scale. fit: the crop just fits into it (the paper's). none: as "
        "stored.",
    )
    scale: tuple[float, float] = Field(
        default=(1.0, 2.0), description="Range of the random scale, drawn uniformly in its logarithm."
    )
    flip: bool = Field(default=True, description="Mirror half of the crops; labels change as the tree's mirrors say.")
    jitter: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Strength of random brightness, contrast and saturation; 0 leaves colours alone.",
    )
    batch: dict[str, Positive] = Field(
        default_factory=dict,
        description="Crops per batch by dataset ('mapillary-vistas' covers all its releases). Datasets not named here: "
        "1; Mapillary Vistas: 2 (the paper's 1:2:1).",
    )
    workers: int = Field(
        default=2, ge=0, description="Processes that read and augment; 0: the training process does it."
    )

    @field_validator("scale")
    @classmethod
    def _scale_is_a_range(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] < math.inf:
            raise ValueError("must be two positive numbers, the smaller one first")
        return scale


class OptimConfig(_Part):
    """Stochastic gradient descent and its schedule."""

    lr: float = Field(default=0.01, gt=0, allow_inf_nan=False, description="Learning rate at the start.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: NonNegative = Field(
        default=1e-4, description="L2 penalty on convolution weights (not on norms and biases)."
    )
    schedule: Literal["steps", "poly"] = Field(
        default="steps",
        description="steps: multiply by 'cut' at each of 'cuts'. poly: (1 - step/steps) to the power 0.9.",
    )
    cuts: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.48, 0.9),
        description="Where the rate is cut, as fractions of all steps (the paper: after Vistas epochs 8 and 15).",
    )
    cut: float = Field(default=0.1, gt=0, lt=1, description="Factor of each cut.")
    warmup: int = Field(default=0, ge=0, description="Steps over which the rate rises linearly from 0.")


class LossConfig(_Part):
    """The loss of the paper, one term per classifier."""

    root: NonNegative = Field(default=1.0, description="Weight of the root classifier's loss (the paper's lambda).")
    others: NonNegative = Field(default=0.1, description="Weight of every other classifier's loss.")
    nodes: dict[str, NonNegative] = Field(
        default_factory=dict,
        description="Weights by node, e.g. {traffic sign/front: 0.2}; they override the two above.",
    )
    gate: Gate = Field(
        default="parent",
        description="Which box pixels count. parent: those where the parent classifier chooses the box's branch. path: "
        "those where every classifier above does. none: all.",
    )
    boxes: Boxes | None = Field(
        default=None,
        description="Classifiers that a box label trains. own: only its own. path: all on its path below the root. "
        "Empty: as the tree says.",
    )


class EmaConfig(_Part):
    """Exponential moving average of the weights; evaluation and prediction use it."""

    decay: float = Field(
        default=0.999, ge=0, lt=1, description="Share of the old average kept at each step; 0: no averaging."
    )


class TrainConfig(_Part):
    """Everything that decides a run, besides the shards.

    >>> from labelforge.trainer import TrainConfig
    >>> TrainConfig(steps=1000, optim={"lr": 0.02}).model.backbone
    'resnet50'
    """

    seed: int = Field(
        default=0, ge=0, description="Seed of the initial weights, the order of samples and the augmentation."
    )
    steps: Positive = Field(default=150_000, description="Steps of the whole run.")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    precision: Precision = Field(
        default="auto", description="Arithmetic of the network: bfloat16 on CUDA, else float32."
    )
    taxonomy: str | None = Field(
        default=None,
        description="Tree that the shards must have been made for: a shipped name or a folder. Empty: any.",
    )
    log_every: Positive = Field(default=20, description="Steps between two lines of metrics.jsonl.")
    checkpoint_every: Positive = Field(
        default=2000, description="Steps between two checkpoints; the last step always saves one."
    )
    keep_checkpoints: Positive = Field(default=2, description="Checkpoints kept; older ones are removed.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="The network.")
    data: DataConfig = Field(default_factory=DataConfig, description="Batches and augmentation.")
    optim: OptimConfig = Field(default_factory=OptimConfig, description="Optimiser and schedule.")
    loss: LossConfig = Field(default_factory=LossConfig, description="Loss weights and the gate of box pixels.")
    ema: EmaConfig = Field(default_factory=EmaConfig, description="Average of the weights.")


def load_config(
    source: TrainConfig | str | os.PathLike[str] | None = None, settings: Sequence[str] = ()
) -> TrainConfig:
    """Read a configuration file and apply single settings on top.

        >>> from labelforge.trainer import load_config
        >>> load_config(settings=["optim.lr=0.02", "data.crop=[256, 512]"]).data.crop
        (256, 512)

    Args:
        source: YAML file with any part of :class:`TrainConfig`, or a configuration, or None for the defaults.
        settings: ``key=value`` texts with dotted keys (``optim.lr=0.02``); the value is YAML
            (``data.crop=[256, 512]``). A mapping is merged with what is there, key by key.

    Raises:
        ConfigError: A fault in the file (with its line) or in a setting (with the setting).
    """
    base: dict[str, Any] = {}
    if isinstance(source, TrainConfig):
        base = source.model_dump(mode="json")
    elif source is not None:
        file = YamlFile.load(source, ConfigError)
        file = file if file.data is not None else replace(file, data={})
        file.validate(TrainConfig)
        base = file.data
    layers = [(text, _parse_setting(text)) for text in settings]
    merged = base
    for _, layer in layers:
        merged = _overlay(merged, layer)
    try:
        return _validate(merged)
    except ConfigError as fault:
        blamed = next((text for text, layer in layers if not _is_valid(_overlay(base, layer))), None)
        where = "--set" if blamed is None else f"--set {blamed}"
        raise ConfigError(fault.what, where=where, cure=fault.cure) from None


def describe_fields(model: type[BaseModel] = TrainConfig, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every setting as (dotted key, type, default, description), in the order of the models."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from describe_fields(kind, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        yield prefix + name, _kind_name(kind), _yaml_text(default), field.description or ""


def _validate(data: Mapping[str, Any]) -> TrainConfig:
    return YamlFile.of_data("--set", data, ConfigError).validate(TrainConfig)


def _is_valid(data: Mapping[str, Any]) -> bool:
    try:
        _validate(data)
    except ConfigError:
        return False
    return True


def _parse_setting(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            "not of the form key=value", where=f"--set {text}", cure="Write for example --set optim.lr=0.02."
        )
    try:
        data: Any = YamlFile.parse(value, error=ConfigError).data
    except ConfigError as fault:
        raise ConfigError(
            fault.what, where=f"--set {text}", cure="The value is read as YAML; put it in quotes."
        ) from None
    for part in reversed(_parts(key.strip())):
        data = {part: data}
    return dict(data)


def _parts(key: str) -> list[str]:
    """The parts of a dotted key. Below a free mapping the rest is one key: names of datasets may hold dots."""
    for name, kind, _, _ in describe_fields():
        if kind == "mapping" and key.startswith(f"{name}."):
            return [*name.split("."), key.removeprefix(f"{name}.")]
    return key.split(".")


def _overlay(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``layer`` on top; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in layer.items():
        old = merged.get(key)
        merged[key] = _overlay(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _kind_name(kind: Any) -> str:
    options = getattr(kind, "__args__", ())
    if getattr(kind, "__origin__", None) is Literal:
        return " | ".join(str(option) for option in options)
    origin = getattr(kind, "__origin__", kind)
    if origin in (tuple, dict):
        return {tuple: "list", dict: "mapping"}[origin]
    if len(options) > 1:
        return " | ".join(map(_kind_name, options))
    names = {int: "integer", float: "number", str: "text", bool: "true | false", type(None): "empty"}
    return names.get(options[0] if options else kind, "number")


def _yaml_text(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, tuple):
        return f"[{', '.join(_yaml_text(v) for v in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
