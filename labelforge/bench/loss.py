"""Suite ``loss``: forward and backward of the loss alone, on logits at the labels' size.

Rivals: one flat cross-entropy over all classes, and what one would write without a target table, a cross-entropy per
classifier on label maps stored per classifier. The latter does less: it has no unions of labels, and no gate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from labelforge.bench.config import Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import SuiteReport
from labelforge.bench.timing import Contestant
from labelforge.bench.workload import class_maps, label_rows, paper_table, stored_targets
from labelforge.trainer.loss import classifier_weights, hierarchical_loss
from labelforge.trainer.tables import TableTensors

__all__ = ["bench_loss"]

_TREE, _STORED, _FLAT = "hierarchical loss", "loss on stored maps", "flat cross-entropy"


def bench_loss(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite.

    Args:
        scale: Size of the batch; its backbone is not used.
        meter: What measures.
    """
    compiled = paper_table()
    table = TableTensors.of(compiled, meter.device)
    classes = len(compiled.taxonomy.classes)
    rows = label_rows(compiled, scale.batch, scale.size)
    race = meter.race(
        "loss, forward and backward",
        [
            Contestant(_TREE, _hierarchical(table, rows)),
            Contestant(_STORED, _per_classifier(table, stored_targets(compiled, rows))),
            Contestant(_FLAT, _flat(classes, class_maps(compiled, rows).to(meter.device))),
        ],
        rival=_FLAT,
        unit="Mpixels",
        amount=rows.numel() / 1e6,
    )
    return SuiteReport(
        suite="loss",
        work=f"{scale.text} logits in float32: {table.num_logits} of {table.num_classifiers} classifiers, "
        f"or {classes} of one",
        shrunk=scale.shrunk,
        races=(race,),
        finding=f"{race.sentence(_TREE, _FLAT)} {race.sentence(_TREE, _STORED)} "
        "(Stored are the targets of each classifier, one map each; that loss knows neither unions nor gates.)",
    )


def _hierarchical(table: TableTensors, rows: torch.Tensor) -> Callable[[], object]:
    rows = rows.to(table.target.device)
    logits = _random_logits(rows, table.num_logits)
    weights = classifier_weights(table)

    def call() -> object:
        return torch.autograd.grad(hierarchical_loss(logits, rows.long(), table, weights).total, logits)

    return call


def _per_classifier(table: TableTensors, targets: torch.Tensor) -> Callable[[], object]:
    targets = targets.to(table.target.device)
    logits = _random_logits(targets[0], table.num_logits)
    weights = classifier_weights(table)

    def call() -> object:
        parts = torch.split(logits, list(table.sizes), dim=1)
        losses = [F.cross_entropy(part, target.long()) for part, target in zip(parts, targets, strict=True)]
        return torch.autograd.grad(torch.stack(losses).mul(weights).sum(), logits)

    return call


def _flat(classes: int, targets: torch.Tensor) -> Callable[[], object]:
    logits = _random_logits(targets, classes)
    return lambda: torch.autograd.grad(F.cross_entropy(logits, targets.long()), logits)


def _random_logits(labels: torch.Tensor, channels: int) -> torch.Tensor:
    """(N, C, H, W) float32 for (N, H, W) labels, on their device."""
    batch, height, width = labels.shape
    generator = torch.Generator(labels.device).manual_seed(0)
    return torch.randn(batch, channels, height, width, device=labels.device, generator=generator, requires_grad=True)
