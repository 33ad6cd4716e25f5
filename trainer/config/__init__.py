"""The training configuration: every number of a run, as validated data.

One frozen pydantic model per concern, a file each, nested in :class:`TrainConfig`. The defaults are the best we know,
and each description says why it is what it is; the settings of the method's authors, which differ, are the preset
``authors`` (:mod:`labelforge.trainer.presets`). ``labelforge train --help`` prints the descriptions.
"""

from __future__ import annotations

from labelforge.trainer.config.data import Augmentation, DataConfig
from labelforge.trainer.config.loss import Balance, ClassWeighting, Gate, LossConfig, Mean
from labelforge.trainer.config.model import (
    Bottlenecks,
    DecoderName,
    Logits,
    ModelConfig,
    Normalisation,
    Start,
    Upsampling,
)
from labelforge.trainer.config.optim import EmaConfig, OptimConfig
from labelforge.trainer.config.part import NonNegative, Positive
from labelforge.trainer.config.run import Precision, TrainConfig
from labelforge.trainer.config.validation import Metric, ValidationConfig

__all__ = [
    "Augmentation",
    "Balance",
    "Bottlenecks",
    "ClassWeighting",
    "DataConfig",
    "DecoderName",
    "EmaConfig",
    "Gate",
    "Logits",
    "LossConfig",
    "Mean",
    "Metric",
    "ModelConfig",
    "NonNegative",
    "Normalisation",
    "OptimConfig",
    "Positive",
    "Precision",
    "Start",
    "TrainConfig",
    "Upsampling",
    "ValidationConfig",
]
