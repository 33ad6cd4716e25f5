"""Counts decisions by their true native label, for three readings of the same pixels.

- *Strict*: a decision is one native label, the one that ``predict`` writes.
- *Consistent*: a decision is right wherever it lies inside the true label's meaning, so labels that share a node are
  never confused with each other. It says how often the network contradicts the label.
- *Merged*: strict, but labels that the network cannot tell apart (:mod:`labelforge.trainer.evaluation.distinct`) are
  one class.

Pixels without annotation, those whose label the protocol does not evaluate, and those where overlapping boxes leave the
label open are not scored. In a dataset of boxes only pixels inside boxes remain, so its scores say how well the class
is recognised there, not how well its outline is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from labelforge.label_rows import IntArray
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol, ProtocolClass
from labelforge.trainer.evaluation.distinct import confusable_rows, group_of_classes, join_overlapping
from labelforge.trainer.evaluation.metrics import Counts, Scores, score_classes

_NOT_EVALUATED = -1


class ConfusionMatrix:
    """Counts pixels by true and decided native label.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import ConfusionMatrix
        >>> tree = lf.Taxonomy.load("iv2018")
        >>> layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
        >>> confusion = ConfusionMatrix(layout, mapping, lf.LabelSpace.load("cityscapes").protocol)
        >>> sky = layout.class_names.index("sky")
        >>> confusion.update(torch.full((4, 4), mapping.row_of[23]), torch.full((4, 4), sky))
        >>> confusion.scores().pixel_accuracy
        1.0

    Attributes:
        protocol: What is scored.
        class_of: (R,) int64: the protocol's class of every row, -1 where it is not evaluated.
        confusable: Native names of the labels that cannot be told apart, group by group, where that costs scores.
        not_in_tree: Evaluated labels that the mapping ignores: no decision can be right for them.

    Args:
        layout: The classes that the decisions refer to.
        mapping: Label table of the dataset.
        protocol: How it is scored; default: every label that the mapping does not ignore is a class.
        device: The device that counts.
        written: (K,) the row that each class is written as where no row is given with it, 0 where no label fits;
            default: the most specific label that contains it.
    """

    def __init__(
        self,
        layout: LogitLayout,
        mapping: LabelMapping,
        protocol: Protocol | None = None,
        device: torch.device | str = "cpu",
        written: IntArray | None = None,
    ) -> None:
        self.protocol = protocol or all_labels(mapping)
        self.class_of = classes_of_rows(mapping, self.protocol)
        self._written = layout.native_rows(mapping) if written is None else written
        self._groups = confusable_rows(layout, mapping, self.class_of, self._written)
        self._group_of_class = group_of_classes(layout, mapping, self._groups)
        self.confusable = tuple(tuple(mapping.rows[row].native_name for row in sorted(g)) for g in self._groups)
        self.not_in_tree = tuple(
            row.native_name for row in mapping.rows if self.class_of[row.row] != _NOT_EVALUATED and row.target.ignored
        )
        rows, classes = len(mapping.rows), len(layout.classes)
        credited = layout.credited_rows(mapping)[:, :classes]
        self._credited = np.where(credited == self._every_row, credited, self._written)
        self._credited_here = torch.tensor(self._credited, device=device)
        # Decisions that are written as what contains their class: one table holds all that the three readings need.
        self._read_off = torch.zeros(rows, classes, dtype=torch.int64, device=device)
        # Decisions that came with rows of their own: true row x decided row, for two readings, and true row x class of
        # those without a native label, since what they are worth depends on which labels are merged.
        self._strict = torch.zeros(rows, rows, dtype=torch.int64, device=device)
        self._consistent = torch.zeros_like(self._strict)
        self._nameless = torch.zeros_like(self._read_off)

    def update(self, labels: Tensor, classes: Tensor, rows: Tensor | None = None) -> None:
        """Count some pixels.

        Args:
            labels: (...) local rows of the dataset (as its shards hold them), any integer dtype.
            classes: (...) classes, as :func:`labelforge.trainer.decide` returns them, int64.
            rows: (...) local rows that the decisions are written as, int64, 0 where nothing fits; default: the most
                specific label that contains the class.

        Raises:
            ValueError: They differ in shape.
        """
        if labels.shape != classes.shape or (rows is not None and rows.shape != classes.shape):
            raise ValueError(f"labels are {tuple(labels.shape)}, classes {tuple(classes.shape)}")
        true, decided = labels.long().flatten(), classes.flatten()
        if rows is None:
            _count(self._read_off, true, decided)
            return
        said = rows.flatten()
        _count(self._strict, true, said)
        _count(self._consistent, true, torch.where(self._credited_here[true, decided] == true, true, said))
        _count(self._nameless, true[said == 0], decided[said == 0])

    def all_reduce(self) -> None:
        """Add up the counts of all processes, where ``torch.distributed`` is initialised; a collective call."""
        if dist.is_available() and dist.is_initialized():
            for counts in (self._read_off, self._strict, self._consistent, self._nameless):
                dist.all_reduce(counts)

    @property
    def counts(self) -> Counts:
        """(R, R) int64: true row x decided row of all pixels; rows that are not evaluated enter no score."""
        counts = self._strict.cpu().numpy().copy()
        np.add.at(counts, (self._every_row, self._written), self._read_off.cpu().numpy())
        return counts

    @property
    def class_counts(self) -> Counts:
        """(N, N + 1) int64: evaluated pixels by true and decided class of the protocol, as ``scores`` reads them."""
        return _fold(self.counts, self.class_of, self.class_of, len(self.protocol.classes))

    def scores(self) -> Scores:
        """Strict scores of all pixels counted so far."""
        return score_classes(self.class_counts, self.protocol)

    def consistent_scores(self) -> Scores:
        """Scores where every decision inside the true label's meaning is right."""
        counts = self._consistent.cpu().numpy().copy()
        np.add.at(counts, (self._every_row, self._credited), self._read_off.cpu().numpy())
        return score_classes(_fold(counts, self.class_of, self.class_of, len(self.protocol.classes)), self.protocol)

    def merged_scores(self) -> Scores | None:
        """Strict scores with labels that cannot be told apart as one class; None if there are none."""
        if not self._groups:
            return None
        merged, number_of = _merge(self.protocol, [[int(self.class_of[r]) for r in g] for g in self._groups])
        true_of = np.append(number_of, _NOT_EVALUATED)[self.class_of]
        said_of = true_of.copy()
        group_class = np.full(len(self._groups) + 1, _NOT_EVALUATED)
        for number, group in enumerate(self._groups):
            group_class[number] = max(true_of[row] for row in group)
            said_of[list(group)] = group_class[number]
        named = self.counts
        named[:, 0] = 0
        matrix = _fold(named, true_of, said_of, len(merged.classes))
        nameless = self._nameless.cpu().numpy() + self._read_off.cpu().numpy() * (self._written == 0)
        matrix += _fold(nameless, true_of, group_class[self._group_of_class], len(merged.classes))
        return score_classes(matrix, merged)

    @property
    def _every_row(self) -> IntArray:
        return np.arange(len(self.class_of))[:, None]


def all_labels(mapping: LabelMapping) -> Protocol:
    """The protocol of a dataset that has none: every label that the mapping does not ignore is a class."""
    names = [row.native_name for row in mapping.rows if row.native_id is not None and not row.target.ignored]
    return Protocol.of_labels(names)


def classes_of_rows(mapping: LabelMapping, protocol: Protocol) -> IntArray:
    """(R,) int64: the protocol's class of every row, -1 where it is not evaluated."""
    number = {label: i for i, entry in enumerate(protocol.classes) for label in entry.labels}
    found = [number.get(row.native_name, -1) if row.native_id is not None else -1 for row in mapping.rows]
    return np.array(found, np.int64)


def _merge(protocol: Protocol, groups: Sequence[Sequence[int]]) -> tuple[Protocol, IntArray]:
    """A protocol with some classes united, and the new number of every class."""
    sets = [frozenset(i for i in group if i != _NOT_EVALUATED) for group in groups]
    joined = join_overlapping([*sets, *(frozenset({i}) for i in range(len(protocol.classes)))])
    number_of = np.zeros(len(protocol.classes), np.int64)
    classes = []
    for number, members in enumerate(joined):
        number_of[list(members)] = number
        parts = [protocol.classes[i] for i in sorted(members)]
        name = " | ".join(part.name for part in parts)
        classes.append(ProtocolClass(name=name, labels=tuple(label for part in parts for label in part.labels)))
    return replace(protocol, classes=tuple(classes), categories={}), number_of


def _count(counts: Tensor, first: Tensor, second: Tensor) -> None:
    """Add one to a two-dimensional table at every pair of indices."""
    cells = first * counts.shape[1] + second
    counts += torch.bincount(cells, minlength=counts.numel()).view_as(counts)


def _fold(counts: Counts, true_of: IntArray, said_of: IntArray, classes: int) -> Counts:
    """(N, N + 1): add up rows and columns by class; columns of no class go to the last."""
    true, said = np.meshgrid(true_of, np.where(said_of < 0, classes, said_of), indexing="ij")
    matrix = np.zeros((classes, classes + 1), np.int64)
    evaluated = true >= 0
    np.add.at(matrix, (true[evaluated], said[evaluated]), counts[evaluated])
    return matrix
