"""What a run should be told of its settings: where they fit neither each other nor what a preset means."""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.errors import counted
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import TrainingBatches


def remarks(config: TrainConfig, batches: TrainingBatches) -> Iterator[str]:
    """What is allowed but hardly meant, a line each.

    Args:
        config: Configuration of the run.
        batches: Its batches.
    """
    if config.data.views and not config.model.keeps_maps:
        crops = counted(config.data.views, "fixed crop")
        yield (
            f"each image has {crops} (data.views), though the backbone learns and would gain from new ones. "
            "To cut a new one each time: --set data.views=0."
        )
    yield from _authors(config, batches)


def _authors(config: TrainConfig, batches: TrainingBatches) -> Iterator[str]:
    """What differs from the training of the method's authors though their preset was asked for."""
    if config.preset != "authors":
        return
    if config.model.weights is None:
        yield (
            "preset authors starts from ImageNet weights, but model.weights is empty, so this run starts from random "
            "ones. Give torchvision's file: --set model.weights=resnet50.pth."
        )
    for crops in batches.crops:
        for reader in crops.training_set.readers:
            shapes = reader.manifest.options.get("converter_options", {}).get("shapes", {})
            if crops.training_set.dataset == "gtsdb" and set(shapes.values()) - {"rectangle"}:
                yield (
                    f"preset authors trains on whole boxes of GTSDB, but {reader.url} holds shapes. "
                    "Convert it with --option fill=rectangle."
                )
