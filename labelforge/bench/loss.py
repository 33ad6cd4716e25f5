"""Suite ``loss``: forward and backward of the loss alone, on logits at the labels' size.

Rivals: one flat cross-entropy over all classes; and what one would write without a target table, a cross-entropy per
classifier on label maps stored per classifier. The latter does less: it has no unions of labels and no gate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.config import Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import SuiteReport
from labelforge.bench.workload import PaperProblem

_TREE, _STORED, _FLAT = "hierarchical loss", "loss on stored maps", "flat cross-entropy"


def bench_loss(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; the backbone of the scale is not used."""
    problem = PaperProblem(meter.device)
    rows = problem.label_rows(scale.batch, scale.size)
    logits, device = sum(problem.sizes), meter.device
    stored, classes = problem.stored_targets(rows), problem.class_maps(rows)
    contestants = {
        _TREE: _forward_and_backward(problem.loss, logits, rows.to(device)),
        _STORED: _forward_and_backward(lambda x, y: stored_losses(problem, x, y).sum(), logits, stored.to(device)),
        _FLAT: _forward_and_backward(_flat_loss, problem.classes, classes.to(device)),
    }
    amount = rows.numel() / 1e6
    race = meter.race("loss, forward and backward", contestants, rival=_FLAT, unit="Mpixels", amount=amount)
    return SuiteReport(
        suite="loss",
        work=f"{scale.text} logits in float32: {logits} of {len(problem.sizes)} classifiers, "
        f"or {problem.classes} of one",
        shrunk=scale.shrunk,
        races=(race,),
        finding=f"{race.sentence(_TREE, _FLAT)} {race.sentence(_TREE, _STORED)} "
        "(The latter has one map of targets per classifier, and knows neither unions nor gates.)",
    )


def stored_losses(problem: PaperProblem, logits_nchw: Tensor, targets_jnhw: Tensor) -> Tensor:
    """(J,) weighted cross-entropies, one per classifier, on stored targets; NaN where a classifier has no target."""
    parts = torch.split(logits_nchw, list(problem.sizes), dim=1)
    losses = [F.cross_entropy(part, target.long()) for part, target in zip(parts, targets_jnhw, strict=True)]
    return torch.stack(losses).mul(problem.weights)


def _flat_loss(logits_nchw: Tensor, classes_nhw: Tensor) -> Tensor:
    return F.cross_entropy(logits_nchw, classes_nhw.long())


def _forward_and_backward(
    loss: Callable[[Tensor, Tensor], Tensor], channels: int, targets: Tensor
) -> Callable[[], object]:
    """A call that computes a loss of (..., N, H, W) targets and random float32 logits, and their gradient."""
    batch, height, width = targets.shape[-3:]
    generator = torch.Generator(targets.device).manual_seed(0)
    shape = (batch, channels, height, width)
    logits = torch.randn(shape, device=targets.device, generator=generator, requires_grad=True)
    return lambda: torch.autograd.grad(loss(logits, targets), logits)
