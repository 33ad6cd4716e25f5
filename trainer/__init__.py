"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards.

Names are imported when first used, so that importing the package, or a module of it that needs no torch, stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
    from labelforge.trainer.config import TrainConfig, load_config
    from labelforge.trainer.decision import decide, decide_with_confidence
    from labelforge.trainer.ema import ExponentialMovingAverage
    from labelforge.trainer.evaluation.metrics import ConfusionMatrix, Scores
    from labelforge.trainer.evaluation.scoring import Evaluation, evaluate
    from labelforge.trainer.loss import LossOutput, classifier_weights, hierarchical_loss
    from labelforge.trainer.models.backbones import BACKBONES, build_backbone
    from labelforge.trainer.models.heads import HierarchicalHead
    from labelforge.trainer.models.network import SegmentationNet, build_network, upsample
    from labelforge.trainer.prediction import Prediction, predict
    from labelforge.trainer.progress import ConsoleProgress
    from labelforge.trainer.segmenter import Segmenter
    from labelforge.trainer.tables import TableTensors
    from labelforge.trainer.training import RunResult, train

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
    "BACKBONES": "models.backbones",
    "Checkpoint": "checkpoint",
    "ConfusionMatrix": "evaluation.metrics",
    "ConsoleProgress": "progress",
    "Evaluation": "evaluation.scoring",
    "ExponentialMovingAverage": "ema",
    "HierarchicalHead": "models.heads",
    "LossOutput": "loss",
    "Prediction": "prediction",
    "RunResult": "training",
    "Scores": "evaluation.metrics",
    "SegmentationNet": "models.network",
    "Segmenter": "segmenter",
    "TableTensors": "tables",
    "TrainConfig": "config",
    "build_backbone": "models.backbones",
    "build_network": "models.network",
    "classifier_weights": "loss",
    "decide": "decision",
    "decide_with_confidence": "decision",
    "evaluate": "evaluation.scoring",
    "find_checkpoint": "checkpoint",
    "hierarchical_loss": "loss",
    "load_config": "config",
    "predict": "prediction",
    "train": "training",
    "upsample": "models.network",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
