"""Runs suites one after the other and collects their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

import labelforge
from labelforge.bench.ceilings import measure_ceilings
from labelforge.bench.config import Arithmetic, BenchConfig, Scale, SuiteName, scale_of
from labelforge.bench.convert import bench_convert
from labelforge.bench.decide import bench_decide
from labelforge.bench.infer import bench_infer
from labelforge.bench.loader import bench_loader
from labelforge.bench.loss import bench_loss
from labelforge.bench.machine import describe_machine
from labelforge.bench.meter import Meter, Plan
from labelforge.bench.results import BenchReport, SuiteReport
from labelforge.bench.train import bench_train
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.devices import resolve_device, resolve_precision
from labelforge.trainer.models.backbones import build_backbone

_SUITES: dict[SuiteName, Callable[[Scale, Meter], SuiteReport]] = {
    "loss": bench_loss,
    "decide": bench_decide,
    "infer": bench_infer,
    "train": bench_train,
    "loader": bench_loader,
    "convert": bench_convert,
}
_USED_BY: dict[str, tuple[SuiteName, ...]] = {
    "backbone": ("infer", "train"),
    "shards": ("loader",),
    "cityscapes": ("convert",),
}
"""Settings that only some suites use."""
_ON_HOST: frozenset[SuiteName] = frozenset({"loader", "convert"})
"""Suites that leave the device alone: their size, time and memory are the host's."""


def run_bench(config: BenchConfig, say: Callable[[str], None] = lambda _: None) -> BenchReport:
    """Measure.

    Args:
        config: What to measure.
        say: Called with what is being measured, as it happens.

    Raises:
        ConfigError: The device is not on this machine, the backbone is unknown, or no suite uses a setting.
        ShardError: The shards to read are missing, broken or empty.
        DatasetError: The dataset to convert is missing or broken.
    """
    device = resolve_device(config.device)
    _check(config)
    precision: Arithmetic = "bfloat16" if resolve_precision(config.precision, device) == torch.bfloat16 else "float32"
    plan = Plan() if config.repeats is None else Plan(turns=config.repeats, least=config.repeats)

    def run(suite: SuiteName) -> SuiteReport:
        where = torch.device("cpu") if suite in _ON_HOST else device
        meter = Meter(where, precision, plan, lambda text: say(f"{suite}: {text}"))
        return _SUITES[suite](scale_of(suite, config, where), meter)

    began = time.perf_counter()
    with _threads(config.threads):
        machine = describe_machine(device)
        on_device = not _ON_HOST.issuperset(config.suites)
        ceilings = measure_ceilings(Meter(device, precision, plan, say)) if on_device else None
        suites = tuple(run(suite) for suite in config.suites)
    return BenchReport(
        labelforge=labelforge.__version__,
        machine=machine,
        device=str(device),
        precision=precision,
        seconds=time.perf_counter() - began,
        suites=suites,
        ceilings=ceilings,
    )


def _check(config: BenchConfig) -> None:
    """Find errors that would otherwise only appear after minutes of measuring."""
    for setting, suites in _USED_BY.items():
        if getattr(config, setting) is not None and not set(suites) & set(config.suites):
            raise ConfigError(
                f"{setting} is not used by suite {' or '.join(config.suites)}", cure=f"Add {' or '.join(suites)}."
            )
    if config.backbone is not None:
        build_backbone(config.backbone)
    if config.shards is not None:
        ShardReader(config.shards)
    if config.cityscapes is not None:
        Cityscapes(config.cityscapes)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Let PyTorch use this many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
