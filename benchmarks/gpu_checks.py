"""What a GPU must get right, without pytest: kernels against the reference, one process of DDP, a resumed run.

    python benchmarks/gpu_checks.py kernels --device cuda

Each check prints what it compared and ends with exit code 1 if something is wrong. On a CPU sizes are tiny, and the
kernels need TRITON_INTERPRET=1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

import labelforge as lf
from labelforge.bench.loader import write_synthetic_shards
from labelforge.trainer import (
    GlobalRows,
    LayoutTensors,
    TableTensors,
    decide,
    hierarchical_loss,
    label_readout,
    train,
    upsample,
)
from labelforge.trainer.checkpoint import find_checkpoint
from labelforge.trainer.progress import NoProgress

CLOSE = 1e-5
DATASETS = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")


def batch(tree: str, device: str) -> tuple[TableTensors, GlobalRows, Tensor]:
    """Labels in patches, and logits at stride 8."""
    taxonomy = lf.Taxonomy.load(tree)
    table = lf.TargetTable.compile(taxonomy, [lf.LabelMapping.load(taxonomy, name) for name in DATASETS])
    low, size = ((2, 3), (13, 18)) if device == "cpu" else ((32, 45), (256, 353))
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, len(table.target), (2, 1 + size[0] // 9, 1 + size[1] // 11), generator=generator)
    labels = labels.repeat_interleave(9, 1).repeat_interleave(11, 2)[:, : size[0], : size[1]].contiguous()
    logits = torch.randn(2, table.layout.num_logits, *low, generator=generator) * 4
    return TableTensors.of(table, device), GlobalRows(labels, table.numbering).to(device), logits.to(device)


def check_kernels(device: str) -> None:
    """Loss, gradient, decision and labels of the Triton kernels."""
    for tree in ("iv2018", "streets"):
        tensors, rows, logits = batch(tree, device)
        for gate in ("parent", "path", "none"):
            results = {}
            for kernel, dtype in (("triton", torch.float32), ("again", torch.float32), ("reference", torch.float64)):
                z = logits.to(dtype, copy=True).requires_grad_()
                name = "triton" if kernel == "again" else kernel
                output = hierarchical_loss(z, rows, tensors, gate=gate, kernel=name)  # type: ignore[arg-type]
                output.total.backward()  # type: ignore[no-untyped-call]
                results[kernel] = (output, z.grad)
            (got, slope), (again, slope_again), (wanted, exact) = results.values()
            assert slope is not None and exact is not None and slope_again is not None
            report(f"{tree} {gate}: loss", float((got.total.double() / wanted.total - 1).detach().abs()), CLOSE)
            report(f"{tree} {gate}: gradient", float((slope.double() - exact).abs().max() / exact.abs().max()), CLOSE)
            same = torch.equal(got.total, again.total) and torch.equal(slope, slope_again)
            report(f"{tree} {gate}: the same bits each time", float(not same), 0.5)
        check_decisions(tree, tensors, logits, (rows.shape[1], rows.shape[2]))


def check_decisions(tree: str, tensors: TableTensors, logits: Tensor, size: tuple[int, int]) -> None:
    """Classes and labels, against those of upsampled logits."""
    fine = upsample(logits.double(), size)
    layout = LayoutTensors.of_layout(tensors.layout, logits.device)
    apart = (decide(logits, layout, size, kernel="triton") != decide(fine, layout)).double().mean()
    report(f"{tree}: share of classes that differ", float(apart), 1e-4)
    readout = label_readout(layout, lf.LabelMapping.load(tensors.layout.taxonomy, "cityscapes"), "sum")
    got, wanted = readout(logits, size, kernel="triton"), readout(fine)
    report(f"{tree}: labels by sum, their confidence", float((got.confidence - wanted.confidence).abs().max()), 1e-4)
    half = logits.bfloat16()
    wanted_of_half = decide(upsample(half.double(), size), layout)
    apart = (decide(half, layout, size, kernel="triton") != wanted_of_half).double().mean()
    report(f"{tree}: share of classes that differ, bfloat16", float(apart), 1e-4)


def check_ddp(device: str) -> None:
    """A layer in DistributedDataParallel, in one process, against the same layer alone."""
    tensors, rows, _ = batch("iv2018", device)
    images = torch.randn(2, 16, *((2, 3) if device == "cpu" else (32, 45)), device=device)
    layer = torch.nn.Conv2d(16, tensors.layout.num_logits, 1).to(device)
    hierarchical_loss(layer(images), rows, tensors).total.backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    alone = layer.weight.grad.clone()
    layer.zero_grad()
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        dist.init_process_group("gloo" if device == "cpu" else "nccl", init_method=store, rank=0, world_size=1)
        network = torch.nn.parallel.DistributedDataParallel(layer)
        hierarchical_loss(network(images), rows, tensors).total.backward()  # type: ignore[no-untyped-call]
        report("gradient in DDP", float((layer.weight.grad - alone).abs().max() / alone.abs().max()), CLOSE)
        dist.destroy_process_group()


class StopAt(NoProgress):
    """Asks the run to stop after a step, as a job that runs out of time does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, step: int) -> None:
        """A step is done."""
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def check_resume(device: str) -> None:
    """A run that is stopped and resumed, against one that is not."""
    crop = "[64,96]" if device == "cpu" else "[256,352]"
    settings = ["steps=6", "log_every=1", f"device={device}", "model.backbone=resnet18", f"data.crop={crop}"]
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic_shards(Path(folder, "shards"), 4, (128, 192) if device == "cpu" else (512, 704))
        shards = [Path(folder, "shards")]
        whole = train(shards, Path(folder, "whole"), settings=[*settings, "data.workers=0"])
        first = train(shards, Path(folder, "parts"), settings=[*settings, "data.workers=0"], progress=StopAt(3))
        report("steps before the stop, less 3", abs(first.step - 3), 0.5)
        rest = train(shards, Path(folder, "parts"), resume=True)
        report("steps of both, difference", abs(rest.step - whole.step), 0.5)
        weights = [find_checkpoint(Path(folder, name)).weights(average=False) for name in ("whole", "parts")]
        apart = max(float((a.double() - weights[1][key].double()).abs().max()) for key, a in weights[0].items())
        # On a GPU convolutions may add up in another order each time.
        report("weights, largest difference", apart, 1e-9 if device == "cpu" else 1e-2)


FAULTS: list[str] = []


def report(what: str, value: float, limit: float) -> None:
    """Print a figure, and remember it where it is not below its limit."""
    good = value <= limit  # not where it is no number
    print(f"{'ok   ' if good else 'WRONG'} {what}: {value:.3g} (at most {limit:g})", flush=True)
    if not good:
        FAULTS.append(what)


CHECKS: dict[str, Callable[[str], None]] = {"kernels": check_kernels, "ddp": check_ddp, "resume": check_resume}


def main() -> int:
    """Run one check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    options = parser.parse_args()
    CHECKS[options.check](options.device)
    return int(bool(FAULTS))


if __name__ == "__main__":
    sys.exit(main())
