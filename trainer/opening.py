"""What a run says before its first step: what it trains on, what that teaches, and with what."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from labelforge.learnable import Learnable
from labelforge.targets import TargetTable
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.datasets import TrainingSet


def describe_run(
    config: TrainConfig,
    table: TargetTable,
    training_sets: Sequence[TrainingSet],
    counts: Sequence[int],
    network: nn.Module,
    device: torch.device,
) -> list[str]:
    """The opening lines of a run.

    Args:
        config: Its configuration.
        table: Its targets.
        training_sets: Its datasets.
        counts: Crops per batch of each.
        network: Its network.
        device: Where it trains.
    """
    lines = []
    for item, crops in zip(training_sets, counts, strict=True):
        kind = "boxes" if item.mapping.supervision == "box" else "pixels"
        samples = f"{len(item):,} sample{'s' * (len(item) != 1)}"
        lines.append(f"{item.dataset}: {samples} with labelled {kind}, {crops} of them in each batch")
    shards = " ".join(f"--shards {reader.url}" for item in training_sets for reader in item.readers[:1])
    what, classes, *warnings = Learnable.of_table(table, config.loss.boxes).sentences
    lines += [what, f"{classes} Which: labelforge lint {table.layout.taxonomy.name} {shards}", *warnings]
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    height, width = config.data.crop
    what = f"{config.model.backbone} with {parameters:.1f} million parameters on {device}"
    return [*lines, f"{what}; a batch has {sum(counts)} crop{'s' * (sum(counts) != 1)} of {height}x{width}"]
