"""The loss in plain PyTorch, a band of pixel rows at a time: for CPUs without numba, and for float64.

Of each band only the logits of the classifiers that its labels speak to are interpolated, and what they become is
dropped before the next band is made. The gradient is written down, not found by autograd: probabilities minus what is
allowed, spread back to the corners by the transpose of the interpolation.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.targets import SET, SILENT
from labelforge.trainer.kernels.problem import LossProblem, PixelCounts, pixels_by_group
from labelforge.trainer.kernels.sampling import Axis

_BAND = 8
"""Pixel rows that are computed at a time."""
_PIXELS = 1 << 14
"""Box pixels whose gate is computed at a time."""


class TorchLoss:
    """The loss in float32 or float64 on a CPU."""

    name = "plain PyTorch"

    def count(self, problem: LossProblem) -> PixelCounts:
        """Count the pixels (:class:`labelforge.trainer.kernels.problem.LossBackend`)."""
        tensors, number = problem.tensors, problem.number
        pixels = torch.bincount(problem.rows.flatten().long(), minlength=len(tensors.target))
        trains = tensors.target != SILENT
        by_label = pixels[:, None] * trains
        boxes = by_label[tensors.from_box].sum(dim=0)
        passes = _pass_gates(problem) if boxes.any() and problem.gate != "none" else {}
        for j, passed in passes.items():
            labels = problem.rows.long()[passed]
            by_label[tensors.from_box, j] = torch.bincount(labels, minlength=len(pixels))[tensors.from_box]
        sizes = by_label.new_zeros(number, trains.shape[1]).index_add_(0, problem.groups, by_label)
        return PixelCounts(sizes, boxes, pixels_by_group(problem, pixels), passes)

    def spread(self, problem: LossProblem, counts: PixelCounts, factors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sums and gradient (:class:`labelforge.trainer.kernels.problem.LossBackend`)."""
        logits, rows = problem.logits, problem.rows.long()
        of_label = factors[problem.groups]
        if problem.class_weights is not None:
            of_label = of_label * problem.class_weights
        sums = torch.zeros(factors.shape, dtype=torch.float64)
        gradient = torch.zeros_like(logits) if problem.wants_gradient else None
        for n in range(len(logits)):
            for top in range(0, rows.shape[1], _BAND):
                band = slice(top, min(top + _BAND, rows.shape[1]))
                passes = {j: passed[n, band] for j, passed in counts.state.items()}
                _spread_band(problem, n, band, rows[n, band], passes, of_label, sums, gradient)
        return sums.to(logits.dtype), gradient


class _Down(NamedTuple):
    """The rows of logits that a band lies between, and their weights."""

    low: slice
    weights: Tensor
    """(band, low rows)."""

    @classmethod
    def of(cls, axis: Axis, band: slice, like: Tensor) -> _Down:
        low, weight = axis.low[band], axis.weight[band]
        first, last = int(low[0]), min(int(low[-1]) + 1, axis.length - 1)
        weights = np.zeros((len(low), last - first + 1))
        at = np.arange(len(low))
        weights[at, low - first] = 1 - weight
        weights[at, np.minimum(low + 1, last) - first] += weight
        return cls(slice(first, last + 1), torch.from_numpy(weights).to(like.dtype))


def _spread_band(
    problem: LossProblem,
    n: int,
    band: slice,
    rows: Tensor,
    passes: dict[int, Tensor],
    of_label: Tensor,
    sums: Tensor,
    gradient: Tensor | None,
) -> None:
    """Adds the losses and the gradient of a band of one image, with labels ``rows`` (band, W)."""
    tensors, layout = problem.tensors, problem.tensors.layout
    spoken = (tensors.target[torch.unique(rows)] != SILENT).any(dim=0).nonzero().flatten().tolist()
    down, across = _Down.of(problem.sampling.down, band, problem.logits), _across(problem)
    for j in spoken:
        counts = (tensors.target[:, j] != SILENT)[rows]
        if j in passes:
            counts = counts & (passes[j] | ~tensors.from_box[rows])
        if not counts.any():
            continue
        columns = layout.slices[j]
        part = down.weights @ (problem.logits[n, columns, down.low] @ across)
        losses, slopes = _pixel_losses(part, rows, counts, problem, j, of_label[:, j][rows])
        if problem.class_weights is not None:
            losses = losses * problem.class_weights[:, j][rows]
        sums[:, j].index_add_(0, problem.groups[rows].flatten(), losses.double().flatten())
        if gradient is not None:
            gradient[n, columns, down.low] += (down.weights.T @ slopes) @ across.T


def _across(problem: LossProblem) -> Tensor:
    """(w, W) what each column of logits counts in each column of pixels, of the logits' dtype.

    Most of it is zeros, and yet two small products are several times as fast as reading and adding at indices.
    """
    return _weights_across(problem.sampling.right).to(problem.logits.dtype)


@functools.lru_cache(maxsize=8)
def _weights_across(axis: Axis) -> Tensor:
    weights, at = np.zeros((axis.length, axis.size)), np.arange(axis.size)
    weights[axis.low, at] = 1 - axis.weight
    weights[np.minimum(axis.low + 1, axis.length - 1), at] += axis.weight
    return torch.from_numpy(weights)


def _pixel_losses(
    part: Tensor, rows: Tensor, counts: Tensor, problem: LossProblem, j: int, factor: Tensor
) -> tuple[Tensor, Tensor]:
    """(band, W) losses of one classifier and (Cj, band, W) slopes times ``factor``; 0 where pixels do not count."""
    tensors = problem.tensors
    target = tensors.target[:, j][rows]
    everything = part.logsumexp(dim=0)
    own = target.clamp(min=0)[None]
    losses = everything - part.gather(0, own)[0]
    slopes = (part - everything).exp_()
    factor = torch.where(counts, factor, 0)
    sets = counts & (target == SET)
    single = torch.where(sets, 0, factor)[None]
    slopes *= factor
    slopes.scatter_add_(0, own, -single)
    if sets.any():
        allowed = tensors.allowed[rows[sets], tensors.layout.slices[j]].T
        logits = part[:, sets]
        inside = logits.masked_fill(~allowed, -torch.inf).logsumexp(dim=0)
        outside = logits.masked_fill(allowed, -torch.inf).logsumexp(dim=0)
        losses[sets] = F.softplus(outside - inside)
        forbidden = (outside - inside).sigmoid() * factor[sets]
        slopes[:, sets] = torch.where(allowed, -(logits - inside).exp(), (logits - outside).exp()) * forbidden
    return torch.where(counts, losses, 0), slopes


def _pass_gates(problem: LossProblem) -> dict[int, Tensor]:
    """Per classifier that boxes train, (N, H, W) bool: box pixels where those above choose the way to it."""
    tensors, layout = problem.tensors, problem.tensors.layout
    rows, found = problem.rows.long(), {}
    for j in range(layout.num_classifiers):
        above = layout.ancestors(j)
        asked = above[:1] if problem.gate == "parent" else above
        if not tensors.has_boxes[j] or not asked:
            continue
        passed = ((tensors.target[:, j] != SILENT) & tensors.from_box)[rows]
        for ancestor, branch in asked:
            for pixels in torch.split(passed.nonzero(), _PIXELS):
                chosen = _logits_at(problem, pixels, layout.slices[ancestor]).max(dim=1).indices == branch
                passed[tuple(pixels[~chosen].T)] = False
        found[j] = passed
    return found


def _logits_at(problem: LossProblem, pixels: Tensor, columns: slice) -> Tensor:
    """(M, Cj) interpolated logits at (M, 3) pixels: image, row, column."""
    n, y, x = pixels.T
    down, right = problem.sampling.down, problem.sampling.right
    above, left = torch.from_numpy(down.low)[y], torch.from_numpy(right.low)[x]
    below, beyond = (above + 1).clamp(max=down.length - 1), (left + 1).clamp(max=right.length - 1)
    logits = problem.logits[:, columns]
    to_below = torch.from_numpy(down.weight).to(logits.dtype)[y, None]
    to_right = torch.from_numpy(right.weight).to(logits.dtype)[x, None]
    upper = torch.lerp(logits[n, :, above, left], logits[n, :, above, beyond], to_right)
    lower = torch.lerp(logits[n, :, below, left], logits[n, :, below, beyond], to_right)
    return torch.lerp(upper, lower, to_below)
