"""Suite ``infer``: from an image in main memory to a map of classes on the device, and the paper's frames per second.

The rival is the same backbone with one flat head and an argmax. The decision is measured by itself too: first on logits
that are at the image's size already, then together with the upsampling that makes them so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import torch

from labelforge.bench.config import PAPER_SIZE, Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import PaperLine, Race, SuiteReport
from labelforge.bench.timing import Contestant
from labelforge.bench.workload import paper_table, random_images
from labelforge.trainer.decision import decide
from labelforge.trainer.models.heads import HierarchicalHead
from labelforge.trainer.models.network import SegmentationNet, build_network, upsample
from labelforge.trainer.segmenter import decide_upsampled
from labelforge.trainer.tables import TableTensors

__all__ = ["PAPER_FRAMES_PER_SECOND", "bench_infer"]

PAPER_FRAMES_PER_SECOND: Final = 17.0
"""Stated by Meletis & Dubbelman 2018 (arXiv 1803.05675) for frames of 520x706, 108 classes, one GPU of 2018."""

_PAPER_BACKBONE: Final = "resnet50"
_PAPER_TURNS: Final = 3
"""Timed calls at the paper's size, at least: each takes seconds on a CPU."""
_TREE, _FLAT = "hierarchical network", "flat network"
_RULE, _ARGMAX = "decision rule", "argmax"


@torch.inference_mode()
def bench_infer(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite.

    Args:
        scale: Size of the batch, and the backbone.
        meter: What measures; upsampling and decisions are in float32 whatever its precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    networks = _Networks(scale.backbone, meter)
    whole = _race_networks(networks, scale, meter)
    alone, upsampled = _race_decisions(networks, scale, meter)
    return SuiteReport(
        suite="infer",
        work=f"{scale.text} images, {scale.backbone} at stride 8, {meter.precision}",
        shrunk=scale.shrunk,
        races=(whole, alone, upsampled),
        finding=f"{whole.sentence(_TREE, _FLAT)} {alone.sentence(_RULE, _ARGMAX)} "
        f"With upsampling: {upsampled.times(_RULE, _ARGMAX)}.",
        paper=_paper_line(networks, scale, whole, meter),
    )


class _Networks:
    """The hierarchical network and its flat rival, on one backbone."""

    def __init__(self, backbone: str, meter: Meter) -> None:
        compiled = paper_table()
        self.classes = len(compiled.taxonomy.classes)
        self.table = TableTensors.of(compiled, meter.device)
        tree = build_network(self.table.sizes, backbone=backbone)
        flat = SegmentationNet(tree.backbone, HierarchicalHead(tree.backbone.out_channels, (self.classes,)))
        self.tree, self.flat = tree.to(meter.device).eval(), flat.to(meter.device).eval()
        self._meter = meter

    def logits(self, network: SegmentationNet, images: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) float32 logits of images in main memory."""
        with self._meter.autocast():
            logits: torch.Tensor = network(images.to(self._meter.device))
        return logits.float()

    def segment_tree(self, images: torch.Tensor) -> torch.Tensor:
        """(N, H, W) classes, as ``labelforge predict`` finds them."""
        return decide_upsampled(self.logits(self.tree, images), self.table, (images.shape[2], images.shape[3]))

    def segment_flat(self, images: torch.Tensor) -> torch.Tensor:
        """(N, H, W) classes, as one usually finds them."""
        return _argmax_upsampled(self.logits(self.flat, images), (images.shape[2], images.shape[3]))


def _race_networks(networks: _Networks, scale: Scale, meter: Meter) -> Race:
    images = random_images(scale.batch, scale.size)
    contestants = [
        Contestant(_TREE, partial(networks.segment_tree, images)),
        Contestant(_FLAT, partial(networks.segment_flat, images)),
    ]
    return meter.race("image to class map", contestants, rival=_FLAT, unit="frames", amount=scale.batch)


def _race_decisions(networks: _Networks, scale: Scale, meter: Meter) -> tuple[Race, Race]:
    images = random_images(scale.batch, scale.size)
    coarse, coarse_flat = (networks.logits(network, images) for network in (networks.tree, networks.flat))
    upsampled = [
        Contestant(_RULE, partial(decide_upsampled, coarse, networks.table, scale.size)),
        Contestant(_ARGMAX, partial(_argmax_upsampled, coarse_flat, scale.size)),
    ]
    alone = [
        Contestant(_RULE, partial(decide, upsample(coarse, scale.size), networks.table)),
        Contestant(_ARGMAX, partial(_argmax, upsample(coarse_flat, scale.size))),
    ]
    return (
        meter.race("decision alone", alone, rival=_ARGMAX, unit="frames", amount=scale.batch),
        meter.race("upsampling and decision", upsampled, rival=_ARGMAX, unit="frames", amount=scale.batch),
    )


def _argmax_upsampled(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return _argmax(upsample(logits, size))


def _argmax(logits: torch.Tensor) -> torch.Tensor:
    """(N, H, W) best class, found as the decision rule finds winners: ``torch.argmax`` is slower on a CPU."""
    return logits.max(dim=1).indices


def _paper_line(networks: _Networks, scale: Scale, whole: Race, meter: Meter) -> PaperLine:
    """Frames per second at the paper's size, which is measured even where the rest of the suite is smaller."""
    line = partial(
        PaperLine,
        height=PAPER_SIZE[0],
        width=PAPER_SIZE[1],
        classes=networks.classes,
        stated=PAPER_FRAMES_PER_SECOND,
    )
    where = f"At {PAPER_SIZE[0]}x{PAPER_SIZE[1]} with {networks.classes} classes"
    stated = f"the paper states {PAPER_FRAMES_PER_SECOND:g} frames/s on one GPU of 2018."
    if scale.backbone != _PAPER_BACKBONE:
        return line(entry=None, text=f"{where}: not measured with {scale.backbone}; {stated}")
    if (scale.batch, scale.size) != (1, PAPER_SIZE):
        call = partial(networks.segment_tree, random_images(1, PAPER_SIZE))
        brief = replace(meter, plan=replace(meter.plan, least=min(_PAPER_TURNS, meter.plan.least)))
        whole = brief.race("the paper's size", [Contestant(_TREE, call)], rival=_TREE, unit="frames", amount=1)
    entry = whole.entry(_TREE)
    slow, fast = 1 / entry.quartiles.high, 1 / entry.quartiles.low
    here = f"{entry.rate:.3g} frames/s on this {meter.device.type} (quartiles {slow:.3g} to {fast:.3g})"
    return line(entry=entry, text=f"{where}, {scale.backbone}, {meter.precision}: {here}; {stated}")
