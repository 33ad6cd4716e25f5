"""The hierarchical loss: the readable reference in plain PyTorch.

Source: Meletis & Dubbelman 2018 (arXiv 1803.05675), equations of section III, with labels generalised from one node to
a set of nodes. For a pixel and a classifier that its label speaks to, the loss is

    logsumexp(all children) - logsumexp(allowed children),

plain cross-entropy where one child is allowed and the negative log marginal likelihood where several are. Classifier
j takes the mean of it over the pixels labelled by pixel (strong) plus, separately, the mean over the pixels inside
boxes (weak) that pass the gate: those where the classifiers above j currently decide for j's branch. The total is the
sum over classifiers, weighted by lambda.

Each classifier gathers the pixels that count for it and computes on nothing else, so its cost follows the labels: a
classifier that a batch says nothing about is free. Gathering needs the number of pixels, for which the host waits on
CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from labelforge.targets import SET, SILENT
from labelforge.trainer.tables import TableTensors

__all__ = ["Gate", "LossOutput", "classifier_weights", "hierarchical_loss"]

Gate = Literal["parent", "path", "none"]
"""When a box trains a classifier: where its parent decides for it, where all classifiers above do, or always."""


class LossOutput(NamedTuple):
    """What :func:`hierarchical_loss` returns. All values are global: the same in every process."""

    total: Tensor
    """() float: the loss to minimise; always part of the graph, zero with zero gradients where nothing is active."""
    per_classifier: Tensor
    """(J,) float, detached: strong mean + weak mean, before lambda."""
    strong_pixels: Tensor
    """(J,) int64: pixels in the strong mean."""
    weak_pixels: Tensor
    """(J,) int64: pixels in the weak mean, that is, box pixels that passed the gate."""
    box_pixels: Tensor
    """(J,) int64: box pixels before the gate; ``weak_pixels / box_pixels`` says how far the gate is open."""


def classifier_weights(table: TableTensors, root: float = 1.0, others: float = 0.1) -> Tensor:
    """Lambda per classifier, on the table's device. The defaults are the paper authors'.

    Returns:
        (J,) float32.
    """
    weights = torch.full((table.num_classifiers,), others, dtype=torch.float32, device=table.target.device)
    weights[0] = root
    return weights


def hierarchical_loss(
    logits_nchw: Tensor,
    labels_nhw: Tensor,
    table: TableTensors,
    lambdas: Tensor | None = None,
    gate: Gate = "parent",
) -> LossOutput:
    """Loss of all classifiers on one batch.

    Where ``torch.distributed`` is initialised this is a collective call: means are over the pixels of all processes,
    and gradients are scaled so that the average that DistributedDataParallel takes is the gradient of those means.

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, at the labels' size; half precision is computed in float32.
        labels_nhw: (N, H, W) rows of the table, any integer dtype (int64 saves a conversion).
        table: The target table, on the same device.
        lambdas: (J,) weight per classifier, on the same device; default :func:`classifier_weights`.
        gate: When box pixels count. The winners above are taken as they are: no gradient flows through the choice.

    Raises:
        ValueError: The shapes do not fit together.
        IndexError: A label is not a row of the table (on CUDA, a device-side assertion).
    """
    _check_shapes(logits_nchw, labels_nhw, table, lambdas)
    labels = labels_nhw.long()
    boxed = table.weak[labels]
    sums, counts = [], []
    # One split, not J slices: the backward pass of every slice would fill a gradient of all C logits.
    parts = [part.movedim(1, -1) for part in torch.split(logits_nchw, list(table.sizes), dim=1)]
    for j, part_nhwc in enumerate(parts):
        speaks = (table.target[:, j] != SILENT)[labels]
        strong, boxes = speaks & ~boxed, speaks & boxed
        weak = _gated(boxes, parts, table, j, gate) if table.has_boxes[j] else boxes
        counted = strong | weak
        losses = _pixel_losses(part_nhwc[counted], labels[counted], table, j)
        from_box = boxed[counted]
        sums.append(torch.stack([losses.masked_fill(from_box, 0).sum(), losses.masked_fill(~from_box, 0).sum()]))
        counts.append(torch.stack([strong.sum(), weak.sum(), boxes.sum()]))
    means, pixels = _global_means(torch.stack(sums, dim=1), torch.stack(counts, dim=1))
    per_classifier = means.sum(dim=0)
    weights = classifier_weights(table) if lambdas is None else lambdas
    return LossOutput((weights * per_classifier).sum(), per_classifier.detach(), *pixels.unbind())


def _check_shapes(logits: Tensor, labels: Tensor, table: TableTensors, lambdas: Tensor | None) -> None:
    if logits.ndim != 4 or logits.shape[1] != table.num_logits:
        raise ValueError(f"logits are {tuple(logits.shape)}, the table needs (N, {table.num_logits}, H, W)")
    if labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(f"labels are {tuple(labels.shape)}, logits {tuple(logits.shape)}: upsample the logits first")
    if lambdas is not None and lambdas.shape != (table.num_classifiers,):
        raise ValueError(f"lambdas are {tuple(lambdas.shape)}, the table has {table.num_classifiers} classifiers")


def _gated(boxes: Tensor, parts: Sequence[Tensor], table: TableTensors, classifier: int, gate: Gate) -> Tensor:
    """(N, H, W) bool: the box pixels where the classifiers above decide for this one, as far up as the gate asks."""
    above = table.ancestors(classifier)
    asked = {"parent": above[:1], "path": above, "none": ()}[gate]
    for ancestor, branch in asked:
        decided = parts[ancestor].detach()[boxes].argmax(dim=1) == branch
        boxes = boxes.masked_scatter(boxes, decided)
    return boxes


def _pixel_losses(logits: Tensor, rows: Tensor, table: TableTensors, classifier: int) -> Tensor:
    """(M,) losses of M pixels that speak to a classifier, from its (M, Cj) logits and the pixels' (M,) rows."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    target = table.target[rows, classifier]
    losses = F.cross_entropy(logits, target.clamp(min=SILENT), ignore_index=SILENT, reduction="none")
    if not table.has_sets[classifier]:
        return losses
    sets = target == SET
    allowed = table.allowed[rows[sets], table.slices[classifier]]
    inside = logits[sets].masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
    outside = logits[sets].masked_fill(allowed, -torch.inf).logsumexp(dim=1)
    # logsumexp(all) - logsumexp(inside), without the cancellation that this difference suffers when inside wins.
    return losses.masked_scatter(sets, F.softplus(outside - inside))


def _global_means(sums: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Means over the pixels of all processes, and the pixel counts of all processes.

    Args:
        sums: (2, J) summed losses of this process: strong, weak.
        counts: (3, J) int64 pixels of this process: strong, weak, weak before the gate.

    Returns:
        (2, J) means, whose gradient is this process's share times the number of processes, and (3, J) int64 counts.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return sums / counts[:2].clamp(min=1), counts
    packed = torch.cat([sums.detach().double(), counts.double()])
    dist.all_reduce(packed)
    pixels = packed[2:].round().long()
    divisor = pixels[:2].clamp(min=1)
    share = sums * dist.get_world_size() / divisor
    value = (packed[:2] / divisor).to(sums.dtype)
    return share + (value - share).detach(), pixels
