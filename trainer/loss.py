"""The hierarchical loss, and its readable reference in plain PyTorch.

Source: Meletis & Dubbelman 2018 (arXiv 1803.05675), equations of section III, with labels generalised from one node to
a set of nodes. For a pixel and a classifier that its label trains, the loss is

    logsumexp(all children) - logsumexp(allowed children),

plain cross-entropy where one child is allowed and the negative log marginal likelihood where several are. Classifier
j's loss is the mean over the pixels with pixel labels plus, separately, the mean over the pixels inside boxes that pass
the gate (:mod:`labelforge.trainer.gates`): those where j's parent currently chooses j's branch (or all classifiers
above j do, or everywhere: as the configuration says). The total is the sum over classifiers, each times its loss weight
(the paper's lambda).

Three options change how much pixels count, none of them the paper's. Means can be over pixels instead of over those of
a classifier (:mod:`labelforge.trainer.weighting`). With class weights every pixel's loss is multiplied by the weight of
its class; the divisor stays the same. And each mean can be one over datasets (:mod:`labelforge.trainer.means`).

Logits come at the network's stride and labels have the image's size. The kernels (:mod:`labelforge.trainer.kernels`)
interpolate where they compute. The reference (:func:`reference_sums`) upsamples everything first; each classifier then
gathers the pixels that count for it, so a classifier for which a batch has no labels is free. Gathering needs the
number of pixels, for which the host waits on CUDA.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.errors import ConfigError, TaxonomyError
from labelforge.logits import LogitLayout
from labelforge.targets import SET, SILENT
from labelforge.trainer.config import Balance, Gate, Mean
from labelforge.trainer.gates import pass_gate
from labelforge.trainer.kernels.choice import Kernel, choose_loss
from labelforge.trainer.kernels.device_cache import device_cache
from labelforge.trainer.kernels.fused import FusedLoss
from labelforge.trainer.kernels.problem import LossProblem, PixelCounts, pixels_by_group
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.means import KINDS, group_sizes, grouped_sums, mean_factors, share_sums
from labelforge.trainer.models.network import upsample
from labelforge.trainer.pixel_grid import PixelGrid
from labelforge.trainer.rows import GlobalRows
from labelforge.trainer.tables import TableTensors
from labelforge.trainer.weighting import SharedCounts, Weighting


class LossOutput(NamedTuple):
    """What :func:`hierarchical_loss` returns. All values are global: the same in every process.

    >>> import numpy as np, torch, labelforge as lf
    >>> from labelforge.trainer import GlobalRows, LossOutput, TableTensors, hierarchical_loss
    >>> tree = lf.Taxonomy.load("iv2018")
    >>> datasets = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
    >>> table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in datasets])
    >>> rows = GlobalRows.of(table, "gtsdb", np.full((1, 2, 3), table.mappings[2].row_of[20]))
    >>> loss: LossOutput = hierarchical_loss(torch.zeros(1, 111, 2, 3), rows, TableTensors.of(table))
    >>> loss.box_pixels.tolist(), loss.passed_pixels.tolist()  # of equal logits the first child, "back", wins
    ([0, 0, 0, 0, 6], [0, 0, 0, 0, 0])
    """

    total: Tensor
    """() float: the loss to minimise; always part of the graph, zero with zero gradients where nothing is active."""
    per_classifier: Tensor
    """(J,) float, detached: mean over pixel labels + mean over boxes, before the loss weight, whatever the total is."""
    labelled_pixels: Tensor
    """(J,) int64: pixels in the mean over pixel labels."""
    passed_pixels: Tensor
    """(J,) int64: box pixels that passed the gate: those in the mean over boxes."""
    box_pixels: Tensor
    """(J,) int64: box pixels before the gate; ``passed_pixels / box_pixels`` is the share that passes."""


def loss_weights(
    layout: LogitLayout, root: float = 1.0, others: float = 0.1, nodes: Mapping[str, float] | None = None
) -> Tensor:
    """Weight (lambda) of each classifier's loss. The defaults are the paper authors'.

        >>> import labelforge as lf
        >>> from labelforge.trainer import loss_weights
        >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
        >>> loss_weights(layout, nodes={"rider": 0.5})
        tensor([1.0000, 0.1000, 0.5000, 0.1000, 0.1000])

    Args:
        layout: The classifiers.
        root: Weight of the root's.
        others: Weight of every other.
        nodes: Weights by node, which override the two above.

    Returns:
        (J,) float32.

    Raises:
        ConfigError: A node is unknown or owns no classifier.
    """
    weights = dict.fromkeys(layout.names, others)
    weights[layout.names[0]] = root
    for reference, value in (nodes or {}).items():
        try:
            path = layout.taxonomy.node(reference).path
        except TaxonomyError as fault:
            raise ConfigError(f"loss.nodes: {fault.what}", cure=fault.cure) from None
        if path not in weights:
            cure = f"These labels teach those of: {', '.join(layout.names)}."
            raise ConfigError(f"loss.nodes: {reference!r} has no classifier in this run", cure=cure)
        weights[path] = value
    return torch.tensor([weights[name] for name in layout.names])


def hierarchical_loss(
    logits_nchw: Tensor,
    rows_nhw: GlobalRows,
    tensors: TableTensors,
    weights: Tensor | None = None,
    gate: Gate = "parent",
    *,
    mean: Mean = "classifier",
    box_weight: float = 0.1,
    balance: Balance = "pixels",
    class_weights: Tensor | None = None,
    grid: PixelGrid | None = None,
    check: bool | None = None,
    kernel: Kernel | None = None,
) -> LossOutput:
    """Loss of all classifiers on one batch.

        >>> import numpy as np, torch, labelforge as lf
        >>> from labelforge.trainer import GlobalRows, TableTensors, hierarchical_loss
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> datasets = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
        >>> table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in datasets])
        >>> rows = GlobalRows.of(table, "cityscapes", np.full((1, 64, 96), table.mappings[0].row_of[23]))  # all sky
        >>> loss = hierarchical_loss(torch.zeros(1, 111, 8, 12), rows, TableTensors.of(table))
        >>> loss.per_classifier  # log(53) at the root; the others have nothing to learn from sky
        tensor([3.9703, 0.0000, 0.0000, 0.0000, 0.0000])

    Where ``torch.distributed`` is initialised this is a collective call: means are over the pixels of all processes,
    and gradients are scaled so that the average that DistributedDataParallel takes is the gradient of those means.

    Args:
        logits_nchw: (N, C, h, w) logits of all classifiers at the network's stride, as the network gives them. They are
            upsampled to the labels' size as :func:`labelforge.trainer.upsample` does. Half precision is computed in
            float32.
        rows_nhw: (N, H, W) global rows of the target table, on the same device. Not the local rows of a dataset: those
            become global ones by :meth:`GlobalRows.of`.
        tensors: The target table, on the same device.
        weights: (J,) loss weight per classifier, on the same device; default :func:`loss_weights`, or 1 where means
            are over pixels.
        gate: Which box pixels count. No gradient flows through the decisions of the classifiers above.
        mean: What is averaged: ``classifier``: the losses of each classifier (the paper's). ``pixel``: those of all
            pixels, each the sum over the classifiers that its label trains.
        box_weight: Weight of the mean over pixels in boxes, if means are over pixels.
        balance: ``datasets``: each mean is one over the datasets that have such pixels, of their means.
        class_weights: (L, J) weight of each row's pixels in each classifier, on the same device.
        grid: Learn only from these of the pixels.
        check: Whether to look at every row first. Default: on the CPU. On another device the host waits for the answer;
            unchecked, a row that is not one of the table ends in a device-side assertion (by the reference, only where
            it is beyond the table: a negative one means another row).
        kernel: What computes it; default: the fastest that fits (:mod:`labelforge.trainer.kernels`).

    Raises:
        TypeError: The labels are a plain tensor.
        ValueError: The shapes do not fit together, or the rows count in another table.
        IndexError: A label is not a row of the table, and rows are checked.
        ConfigError: The kernel asked for is not there, or cannot do this.
    """
    layout = tensors.layout
    _check_numbering(rows_nhw, tensors)
    _check_shapes(logits_nchw, rows_nhw, layout, weights)
    if rows_nhw.tensor.device.type == "cpu" if check is None else check:
        _check_range(rows_nhw.tensor, len(tensors.target))
    if weights is None:
        given = loss_weights(layout) if mean == "classifier" else torch.ones(layout.num_classifiers)
        weights = given.to(logits_nchw.device, non_blocking=True)
    weighting = Weighting(weights, mean, box_weight)
    logits = logits_nchw if logits_nchw.dtype == torch.float64 else logits_nchw.float()
    sampling = Sampling.of((logits.shape[2], logits.shape[3]), (rows_nhw.shape[1], rows_nhw.shape[2]))
    rows = rows_nhw.tensor
    if grid is not None:
        rows, sampling = grid.pick(rows), sampling.every(*grid)
    by_dataset = balance == "datasets"
    problem = LossProblem(
        logits=logits.detach(),
        rows=rows,
        sampling=sampling,
        tensors=tensors,
        gate=gate,
        groups=_groups(tensors, by_dataset),
        number=KINDS * (tensors.datasets if by_dataset else 1),
        class_weights=None if class_weights is None else class_weights.to(logits.dtype),
        wants_gradient=logits.requires_grad and torch.is_grad_enabled(),
    )
    backend = choose_loss(kernel, logits, sampling, tensors)
    if backend is not None:
        with torch.autocast(logits.device.type, enabled=False):  # what autocast would do in half precision
            total, per_classifier, pixels = FusedLoss.apply(logits, problem, backend, weighting)  # type: ignore[no-untyped-call]
        return LossOutput(total, per_classifier, *pixels)
    return _reference_loss(logits, problem, (rows_nhw.shape[1], rows_nhw.shape[2]), grid, weighting)


@device_cache(16)
def _groups(tensors: TableTensors, by_dataset: bool) -> Tensor:
    """(L,) int64 group of each label's pixels (:mod:`labelforge.trainer.means`)."""
    return tensors.from_box + KINDS * (tensors.dataset if by_dataset else torch.zeros_like(tensors.dataset))


def _reference_loss(
    logits_nchw: Tensor, problem: LossProblem, size: tuple[int, int], grid: PixelGrid | None, weighting: Weighting
) -> LossOutput:
    """The loss from logits upsampled to the labels' size, differentiated by autograd."""
    if size != tuple(logits_nchw.shape[2:]):
        fine = upsample(logits_nchw, size) if grid is None else grid.logits(logits_nchw, size)
    else:
        fine = logits_nchw if grid is None else grid.pick(logits_nchw)
    sums, counts = reference_sums(fine, problem)
    shared, all_sums = SharedCounts.of(counts), share_sums(sums)
    means = mean_factors(shared.sizes)
    per_classifier = (means.to(sums.dtype) * all_sums.detach()).sum(dim=0)
    total = (weighting.factors(shared, means).to(sums.dtype) * all_sums).sum()
    pixels = (*shared.sizes.view(-1, KINDS, len(per_classifier)).sum(dim=0), shared.boxes)
    return LossOutput(total, per_classifier, *pixels)


def reference_sums(fine_nchw: Tensor, problem: LossProblem) -> tuple[Tensor, PixelCounts]:
    """The sums of the pixels' losses: the plain formula, which every kernel is held against.

    Args:
        fine_nchw: (N, C, H, W) logits at the labels' size.
        problem: The batch; its own logits are not used.

    Returns:
        (G, J) sums, each pixel's loss times its class weight, and the pixels that count.
    """
    tensors, layout, groups_of = problem.tensors, problem.tensors.layout, problem.groups
    labels = problem.rows.long()
    from_box, groups = tensors.from_box[labels], groups_of[labels]
    sums, sizes, in_boxes = [], [], []
    # One split, not J slices: the backward pass of every slice would fill a gradient of all C logits.
    parts = [part.movedim(1, -1) for part in torch.split(fine_nchw, list(layout.sizes), dim=1)]
    for j, part_nhwc in enumerate(parts):
        trains = (tensors.target[:, j] != SILENT)[labels]
        labelled, boxes = trains & ~from_box, trains & from_box
        counted = labelled | (pass_gate(boxes, parts, layout, j, problem.gate) if tensors.has_boxes[j] else boxes)
        rows, group = labels[counted], groups[counted]
        losses = _pixel_losses(part_nhwc[counted], rows, tensors, j)
        if problem.class_weights is not None:
            losses = losses * problem.class_weights[rows, j]
        sums.append(grouped_sums(losses, group, problem.number))
        sizes.append(group_sizes(group, problem.number))
        in_boxes.append(boxes.sum())
    # Unchecked, a negative row is one counted from the end, here as in the look-ups above.
    pixels = torch.bincount(labels.flatten() % len(tensors.target), minlength=len(tensors.target))
    counts = PixelCounts(torch.stack(sizes, dim=-1), torch.stack(in_boxes), pixels_by_group(problem, pixels), None)
    return torch.stack(sums, dim=-1), counts


def _check_numbering(rows: object, tensors: TableTensors) -> None:
    if not isinstance(rows, GlobalRows):
        raise TypeError(
            f"labels are a {type(rows).__name__}, whose numbers may be local rows of one dataset: give GlobalRows "
            "(GlobalRows.of(table, dataset, local_rows), or what TrainingBatches yields)"
        )
    if rows.numbering != tensors.numbering:
        raise ValueError(
            "the labels are rows of another target table: make both from one TargetTable, with the same datasets in "
            "the same order"
        )


def _check_range(labels: Tensor, rows: int) -> None:
    if not labels.numel():
        return
    if labels.dtype in (torch.uint16, torch.uint32, torch.uint64):  # PyTorch can do little with these
        labels = labels.long()
    low, high = torch.stack(labels.aminmax()).tolist()
    if low < 0 or high >= rows:
        raise IndexError(f"labels are rows {low} to {high}, and the target table has rows 0 to {rows - 1}")


def _check_shapes(logits: Tensor, labels: GlobalRows, layout: LogitLayout, weights: Tensor | None) -> None:
    if logits.ndim != 4 or logits.shape[1] != layout.num_logits:
        raise ValueError(f"logits are {tuple(logits.shape)}, the table needs (N, {layout.num_logits}, H, W)")
    if len(labels.shape) != 3 or len(labels.tensor) != len(logits):
        shapes = f"labels are {tuple(labels.shape)}, logits {tuple(logits.shape)}"
        raise ValueError(f"{shapes}: labels must be (N, H, W), of the same N images")
    if weights is not None and weights.shape != (layout.num_classifiers,):
        raise ValueError(f"loss weights are {tuple(weights.shape)}, the table has {layout.num_classifiers} classifiers")


def _pixel_losses(logits: Tensor, rows: Tensor, tensors: TableTensors, classifier: int) -> Tensor:
    """(M,) losses of M pixels that train a classifier, from its (M, Cj) logits and the pixels' (M,) rows."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    target = tensors.target[rows, classifier]
    sets = target == SET
    losses = F.cross_entropy(logits, target.masked_fill(sets, SILENT), ignore_index=SILENT, reduction="none")
    if not tensors.has_sets[classifier]:
        return losses
    allowed = tensors.allowed[rows[sets], tensors.layout.slices[classifier]]
    inside = logits[sets].masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
    outside = logits[sets].masked_fill(allowed, -torch.inf).logsumexp(dim=1)
    # logsumexp(all) - logsumexp(inside), without the cancellation that this difference suffers when inside wins.
    losses[sets] = F.softplus(outside - inside)
    return losses
