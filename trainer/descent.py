"""The decision rule, with the confidence of every choice on the way down.

The decision rule goes down one classifier at a time. After n choices the confidence is the product of the n winners'
probabilities, so it never rises on the way down: a descent that stops where it falls below T answers after as many
choices as have a confidence of at least T.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from labelforge.trainer.decision import winner_and_probability
from labelforge.trainer.kernels.choice import Kernel, choose_decision
from labelforge.trainer.tables import LayoutTensors
from labelforge.trainer.upsampled import band_values, read_upsampled


class Descent(NamedTuple):
    """What :func:`descend` returns. D is the largest number of choices that a decision takes."""

    classes: Tensor
    """(N, H, W) int64: class per pixel."""
    confidence: Tensor
    """(N, D, H, W) float32: confidence after each choice; 0 after the last."""


def descend(
    logits_nchw: Tensor, tensors: LayoutTensors, size: tuple[int, int] | None = None, *, kernel: Kernel | None = None
) -> Descent:
    """Decide as :func:`labelforge.trainer.decide` does, and keep the confidence of every step.

    Args:
        logits_nchw: (N, C, h, w) logits of all classifiers, any floating dtype.
        tensors: Their layout, on the same device.
        size: Height H and width W of the decision; see :func:`labelforge.trainer.decide`.
        kernel: What computes it; see there.

    Raises:
        ConfigError: The kernel asked for is not there, or cannot do this.
    """
    layout = tensors.layout
    backend = choose_decision(kernel, logits_nchw, size)
    if size is not None and size != tuple(logits_nchw.shape[2:]):
        if backend is not None:
            places, _, steps = backend.descend(logits_nchw, layout, size, steps=True)
            return Descent(tensors.class_of[places], steps)
        found = partial(descend, tensors=tensors)
        return Descent(*read_upsampled(logits_nchw, size, found, values=band_values(logits_nchw.shape[1], kernel)))
    depth = [len(layout.ancestors(j)) for j in range(layout.num_classifiers)]
    column, probability = winner_and_probability(logits_nchw, layout, 0)
    confidence = [probability] + [torch.zeros_like(probability) for _ in range(max(depth))]
    for j in range(1, layout.num_classifiers):
        here = column == layout.owning_column(j)
        winner, probability = winner_and_probability(logits_nchw, layout, j)
        column = torch.where(here, winner, column)
        d = depth[j]
        confidence[d] = torch.where(here, confidence[d - 1] * probability, confidence[d])
    return Descent(tensors.class_of[column], torch.stack(confidence, dim=1))
