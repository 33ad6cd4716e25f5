"""The loss of all classifiers as one function that PyTorch can differentiate, whatever backend computes it.

The gradient is made in the forward pass, when probabilities are at hand, and only multiplied in the backward pass. It
has no gradient of its own; the reference (``kernel="reference"``) has.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from labelforge.trainer.kernels.problem import LossBackend, LossProblem
from labelforge.trainer.means import mean_factors, processes, share_sums
from labelforge.trainer.weighting import SharedCounts, Weighting


class FusedLoss(torch.autograd.Function):
    """From logits and a problem to the total, the losses of the classifiers, and the pixels that counted."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, problem: LossProblem, backend: LossBackend, weighting: Weighting
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute.

        Args:
            ctx: Keeps the gradient.
            logits: (N, C, h, w) float32 or float64; the same as the problem's.
            problem: The batch.
            backend: Computes sums and gradient.
            weighting: How the total is made of the pixels' losses.

        Returns:
            () total, (J,) mean losses before any weight, (3, J) int64: labelled, passed and box pixels.
        """
        counts = backend.count(problem)
        shared = SharedCounts.of(counts)
        sizes, means = shared.sizes, mean_factors(shared.sizes)
        factors = weighting.factors(shared, means).to(logits.dtype)
        sums, gradient = backend.spread(problem, counts, factors * processes())
        all_sums = share_sums(sums)
        per_classifier = (means.to(logits.dtype) * all_sums).sum(dim=0)
        total = (factors * all_sums).sum()
        ctx.save_for_backward(*(() if gradient is None else (gradient,)))
        pixels = torch.cat([sizes.view(-1, 2, sizes.shape[1]).sum(dim=0), shared.boxes[None]])
        ctx.mark_non_differentiable(per_classifier, pixels)
        ctx.set_materialize_grads(False)  # zeros for these two
        return total, per_classifier, pixels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor | None, *_: Any) -> tuple[Tensor | None, None, None, None]:
        """Gradient of the logits, from that of the total."""
        (gradient,) = ctx.saved_tensors
        if slope is None:
            return None, None, None, None
        if slope.device.type == "cpu" and slope == 1:  # as a rule; elsewhere the host would wait for the answer
            return gradient, None, None, None
        return gradient * slope, None, None, None
