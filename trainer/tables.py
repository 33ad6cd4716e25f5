"""The layout of the logits and the target table as tensors on one device.

A label map holds one row number per pixel. Everything else (which child of which classifier that row asks for, whether
it came from a box) is looked up in the arrays of :class:`labelforge.TargetTable`; :class:`TableTensors` is their copy
on one device. :class:`LayoutTensors`, without the labels, is enough to decide. The shape of the tree stays on the host
(:class:`labelforge.LogitLayout`), so that walking the tree never waits for the device.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.targets import SET, SILENT, TargetTable


@dataclass(frozen=True, eq=False)
class LayoutTensors:
    """A layout of C logits on a device: enough to decide.

        >>> import labelforge as lf
        >>> from labelforge.trainer import LayoutTensors
        >>> LayoutTensors.of_layout(lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))).class_of.shape
        torch.Size([111])

    Attributes:
        layout: The classifiers and their logits.
        class_of: (C,) int64: class that a column stands for, -1 where it leads to another classifier.
        answer_of: (C + J,) int64: the same, then the answer of a descent that stops before each classifier.
    """

    layout: LogitLayout
    class_of: Tensor
    answer_of: Tensor

    @classmethod
    def of_layout(cls, layout: LogitLayout, device: torch.device | str = "cpu") -> LayoutTensors:
        """Copy a layout to a device."""
        return LayoutTensors(layout, *_lookups(layout)).to(device)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class TableTensors(LayoutTensors):
    """A target table on a device. L rows, J classifiers, C logits in all.

        >>> import labelforge as lf
        >>> from labelforge.trainer import TableTensors
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> tensors = TableTensors.of(lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, "cityscapes")]))
        >>> tensors.allowed.shape, tensors.sizes
        (torch.Size([36, 28]), (26, 2))

    Attributes:
        allowed: (L, C) bool: columns the row allows, per classifier; all False where the classifier is silent.
        target: (L, J) int64: the one allowed column within the classifier, or ``SILENT``, or ``SET``.
        from_box: (L,) bool: the row comes from a box.
        dataset: (L,) int64: position of the row's dataset.
        numbering: The table's ``numbering``, which the :class:`GlobalRows` of its labels share.
        datasets: How many there are.
        has_sets: Per classifier, whether any row holds a ``SET`` for it.
        has_boxes: Per classifier, whether any row from a box trains it.
    """

    allowed: Tensor
    target: Tensor
    from_box: Tensor
    dataset: Tensor
    numbering: str
    datasets: int
    has_sets: tuple[bool, ...]
    has_boxes: tuple[bool, ...]

    @classmethod
    def of(cls, table: TargetTable, device: torch.device | str = "cpu") -> Self:
        """Copy a compiled table to a device."""
        boxes_train = (table.target != SILENT) & table.from_box[:, None]
        return cls(
            table.layout,
            *_lookups(table.layout),
            allowed=torch.tensor(table.allowed),
            target=torch.tensor(table.target),
            from_box=torch.tensor(table.from_box),
            dataset=torch.tensor(table.dataset),
            numbering=table.numbering,
            datasets=len(table.mappings),
            has_sets=tuple((table.target == SET).any(axis=0).tolist()),
            has_boxes=tuple(boxes_train.any(axis=0).tolist()),
        ).to(device)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Columns per classifier."""
        return self.layout.sizes


def _lookups(layout: LogitLayout) -> tuple[Tensor, Tensor]:
    class_of = torch.tensor(layout.class_of)
    return class_of, torch.cat([class_of, len(layout.classes) + torch.arange(layout.num_classifiers)])
