"""Suite ``infer``: from an image in main memory to a map of classes on the device, and the paper's frames per second.

The rival is the same backbone with one flat head and an argmax. The decision is also measured by itself: first on
logits that already have the image's size, then together with the upsampling to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from labelforge.bench.config import PAPER_SIZE, Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import PaperLine, Race, SuiteReport
from labelforge.bench.workload import PaperProblem, random_images
from labelforge.trainer.models.network import SegmentationNet, upsample

PAPER_FRAMES_PER_SECOND = 17.0
"""Stated by Meletis & Dubbelman 2018 (arXiv 1803.05675) for frames of 520x706, 108 classes, one GPU of 2018."""

_PAPER_BACKBONE = "resnet50"
_PAPER_TURNS = 3  # timed calls at the paper's size, at least: each takes seconds on a CPU
_TREE, _FLAT = "hierarchical network", "flat network"
_RULE, _ARGMAX = "decision rule", "argmax"


@torch.inference_mode()
def bench_infer(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; upsampling and decisions are in float32 whatever the meter's precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    problem = PaperProblem(meter.device)
    tree = problem.network(scale.backbone, flat=False).eval()
    flat = problem.network(scale.backbone, flat=True).eval()
    images = random_images(scale.batch, scale.size)
    race = partial(meter.race, unit="frames", amount=scale.batch)

    segment = partial(_segment, tree, problem.decide_upsampled, meter=meter)
    networks = {
        _TREE: partial(segment, images),
        _FLAT: partial(_segment, flat, _best_class_upsampled, images, meter=meter),
    }
    whole = race("image to class map", networks, rival=_FLAT)

    coarse, coarse_flat = _logits(tree, images, meter), _logits(flat, images, meter)
    decisions = {
        _RULE: partial(problem.decide, upsample(coarse, scale.size)),
        _ARGMAX: partial(best_class, upsample(coarse_flat, scale.size)),
    }
    alone = race("decision alone", decisions, rival=_ARGMAX)
    decisions = {
        _RULE: partial(problem.decide_upsampled, coarse, scale.size),
        _ARGMAX: partial(_best_class_upsampled, coarse_flat, scale.size),
    }
    upsampled = race("upsampling and decision", decisions, rival=_ARGMAX)
    return SuiteReport(
        suite="infer",
        work=f"{scale.text} images, {scale.backbone} at stride 8, {meter.precision}",
        shrunk=scale.shrunk,
        races=(whole, alone, upsampled),
        finding=f"{whole.sentence(_TREE, _FLAT)} {alone.sentence(_RULE, _ARGMAX)} "
        f"With upsampling: {upsampled.times(_RULE, _ARGMAX)}.",
        paper=_paper_line(segment, problem.classes, whole, scale, meter),
    )


def best_class(logits_nchw: Tensor) -> Tensor:
    """(N, H, W) best class, found as the decision rule finds winners: ``torch.argmax`` is slower on a CPU."""
    return logits_nchw.max(dim=1).indices


def _best_class_upsampled(logits_nchw: Tensor, size: tuple[int, int]) -> Tensor:
    return best_class(upsample(logits_nchw, size))


def _logits(network: SegmentationNet, images: Tensor, meter: Meter) -> Tensor:
    """(N, C, h, w) float32 logits of images in main memory."""
    with meter.autocast():
        logits: Tensor = network(images.to(meter.device))
    return logits.float()


def _segment(
    network: SegmentationNet, decide: Callable[[Tensor, tuple[int, int]], Tensor], images: Tensor, meter: Meter
) -> Tensor:
    """(N, H, W) classes of images in main memory."""
    return decide(_logits(network, images, meter), (images.shape[2], images.shape[3]))


def _paper_line(
    segment: Callable[[Tensor], Tensor], classes: int, whole: Race, scale: Scale, meter: Meter
) -> PaperLine:
    """Frames per second at the paper's size, which is measured even if the rest of the suite is smaller."""
    height, width = PAPER_SIZE
    entry, here = None, f": not measured with {scale.backbone}"
    if scale.backbone == _PAPER_BACKBONE:
        if (scale.batch, scale.size) != (1, PAPER_SIZE):
            contestants = {_TREE: partial(segment, random_images(1, PAPER_SIZE))}
            brief = replace(meter, plan=replace(meter.plan, least=min(_PAPER_TURNS, meter.plan.least)))
            whole = brief.race("the paper's size", contestants, rival=_TREE, unit="frames", amount=1)
        entry = whole.entry(_TREE)
        slow, fast = 1 / entry.quartiles.high, 1 / entry.quartiles.low
        here = f", {scale.backbone}, {meter.precision}: {entry.rate:.3g} frames/s on this {meter.device.type} "
        here += f"(quartiles {slow:.3g} to {fast:.3g})"
    stated = f"the paper states {PAPER_FRAMES_PER_SECOND:g} frames/s on one GPU of 2018."
    return PaperLine(
        height=height,
        width=width,
        classes=classes,
        stated=PAPER_FRAMES_PER_SECOND,
        entry=entry,
        text=f"At {height}x{width} with {classes} classes{here}; {stated}",
    )
