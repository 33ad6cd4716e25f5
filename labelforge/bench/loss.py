"""Suite ``loss``: forward and backward of the loss, from logits at the network's stride to their gradient.

Rivals: what one would write without labelforge, upsampling and a cross-entropy per classifier on label maps stored per
classifier (which does less: it has no unions of labels and no gate), on a GPU also compiled; one flat cross-entropy
over all classes, on a GPU also from 64 features by ``linear_cross_entropy``; and our own plain forms. In two trees: the
paper's, and one of five times as many classifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.config import Scale
from labelforge.bench.meter import Contestants, Meter, Work, rotating
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.workload import IGNORED, TREE, PaperProblem
from labelforge.trainer.kernels.choice import kernel_name

_TREE, _STORED, _FLAT = "hierarchical loss", "loss per classifier", "flat cross-entropy"
_BANDS, _REFERENCE = "plain, in bands", "plain, upsampled"
_COMPILED, _LINEAR = "the same, compiled", "flat, from features"
_FEATURES = 64
_TREES = (TREE, "streets")
_STRIDE = 8


def bench_loss(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; the backbone of the scale is not used."""
    races = tuple(_race(tree, scale, meter) for tree in _TREES)
    return SuiteReport(
        suite="loss",
        work=f"{scale.text} labels, float32 logits of stride {_STRIDE}; computed by {kernel_name(meter.device)}",
        shrunk=scale.shrunk,
        races=races,
        finding=f"{races[0].sentence(_TREE, _STORED)} In {_TREES[1]}: {races[1].times(_TREE, _STORED)}. "
        "(The loss per classifier has one map of targets per classifier, and knows neither unions nor gates.)",
    )


def _race(tree: str, scale: Scale, meter: Meter) -> Race:
    problem = PaperProblem(meter.device, tree)
    rows = problem.label_rows(scale.batch, scale.size)
    classes, stored = problem.class_maps(rows).to(meter.device), problem.stored_targets(rows).to(meter.device)
    rows = rows.to(meter.device)
    logits, flat = (_copies(n, scale, meter) for n in (sum(problem.sizes), problem.classes))

    def per_classifier(given: Tensor) -> Tensor:
        return stored_losses(problem, given, stored).nansum()

    contestants: Contestants = {
        _TREE: _forward_and_backward(lambda x: problem.loss(x, rows), logits),
        _STORED: _forward_and_backward(per_classifier, logits),
        _FLAT: _forward_and_backward(lambda x: F.cross_entropy(_upsampled(x, classes), classes.long()), flat),
        _REFERENCE: _forward_and_backward(lambda x: problem.loss(x, rows, "reference"), logits),
    }
    if meter.device.type == "cpu":
        contestants = {**contestants, _BANDS: _forward_and_backward(lambda x: problem.loss(x, rows, "torch"), logits)}
    else:
        compiled = torch.compile(per_classifier)
        contestants = {**contestants, _COMPILED: _forward_and_backward(compiled, logits)}
        if hasattr(F, "linear_cross_entropy"):  # of PyTorch 2.12 and later
            contestants = {**contestants, _LINEAR: _linear_cross_entropy(problem, classes, scale, meter)}
    layout = problem.table.layout
    title = f"{tree}: {layout.num_classifiers} classifiers, {layout.num_logits} logits"
    least = 2 * logits[0].nbytes + rows.nbytes  # logits and labels are read, gradients written
    work = {_TREE: Work(bytes=least)}
    return meter.race(title, contestants, rival=_STORED, unit="Mpixels", amount=rows.numel() / 1e6, work=work)


def _linear_cross_entropy(problem: PaperProblem, classes: Tensor, scale: Scale, meter: Meter) -> Callable[[], object]:
    """A flat loss from features, whose logits PyTorch computes in chunks and never holds all of."""
    features = _copies(_FEATURES, scale, meter)
    weight = torch.randn(problem.classes, _FEATURES, device=meter.device, requires_grad=True)

    def loss(given: Tensor) -> Tensor:
        pixels = _upsampled(given, classes).movedim(1, -1).flatten(0, 2)
        return F.linear_cross_entropy(pixels, weight, classes.flatten().long(), ignore_index=IGNORED)

    return _forward_and_backward(loss, features)


def stored_losses(problem: PaperProblem, logits_nchw: Tensor, targets_jnhw: Tensor) -> Tensor:
    """(J,) weighted cross-entropies, one per classifier, on stored targets; NaN where a classifier has no target."""
    parts = torch.split(_upsampled(logits_nchw, targets_jnhw), list(problem.sizes), dim=1)
    losses = [F.cross_entropy(part, target.long()) for part, target in zip(parts, targets_jnhw, strict=True)]
    return torch.stack(losses).mul(problem.weights)


def _upsampled(logits_nchw: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(logits_nchw, size=tuple(like.shape[-2:]), mode="bilinear", align_corners=False)


def _copies(channels: int, scale: Scale, meter: Meter) -> list[Tensor]:
    """As many logits as no cache holds."""
    first = _logits(channels, scale, meter)
    more = meter.copies(first.nbytes) - 1
    return [first, *(first.detach().clone().requires_grad_() for _ in range(more))]


def _logits(channels: int, scale: Scale, meter: Meter) -> Tensor:
    generator = torch.Generator(meter.device).manual_seed(0)
    shape = (scale.batch, channels, -(-scale.size[0] // _STRIDE), -(-scale.size[1] // _STRIDE))
    return torch.randn(shape, device=meter.device, generator=generator, requires_grad=True)


def _forward_and_backward(loss: Callable[[Tensor], Tensor], copies: Sequence[Tensor]) -> Callable[[], object]:
    """A call that computes a loss and the gradient of the logits, of other ones each time."""
    return rotating(lambda number: lambda: torch.autograd.grad(loss(copies[number]), copies[number]), len(copies))
