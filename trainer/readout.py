"""What logits say in the labels of a dataset, which the network need not have been trained on.

``winner``: the decision (:mod:`labelforge.trainer.decision`) is written as the most specific native label that contains
it. ``sum``: the probability of a native label is the sum over the classes inside its meaning, and the most probable
label is the answer; of equally probable ones the most specific. A label that contains no class of the network is never
the answer of either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from labelforge.errors import ConfigError, did_you_mean
from labelforge.mapping import LabelMapping
from labelforge.trainer.decision import class_probabilities, decide
from labelforge.trainer.tables import LayoutTensors

By = Literal["sum", "winner"]
"""How a label is found: by the probabilities of all classes, or from the decision alone."""

READOUTS: tuple[By, ...] = get_args(By)
"""All ways to find a label."""

DEFAULT_BY: By = "winner"

Readout = Callable[[Tensor], Tensor]
"""From (N, C, H, W) logits to (N, H, W) int64 rows of a dataset's label table; 0 where no label fits."""


def label_readout(tensors: LayoutTensors, mapping: LabelMapping, by: By) -> Readout:
    """A function that reads logits in the labels of a dataset.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, label_readout
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
        >>> tensors = LayoutTensors.of_layout(layout)
        >>> logits = torch.zeros(1, 111, 1, 1)
        >>> logits[:, [layout.column_names.index("driveable"), layout.column_names.index("driveable/parking")]] = 1.0
        >>> for by in ("winner", "sum"):  # parking is likelier than any other kind, but not than all that are road
        ...     print(mapping.rows[int(label_readout(tensors, mapping, by)(logits))].native_name)
        parking
        road

    Args:
        tensors: The layout of the logits.
        mapping: Label table of the dataset, in the same tree.
        by: ``sum`` or ``winner``.

    Raises:
        ConfigError: ``by`` is neither.
    """
    if by not in READOUTS:
        raise ConfigError(f"no way to read labels is called {by!r}", cure=did_you_mean(by, READOUTS))
    device = tensors.class_of.device
    if by == "winner":
        native = torch.from_numpy(tensors.layout.native_rows(mapping)).to(device)
        return lambda logits: native[decide(logits, tensors)]
    rows, members = _members(tensors, mapping)
    rows_on_device, members_on_device = rows.to(device), members.to(device)

    def read(logits_nchw: Tensor) -> Tensor:
        probabilities = class_probabilities(logits_nchw, tensors)
        sums = torch.einsum("lk,nkhw->nlhw", members_on_device, probabilities)
        best, label = sums.max(dim=1)
        return torch.where(best > 0, rows_on_device[label], 0)

    return read


def _members(tensors: LayoutTensors, mapping: LabelMapping) -> tuple[Tensor, Tensor]:
    """Rows of the labels that contain a class, the most specific first, and (labels, K) which classes they contain."""
    labels = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
    labels.sort(key=lambda row: len(row.target.leaves))
    found = [[leaves <= row.target.leaves for leaves in tensors.layout.classes] for row in labels]
    members = np.array(found, np.float32).reshape(len(labels), len(tensors.layout.classes))
    kept = members.any(1)
    if not kept.any():  # nothing fits: one label that is never probable stands for all
        return torch.zeros(1, dtype=torch.long), torch.zeros(1, members.shape[1])
    rows = np.array([row.row for row in labels], np.int64)
    return torch.from_numpy(rows[kept]), torch.from_numpy(members[kept])
