"""Suite ``infer``: from an image in main memory to a map of classes on the device, and the paper's frames per second.

The rival is the same backbone with one flat head and an argmax. Both are made ready as ``labelforge predict`` makes
them (:mod:`labelforge.trainer.models.inference`), and beside them the hierarchical one is run as it is trained. On a
GPU, whose images are in pinned memory as loaders hand them over, both are run at a larger stride and in batches too. A
light network, which a CPU can run, follows at the paper's size in both precisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from labelforge.bench.config import PAPER_SIZE, Arithmetic, Scale
from labelforge.bench.decide import best_class_upsampled
from labelforge.bench.meter import Contestants, Meter, Work, count_flops
from labelforge.bench.results import PaperLine, Race, SuiteReport
from labelforge.bench.workload import PaperProblem, handed_over, random_images
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
_COARSE: Final = 16
"""The larger stride."""
_BATCH: Final = 16
"""Images at a time, where they are many."""

Decide = Callable[[Tensor, tuple[int, int]], Tensor]


@torch.inference_mode()
def bench_infer(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; upsampling and decisions are in float32 whatever the meter's precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    problem = PaperProblem(meter.device)
    model = ModelConfig(backbone=scale.backbone)
    pair = NetworkPair(problem, model, meter)
    whole = pair.race("image to class map", scale.batch, scale.size, as_trained=True)
    more: list[Race] = []
    if meter.device.type == "cuda":  # a CPU would need minutes
        pairs: dict[int, NetworkPair] = {model.output_stride: pair}
        for stride, batch in further_work(model.output_stride, scale.batch):
            if stride not in pairs:
                pairs[stride] = NetworkPair(problem, model.model_copy(update={"output_stride": stride}), meter)
            title = f"image to class map, stride {stride}, {batch} at a time"
            more.append(pairs[stride].race(title, batch, scale.size))
    light = _race_light(problem, meter)
    pinned = ", images in pinned memory" if meter.device.type == "cuda" else ""
    return SuiteReport(
        suite="infer",
        work=f"{scale.text} images, {scale.backbone} at stride {model.output_stride}, {meter.precision}{pinned}",
        shrunk=scale.shrunk,
        races=(whole, *more, light),
        finding=f"{whole.sentence(_TREE, _FLAT)} {whole.sentence(_TREE, _TRAINED)} {_rates(more)}"
        f"The light network segments {light.entry(_LIGHT).rate:.3g} frames/s of {_size(PAPER_SIZE)} in float32, "
        f"{light.entry(_LIGHT_HALF).rate:.3g} in bfloat16.",
        paper=_paper_line(pair.segment, problem.classes, whole, scale, meter),
    )


def further_work(stride: int, batch: int) -> list[tuple[int, int]]:
    """Strides and batches that are raced beside a first one."""
    batches, strides = dict.fromkeys((batch, _BATCH)), dict.fromkeys((stride, _COARSE))
    return [(s, n) for s in strides for n in batches if (s, n) != (stride, batch)]


class NetworkPair:
    """A hierarchical network and its flat rival, made ready for inference.

    Args:
        problem: The classes.
        model: Backbone and stride of both.
        meter: Device, precision and plan.

    Attributes:
        segment: (N, H, W) classes of (N, 3, H, W) uint8 images in main memory, by the hierarchical one.
    """

    def __init__(self, problem: PaperProblem, model: ModelConfig, meter: Meter) -> None:
        self._meter = meter
        self._unready = {
            name: (problem.network(model, flat=name == _FLAT).eval(), decide)
            for name, decide in ((_TREE, problem.decide), (_FLAT, best_class_upsampled))
        }
        self._ready = {
            name: partial(_segment, _ready(network, meter.precision), decide, meter=meter)
            for name, (network, decide) in self._unready.items()
        }
        self.segment: Callable[[Tensor], Tensor] = self._ready[_TREE]

    def race(self, title: str, batch: int, size: tuple[int, int], *, as_trained: bool = False) -> Race:
        """Let them segment a batch of images.

        Args:
            title: What the work is.
            batch: Images per call.
            size: Their height and width.
            as_trained: Whether the hierarchical network takes part as it is trained, too.
        """
        images = handed_over(random_images(batch, size), self._meter.device)
        unready = {
            name: partial(_segment_as_trained, network, decide, images, meter=self._meter)
            for name, (network, decide) in self._unready.items()
        }
        # Counted as they are trained: of replayed graphs and fused operators nothing would be.
        work = {name: Work(flops=count_flops(call)) for name, call in unready.items()}
        contestants: Contestants = {name: partial(segment, images) for name, segment in self._ready.items()}
        if as_trained:
            contestants, work = {**contestants, _TRAINED: unready[_TREE]}, {**work, _TRAINED: work[_TREE]}
        recorded = _recorded(self._ready, self._meter)
        return self._meter.race(
            title, contestants, rival=_FLAT, unit="frames", amount=batch, work=work, recorded=recorded
        )


def _rates(races: list[Race]) -> str:
    """The frames per second of the hierarchical network in each race, as a sentence, if there are any."""
    if not races:
        return ""
    told = "; ".join(f"{race.title}: {race.entry(_TREE).rate:.3g}" for race in races)
    return f"Frames/s of the {_TREE}: {told}. "


def _race_light(problem: PaperProblem, meter: Meter) -> Race:
    images = handed_over(random_images(1, PAPER_SIZE), meter.device)
    tree, flat = (problem.network(LIGHT, flat=flat).eval() for flat in (False, True))
    contestants: Contestants = {
        _LIGHT: partial(_segment, _ready(tree, "float32"), problem.decide, images, meter=meter),
        _LIGHT_HALF: partial(_segment, _ready(tree, "bfloat16"), problem.decide, images, meter=meter),
        _LIGHT_FLAT: partial(_segment, _ready(flat, "float32"), best_class_upsampled, images, meter=meter),
    }
    title = f"{_size(PAPER_SIZE)}, {LIGHT.backbone} at stride {LIGHT.output_stride}"
    work = {
        name: Work(flops=count_flops(partial(_segment_as_trained, network, decide, images, meter=meter)))
        for name, network, decide in ((_LIGHT, tree, problem.decide), (_LIGHT_FLAT, flat, best_class_upsampled))
    }
    recorded = _recorded(contestants, meter)
    return meter.race(title, contestants, rival=_LIGHT_FLAT, unit="frames", amount=1, work=work, recorded=recorded)


def _ready(network: nn.Module, precision: Arithmetic) -> nn.Module:
    return ready_for_inference(network, getattr(torch, precision))


def _recorded(ready: Iterable[str], meter: Meter) -> tuple[str, ...]:
    """Which of the networks that were made ready replay a recording: on a GPU all."""
    return tuple(ready) if meter.device.type == "cuda" else ()


def _segment(network: nn.Module, decide: Decide, images: Tensor, meter: Meter) -> Tensor:
    """(N, H, W) classes of images in main memory."""
    logits: Tensor = network(images.to(meter.device, non_blocking=True))
    return decide(logits.float(), (images.shape[2], images.shape[3]))


def _segment_as_trained(network: nn.Module, decide: Decide, images: Tensor, meter: Meter) -> Tensor:
    """The same with the network as it is in training."""
    with meter.autocast():
        logits: Tensor = network(images.to(meter.device, non_blocking=True))
    return decide(logits.float(), (images.shape[2], images.shape[3]))


def _paper_line(
    segment: Callable[[Tensor], Tensor], classes: int, whole: Race, scale: Scale, meter: Meter
) -> PaperLine:
    """Frames per second at the paper's size, which is measured even if the rest of the suite is smaller."""
    height, width = PAPER_SIZE
    entry, here = None, f": not measured with {scale.backbone}"
    if scale.backbone == _PAPER_BACKBONE:
        if (scale.batch, scale.size) != (1, PAPER_SIZE):
            contestants = {_TREE: partial(segment, handed_over(random_images(1, PAPER_SIZE), meter.device))}
            brief = replace(meter, plan=replace(meter.plan, least=min(_PAPER_TURNS, meter.plan.least)))
            whole = brief.race(
                "the paper's size",
                contestants,
                rival=_TREE,
                unit="frames",
                amount=1,
                recorded=_recorded([_TREE], meter),
            )
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
