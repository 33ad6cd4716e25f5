"""A flat cross-entropy from features through a linear layer: the rival that never holds all logits.

``torch.nn.functional.linear_cross_entropy`` can work chunk by chunk of pixels: it computes their logits, the loss, and
from the softmax the gradients of features and weights, and then reuses the memory. It is raced where PyTorch has it.
Where an older one does not, `StandIn` takes its place. It is ours, does the same arithmetic in chunks of the same
size, and is named as a stand-in in the results. (Called without options, PyTorch's function is a linear layer and a
cross-entropy on all logits.)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.bench.workload import IGNORED

HAS_CHUNKS = hasattr(nn, "LinearCrossEntropyOptions")
"""Whether this PyTorch can do it."""

CHUNKED = "in chunks, PyTorch's" if HAS_CHUNKS else "in chunks, stand-in"
"""Name of the contestant, which says whose it is."""


def all_logits(features_pf: Tensor, weight_kf: Tensor, targets_p: Tensor) -> Tensor:
    """The mean cross-entropy of (P, F) features of pixels, from (P, K) logits that are all held at once."""
    return F.cross_entropy(F.linear(features_pf, weight_kf), targets_p, ignore_index=IGNORED)


def in_chunks(features_pf: Tensor, weight_kf: Tensor, targets_p: Tensor) -> Tensor:
    """The same, chunk by chunk: PyTorch's if it has one, else the stand-in."""
    if not HAS_CHUNKS:
        return stand_in(features_pf, weight_kf, targets_p)
    options = nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(features_pf, weight_kf, targets_p, ignore_index=IGNORED, options=options)


def stand_in(features_pf: Tensor, weight_kf: Tensor, targets_p: Tensor) -> Tensor:
    """The same by `StandIn`, whichever PyTorch this is."""
    loss: Tensor = StandIn.apply(features_pf, weight_kf, targets_p)  # type: ignore[no-untyped-call]
    return loss


def chunk_size(pixels: int, features: int, classes: int) -> int:
    """Pixels per chunk, as PyTorch chooses them for float32: half of what holds as many logits as there are features.

    The latter is rounded up to a power of two.
    """
    even = -(-pixels // -(-classes // features))
    return max(1, min((1 << (even - 1).bit_length()) // 2, pixels))


class StandIn(torch.autograd.Function):
    """The loss, with both gradients made in the forward pass."""

    @staticmethod
    def forward(ctx: Any, features_pf: Tensor, weight_kf: Tensor, targets_p: Tensor) -> Tensor:
        """Mean cross-entropy of the pixels that are not ignored; NaN where all are."""
        counted = targets_p != IGNORED
        share = counted.to(features_pf.dtype) / counted.sum()
        targets = targets_p.clamp(min=0)
        loss = features_pf.new_zeros(())
        slope_features, slope_weight = torch.empty_like(features_pf), torch.zeros_like(weight_kf)
        pixels, width = features_pf.shape
        size = chunk_size(pixels, width, len(weight_kf))
        for start in range(0, pixels, size):
            x, y, of_all = (each[start : start + size] for each in (features_pf, targets, share))
            logits = x @ weight_kf.T
            logits -= logits.amax(dim=1, keepdim=True)
            loss -= of_all.dot(logits.gather(1, y[:, None])[:, 0])
            total = logits.exp_().sum(dim=1)
            loss += of_all.dot(total.log())
            logits *= (of_all / total)[:, None]
            logits.scatter_add_(1, y[:, None], -of_all[:, None])
            torch.mm(logits, weight_kf, out=slope_features[start : start + size])
            slope_weight.addmm_(logits.T, x)
        ctx.slopes = slope_features, slope_weight
        return loss

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> tuple[Tensor, Tensor, None]:
        """The stored gradients; once only, since they are scaled where they are."""
        features, weight = ctx.slopes
        del ctx.slopes
        return features.mul_(slope[0]), weight.mul_(slope[0]), None
