"""The loss on a GPU by Triton kernels: keeps their tables on the device, launches them, adds up.

Nothing here waits for the device: sizes of grids and tables follow from shapes and from the target table, which is
copied once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelforge.errors import counted
from labelforge.targets import SILENT
from labelforge.trainer.config import Gate
from labelforge.trainer.kernels.device_cache import device_cache
from labelforge.trainer.kernels.entries import entries_of, gate_conditions
from labelforge.trainer.kernels.loss_cells_triton import spread_strips
from labelforge.trainer.kernels.loss_labels_triton import count_labels, pass_gates
from labelforge.trainer.kernels.problem import LossProblem, PixelCounts
from labelforge.trainer.kernels.sampling import places_on, power_of_two
from labelforge.trainer.tables import TableTensors

_SPAN = 8
"""Pixels that are computed at a time, at most: those of one row of a cell where logits have stride 8."""
_HELD = 512
"""Logits that the largest tile holds, 16 in each thread of a warp: with 32 registers spill. Two pixels at least."""
_STRIP = 2
"""Cells of a program: enough to pay for reading what their labels speak to, few enough to keep a GPU evenly busy; where
classifiers are small, and most of the time goes to what they have in common, one."""
_SMALL = 16
"""Children of a small classifier, at most."""
_NARROW = 8
"""Children below which no smaller tile is compiled."""
_COUNTED = 1024
"""Pixels whose labels one program counts."""
_GATED = 256
"""Pixels whose gates one program looks at."""
_WORD = 32
_GATES = 63
"""Classifiers that boxes train, at most: a bit each, in 64."""


class TritonLoss:
    """The loss in float32 on a GPU; the same bits each time."""

    name = "Triton kernels"

    @staticmethod
    def fits(tensors: TableTensors) -> bool:
        """Whether the boxes of a table fit into the kernels' bits."""
        return sum(tensors.has_boxes) <= _GATES

    def count(self, problem: LossProblem) -> PixelCounts:
        """Count the pixels (:class:`labelforge.trainer.kernels.problem.LossBackend`).

        A label that is not a row of the table ends in a device-side assertion.
        """
        table, tensors = _table_of(problem.tensors), problem.tensors
        rows, gates = _readable(problem.rows), _gates_of(tensors, problem.gate)
        with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
            counts, parts = _counts_of(tensors, problem.groups, problem.number, gated=gates is not None)
            # Of whole numbers below 2^53: exact, in one product.
            found = torch.mv(counts, _count_labels(rows, len(tensors.target)).double()).long()
            sizes, boxes, pixels = torch.split(found, list(parts))
            sizes = sizes.view(-1, len(table.slot))
            passed = None if gates is None else _pass_gates(problem, table, gates, rows, sizes)
        return PixelCounts(sizes[: problem.number], boxes, pixels, (rows, passed))

    def spread(self, problem: LossProblem, counts: PixelCounts, factors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sums and gradient (:class:`labelforge.trainer.kernels.problem.LossBackend`)."""
        rows, passed = counts.state
        logits = _dense(problem.logits)
        gradient = torch.zeros_like(logits) if problem.wants_gradient else None
        with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]
            sums = _launch_cells(problem, logits, rows, passed, factors, gradient)
        by_group = sums.sum(dim=0, dtype=torch.float64).T[: problem.number]
        return by_group.to(factors.dtype), gradient


def _launch_cells(
    problem: LossProblem, logits: Tensor, rows: Tensor, passed: Tensor | None, factors: Tensor, gradient: Tensor | None
) -> Tensor:
    """(programs, J, groups) sums of losses; adds to the gradient where there is one."""
    table, groups, weights = _table_of(problem.tensors), power_of_two(problem.number), problem.class_weights
    group, factor = _short(problem.groups), factors[problem.groups]
    if weights is not None:
        weights = weights.contiguous()
        factor = factor * weights
    down, right = (places_on(axis, logits.device) for axis in (problem.sampling.down, problem.sampling.right))
    widest = power_of_two(max(problem.tensors.sizes))
    strip = 1 if widest <= _SMALL else _STRIP
    # Without a gradient no two cells write to the same place.
    step = 1 if gradient is None else 2
    corners = [(y, x) for y in range(step) for x in range(step)]
    grids = [(-(-_every(right.cells, x, step) // strip), _every(down.cells, y, step), len(logits)) for y, x in corners]
    programs = [math.prod(grid) if rows.numel() else 0 for grid in grids]
    sums = torch.zeros(sum(programs), len(table.slot), groups, dtype=torch.float32, device=logits.device)
    span = min(_SPAN, max(2, _HELD // widest))
    for grid, (y, x), part in zip(grids, corners, torch.split(sums, programs), strict=True):
        if len(part):
            spread_strips[grid](
                logits, logits if gradient is None else gradient, rows, rows if passed is None else passed,
                table.speakers, table.target, factor, factor if weights is None else weights, group, table.slot,
                table.allowed, table.columns, down.starts, right.starts, down.weight, right.weight, part, y, x, step,
                *logits.shape[2:], right.cells, len(table.target), len(table.slot), *logits.stride(),
                *rows.stride(), rows.shape[1] * rows.shape[2], rows.shape[2], WORDS=table.speakers.shape[1],
                MASKS=table.allowed.shape[2], GROUPS=groups, STRIP=strip, SPAN=span, WIDEST=widest,
                WIDTHS=_widths(widest), GATED=passed is not None, SETS=any(problem.tensors.has_sets),
                WEIGHTED=weights is not None, WANTED=gradient is not None,
                num_warps=max(1, widest * span // _HELD), enable_fp_fusion=True,
            )  # fmt: skip
    return sums


def _every(cells: int, first: int, step: int) -> int:
    """How many of the cells first, first + step, and so on there are."""
    return max(0, -(-(cells - first) // step))


def _widths(widest: int) -> int:
    """How many widths of tiles are compiled: the widest, a quarter of it, and so on while they are worth it."""
    widths = 1
    while widest >> (2 * widths - 2) > _NARROW:
        widths += 1
    return widths


def _readable(rows: Tensor) -> Tensor:
    """Labels in a type that Triton reads everywhere."""
    return rows if rows.dtype in (torch.uint8, torch.int16, torch.int32, torch.int64) else rows.int()


def _dense(logits: Tensor) -> Tensor:
    """Logits of which a tensor like them has the same strides."""
    dense = logits.is_contiguous() or logits.is_contiguous(memory_format=torch.channels_last)
    return logits if dense else logits.contiguous()


@dataclass(frozen=True, eq=False)
class _Table:
    """The target table as the kernels read it, on the device; see their arguments."""

    speakers: Tensor
    target: Tensor
    allowed: Tensor
    columns: Tensor
    slot: Tensor


@device_cache(8)
def _table_of(tensors: TableTensors) -> _Table:
    entries, device = entries_of(tensors), tensors.target.device
    target = tensors.target.cpu().numpy()
    trains = target != SILENT
    allowed = np.zeros((*target.shape, max(tensors.sizes)), np.bool_)
    for j, columns in enumerate(tensors.layout.slices):
        allowed[:, j, : tensors.sizes[j]] = entries.allowed[:, columns]
    has_boxes = np.array(tensors.has_boxes)
    return _Table(
        speakers=torch.from_numpy(_bits(trains)).to(device),
        target=tensors.target.to(torch.int32).contiguous(),
        allowed=torch.from_numpy(_bits(allowed)).to(device),
        columns=torch.from_numpy(entries.columns.astype(np.int32)).to(device),
        slot=torch.from_numpy(np.where(has_boxes, has_boxes.cumsum() - 1, 0).astype(np.int32)).to(device),
    )


@device_cache(16)
def _short(groups: Tensor) -> Tensor:
    return groups.to(torch.int32)


@device_cache(16)
def _counts_of(tensors: TableTensors, groups: Tensor, number: int, *, gated: bool) -> tuple[Tensor, tuple[int, ...]]:
    """What the pixels of each label count for, where boxes must pass gates or need not.

    Returns:
        (M, L) float64 ones and zeros, and how M is split: sizes of groups, a power of two of them, in each classifier
        (without pixels that must pass a gate first); pixels in boxes, in each classifier; pixels of groups.
    """
    trains = tensors.target.cpu().numpy() != SILENT
    from_box, group = tensors.from_box.cpu().numpy(), groups.cpu().numpy()
    at_once = trains & ~from_box[:, None] if gated else trains
    inside = np.arange(power_of_two(number))[:, None] == group
    sizes = (inside[:, None] & at_once.T).reshape(-1, len(trains))
    parts = (sizes, trains.T & from_box, inside[:number] & trains.any(axis=1))
    matrix = torch.from_numpy(np.concatenate(parts).astype(np.float64)).to(tensors.target.device)
    return matrix, tuple(len(part) for part in parts)


def _bits(conditions: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(..., n) conditions to (..., words) words of 32 bits, the first in the lowest bit of the first."""
    *shape, number = conditions.shape
    padded = np.zeros((*shape, -(-number // _WORD) * _WORD), np.uint32)
    padded[..., :number] = conditions
    words = padded.reshape(*shape, -1, _WORD) << np.arange(_WORD, dtype=np.uint32)
    joined: NDArray[np.uint32] = np.bitwise_or.reduce(words, axis=-1)
    return joined.view(np.int32)


@dataclass(frozen=True, eq=False)
class _Gates:
    """What must be decided at which gate, on the device; see the arguments of :func:`pass_gates`.

    Each classifier that boxes train has a gate.
    """

    asks: Tensor
    above_of: Tensor
    above_asks: Tensor
    above_starts: Tensor
    conditions: Tensor
    trained: Tensor


@device_cache(16)
def _gates_of(tensors: TableTensors, gate: Gate) -> _Gates | None:
    """The gates of a table; none where all box pixels count."""
    starts, conditions = gate_conditions(tensors.layout, gate)
    trained = np.flatnonzero(tensors.has_boxes)
    asked = [
        (int(above), g, int(wanted))
        for g, j in enumerate(trained)
        for above, wanted in conditions[starts[j] : starts[j + 1]]
    ]
    if not asked:
        return None
    asked.sort()
    above = sorted({each[0] for each in asked})
    dtype = torch.int32 if len(trained) < _WORD else torch.int64
    device = tensors.target.device
    boxes = (tensors.target.cpu().numpy() != SILENT) & tensors.from_box.cpu().numpy()[:, None]
    bits = (boxes[:, trained].astype(np.int64) << np.arange(len(trained))).sum(axis=1)
    gates_at = {j: {g for other, g, _ in asked if other == j} for j in above}
    edges = np.searchsorted([each[0] for each in asked], [*above, above[-1] + 1])
    return _Gates(
        asks=torch.from_numpy(bits).to(device, dtype),
        above_of=torch.tensor(above, dtype=torch.int32, device=device),
        above_asks=torch.tensor([sum(1 << g for g in gates_at[j]) for j in above], dtype=dtype, device=device),
        above_starts=torch.from_numpy(edges).to(device, torch.int32),
        conditions=torch.tensor([each[1:] for each in asked], dtype=torch.int32, device=device),
        trained=torch.from_numpy(trained).to(device, torch.int32),
    )


def _count_labels(rows: Tensor, labels: int) -> Tensor:
    """(L,) int32 pixels of each label."""
    bins = power_of_two(labels + 2)
    found = torch.zeros(bins, dtype=torch.int32, device=rows.device)
    if rows.numel():
        count_labels[(-(-rows.numel() // _COUNTED),)](
            rows, found, labels, rows.numel(), *rows.shape[1:], *rows.stride(), BINS=bins, BLOCK=_COUNTED,
            enable_fp_fusion=True,
        )  # fmt: skip
    torch._assert_async(found[labels] == 0, f"a label is not one of the {counted(labels, 'row')} of the target table")
    return found[:labels]


def _pass_gates(problem: LossProblem, table: _Table, gates: _Gates, rows: Tensor, sizes: Tensor) -> Tensor:
    """(N, H, W) integers: bits of the gates that pixels pass; adds box pixels that do to the sizes."""
    logits = problem.logits
    down, right = (places_on(axis, logits.device) for axis in (problem.sampling.down, problem.sampling.right))
    images, height, width = rows.shape
    passed = torch.empty(rows.shape, dtype=gates.asks.dtype, device=rows.device)
    if rows.numel():
        pass_gates[(-(-width // _GATED), height, images)](
            logits, rows, gates.asks, _short(problem.groups), table.columns, gates.above_of, gates.above_asks,
            gates.above_starts, gates.conditions, passed, sizes, gates.trained, down.low, down.weight, right.low,
            right.weight, *logits.shape[2:], len(table.target), len(table.slot), len(gates.above_of),
            len(gates.trained), *logits.stride(), *rows.stride(), height, width, GROUPS=len(sizes), BLOCK=_GATED,
            enable_fp_fusion=True,
        )  # fmt: skip
    return passed
