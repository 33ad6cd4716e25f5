"""What logits say in the labels of a dataset, which the network need not have been trained on.

``winner``: the decision (:mod:`labelforge.trainer.decision`) is written as the most specific native label that contains
it; where none does, no label fits.

``sum``: the probability of a native label is the sum over the classes inside its meaning, and the most probable label
is the answer. Where one label's meaning lies within another's, the classes inside count for the inner one alone, or it
could never win: *ground* of Cityscapes is what is neither road nor sidewalk. A class that no label contains counts for
the one that means most of it, if that is at least half of its leaves and more than any other label's part: what
Cityscapes calls road is also road where driveways are. A class that may be one label as well as another, such as
Cityscapes' rider in the labels of Vistas, counts for none.

A flat-union head, whose answers are inner nodes beside their own descendants, can be read over its ``leaves`` alone
(:class:`labelforge.trainer.Segmenter` then drops the other logits), so that no inner node takes what is below it.

Unless one of them is asked for, a dataset of pixels is read by sum, but no label fits where the classes that count for
none are together more probable than not; and a dataset of boxes, which labels only parts of a picture, by winner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelforge.errors import ConfigError, did_you_mean
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.shares import counts_for
from labelforge.trainer.decision import class_probabilities, decide_with_confidence
from labelforge.trainer.kernels.choice import Kernel, choose_decision
from labelforge.trainer.tables import LayoutTensors
from labelforge.trainer.upsampled import band_values, read_upsampled

By = Literal["sum", "winner"]
"""How a label is found: by the probabilities of all classes, or from the decision alone."""

Over = Literal["nodes", "leaves"]
"""What a flat union decides between: all that labels name, or only what holds no other of these. Other heads have no
answers that hold others."""

READOUTS: tuple[By, ...] = get_args(By)
"""All ways to find a label."""


def reads_rows(mapping: LabelMapping, by: By | None) -> bool:
    """Whether labels are read by sum, so that an answer is a row of the label table and not a decision.

    Args:
        mapping: Label table of the dataset.
        by: ``sum`` or ``winner``, if it was asked for.
    """
    return by == "sum" or (by is None and mapping.supervision == "pixel")


class Labelling(NamedTuple):
    """What is read in the labels of a dataset."""

    rows: Tensor
    """(N, H, W) int64: rows of the dataset's label table; 0 where no label fits."""
    confidence: Tensor
    """(N, H, W) float32 in [0, 1]: by sum, the probability of the likeliest label, also where it is not the answer; by
    ``winner``, the confidence of the decision."""


class Readout(Protocol):
    """Reads logits in the labels of a dataset."""

    def __call__(
        self, logits_nchw: Tensor, size: tuple[int, int] | None = None, *, kernel: Kernel | None = None
    ) -> Labelling:
        """Read.

        Args:
            logits_nchw: (N, C, h, w) logits.
            size: Height H and width W of the answer; see :func:`labelforge.trainer.decide`.
            kernel: What computes it; see there.

        Raises:
            ConfigError: The kernel asked for is not there, or cannot do this.
        """


def label_readout(
    tensors: LayoutTensors, mapping: LabelMapping, by: By | None = None, threshold: float = 0.0
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
        by: ``sum`` or ``winner``; default: as usual for the dataset.
        threshold: By ``sum``, a label below this probability is not an answer; by ``winner``, the descent stops where
            confidence falls below it, and the label must contain the node reached.

    Raises:
        ConfigError: ``by`` is neither.
    """
    if by is not None and by not in READOUTS:
        raise ConfigError(f"no way to read labels is called {by!r}", cure=did_you_mean(by, READOUTS))
    device = tensors.class_of.device
    if not reads_rows(mapping, by):
        native = torch.from_numpy(tensors.layout.answer_rows(mapping)).to(device)

        def read_winner(
            logits_nchw: Tensor, size: tuple[int, int] | None = None, *, kernel: Kernel | None = None
        ) -> Labelling:
            answers, confidence = decide_with_confidence(logits_nchw, tensors, threshold, size, kernel=kernel)
            return Labelling(native[answers], confidence)

        return read_winner
    return _SumReadout(tensors, _Shares.of(tensors.layout, mapping), threshold, may_be_none=by is None)


def written_rows(layout: LogitLayout, mapping: LabelMapping, by: By | None = None) -> npt.NDArray[np.int64]:
    """The label that is read where a single class is certain.

    Args:
        layout: The network's classes.
        mapping: Label table of the dataset, in the same tree.
        by: As for :func:`label_readout`.

    Returns:
        (K,) row of the dataset's table: what :meth:`LogitLayout.native_rows` says; by sum, a class that no label
        contains may have one too; 0 where it counts for none.
    """
    if not reads_rows(mapping, by):
        return layout.native_rows(mapping)
    table = _Shares.of(layout, mapping)
    return np.where(table.shares.any(axis=0), table.rows[table.shares.argmax(axis=0)], 0)


class _SumReadout:
    """Reads labels by sum.

    Args:
        tensors: The layout of the logits.
        table: Which classes count for which label.
        threshold: A label below this probability is not an answer.
        may_be_none: Whether no label is the answer where the classes that count for none are together likelier.
    """

    def __init__(self, tensors: LayoutTensors, table: _Shares, threshold: float, *, may_be_none: bool) -> None:
        device = tensors.class_of.device
        self._tensors, self._threshold, self._may_be_none = tensors, threshold, may_be_none
        self._rows, self._shares, self._outside = (
            torch.from_numpy(part).to(device) for part in (table.rows, table.shares, table.outside)
        )

    def __call__(
        self, logits_nchw: Tensor, size: tuple[int, int] | None = None, *, kernel: Kernel | None = None
    ) -> Labelling:
        layout = self._tensors.layout
        backend = choose_decision(kernel, logits_nchw, size)
        if size is None or size == tuple(logits_nchw.shape[2:]):
            return Labelling(*self._label(*self._add_up(logits_nchw)))
        if backend is not None:
            return Labelling(*self._label(*backend.add_up(logits_nchw, layout, size, self._shares)))
        values = band_values(layout.num_logits + len(layout.classes), kernel)
        bands = read_upsampled(logits_nchw, size, lambda fine: self._label(*self._add_up(fine)), values=values)
        return Labelling(*bands)

    def _add_up(self, logits_nchw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Likeliest label, its probability, and that of the classes that count for none; (N, H, W) each."""
        probabilities = class_probabilities(logits_nchw, self._tensors)
        best, label = torch.einsum("lk,nkhw->nlhw", self._shares, probabilities).max(dim=1)
        return label, best, torch.einsum("k,nkhw->nhw", self._outside, probabilities)

    def _label(self, label: Tensor, best: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and confidence."""
        fits = (best > 0) & (best >= self._threshold)
        if self._may_be_none:
            fits &= outside <= 0.5
        return torch.where(fits, self._rows[label], 0), best.clamp(max=1)


def readable_rows(layout: LogitLayout, mapping: LabelMapping) -> frozenset[int]:
    """Rows of the labels that can be read by sum: those that some class counts for."""
    return frozenset(_Shares.of(layout, mapping).rows.tolist()) - {0}


@dataclass(frozen=True)
class _Shares:
    """Which of K classes count for each label, the most specific labels first: those win ties.

    Where no class counts for any label, one that is never probable stands for all.
    """

    rows: npt.NDArray[np.int64]
    """(labels,) row of each label."""
    shares: npt.NDArray[np.float32]
    """(labels, K) 1 where a class counts, else 0."""
    outside: npt.NDArray[np.float32]
    """(K,) 1 for a class that counts for no label, else 0."""

    @classmethod
    def of(cls, layout: LogitLayout, mapping: LabelMapping) -> _Shares:
        labels = [row for row in mapping.rows if row.native_id is not None and not row.target.ignored]
        labels.sort(key=lambda row: len(row.target.leaves))
        meanings = [row.target.leaves for row in labels]
        shares = np.zeros((len(labels), len(layout.classes)), np.float32)
        for k, leaves in enumerate(layout.classes):
            shares[counts_for(meanings, leaves), k] = 1
        outside = np.array(shares.max(axis=0, initial=0) == 0, np.float32)
        kept = shares.any(axis=1)
        if not kept.any():
            return cls(np.zeros(1, np.int64), np.zeros((1, len(outside)), np.float32), outside)
        rows = np.array([row.row for row in labels], np.int64)
        return cls(rows[kept], shares[kept], outside)
