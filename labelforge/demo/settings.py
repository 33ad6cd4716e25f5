"""What a demo is about: its three datasets, its three networks, what can be chosen, and what it has made so far."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from labelforge.demo.spread import Tally
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import Evaluation
    from labelforge.trainer.readout import Over
    from labelforge.trainer.training import RunResult

TAXONOMY = "iv2018"
HEADS = ("hierarchical", "flat-union", "flat-marginal")


OWN: dict[str, dict[str, Any]] = {
    "hierarchical": {
        "data": {"batch": {"cityscapes": 1, "mapillary-vistas": 2, "gtsdb": 1}},
        "optim": {"lr": 0.006},
    },
    "flat-union": {
        "data": {"batch": {"cityscapes": 1, "mapillary-vistas": 2, "gtsdb": 1}},
        "optim": {"lr": 0.006},
    },
    "flat-marginal": {
        "data": {"batch": {"cityscapes": 1, "mapillary-vistas": 2, "gtsdb": 1}},
        "optim": {"lr": 0.012},
    },
}
"""What is each network's own, of equal cost: those that did best on scenes that no demo renders (seed 100), by one
rule: the mean over the three datasets of their official scores. Rates of 0.003, 0.006 and 0.012 were tried, with seed
0, and where that left two close, with seeds 0 to 2. The mix in a batch, tried earlier, suits all three."""


OVER: dict[str, Over] = {"flat-union": "leaves"}
"""What a flat union is read over, if not all nodes; by the same rule."""


class Dataset(NamedTuple):
    """A dataset: its splits, how many scenes each gets, their size, and where its validation images are."""

    name: str
    train: str
    val: str
    train_scenes: int
    val_scenes: int
    size: tuple[int, int]
    val_images: str


DATASETS = (
    Dataset("cityscapes", "train", "val", 96, 60, (288, 144), "leftImg8bit/val/*/*.png"),
    Dataset("mapillary-vistas", "training", "validation", 96, 60, (224, 168), "validation/images/*.jpg"),
    Dataset("gtsdb", "train", "test", 192, 60, (288, 168), "006*.ppm"),
)


@dataclass(frozen=True)
class Settings:
    """What can be chosen about a demo: the seed is that of the scenes, the batches and the initial weights."""

    out: Path
    steps: int  # of training, for each network
    seed: int = 0
    share: float = 1.0  # of the usual number of scenes; tests take less

    @property
    def features(self) -> Path:
        """Folder of what the frozen backbone makes of the crops, which all networks share."""
        return self.out / "features"

    def scenes(self, count: int) -> int:
        """How many scenes to render where the demo usually renders ``count``."""
        return max(2, round(count * self.share))


@dataclass
class Demo:
    """What a demo has made so far: by head, its run, and per dataset its evaluation and tally; seconds per stage."""

    settings: Settings
    runs: dict[str, RunResult] = field(default_factory=dict)
    scores: dict[str, list[Evaluation]] = field(default_factory=dict)
    tallies: dict[str, list[Tally]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def data(self, dataset: Dataset) -> Path:
        """Folder of a dataset's native files."""
        return self.settings.out / "data" / dataset.name

    def shards(self, part: str) -> list[Path]:
        """Shard folders of all datasets; ``part`` is train or val."""
        return [self.settings.out / "shards" / f"{d.name}-{part}" for d in DATASETS]


def train_config(settings: Settings, head: str) -> TrainConfig:
    """A training that a laptop's CPU can do in a minute: a frozen backbone, whose features the three networks share."""
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.presets import overlay

    same = {
        "preset": "light",
        "seed": settings.seed,
        "steps": settings.steps,
        "device": "cpu",
        "log_every": max(1, settings.steps // 20),
        "checkpoint_every": settings.steps,
        "model": {"head": head, "freeze": "backbone", "decoder_channels": 96, "features": 96, "bottleneck": 64},
        "data": {
            "crop": [112, 168],
            "scale": [1.0, 1.6],
            "jitter": 0,
            "workers": 0,
            "views": 4,
            "feature_folder": os.fspath(settings.features),
        },
        "optim": {"optimizer": "adamw", "warmup": settings.steps // 20},
        "loss": {"class_weights": "inverse-sqrt"},
    }
    return TrainConfig.model_validate(overlay(same, OWN[head]))
