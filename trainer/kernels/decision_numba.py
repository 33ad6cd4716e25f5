"""Decisions and labels on a CPU by numba kernels: prepares their arrays, spreads rows of cells over threads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.kernels.confidence_cells import descend_row
from labelforge.trainer.kernels.decision_cells import decide_row
from labelforge.trainer.kernels.label_cells import sum_row
from labelforge.trainer.kernels.label_sums import LabelSums
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.kernels.threads import channels_last, run_all

Longs = npt.NDArray[np.int64]


class _Walk(NamedTuple):
    """A layout as the kernels walk it."""

    columns: Longs
    """(J + 1,) first logit of each classifier, then C."""
    leads_to: Longs
    """(C,) classifier that a logit leads to, or -1."""
    class_of: Longs
    """(C,) class that a logit stands for, or -1."""
    depth: Longs
    """(J,) classifiers above each one."""


@functools.lru_cache(maxsize=8)
def _walk(layout: LogitLayout) -> _Walk:
    leads_to = np.full(layout.num_logits, -1, np.int64)
    for j in range(1, layout.num_classifiers):
        leads_to[layout.owning_column(j)] = j
    columns = np.array(layout.starts, np.int64)
    depth = np.array([len(layout.ancestors(j)) for j in range(layout.num_classifiers)], np.int64)
    return _Walk(columns, leads_to, layout.class_of, depth)


def decide(logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int]) -> Tensor:
    """Decide (:class:`labelforge.trainer.kernels.problem.DecisionBackend`), with float32 logits on the CPU."""
    classes = np.empty((len(logits_nchw), *size), np.int64)
    walk = _walk(layout)
    table = (walk.columns, walk.leads_to, walk.class_of)
    _each_row(logits_nchw, size, lambda logits, place, row: decide_row(logits, *table, *place, *row, classes))
    return torch.from_numpy(classes)


def descend(
    logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], threshold: float = 0.0, *, steps: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Decide with confidence (:class:`labelforge.trainer.kernels.problem.DecisionBackend`)."""
    walk, batch = _walk(layout), len(logits_nchw)
    places, confidence = np.empty((batch, *size), np.int64), np.empty((batch, *size), np.float32)
    after = np.empty((batch, int(walk.depth.max()) + 1 if steps else 0, *size), np.float32)
    table = (walk.columns, walk.leads_to, walk.depth, threshold)

    def descend_cells(logits: Any, place: Any, row: Any) -> None:
        descend_row(logits, *table, *place, *row, places, confidence, after)

    _each_row(logits_nchw, size, descend_cells)
    return torch.from_numpy(places), torch.from_numpy(confidence), torch.from_numpy(after)


def add_up(
    logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the likeliest labels (:class:`labelforge.trainer.kernels.problem.DecisionBackend`)."""
    sums, shape = _sums(layout, shares), (len(logits_nchw), *size)
    found, probability, outside = np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.float32)
    table = (sums.classifiers, sums.spans, sums.starts)

    def add_up_cells(logits: Any, place: Any, row: Any) -> None:
        sum_row(logits, *table, *place, *row, found, probability, outside)

    _each_row(logits_nchw, size, add_up_cells)
    return torch.from_numpy(found), torch.from_numpy(probability), torch.from_numpy(outside)


@functools.lru_cache(maxsize=8)
def _sums(layout: LogitLayout, shares: Tensor) -> LabelSums:
    return LabelSums.of(layout, shares.numpy() > 0)


def _each_row(logits_nchw: Tensor, size: tuple[int, int], kernel: Callable[[Any, Any, Any], None]) -> None:
    """Call a kernel for each row of cells of each image."""
    sampling = Sampling.of((logits_nchw.shape[2], logits_nchw.shape[3]), size)
    down, right = sampling.down, sampling.right
    logits = channels_last(logits_nchw.detach())
    place = (right.starts, down.weight.astype(np.float32), right.weight.astype(np.float32))
    cells = range(len(down.starts) - 1)
    rows = [(n, cell, down.starts[cell], down.starts[cell + 1]) for n in range(len(logits)) for cell in cells]
    run_all(lambda row: kernel(logits, place, row), rows)
