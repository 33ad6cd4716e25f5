"""Label maps as the loss takes them: numbers of rows of one target table, in a type of their own.

The label maps in shards hold *local* rows, counted within one dataset; the loss looks labels up by *global* rows,
counted over all datasets of a run. Both are small whole numbers, so a tensor of the wrong ones would train wrong labels
without a word. The loss therefore takes no plain tensor: it takes :class:`GlobalRows`, which also know which table they
count in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelforge.targets import TargetTable


@dataclass(frozen=True, eq=False)
class GlobalRows:
    """Rows of a target table, one per pixel.

        >>> import labelforge as lf
        >>> from labelforge.trainer import GlobalRows
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in ("cityscapes", "gtsdb")])
        >>> sample = lf.ShardReader("shards/gtsdb-train")[0]
        >>> rows = GlobalRows.of(table, "gtsdb", sample.local_rows[None])  # the table's rows of GTSDB begin at 36
        >>> rows.shape, bool((rows.tensor.numpy() == sample.local_rows + 36).all())
        (torch.Size([1, 20, 30]), True)

    Attributes:
        tensor: (N, H, W) or (H, W), any integer dtype: the rows.
        numbering: The table's ``numbering``: of two tables with the same one, every row is the same label.

    Raises:
        TypeError: The rows are not whole numbers.
    """

    tensor: Tensor
    numbering: str

    def __post_init__(self) -> None:
        dtype = self.tensor.dtype
        if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
            raise TypeError(f"rows are whole numbers, not {dtype}")

    def __repr__(self) -> str:
        return f"<GlobalRows {tuple(self.shape)}, {self.tensor.dtype}>"

    @classmethod
    def of(cls, table: TargetTable, dataset: str, local_rows: npt.NDArray[Any] | Tensor) -> GlobalRows:
        """The rows of a table for the local rows of one of its datasets.

        Args:
            table: The target table.
            dataset: Name of the label space, as ``ShardReader.dataset`` gives it.
            local_rows: Rows of the dataset's own label maps (``Sample.local_rows``), on the CPU.

        Raises:
            ConfigError: The table has no such dataset, or the dataset no such row.
        """
        rows = table.global_rows(dataset, np.asarray(local_rows))
        return cls(torch.from_numpy(rows), table.numbering)

    @classmethod
    def stack(cls, crops: Sequence[GlobalRows]) -> GlobalRows:
        """Rows of one table, (H, W) each, as one batch (N, H, W).

        Raises:
            ValueError: They are rows of different tables.
        """
        if len({crop.numbering for crop in crops}) != 1:
            raise ValueError("a batch needs the rows of one target table, and these are of several, or of none")
        return cls(torch.stack([crop.tensor for crop in crops]), crops[0].numbering)

    @property
    def shape(self) -> torch.Size:
        """Shape of the label maps."""
        return self.tensor.shape

    def to(self, device: torch.device | str, non_blocking: bool = False) -> GlobalRows:
        """The same on another device."""
        return GlobalRows(self.tensor.to(device, non_blocking=non_blocking), self.numbering)

    def pin_memory(self) -> GlobalRows:
        """The same in page-locked memory; a ``DataLoader`` with ``pin_memory=True`` calls it."""
        return GlobalRows(self.tensor.pin_memory(), self.numbering)
