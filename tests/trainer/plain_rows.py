"""The loss for tests that number the rows of one table themselves."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelforge import trainer
from labelforge.trainer import GlobalRows, LossOutput, TableTensors


def hierarchical_loss(
    logits: Tensor, rows: Tensor, tensors: TableTensors, *arguments: Any, **options: Any
) -> LossOutput:
    """:func:`labelforge.trainer.hierarchical_loss` of a plain tensor of global rows."""
    return trainer.hierarchical_loss(logits, GlobalRows(rows, tensors.numbering), tensors, *arguments, **options)
