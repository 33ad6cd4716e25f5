"""What logits say in the labels of a dataset, which the network need not have been trained on.

``winner``: the decision (:mod:`labelforge.trainer.decision`) is written as the most specific native label that contains
it. ``sum``: the probability of a native label is the sum over the classes inside its meaning, and the most probable
label is the answer; of equally probable ones the most specific. Where one label's meaning lies within another's, the
classes inside count for the inner one alone, or it could never win: *ground* of Cityscapes is what is neither road nor
sidewalk. A label that contains no class of the network is never the answer of either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from labelforge.errors import ConfigError, did_you_mean
from labelforge.mapping import LabelMapping
from labelforge.trainer.decision import class_probabilities, decide_with_confidence
from labelforge.trainer.tables import LayoutTensors

By = Literal["sum", "winner"]
"""How a label is found: by the probabilities of all classes, or from the decision alone."""

READOUTS: tuple[By, ...] = get_args(By)
"""All ways to find a label."""

DEFAULT_BY: By = "sum"
"""What scored better on the validation images of CamVid and of the demo."""


class Labelling(NamedTuple):
    """What is read in the labels of a dataset."""

    rows: Tensor
    """(N, H, W) int64: rows of the dataset's label table; 0 where no label fits."""
    confidence: Tensor
    """(N, H, W) float32 in [0, 1]: the label's probability; by ``winner``, the confidence of the decision."""


Readout = Callable[[Tensor], Labelling]
"""From (N, C, H, W) logits to labels."""


def label_readout(
    tensors: LayoutTensors, mapping: LabelMapping, by: By = DEFAULT_BY, threshold: float = 0.0
) -> Readout:
    """A function that reads logits in the labels of a dataset.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, label_readout
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
        >>> tensors = LayoutTensors.of_layout(layout)
        >>> logits = torch.zeros(1, 111, 1, 1)
        >>> logits[:, [layout.column_names.index("driveable"), layout.column_names.index("driveable/parking")]] = 1.0
        >>> for by in ("winner", "sum"):  # parking is likelier than any other kind, but not than all that are road
        ...     print(mapping.rows[int(label_readout(tensors, mapping, by)(logits).rows)].native_name)
        parking
        road

    Args:
        tensors: The layout of the logits.
        mapping: Label table of the dataset, in the same tree.
        by: ``sum`` or ``winner``.
        threshold: By ``sum``, a label below this probability is not an answer; by ``winner``, the descent stops where
            confidence falls below it, and the label must contain the node reached.

    Raises:
        ConfigError: ``by`` is neither.
    """
    if by not in READOUTS:
        raise ConfigError(f"no way to read labels is called {by!r}", cure=did_you_mean(by, READOUTS))
    device = tensors.class_of.device
    if by == "winner":
        native = torch.from_numpy(tensors.layout.answer_rows(mapping)).to(device)

        def read_winner(logits_nchw: Tensor) -> Labelling:
            answers, confidence = decide_with_confidence(logits_nchw, tensors, threshold)
            return Labelling(native[answers], confidence)

        return read_winner
    rows, members = (part.to(device) for part in _members(tensors, mapping))

    def read_sums(logits_nchw: Tensor) -> Labelling:
        sums = torch.einsum("lk,nkhw->nlhw", members, class_probabilities(logits_nchw, tensors))
        best, label = sums.max(dim=1)
        return Labelling(torch.where((best > 0) & (best >= threshold), rows[label], 0), best.clamp(max=1))

    return read_sums


def _members(tensors: LayoutTensors, mapping: LabelMapping) -> tuple[Tensor, Tensor]:
    """Rows of the labels that classes count for, the most specific first, and (labels, K) which classes those are."""
    labels = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
    labels.sort(key=lambda row: len(row.target.leaves))
    classes = tensors.layout.classes
    members = np.zeros((len(labels), len(classes)), np.float32)
    for k, leaves in enumerate(classes):
        holding = [number for number, row in enumerate(labels) if leaves <= row.target.leaves]
        for number in holding:
            meaning = labels[number].target.leaves
            members[number, k] = not any(labels[other].target.leaves < meaning for other in holding)
    kept = members.any(1)
    if not kept.any():  # nothing fits: one label that is never probable stands for all
        return torch.zeros(1, dtype=torch.long), torch.zeros(1, len(classes))
    rows = np.array([row.row for row in labels], np.int64)
    return torch.from_numpy(rows[kept]), torch.from_numpy(members[kept])
