"""The decision rule: argmax at the root; where the winner owns a classifier, descend and take its argmax, to a leaf.

Classifiers are numbered depth first, a parent before its children, so one pass over them carries every pixel from the
root to its leaf: a pixel that stands on the child owning classifier j moves on to j's winner. No pixel is gathered and
the host never waits for the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelforge.trainer.tables import TableTensors

__all__ = ["Decision", "decide", "decide_with_confidence", "winning_child"]


class Decision(NamedTuple):
    """What :func:`decide_with_confidence` returns."""

    outcome: Tensor
    """(N, H, W) int64: final class per pixel."""
    confidence: Tensor
    """(N, H, W) float32 in (0, 1]: product of the softmax probabilities of the winners on the way down."""


def winning_child(logits_nchw: Tensor, table: TableTensors, classifier: int) -> Tensor:
    """Argmax of one classifier; of equal logits the first child wins.

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers.
        table: The table the logits are laid out by.
        classifier: Which one.

    Returns:
        (N, H, W) int64: child index within the classifier.
    """
    # Not argmax: max().indices is the same and several times faster on the CPU.
    return logits_nchw[:, table.slices[classifier]].max(dim=1).indices


def decide(logits_nchw: Tensor, table: TableTensors) -> Tensor:
    """Decide each pixel for one final class.

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, any floating dtype.
        table: The table the logits are laid out by, on the same device.

    Returns:
        (N, H, W) int64: index into ``TargetTable.outcomes``.
    """
    column = winning_child(logits_nchw, table, 0)
    for j in range(1, table.num_classifiers):
        winner = winning_child(logits_nchw, table, j) + table.slices[j].start
        column = torch.where(column == _owning_column(table, j), winner, column)
    return table.outcome[column]


def decide_with_confidence(logits_nchw: Tensor, table: TableTensors) -> Decision:
    """Decide as :func:`decide` does, and say how sure the classifiers on the way were.

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, any floating dtype.
        table: The table the logits are laid out by, on the same device.
    """
    column, confidence = _winner_and_probability(logits_nchw, table, 0)
    for j in range(1, table.num_classifiers):
        here = column == _owning_column(table, j)
        winner, probability = _winner_and_probability(logits_nchw, table, j)
        column = torch.where(here, winner, column)
        confidence = torch.where(here, confidence * probability, confidence)
    return Decision(table.outcome[column], confidence)


def _owning_column(table: TableTensors, classifier: int) -> int:
    above: slice[int, int, None] = table.slices[table.parent[classifier]]
    return above.start + table.branch[classifier]


def _winner_and_probability(logits_nchw: Tensor, table: TableTensors, classifier: int) -> tuple[Tensor, Tensor]:
    part = table.slices[classifier]
    logits = logits_nchw[:, part].float()
    best, winner = logits.max(dim=1)
    return winner + part.start, (best - logits.logsumexp(dim=1)).exp()
