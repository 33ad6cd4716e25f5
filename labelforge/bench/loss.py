"""Suite ``loss``: forward and backward of the loss, from logits at the network's stride to their gradient.

Rivals: what one would write without labelforge, upsampling and a cross-entropy per classifier on label maps stored per
classifier (which does less: it has no unions of labels and no gate); one flat cross-entropy over all classes; and our
own plain forms. In two trees: the paper's, and one of five times as many classifiers.

On a GPU ours is also replayed as a training step replays it, without the host's work. In the paper's tree, the loss per
classifier is compiled too, and there is a flat loss from 64 features through a linear layer, from all logits at once
and in chunks (:mod:`labelforge.bench.linear`). That layer is then part of the loss and of its gradient, which no other
contestant pays for; ours would be a 1x1 convolution before upsampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.cells import number
from labelforge.bench.config import Scale
from labelforge.bench.linear import CHUNKED, all_logits, in_chunks
from labelforge.bench.meter import Contestants, Meter, Work, rotating
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.workload import TREE, PaperProblem
from labelforge.trainer.kernels.choice import kernel_name
from labelforge.trainer.kernels.device_cache import holding
from labelforge.trainer.models.recording import Recorder

_TREE, _STORED, _FLAT = "hierarchical loss", "loss per classifier", "flat cross-entropy"
_RECORDED = "loss, recorded"
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
        finding=f"{_finding(races[0])} In {_TREES[1]}: {races[1].times(_TREE, _STORED)}.{_memory(races[1])} "
        "(The loss per classifier has one map of targets per classifier, and knows neither unions nor gates.)",
    )


def _finding(race: Race) -> str:
    """How the hierarchical loss compares with each rival that ran."""
    ran = {entry.name for entry in race.entries}
    pairs = [(_TREE, _STORED), (_RECORDED, _STORED), *((_TREE, rival) for rival in (_COMPILED, _LINEAR, CHUNKED))]
    return " ".join(race.sentence(*pair) for pair in pairs if ran.issuperset(pair)) + _memory(race)


def _memory(race: Race) -> str:
    ours, naive = (race.entry(name).peak_memory for name in (_TREE, _STORED))
    if ours is None or not naive:
        return ""
    sizes = f"{number(ours / 2**20)} MiB beside {number(naive / 2**20)} MiB"
    return f" Peak memory: {sizes}, {ours / naive:.2g} times as much."


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
        replay = recorded(lambda x: problem.loss(x, rows), logits, meter.device)
        contestants = {_TREE: contestants[_TREE], _RECORDED: replay, **contestants}
        if tree == TREE:  # compiling that of the other tree takes a minute
            compiled = _forward_and_backward(torch.compile(per_classifier), logits)
            contestants = {**contestants, _COMPILED: compiled}
            contestants = {**contestants, **from_features(problem.classes, classes, scale, meter)}
    layout = problem.table.layout
    title = f"{tree}: {layout.num_classifiers} classifiers, {layout.num_logits} logits"
    least = 2 * logits[0].nbytes + rows.nbytes  # logits and labels are read, gradients written
    work = dict.fromkeys((_TREE, _RECORDED), Work(bytes=least))
    return meter.race(
        title,
        contestants,
        rival=_STORED,
        unit="Mpixels",
        amount=rows.numel() / 1e6,
        work=work,
        recorded=contestants.keys() & {_RECORDED},
    )


def recorded(loss: Callable[[Tensor], Tensor], copies: Sequence[Tensor], device: torch.device) -> Callable[[], object]:
    """A call that replays a loss and its gradient, of other logits each time, as a training step on a GPU does."""
    recorder = Recorder(device)

    def replay_of(number: int) -> Callable[[], object]:
        def both() -> tuple[Tensor, ...]:
            return torch.autograd.grad(loss(copies[number]), copies[number])

        recorder.rehearse(both)
        replay: Callable[[], object] = recorder.record(both)[0].replay
        return replay

    with holding() as tables:  # which the recorded kernels read
        call = rotating(replay_of, len(copies))
    return partial(_call, call, tables)


def _call(call: Callable[[], object], _: Sequence[object]) -> object:
    return call()


def from_features(count: int, classes_nhw: Tensor, scale: Scale, meter: Meter) -> Contestants:
    """Flat losses over a number of classes, from features at the network's stride, with their weights' gradient."""
    features = _copies(_FEATURES, scale, meter)
    weight = torch.randn(count, _FEATURES, device=meter.device, requires_grad=True)
    targets = classes_nhw.flatten().long()

    def contestant(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[], object]:
        def once(given: Tensor) -> object:
            pixels = _upsampled(given, classes_nhw).movedim(1, -1).flatten(0, 2)
            return torch.autograd.grad(loss(pixels, weight, targets), (given, weight))

        return rotating(lambda number: partial(once, features[number]), len(features))

    return {_LINEAR: contestant(all_logits), CHUNKED: contestant(in_chunks)}


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
