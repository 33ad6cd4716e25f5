"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards.

Names are imported when first used, so that importing the package, or a module of it that needs no torch, stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelforge.trainer.backbones import BACKBONES, build_backbone
    from labelforge.trainer.decision import decide, decide_with_confidence
    from labelforge.trainer.ema import ExponentialMovingAverage
    from labelforge.trainer.heads import HierarchicalHead
    from labelforge.trainer.loss import LossOutput, classifier_weights, hierarchical_loss
    from labelforge.trainer.metrics import ConfusionMatrix, Scores
    from labelforge.trainer.model import SegmentationNet, build_network, upsample
    from labelforge.trainer.tables import TableTensors

__all__ = [
    "BACKBONES",
    "ConfusionMatrix",
    "ExponentialMovingAverage",
    "HierarchicalHead",
    "LossOutput",
    "Scores",
    "SegmentationNet",
    "TableTensors",
    "build_backbone",
    "build_network",
    "classifier_weights",
    "decide",
    "decide_with_confidence",
    "hierarchical_loss",
    "upsample",
]

_HOME = {
    "BACKBONES": "backbones",
    "ConfusionMatrix": "metrics",
    "ExponentialMovingAverage": "ema",
    "HierarchicalHead": "heads",
    "LossOutput": "loss",
    "Scores": "metrics",
    "SegmentationNet": "model",
    "TableTensors": "tables",
    "build_backbone": "backbones",
    "build_network": "model",
    "classifier_weights": "loss",
    "decide": "decision",
    "decide_with_confidence": "decision",
    "hierarchical_loss": "loss",
    "upsample": "model",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
