"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards.

Names are imported when first used, so that importing the package, or a module of it that needs no torch, stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelforge.trainer.backbones import BACKBONES, build_backbone
    from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
    from labelforge.trainer.config import TrainConfig, load_config
    from labelforge.trainer.decision import decide, decide_with_confidence
    from labelforge.trainer.ema import ExponentialMovingAverage
    from labelforge.trainer.evaluation import Evaluation, evaluate
    from labelforge.trainer.heads import HierarchicalHead
    from labelforge.trainer.inference import Segmenter
    from labelforge.trainer.loop import RunResult, train
    from labelforge.trainer.loss import LossOutput, classifier_weights, hierarchical_loss
    from labelforge.trainer.metrics import ConfusionMatrix, Scores
    from labelforge.trainer.model import SegmentationNet, build_network, upsample
    from labelforge.trainer.prediction import Prediction, predict
    from labelforge.trainer.progress import ConsoleProgress
    from labelforge.trainer.tables import TableTensors

__all__ = [
    "BACKBONES",
    "Checkpoint",
    "ConfusionMatrix",
    "ConsoleProgress",
    "Evaluation",
    "ExponentialMovingAverage",
    "HierarchicalHead",
    "LossOutput",
    "Prediction",
    "RunResult",
    "Scores",
    "SegmentationNet",
    "Segmenter",
    "TableTensors",
    "TrainConfig",
    "build_backbone",
    "build_network",
    "classifier_weights",
    "decide",
    "decide_with_confidence",
    "evaluate",
    "find_checkpoint",
    "hierarchical_loss",
    "load_config",
    "predict",
    "train",
    "upsample",
]

_HOME = {
    "BACKBONES": "backbones",
    "Checkpoint": "checkpoint",
    "ConfusionMatrix": "metrics",
    "ConsoleProgress": "progress",
    "Evaluation": "evaluation",
    "ExponentialMovingAverage": "ema",
    "HierarchicalHead": "heads",
    "LossOutput": "loss",
    "Prediction": "prediction",
    "RunResult": "loop",
    "Scores": "metrics",
    "SegmentationNet": "model",
    "Segmenter": "inference",
    "TableTensors": "tables",
    "TrainConfig": "config",
    "build_backbone": "backbones",
    "build_network": "model",
    "classifier_weights": "loss",
    "decide": "decision",
    "decide_with_confidence": "decision",
    "evaluate": "evaluation",
    "find_checkpoint": "checkpoint",
    "hierarchical_loss": "loss",
    "load_config": "config",
    "predict": "prediction",
    "train": "loop",
    "upsample": "model",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
