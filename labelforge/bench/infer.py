"""Suite ``infer``: from an image in main memory to a map of classes on the device, and the paper's frames per second.

The rival is the same backbone with one flat head and an argmax. Both are made ready as ``labelforge predict`` makes
them (:mod:`labelforge.trainer.models.inference`), and beside them the hierarchical one is run as it is trained. A light
network, which a CPU can run, follows at the paper's size in both precisions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from labelforge.bench.config import PAPER_SIZE, Arithmetic, Scale
from labelforge.bench.decide import best_class_upsampled
from labelforge.bench.meter import Contestants, Meter, Work, count_flops
from labelforge.bench.results import PaperLine, Race, SuiteReport
from labelforge.bench.workload import PaperProblem, random_images
from labelforge.trainer.config import ModelConfig
from labelforge.trainer.models.inference import ready_for_inference

PAPER_FRAMES_PER_SECOND = 17.0
"""Stated by Meletis & Dubbelman 2018 (arXiv 1803.05675) for frames of 520x706, 108 classes, one GPU of 2018."""

LIGHT: Final = ModelConfig(
    backbone="efficientnet-lite0", output_stride=16, features=64, bottlenecks="shared", weights=None
)
"""The network that a CPU can run."""

_PAPER_BACKBONE = "resnet50"
_PAPER_TURNS = 3  # timed calls at the paper's size, at least: each takes seconds on a CPU
_TREE, _FLAT, _TRAINED = "hierarchical network", "flat network", "network as trained"
_LIGHT, _LIGHT_HALF, _LIGHT_FLAT = "light, float32", "light, bfloat16", "light, flat"

Decide = Callable[[Tensor, tuple[int, int]], Tensor]


@torch.inference_mode()
def bench_infer(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; upsampling and decisions are in float32 whatever the meter's precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    problem = PaperProblem(meter.device)
    model = ModelConfig(backbone=scale.backbone)
    tree, flat = (problem.network(model, flat=flat).eval() for flat in (False, True))
    images = random_images(scale.batch, scale.size)
    segment = partial(_segment, _ready(tree, meter.precision), problem.decide, meter=meter)
    networks = {
        _TREE: partial(segment, images),
        _FLAT: partial(_segment, _ready(flat, meter.precision), best_class_upsampled, images, meter=meter),
        _TRAINED: partial(_segment_as_trained, tree, problem.decide, images, meter=meter),
    }
    work = {name: Work(flops=count_flops(call)) for name, call in networks.items()}
    whole = meter.race("image to class map", networks, rival=_FLAT, unit="frames", amount=scale.batch, work=work)
    light = _race_light(problem, meter)
    return SuiteReport(
        suite="infer",
        work=f"{scale.text} images, {scale.backbone} at stride {model.output_stride}, {meter.precision}",
        shrunk=scale.shrunk,
        races=(whole, light),
        finding=f"{whole.sentence(_TREE, _FLAT)} {whole.sentence(_TREE, _TRAINED)} "
        f"The light network segments {light.entry(_LIGHT).rate:.3g} frames/s of {_size(PAPER_SIZE)} in float32, "
        f"{light.entry(_LIGHT_HALF).rate:.3g} in bfloat16.",
        paper=_paper_line(segment, problem.classes, whole, scale, meter),
    )


def _race_light(problem: PaperProblem, meter: Meter) -> Race:
    images = random_images(1, PAPER_SIZE)
    tree, flat = (problem.network(LIGHT, flat=flat).eval() for flat in (False, True))
    contestants: Contestants = {
        _LIGHT: partial(_segment, _ready(tree, "float32"), problem.decide, images, meter=meter),
        _LIGHT_HALF: partial(_segment, _ready(tree, "bfloat16"), problem.decide, images, meter=meter),
        _LIGHT_FLAT: partial(_segment, _ready(flat, "float32"), best_class_upsampled, images, meter=meter),
    }
    title = f"{_size(PAPER_SIZE)}, {LIGHT.backbone} at stride {LIGHT.output_stride}"
    work = {name: Work(flops=count_flops(contestants[name])) for name in (_LIGHT, _LIGHT_FLAT)}
    return meter.race(title, contestants, rival=_LIGHT_FLAT, unit="frames", amount=1, work=work)


def _ready(network: nn.Module, precision: Arithmetic) -> nn.Module:
    return ready_for_inference(network, getattr(torch, precision))


def _segment(network: nn.Module, decide: Decide, images: Tensor, meter: Meter) -> Tensor:
    """(N, H, W) classes of images in main memory."""
    logits: Tensor = network(images.to(meter.device))
    return decide(logits.float(), (images.shape[2], images.shape[3]))


def _segment_as_trained(network: nn.Module, decide: Decide, images: Tensor, meter: Meter) -> Tensor:
    """The same with the network as it is in training."""
    with meter.autocast():
        logits: Tensor = network(images.to(meter.device))
    return decide(logits.float(), (images.shape[2], images.shape[3]))


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
        text=f"At {_size(PAPER_SIZE)} with {classes} classes{here}; {stated}",
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
