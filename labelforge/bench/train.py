"""Suite ``train``: whole training steps, from a batch in main memory to updated weights and their average.

The rival is the plain loop that one would write for a flat network: the same backbone, optimiser and average, one head,
one cross-entropy. Reading and augmenting images is left out: it runs in parallel, and suite ``loader`` measures it.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.config import Scale
from labelforge.bench.meter import Contestants, Meter, Work, count_flops
from labelforge.bench.results import SuiteReport
from labelforge.bench.workload import PaperProblem, random_images
from labelforge.trainer.config import ModelConfig, TrainConfig
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.distributed import Processes
from labelforge.trainer.learner import Learner
from labelforge.trainer.models.network import upsample
from labelforge.trainer.optim import ExponentialMovingAverage, make_optimizer
from labelforge.trainer.rows import GlobalRows

_TREE, _FLAT = "hierarchical step", "flat step"


def bench_train(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; losses are in float32 whatever the meter's precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    problem = PaperProblem(meter.device)
    config = TrainConfig(precision=meter.precision, model=ModelConfig(backbone=scale.backbone))
    images, rows = random_images(scale.batch, scale.size), problem.label_rows(scale.batch, scale.size)
    classes = problem.class_maps(rows)
    if meter.device.type == "cuda":  # as the data loader of a run hands them over
        images, rows, classes = images.pin_memory(), rows.pin_memory(), classes.pin_memory()
    tree = Learner(config, problem.table, Processes(0, 1, meter.device))
    flat = _FlatTrainer(problem, config, meter)
    contestants: Contestants = {
        _TREE: partial(tree.step, 0, Batch(images, GlobalRows(rows, problem.table.numbering), ("",) * scale.batch)),
        _FLAT: partial(flat.step, images, classes),
    }
    work = {name: Work(flops=count_flops(step)) for name, step in contestants.items()}
    race = meter.race("training step", contestants, rival=_FLAT, unit="images", amount=scale.batch, work=work)
    return SuiteReport(
        suite="train",
        work=f"{scale.text} images, {scale.backbone} at stride {config.model.output_stride}, {meter.precision}",
        shrunk=scale.shrunk,
        races=(race,),
        finding=race.sentence(_TREE, _FLAT),
    )


class _FlatTrainer:
    """Trains a network with one classifier over all classes."""

    def __init__(self, problem: PaperProblem, config: TrainConfig, meter: Meter) -> None:
        torch.manual_seed(config.seed)
        self._network = problem.network(config.model, flat=True).train()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = make_optimizer(self._network, config.optim)
        self._average = ExponentialMovingAverage(self._network, config.ema.decay)
        self._meter = meter

    def step(self, images: Tensor, classes: Tensor) -> Tensor:
        """Learn from (N, 3, H, W) uint8 images and (N, H, W) int16 class maps, both in main memory."""
        images = images.to(self._meter.device, non_blocking=True)
        classes = classes.to(self._meter.device, non_blocking=True).long()
        with self._meter.autocast():
            logits = self._network(images)
        loss = F.cross_entropy(upsample(logits.float(), (classes.shape[1], classes.shape[2])), classes)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._average.update(self._network)
        return loss.detach()
