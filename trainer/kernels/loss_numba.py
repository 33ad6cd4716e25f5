"""The loss on a CPU by numba kernels: prepares their arrays, spreads rows of cells over threads, adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelforge.errors import counted
from labelforge.trainer.kernels.entries import Entries, entries_of, gate_conditions
from labelforge.trainer.kernels.loss_cells import spread_row
from labelforge.trainer.kernels.loss_labels import LABEL, PASSED_BITS, read_labels
from labelforge.trainer.kernels.problem import LossProblem, PixelCounts, pixels_by_group
from labelforge.trainer.kernels.threads import channels_last, run_all

_BAND = 64
"""Pixel rows whose labels one thread reads at a time."""


class NumbaLoss:
    """The loss in float32 on a CPU; the result does not depend on the number of threads."""

    name = "numba kernels"

    @staticmethod
    def fits(entries: Entries) -> bool:
        """Whether the labels of a table fit into the kernel's codes."""
        return len(entries.from_box) <= LABEL and entries.most_of_boxes <= PASSED_BITS

    def count(self, problem: LossProblem) -> PixelCounts:
        """Count the pixels (:class:`labelforge.trainer.kernels.problem.LossBackend`).

        Raises:
            IndexError: A label is not a row of the table.
        """
        entries = entries_of(problem.tensors)
        conditions = gate_conditions(problem.tensors.layout, problem.gate)
        logits = channels_last(problem.logits)
        codes = problem.rows.to(torch.int32, copy=True, memory_format=torch.contiguous_format).numpy()
        down, right = problem.sampling.down, problem.sampling.right
        places = (down.low, _float(down.weight), right.low, _float(right.weight))
        table = (entries.from_box, entries.starts, entries.classifier, entries.columns, *conditions)

        def read(band: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
            n, begin = band
            pixels = np.zeros(len(entries.from_box), np.int64)
            passed = np.zeros(len(entries.label), np.int64)
            end = min(begin + _BAND, codes.shape[1])
            if not read_labels(logits, codes, *table, *places, n, begin, end, pixels, passed):
                rows, what = problem.rows.long(), f"the target table has {counted(len(pixels), 'row')}"
                raise IndexError(f"labels are rows {rows.min()} to {rows.max()}, and {what} from 0")
            return pixels, passed

        bands = [(n, begin) for n in range(len(codes)) for begin in range(0, codes.shape[1], _BAND)]
        found = run_all(read, bands)
        pixels, passed = (sum(part, start=np.zeros(1, np.int64)) for part in zip(*found, strict=True))
        of_entry = pixels[entries.label]
        from_box = entries.from_box[entries.label]
        sizes = _by_group(problem, entries, np.where(from_box, passed, of_entry))
        boxes = np.bincount(entries.classifier[from_box], of_entry[from_box], minlength=sizes.shape[1])
        state = (logits, codes)
        return PixelCounts(
            sizes.long(), torch.from_numpy(boxes).long(), pixels_by_group(problem, torch.from_numpy(pixels)), state
        )

    def spread(self, problem: LossProblem, counts: PixelCounts, factors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sums and gradient (:class:`labelforge.trainer.kernels.problem.LossBackend`)."""
        entries = entries_of(problem.tensors)
        logits, codes = counts.state
        down, right = problem.sampling.down, problem.sampling.right
        images, height, cells = len(logits), logits.shape[1], len(down.starts) - 1
        groups = problem.groups.numpy()[entries.label]
        weights = _class_weights(problem, entries)
        factor = _float(factors.numpy()[groups, entries.classifier] * weights)
        losses = np.zeros((images, cells, len(entries.label)))
        gradient = np.zeros((images, height if problem.wants_gradient else 0, *logits.shape[2:]), np.float32)
        table = (entries.starts, entries.classifier, entries.target, entries.allowed, entries.columns, factor)
        places = (right.starts, _float(down.weight), _float(right.weight))

        def spread(task: tuple[int, int]) -> None:
            n, cell = task
            begin, end = down.starts[cell], down.starts[cell + 1]
            spread_row(logits, codes, *table, *places, n, cell, begin, end, losses[n, cell], gradient)

        for parity in range(2):  # neighbouring rows of cells write to the same row of the gradient
            run_all(spread, [(n, cell) for n in range(images) for cell in range(parity, cells, 2)])
        sums = _by_group(problem, entries, losses.sum(axis=(0, 1)) * weights).to(problem.logits.dtype)
        return sums, torch.from_numpy(gradient).permute(0, 3, 1, 2) if problem.wants_gradient else None


def _float(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)


def _class_weights(problem: LossProblem, entries: Entries) -> npt.NDArray[np.float64]:
    """(E,) weight of each entry's pixels."""
    if problem.class_weights is None:
        return np.ones(len(entries.label))
    return problem.class_weights.numpy()[entries.label, entries.classifier].astype(np.float64)


def _by_group(problem: LossProblem, entries: Entries, values: npt.NDArray[Any]) -> Tensor:
    """(G, J) sums of the (E,) values of entries."""
    number = problem.tensors.layout.num_classifiers
    at = problem.groups.numpy()[entries.label] * number + entries.classifier
    return torch.from_numpy(np.bincount(at, values, minlength=problem.number * number)).view(-1, number)
