"""Suite ``decide``: from logits at the network's stride to a class, a confidence or a label per pixel.

Rivals: the same in plain PyTorch, which upsamples bands of rows and reads them, and the argmax of a flat head with its
upsampling. On noise, where every child may win anywhere, and on logits such as trained networks have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.config import Scale
from labelforge.bench.meter import Contestants, Meter, rotating
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.workload import PaperProblem
from labelforge.mapping import LabelMapping
from labelforge.trainer.decision import decide_with_confidence
from labelforge.trainer.kernels.choice import kernel_name
from labelforge.trainer.readout import label_readout

_RULE, _PLAIN, _ARGMAX = "decision rule", "plain, in bands", "argmax, flat head"
_STRIDE = 8
_LABELS = "cityscapes"


@torch.inference_mode()
def bench_decide(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; the backbone of the scale is not used."""
    problem = PaperProblem(meter.device)
    low = -(-scale.size[0] // _STRIDE), -(-scale.size[1] // _STRIDE)
    generator = torch.Generator().manual_seed(0)
    shape = (scale.batch, problem.table.layout.num_logits, *low)
    noise = (2 * torch.randn(shape, generator=generator)).to(meter.device)
    trained = problem.trained_logits(scale.batch, low)
    flat = trained[:, : problem.classes].contiguous()
    rival = {_ARGMAX: _rotating(partial(best_class_upsampled, size=scale.size), flat, meter)}
    confident = partial(decide_with_confidence, tensors=problem.tensors, size=scale.size)
    mapping = LabelMapping.load(problem.table.layout.taxonomy, _LABELS)
    by_sum = partial(label_readout(problem.tensors, mapping, "sum"), size=scale.size)
    decide = partial(problem.decide, size=scale.size)

    def ours(answer: Callable[..., object], logits: Tensor) -> Contestants:
        return {
            _RULE: _rotating(answer, logits, meter),
            _PLAIN: _rotating(partial(answer, kernel="torch"), logits, meter),
        }

    races = (
        _race("classes, trained logits", {**ours(decide, trained), **rival}, scale, meter),
        _race("classes, noise", {**ours(decide, noise), **rival}, scale, meter),
        _race("classes and confidence", ours(confident, trained), scale, meter),
        _race(f"labels of {_LABELS} by sum", ours(by_sum, trained), scale, meter),
    )
    return SuiteReport(
        suite="decide",
        work=f"{scale.text} decisions, float32 logits of stride {_STRIDE}; computed by {kernel_name(meter.device)}",
        shrunk=scale.shrunk,
        races=races,
        finding=f"{races[0].sentence(_RULE, _PLAIN)} On noise: {races[1].times(_RULE, _PLAIN)}.",
    )


def _rotating(answer: Callable[..., object], logits: Tensor, meter: Meter) -> Callable[[], object]:
    """A call that answers for other logits than the one before, so that no cache holds them."""
    copies = [logits.clone() for _ in range(meter.copies(logits.nbytes))]
    return rotating(lambda number: partial(answer, copies[number]), len(copies))


def _race(title: str, contestants: Contestants, scale: Scale, meter: Meter) -> Race:
    return meter.race(title, contestants, rival=_PLAIN, unit="frames", amount=scale.batch)


def best_class_upsampled(logits_nchw: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) best class of upsampled logits, found as the plain decision rule finds winners.

    ``torch.argmax`` is several times slower on a CPU: beating it would say nothing about the rule.
    """
    return F.interpolate(logits_nchw, size=size, mode="bilinear", align_corners=False).max(dim=1).indices
