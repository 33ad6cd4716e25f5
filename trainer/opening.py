"""What a run says before its first step: what it trains on, what that teaches, and with what."""

from __future__ import annotations

import shlex

import torch

from labelforge.errors import counted
from labelforge.learnable import Learnable
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.datasets import TrainingSet
from labelforge.trainer.kernels.choice import kernel_name
from labelforge.trainer.lint_notes import lint_notes
from labelforge.trainer.loss_path import loss_backend
from labelforge.trainer.models.freezing import parameter_counts
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.tables import TableTensors


def describe_run(
    config: TrainConfig, batches: TrainingBatches, network: SegmentationNet, device: torch.device
) -> list[str]:
    """The opening lines of a run.

    Args:
        config: Its configuration.
        batches: What it learns from.
        network: Its network.
        device: Where it trains.
    """
    lines, shards = [], []
    for crops, count in zip(batches.crops, batches.counts, strict=True):
        item = crops.training_set
        kind = "boxes" if item.mapping.supervision == "box" else "pixels"
        samples = f"{counted(len(item), 'sample')} with labelled {kind}, {count} in each batch"
        lines.append(f"{item.dataset}: {samples}; {_occurring(item)}.")
        shards.append(f"--shards {shlex.quote(item.readers[0].url)}")
    lines += [f"{name}: left out, because it has box labels alone and loss.boxes is drop." for name in batches.left_out]
    loss = config.loss
    if loss.boxes is not None:
        shards.append(f"--boxes {loss.boxes}")
    if loss.lone_boxes:
        shards.append("--lone-boxes")
    learnable = Learnable.of_table(batches.table, loss.boxes, lone_boxes=loss.lone_boxes)
    what, classes, *warnings = learnable.sentences
    lines += [what, f"{classes} Which: labelforge lint {_source(config, batches)} {' '.join(shards)}", *warnings]
    lines += lint_notes(config, batches)
    parameters, trained = parameter_counts(network)
    height, width = config.data.crop
    size = counted(sum(batches.counts), "crop")
    model = config.model
    parts = model.backbone if model.decoder == "none" else f"{model.backbone} and {model.decoder}"
    learned = "" if trained == parameters else f", {trained / 1e6:.1f} of which train,"
    what = f"{parts} with {parameters / 1e6:.1f} million parameters{learned} on {device}"
    loaded = [] if network.loaded is None else [network.loaded.sentence]
    return [
        *lines,
        *loaded,
        f"{what}; a batch is {size} of {height}x{width}.",
        _computed_by(config, batches, network, device),
    ]


def _computed_by(config: TrainConfig, batches: TrainingBatches, network: SegmentationNet, device: torch.device) -> str:
    """Which path the loss of this run takes, and the decisions in its validations."""
    backend = loss_backend(config, network, TableTensors.of(batches.table, device))
    loss, decisions = "plain PyTorch" if backend is None else f"{backend.name}", kernel_name(device)
    why = f", since with loss.stride={config.loss.stride} few pixels count per logit" if backend is None else ""
    if device.type != "cpu" or config.loss.stride == 1:
        why = ""
    cure = ""
    if decisions == "plain PyTorch" and device.type == "cpu":
        what = "decisions" if backend is None else "both"
        cure = f"; pip install 'labelforge[fast]' brings kernels for {what} that take an eighth of the time"
    if loss == decisions and not why:
        return f"Losses and decisions are computed by {loss}{cure}."
    return f"The loss is computed by {loss}{why}; decisions by {decisions}{cure}."


def _occurring(item: TrainingSet) -> str:
    """How many of the labels that are used have pixels in the shards."""
    used = [row for row in item.mapping.rows if row.native_id is not None and not row.target.ignored]
    pixels = [sum(reader.manifest.labels[row.row].pixels for reader in item.readers) for row in used]
    return f"{sum(number > 0 for number in pixels)} of {counted(len(used), 'label')} occur"


def _source(config: TrainConfig, batches: TrainingBatches) -> str:
    """How a command would name the tree; shards do not know the folder of one that is not shipped."""
    name = batches.table.layout.taxonomy.name
    return shlex.quote(config.taxonomy or (name if name in Taxonomy.shipped() else "TREE"))
