"""The decision rule: argmax at the root; where the winner owns a classifier, descend and take its argmax, to a leaf.

Classifiers are numbered depth first, a parent before its children, so one pass over them takes every pixel from the
root to its leaf: a pixel that has reached the child owning classifier j moves on to j's winner. No pixel is gathered,
and the host never waits for the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.tables import LayoutTensors


class Decision(NamedTuple):
    """What :func:`decide_with_confidence` returns."""

    classes: Tensor
    """(N, H, W) int64: class per pixel."""
    confidence: Tensor
    """(N, H, W) float32 in (0, 1]: product of the softmax probabilities of the winners along the path."""


def decide(logits_nchw: Tensor, tensors: LayoutTensors) -> Tensor:
    """Choose a class for each pixel.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import TableTensors, decide
        >>> table = lf.TargetTable.compile(lf.Taxonomy.load("iv2018"), [])
        >>> classes = decide(torch.randn(1, 111, 20, 30), TableTensors.of(table))
        >>> classes.shape, table.layout.class_names[int(classes[0, 0, 0])] in table.layout.class_names
        (torch.Size([1, 20, 30]), True)

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, any floating dtype; of equal logits the first wins.
        tensors: Their layout, or the target table of the training, on the same device.

    Returns:
        (N, H, W) int64: index into ``LogitLayout.classes``.
    """
    layout = tensors.layout
    column = _winner(logits_nchw, layout, 0)
    for j in range(1, layout.num_classifiers):
        column = torch.where(column == _owning_column(layout, j), _winner(logits_nchw, layout, j), column)
    return tensors.class_of[column]


def decide_with_confidence(logits_nchw: Tensor, tensors: LayoutTensors) -> Decision:
    """Decide as :func:`decide` does, and say how confident the classifiers along the path were.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import TableTensors, decide_with_confidence
        >>> table = lf.TargetTable.compile(lf.Taxonomy.load("iv2018"), [])
        >>> decision = decide_with_confidence(torch.zeros(1, 111, 1, 1), TableTensors.of(table))
        >>> table.layout.class_names[int(decision.classes)], round(1 / float(decision.confidence))
        ('bird', 53)

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, any floating dtype.
        tensors: Their layout, or the target table of the training, on the same device.
    """
    layout = tensors.layout
    column, confidence = _winner_and_probability(logits_nchw, layout, 0)
    for j in range(1, layout.num_classifiers):
        here = column == _owning_column(layout, j)
        winner, probability = _winner_and_probability(logits_nchw, layout, j)
        column = torch.where(here, winner, column)
        confidence = torch.where(here, confidence * probability, confidence)
    return Decision(tensors.class_of[column], confidence)


def _owning_column(layout: LogitLayout, classifier: int) -> int:
    """The column of the child that owns a classifier."""
    first: int = layout.slices[layout.parent[classifier]].start
    return first + layout.branch[classifier]


def _winner(logits_nchw: Tensor, layout: LogitLayout, classifier: int) -> Tensor:
    """(N, H, W) int64: column of the classifier's highest logit."""
    columns: slice[int, int, None] = layout.slices[classifier]
    # Not argmax: max().indices is the same and several times faster on the CPU.
    return logits_nchw[:, columns].max(dim=1).indices + columns.start


def _winner_and_probability(logits_nchw: Tensor, layout: LogitLayout, classifier: int) -> tuple[Tensor, Tensor]:
    columns = layout.slices[classifier]
    logits = logits_nchw[:, columns].float()
    best, winner = logits.max(dim=1)
    return winner + columns.start, (best - logits.logsumexp(dim=1)).exp()
