"""Which pixels inside boxes count for a classifier, and how much.

A *hard* gate lets a pixel count in full or not at all: by the decisions of the classifiers above. The *soft* one gives
every pixel a share between 0 and 1: the probability, as the classifiers above have it, that the classifier is the one
to ask. ``own_gate`` asks the classifier itself: where it finds the box's class less probable than that, the pixel does
not count. No gradient flows through any of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.config import Gate
from labelforge.trainer.tables import TableTensors


def box_shares(
    boxes: Tensor, parts: Sequence[Tensor], rows: Tensor, tensors: TableTensors, classifier: int, gate: Gate, own: float
) -> Tensor:
    """How much each pixel of a batch counts for a classifier, because of the box that it is in.

    Args:
        boxes: (N, H, W) bool: pixels inside boxes whose labels train the classifier.
        parts: Per classifier, its (N, H, W, Cj) logits.
        rows: (N, H, W) int64 rows of the target table.
        tensors: The target table.
        classifier: Its number.
        gate: What the classifiers above must say.
        own: How probable the classifier itself must find the box's class, 0 to 1.

    Returns:
        (N, H, W): (0 outside ``boxes``) for ``soft`` floats in [0, 1] of the logits' dtype, at least float32; for the
        others bool.
    """
    if gate == "soft":
        shares = _probability_above(boxes, parts, tensors.layout, classifier)
    else:
        shares = _chosen_above(boxes, parts, tensors.layout, classifier, gate)
    if own > 0:
        pixels = boxes.nonzero(as_tuple=True)
        allowed = tensors.allowed[rows[pixels], tensors.layout.slices[classifier]]
        probable = (_softmax(parts[classifier][pixels]) * allowed).sum(dim=1) >= own
        shares[pixels] = shares[pixels] * probable
    return shares


def _chosen_above(boxes: Tensor, parts: Sequence[Tensor], layout: LogitLayout, classifier: int, gate: Gate) -> Tensor:
    """(N, H, W) bool: the box pixels where the classifiers above, as many as the gate asks, choose this one."""
    above = layout.ancestors(classifier)
    asked = {"parent": above[:1], "path": above}.get(gate, ())
    passed = boxes.clone()
    for ancestor, branch in asked:
        pixels = passed.nonzero(as_tuple=True)
        passed[pixels] = parts[ancestor].detach()[pixels].argmax(dim=1) == branch
    return passed


def _probability_above(boxes: Tensor, parts: Sequence[Tensor], layout: LogitLayout, classifier: int) -> Tensor:
    """(N, H, W) float: at box pixels the probability that a decision arrives at the classifier, elsewhere 0."""
    pixels = boxes.nonzero(as_tuple=True)
    shares = _softmax(parts[classifier][:0]).new_zeros(boxes.shape)
    shares[pixels] = 1
    for ancestor, branch in layout.ancestors(classifier):
        shares[pixels] = shares[pixels] * _softmax(parts[ancestor][pixels])[:, branch]
    return shares


def _softmax(logits: Tensor) -> Tensor:
    """Probabilities over the last dimension, detached; of half precision in float32."""
    logits = logits.detach()
    return (logits if logits.dtype == torch.float64 else logits.float()).softmax(dim=-1)
