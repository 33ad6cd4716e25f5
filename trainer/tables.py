"""The compiled target table as tensors: what the loss and the decision rule look up, per pixel, on the device.

A label map holds one row number per pixel. Everything else (which child of which classifier that row asks for, whether
it came from a box, what it becomes in a flipped image) is a look-up in the arrays of
:class:`labelforge.targets.TargetTable`. :class:`TableTensors` is their copy on one device. What does not change from
pixel to pixel, the shape of the tree, stays on the host as tuples of integers, so that walking the tree never waits for
the device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from labelforge.targets import SET, SILENT, TargetTable

__all__ = ["TableTensors"]


@dataclass(frozen=True, eq=False)
class TableTensors:
    """A target table on a device. L rows, J classifiers, C logits in all.

    Attributes:
        allowed: (L, C) bool: children the row allows, per classifier; all False where the classifier is silent.
        target: (L, J) int64: the one allowed child within the classifier, or ``SILENT``, or ``SET``.
        weak: (L,) bool: the row comes from a box.
        mirror: (L,) int64: the row it becomes in a horizontally flipped image.
        leads_to: (C,) int64: the classifier that this child owns, or -1.
        outcome: (C,) int64: the final class that a path ending in this child decides for, or -1 for inner nodes.
        slices: Per classifier, its columns of the C logits; together they tile ``range(C)`` in order.
        parent: Per classifier, the classifier above it, or -1; a parent comes before its children.
        branch: Per classifier, the child of ``parent`` that leads to it, or -1.
        has_sets: Per classifier, whether any row holds a ``SET`` for it.
        has_boxes: Per classifier, whether any weak row speaks to it.
    """

    allowed: Tensor
    target: Tensor
    weak: Tensor
    mirror: Tensor
    leads_to: Tensor
    outcome: Tensor
    slices: tuple[slice, ...]
    parent: tuple[int, ...]
    branch: tuple[int, ...]
    has_sets: tuple[bool, ...]
    has_boxes: tuple[bool, ...]

    @classmethod
    def of(cls, table: TargetTable, device: torch.device | str = "cpu") -> Self:
        """Copy a compiled table to a device."""
        speaks = (table.target != SILENT) & table.weak[:, None]
        return cls(
            allowed=torch.tensor(table.allowed, dtype=torch.bool),
            target=torch.tensor(table.target, dtype=torch.int64),
            weak=torch.tensor(table.weak, dtype=torch.bool),
            mirror=torch.tensor(table.mirror, dtype=torch.int64),
            leads_to=torch.tensor(table.leads_to, dtype=torch.int64),
            outcome=torch.tensor(table.outcome, dtype=torch.int64),
            slices=tuple(table.slices),
            parent=tuple(int(p) for p in table.parent),
            branch=tuple(int(b) for b in table.branch),
            has_sets=tuple(bool(b) for b in (table.target == SET).any(axis=0)),
            has_boxes=tuple(bool(b) for b in speaks.any(axis=0)),
        ).to(device)

    def to(self, device: torch.device | str) -> Self:
        """The same table on another device."""
        return replace(
            self,
            allowed=self.allowed.to(device),
            target=self.target.to(device),
            weak=self.weak.to(device),
            mirror=self.mirror.to(device),
            leads_to=self.leads_to.to(device),
            outcome=self.outcome.to(device),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Children per classifier."""
        return tuple(s.stop - s.start for s in self.slices)

    @property
    def num_classifiers(self) -> int:
        """J."""
        return len(self.slices)

    @property
    def num_logits(self) -> int:
        """C."""
        return sum(self.sizes)

    def ancestors(self, classifier: int) -> tuple[tuple[int, int], ...]:
        """The way up from a classifier: pairs (classifier above, its child that leads down here), nearest first."""
        way = []
        while self.parent[classifier] >= 0:
            way.append((self.parent[classifier], self.branch[classifier]))
            classifier = self.parent[classifier]
        return tuple(way)
