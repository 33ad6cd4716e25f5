"""Suite ``train``: whole training steps, from a batch in main memory to updated weights and their average.

The rival is the plain loop that one would write for a flat network: the same backbone, optimiser and average, one head,
one cross-entropy. Reading and augmenting images is left out: it runs in parallel, and suite ``loader`` measures it.

On a GPU our step is launched as one CUDA graph, as it is in a run; it is also measured with its backbone compiled, and
kernel by kernel, which shows what either brings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.bench.config import Scale
from labelforge.bench.meter import Contestants, Meter, Work, count_flops
from labelforge.bench.results import SuiteReport
from labelforge.bench.workload import PaperProblem, handed_over, random_images
from labelforge.trainer.config import ModelConfig, TrainConfig
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.distributed import Processes
from labelforge.trainer.learner import Learner
from labelforge.trainer.models.network import upsample
from labelforge.trainer.optim import ExponentialMovingAverage, make_optimizer
from labelforge.trainer.rows import GlobalRows

_TREE, _COMPILED, _EAGER = "hierarchical step", "step, compiled", "step, eager"
_FLAT = "flat step"


def bench_train(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; losses are in float32 whatever the meter's precision.

    Raises:
        ConfigError: The backbone is unknown.
    """
    problem = PaperProblem(meter.device)
    config = TrainConfig(precision=meter.precision, model=ModelConfig(backbone=scale.backbone))
    images, rows = random_images(scale.batch, scale.size), problem.label_rows(scale.batch, scale.size)
    images, rows, classes = (handed_over(each, meter.device) for each in (images, rows, problem.class_maps(rows)))
    batch = Batch(images, GlobalRows(rows, problem.table.numbering), ("",) * scale.batch)

    def ours(**settings: bool) -> Callable[[], object]:
        changed = config.model_copy(update=settings)
        return partial(Learner(changed, problem.table, Processes(0, 1, meter.device)).step, 0, batch)

    eager = ours(cuda_graph=False)
    flat = partial(_FlatTrainer(problem, config, meter).step, images, classes)
    flops, flops_of_flat = count_flops(eager), count_flops(flat)  # of what is recorded nothing could be counted
    contestants: Contestants = {_TREE: eager, _FLAT: flat}
    recorded: tuple[str, ...] = ()
    if meter.device.type == "cuda":
        contestants = {_TREE: ours(), _COMPILED: ours(compile=True), _EAGER: eager, _FLAT: flat}
        recorded = (_TREE, _COMPILED)
    work = {**dict.fromkeys((_TREE, _COMPILED, _EAGER), Work(flops=flops)), _FLAT: Work(flops=flops_of_flat)}
    race = meter.race(
        "training step", contestants, rival=_FLAT, unit="images", amount=scale.batch, work=work, recorded=recorded
    )
    gain = f" {race.sentence(_TREE, _EAGER)} {race.sentence(_COMPILED, _FLAT)}" if recorded else ""
    return SuiteReport(
        suite="train",
        work=f"{scale.text} images, {scale.backbone} at stride {config.model.output_stride}, {meter.precision}",
        shrunk=scale.shrunk,
        races=(race,),
        finding=race.sentence(_TREE, _FLAT) + gain,
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
