"""Two processes that see half of a batch each, against one process that sees all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from labelforge import LabelMapping, LogitLayout, TargetTable, Taxonomy
from labelforge.trainer import ConfusionMatrix, GlobalRows, TableTensors, hierarchical_loss

WORKER = """
import os
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from labelforge import LabelMapping, LogitLayout, TargetTable, Taxonomy
from labelforge.trainer import ConfusionMatrix, GlobalRows, TableTensors, hierarchical_loss

rank, store, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
tree = Taxonomy.load("iv2018")
mappings = [LabelMapping.load(tree, name) for name in ("cityscapes", "gtsdb")]
compiled = TargetTable.compile(tree, mappings, layout=LogitLayout.compile(tree))
given = torch.load(folder + "/given.pt", weights_only=True)
layer = torch.nn.Conv2d(3, tree.num_logits, 1).double()
layer.load_state_dict(given["layer"])
part = slice(0, 1) if rank == 0 else slice(1, 4)
net = DistributedDataParallel(layer)
rows = GlobalRows(given["labels"][part], compiled.numbering)
output = hierarchical_loss(net(given["images"][part]), rows, TableTensors.of(compiled), **given["options"])
output.total.backward()
matrix = ConfusionMatrix(compiled.layout, compiled.mappings[0])
matrix.update(given["native"][part], given["classes"][part])
matrix.all_reduce()
torch.save(
    {
        "loss": list(output),
        "weight": layer.weight.grad,
        "bias": layer.bias.grad,
        "counts": torch.from_numpy(matrix.counts),
    },
    f"{folder}/got-{rank}.pt",
)
dist.destroy_process_group()
# DistributedDataParallel keeps the group's threads alive, and one that still lets go of a tensor when the interpreter
# shuts down aborts the process: end without a shutdown.
os._exit(0)
"""


@pytest.mark.skipif(not (dist.is_available() and dist.is_gloo_available()), reason="this torch has no gloo")
@pytest.mark.parametrize(("kind", "stride"), [("plain", 1), ("weighted", 1), ("weighted", 8), ("pixel", 8)])
def test_two_processes_equal_one(tmp_path: Path, kind: str, stride: int) -> None:  # at stride 8 by a kernel
    tree = Taxonomy.load("iv2018")
    mappings = [LabelMapping.load(tree, name) for name in ("cityscapes", "gtsdb")]
    compiled = TargetTable.compile(tree, mappings, layout=LogitLayout.compile(tree))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, compiled.offsets[1], (4, 6, 7), generator=generator)
    labels[0, :4] = 0  # the processes have different numbers of pixels,
    labels[2] = torch.randint(compiled.offsets[1], len(compiled.target), (6, 7), generator=generator)
    labels = labels.repeat_interleave(stride, 1).repeat_interleave(stride, 2)
    layer = torch.nn.Conv2d(3, tree.num_logits, 1).double()
    assert layer.bias is not None
    with torch.no_grad():  # and only the second one has boxes, behind a gate that is half open.
        layer.weight.normal_(generator=generator)
        layer.bias[tree.classifiers[3].slice.start + 1] += 0.3
    native = torch.randint(0, compiled.offsets[1], (4, 6, 7), generator=generator)
    classes = torch.randint(0, len(compiled.layout.classes), (4, 6, 7), generator=generator)
    options: dict[str, Any] = {}
    if kind == "pixel":
        options = {"mean": "pixel"}
    elif kind == "weighted":
        weights = torch.rand(compiled.target.shape, generator=generator, dtype=torch.float64) + 0.5
        options = {"balance": "datasets", "class_weights": weights}
    given = {"layer": layer.state_dict(), "images": images, "labels": labels, "native": native, "classes": classes}
    torch.save({**given, "options": options}, tmp_path / "given.pt")

    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), str(tmp_path)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=100)
        assert worker.returncode == 0, errors

    rows = GlobalRows(labels, compiled.numbering)
    output = hierarchical_loss(layer(images), rows, TableTensors.of(compiled), **options)
    torch.autograd.backward(output.total)
    matrix = ConfusionMatrix(compiled.layout, compiled.mappings[0])
    matrix.update(native, classes)
    assert 0 < output.passed_pixels[4] < output.box_pixels[4]
    for rank in range(2):
        got = torch.load(tmp_path / f"got-{rank}.pt", weights_only=True)
        assert layer.weight.grad is not None and layer.bias.grad is not None
        torch.testing.assert_close(got["loss"], list(output), rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(got["weight"], layer.weight.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(got["bias"], layer.bias.grad, rtol=1e-9, atol=1e-12)
        assert torch.equal(got["counts"], torch.from_numpy(matrix.counts))
