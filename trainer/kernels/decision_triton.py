"""Decisions and labels on a GPU by Triton kernels: keeps their tables on the device, launches them.

A :class:`labelforge.trainer.kernels.problem.DecisionBackend`. Nothing here waits for the device.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.kernels.decision_cells_triton import add_up_tiles, descend_tiles
from labelforge.trainer.kernels.label_sums import LabelSums
from labelforge.trainer.kernels.sampling import Sampling, places_on

_ROWS = 8
"""Pixel rows of a tile: those of a cell where logits have stride 8."""
_ACROSS = 32
"""Pixel columns of a tile that is decided."""
_WARPS = 1

# The same where labels are added up, and what only that needs.
_SUM_ROWS, _SUM_ACROSS, _SUM_WARPS = 8, 32, 1
_SUM_PARTS = 2
"""Programs that share a row of cells, of which those at the borders are higher than a tile."""
_SUM_UNROLLED = 4
"""Children whose logits are read at a time."""
_SUM_PIXELS = 1 << 20
"""Pixels that wait in memory at a time, if they are more than one image has."""


def decide(logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int]) -> Tensor:
    """Decide (:class:`labelforge.trainer.kernels.problem.DecisionBackend`)."""
    classes = torch.empty(len(logits_nchw), *size, dtype=torch.int64, device=logits_nchw.device)
    _launch(logits_nchw, layout, size, 0.0, (classes, classes, classes), confident=False)
    return classes


def descend(
    logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], threshold: float = 0.0, *, steps: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Decide with confidence (:class:`labelforge.trainer.kernels.problem.DecisionBackend`)."""
    shape, device = (len(logits_nchw), *size), logits_nchw.device
    choices = _deepest(layout) + 1 if steps else 0
    places = torch.empty(shape, dtype=torch.int64, device=device)
    confidence = torch.empty(shape, dtype=torch.float32, device=device)
    after = torch.zeros(len(logits_nchw), choices, *size, dtype=torch.float32, device=device)
    _launch(logits_nchw, layout, size, threshold, (places, confidence, after), confident=True)
    return places, confidence, after


def add_up(
    logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the likeliest labels (:class:`labelforge.trainer.kernels.problem.DecisionBackend`)."""
    shape, device = (len(logits_nchw), *size), logits_nchw.device
    found = torch.empty(shape, dtype=torch.int64, device=device)
    probability, outside = (torch.empty(shape, dtype=torch.float32, device=device) for _ in range(2))
    if not found.numel():
        return found, probability, outside
    sums = _sums(layout, shares)
    (across, cells, images), places, sizes = _tiles(logits_nchw, size, _SUM_ACROSS)
    together = min(images, max(1, _SUM_PIXELS // (size[0] * size[1])))
    offsets = torch.empty(len(sums.needed), together, *size, dtype=torch.float32, device=device)
    with torch.cuda.device_of(logits_nchw):  # type: ignore[no-untyped-call]
        add_up_tiles[across, cells * _SUM_PARTS, together](
            logits_nchw, sums.needed, sums.spans, sums.first_span, *places, offsets, found, probability, outside,
            *sizes, images, len(sums.needed), len(shares), *logits_nchw.stride(), ROWS=_SUM_ROWS, ACROSS=_SUM_ACROSS,
            PARTS=_SUM_PARTS, UNROLLED=_SUM_UNROLLED, num_warps=_SUM_WARPS, enable_fp_fusion=True,
        )  # fmt: skip
    return found, probability, outside


def _launch(
    logits: Tensor,
    layout: LogitLayout,
    size: tuple[int, int],
    threshold: float,
    written: tuple[Tensor, Tensor, Tensor],
    *,
    confident: bool,
) -> None:
    if not written[0].numel():
        return
    walk = _walk(layout, logits.device)
    grid, places, sizes = _tiles(logits, size, _ACROSS)
    choices = written[2].shape[1] if confident else 0
    with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]
        descend_tiles[grid](
            logits, walk.columns, walk.owner, walk.depth, walk.class_of, *places, float(threshold), *written, *sizes,
            layout.num_classifiers, layout.num_logits, *logits.stride(), choices, ROWS=_ROWS, ACROSS=_ACROSS,
            CONFIDENT=confident, STEPS=choices > 0, num_warps=_WARPS, enable_fp_fusion=True,
        )  # fmt: skip


def _tiles(
    logits: Tensor, size: tuple[int, int], across: int
) -> tuple[tuple[int, int, int], tuple[Any, ...], tuple[int, ...]]:
    """The grid of programs; where pixels lie; the sizes of logits and pixels: as the kernels take them."""
    low = (logits.shape[2], logits.shape[3])
    sampling = Sampling.of(low, size)
    down, right = places_on(sampling.down, logits.device), places_on(sampling.right, logits.device)
    grid = (-(-size[1] // across), down.cells, len(logits))
    return grid, (down.starts, down.weight, right.low, right.weight), (*low, *size)


@dataclass(frozen=True, eq=False)
class _Walk:
    """A layout as the kernels walk it, on a device; see their arguments."""

    columns: Tensor
    owner: Tensor
    depth: Tensor
    class_of: Tensor


@functools.lru_cache(maxsize=16)
def _walk(layout: LogitLayout, device: torch.device) -> _Walk:
    owners = [layout.owning_column(j) for j in range(layout.num_classifiers)]
    depth = [len(layout.ancestors(j)) for j in range(layout.num_classifiers)]
    columns = list(layout.starts)
    arrays = (np.array(part, np.int32) for part in (columns, owners, depth, layout.class_of))
    return _Walk(*(torch.from_numpy(array).to(device) for array in arrays))


@functools.lru_cache(maxsize=16)
def _deepest(layout: LogitLayout) -> int:
    """Classifiers above the deepest one."""
    return max(len(layout.ancestors(j)) for j in range(layout.num_classifiers))


@dataclass(frozen=True, eq=False)
class _Sums:
    """What is added up for labels, as the kernel reads it, on a device; see its arguments."""

    needed: Tensor
    spans: Tensor
    first_span: Tensor


@functools.lru_cache(maxsize=16)
def _sums(layout: LogitLayout, shares: Tensor) -> _Sums:
    sums = LabelSums.of(layout, shares.cpu().numpy() > 0)
    parts = (sums.classifiers, sums.spans, sums.starts)
    return _Sums(*(torch.from_numpy(part).to(shares.device) for part in parts))
