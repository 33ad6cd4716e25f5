"""The Triton kernels against the reference: on a GPU, or in Triton's interpreter, which runs them on CPU tensors.

The interpreter must be asked for before Triton is imported, and changes what it gives to everybody. So
`test_in_the_interpreter` runs this file once more, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import labelforge as lf
from labelforge.errors import ConfigError
from labelforge.trainer import (
    GlobalRows,
    LayoutTensors,
    TableTensors,
    decide,
    hierarchical_loss,
    label_readout,
    upsample,
)
from labelforge.trainer.config import Gate, Mean
from labelforge.trainer.kernels.choice import choose_decision, choose_loss, interprets
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.pixel_grid import PixelGrid
from tests.trainer.kernels.test_decision_kernels import assert_same_descents, assert_same_labels
from tests.trainer.kernels.test_loss_kernels import assert_same, patches
from tests.trainer.kernels.worlds import SHAPES, GrowTree, Shapes, World, random_world
from tests.trainer.test_loss_edges import FRONT, NOT_GO, ROOT, SKY, STOP_BOX, make_table

INTERPRETED = interprets()
CUDA = torch.cuda.is_available() and not INTERPRETED
CHECKOUT = Path(__file__).resolve().parents[3]
needs_cuda = (pytest.mark.gpu, pytest.mark.skipif(not CUDA, reason="there is no CUDA device"))
DEVICES = [
    pytest.param("cpu", marks=pytest.mark.skipif(not INTERPRETED, reason="runs in a process of its own")),
    pytest.param("cuda", marks=needs_cuda),
]
GATES: list[Gate] = ["parent", "none"]
TINY: Shapes = [  # the interpreter takes milliseconds for each row of a cell
    (1, (2, 3), (9, 14)),
    (2, (3, 2), (11, 8)),  # not a whole stride
    (1, (1, 1), (5, 3)),  # one value: the same everywhere
    (1, (3, 1), (12, 4)),
    (1, (1, 3), (3, 20)),  # cells wider than a tile
    (1, (4, 5), (3, 7)),  # fewer pixels than values
    (1, (3, 6), (5, 40)),  # more than one strip of cells
]
pytestmark = [pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")]
if INTERPRETED:  # it computes both sides of a choice, with NumPy, also the one that is not taken
    pytestmark.append(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
on_devices = pytest.mark.parametrize("device", DEVICES)


def shapes(device: str) -> Shapes:
    return TINY if device == "cpu" else SHAPES


def worlds(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck))


@pytest.mark.skipif(INTERPRETED or CUDA, reason="this is that process, or the kernels run on a GPU")
@pytest.mark.parametrize("what", ["loss", "decision"])
def test_in_the_interpreter(what: str) -> None:
    """Not where there is a GPU: the kernels are tested on it, and its Triton may be one whose interpreter is broken."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", what, str(Path(__file__))]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]


@on_devices
@worlds(14)
@given(seed=st.integers(0, 2**32))
def test_loss_of_random_worlds(grow_tree: GrowTree, device: str, seed: int) -> None:
    assert_same(random_world(random.Random(seed), grow_tree, shapes(device)), "triton", torch.float32, 1e-5, device)


@on_devices
@worlds(15)
@given(seed=st.integers(0, 2**32))
def test_decisions_of_random_worlds(grow_tree: GrowTree, device: str, seed: int) -> None:
    assert_same_descents(random.Random(seed), grow_tree, "triton", shapes(device), device)


@on_devices
@worlds(15)
@given(seed=st.integers(0, 2**32))
def test_decisions_in_labels_of_random_worlds(grow_tree: GrowTree, device: str, seed: int) -> None:
    assert_same_labels(random.Random(seed), grow_tree, "triton", shapes(device), device)


def streets(device: str, **options: Any) -> World:
    """The largest shipped tree, with boxes and everything that its datasets say; tiny in the interpreter."""
    tree = lf.Taxonomy.load("streets")
    names = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in names])
    low, size = ((2, 2), (10, 13)) if device == "cpu" else ((17, 23), (130, 181))
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, table.layout.num_logits, *low, generator=generator) * 4
    weights = torch.rand(table.layout.num_classifiers, generator=generator)
    return World(TableTensors.of(table), patches(table, size), logits, weights, {"gate": "path", **options})


@on_devices
@pytest.mark.parametrize("options", [{}, {"balance": "datasets", "grid": PixelGrid(2, 1, 0)}])
def test_loss_of_a_shipped_tree(device: str, options: dict[str, Any]) -> None:
    world = streets(device, **options)
    assert_same(world, "triton", torch.float32, 1e-5, device)


@on_devices
@pytest.mark.parametrize("children", [110, 250])
def test_loss_of_a_wide_classifier(device: str, children: int) -> None:
    """A flat tree, whose tile is the widest: fewer pixels at a time."""
    tree = lf.Taxonomy.from_dict({"name": "wide", "tree": {"root": [f"leaf {i}" for i in range(children)]}})
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "nothing", "target": "ignore", "supervision": "pixel"}
    ]
    targets: list[Any] = [*(f"leaf {i}" for i in range(children)), {"any": ["leaf 3", f"leaf {children - 1}"]}]
    for i, target in enumerate(targets, start=1):
        record = {"row": i, "native_id": i, "native_name": f"label {i}", "target": target, "supervision": "pixel"}
        records.append(record)
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.from_records(tree, "set", records)])
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, len(table.target), (1, 9, 13), generator=generator)
    logits = torch.randn(1, table.layout.num_logits, 2, 2, generator=generator) * 3
    world = World(TableTensors.of(table), GlobalRows(labels, table.numbering), logits, torch.ones(1), {})
    assert_same(world, "triton", torch.float32, 1e-5, device)


@on_devices
@pytest.mark.parametrize("swing", [50.0, 200.0, 1e4])
def test_loss_where_corners_are_far_apart(device: str, swing: float) -> None:
    table = make_table()
    logits = torch.zeros(1, 9, 2, 2)
    logits[0, 6, :, 0], logits[0, 7, :, 1], logits[0, 8, 0] = swing, swing, swing / 3
    labels = torch.tensor([NOT_GO, STOP_BOX]).repeat_interleave(4).expand(1, 8, 8)
    rows = GlobalRows(labels, table.numbering)
    world = World(TableTensors.of(table), rows, logits, torch.ones(4), {"gate": "none"})
    assert_same(world, "triton", torch.float32, 1e-6, device)


@on_devices
@pytest.mark.parametrize("margin", [-400.0, -40.0, 0.0, 15.0, 40.0])
@pytest.mark.parametrize("label", [NOT_GO, SKY])
def test_loss_is_exact_at_any_confidence(device: str, margin: float, label: int) -> None:
    """A slope is the share of what is forbidden, however small: nothing may cancel, of sets or of single classes."""
    table = make_table()
    logits = torch.zeros(1, 9, 2, 2)
    logits[0, [6, 7] if label == NOT_GO else [0]] = margin
    rows = GlobalRows(torch.full((1, 8, 8), label), table.numbering)
    got, slope = World(TableTensors.of(table), rows, logits, torch.ones(4), {}).loss("triton", device=device)
    # One rival: two children that share the margin, or one.
    distance = torch.tensor(-margin - (math.log(2) if label == NOT_GO else 0), dtype=torch.float64)
    classifier, rival = (FRONT, 8) if label == NOT_GO else (ROOT, 1)
    wanted = F.softplus(distance, threshold=1000)
    torch.testing.assert_close(got.per_classifier[classifier].double(), wanted, rtol=1e-4, atol=1e-38)
    torch.testing.assert_close(slope[0, rival].double().sum(), distance.sigmoid(), rtol=1e-4, atol=1e-38)


@on_devices
def test_loss_is_the_same_each_time_and_in_any_memory_format(device: str) -> None:
    world = streets(device)
    found = [world.loss("triton", device=device) for _ in range(2)]
    world.logits = world.logits.contiguous(memory_format=torch.channels_last)
    found.append(world.loss("triton", device=device))
    for output, gradient in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(output, found[0][0], strict=True))
        assert torch.equal(gradient, found[0][1])


@on_devices
def test_loss_in_half_precision_and_without_gradient(device: str) -> None:
    world = streets(device)
    tensors, weights = world.tensors.to(device), world.weights.to(device)
    rows = world.rows.to(device)
    half = world.logits.bfloat16().to(device).requires_grad_()
    full = half.detach().float().requires_grad_()
    losses = []
    for logits in (half, full):
        output = hierarchical_loss(logits, rows, tensors, weights, kernel="triton")
        (2 * output.total).backward()  # type: ignore[no-untyped-call]
        losses.append(output.total.detach())
    assert losses[0].dtype == torch.float32 and torch.equal(*losses)
    assert half.grad is not None and full.grad is not None and torch.equal(half.grad, full.grad.bfloat16())
    with torch.no_grad():  # in one launch, so added up in another order
        output = hierarchical_loss(full, rows, tensors, weights, kernel="triton")
    torch.testing.assert_close(output.total, losses[1])
    assert not output.total.requires_grad


@pytest.mark.skipif(not INTERPRETED, reason="on a GPU it ends all that the process computes there")
@pytest.mark.parametrize("bad", [-1, 5, 70000])
def test_loss_refuses_labels_outside_the_table(bad: int) -> None:
    table = make_table()
    labels = torch.full((1, 8, 8), NOT_GO)
    labels[0, 3, 4] = bad
    rows, tensors = GlobalRows(labels, table.numbering), TableTensors.of(table)
    with pytest.raises(RuntimeError, match="a label is not one of the 5 rows"):
        hierarchical_loss(torch.zeros(1, 9, 2, 2), rows, tensors, kernel="triton", check=False)


@on_devices
def test_decisions_of_equal_logits_and_of_none(device: str) -> None:
    """The first wins; logits that are no numbers lead somewhere."""
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    tensors = LayoutTensors.of_layout(layout, device)
    mapping = lf.LabelMapping.load(layout.taxonomy, "cityscapes")
    assert decide(torch.zeros(1, 111, 2, 2, device=device), tensors, (9, 7), kernel="triton").max() == 0
    for value in (torch.nan, torch.inf, -torch.inf):
        logits = torch.randn(1, 111, 2, 2, device=device)
        logits[0, :, 1, 1] = value
        found = decide(logits, tensors, (9, 7), kernel="triton")
        assert int(found.min()) >= 0 and int(found.max()) < len(layout.classes)
        rows = label_readout(tensors, mapping, "sum")(logits, (9, 7), kernel="triton").rows
        assert int(rows.min()) >= 0 and int(rows.max()) < len(mapping.rows)


@on_devices
def test_decisions_in_labels_of_high_cells_and_of_images(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that take several tiles and images one after the other: offsets wait in memory for one at a time."""
    from labelforge.trainer.kernels import decision_triton

    monkeypatch.setattr(decision_triton, "_SUM_PIXELS", 1)
    tree = lf.Taxonomy.load("streets")
    layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
    logits = torch.randn(2, layout.num_logits, 2, 2, generator=torch.Generator().manual_seed(4)) * 3
    size = (19, 5)
    wanted = label_readout(LayoutTensors.of_layout(layout), mapping, "sum")(upsample(logits.double(), size))
    readout = label_readout(LayoutTensors.of_layout(layout, device), mapping, "sum")
    for low in (logits, logits.contiguous(memory_format=torch.channels_last)):
        got = readout(low.to(device), size, kernel="triton")
        torch.testing.assert_close(got.confidence.cpu(), wanted.confidence, rtol=1e-5, atol=0)
        assert torch.equal(got.rows.cpu(), wanted.rows)


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="there is no CUDA device")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_no_step_waits_for_the_device() -> None:
    world = streets("cuda")
    tensors, weights, rows = world.tensors.to("cuda"), world.weights.to("cuda"), world.rows.to("cuda")
    logits = world.logits.cuda().requires_grad_()
    size = (rows.shape[1], rows.shape[2])
    for mode in ("default", "error"):  # the first time, tables are copied
        torch.cuda.set_sync_debug_mode(mode)
        try:
            means: tuple[Mean, ...] = ("classifier", "pixel")
            for gate, mean in itertools.product(GATES, means):
                output = hierarchical_loss(logits, rows, tensors, weights, gate, mean=mean)
                output.total.backward()  # type: ignore[no-untyped-call]
            decide(logits.detach(), tensors, size)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="there is no CUDA device")
def test_chosen_on_a_gpu() -> None:
    tensors = TableTensors.of(make_table(), "cuda")
    logits = torch.zeros(1, 9, 8, 8, device="cuda")
    found = choose_loss(None, logits, Sampling.of((8, 8), (64, 64)), tensors)
    assert found is not None and found.name == "Triton kernels"
    assert choose_loss(None, logits, Sampling.of((8, 8), (8, 8)), tensors) is None
    assert choose_loss(None, logits.double(), Sampling.of((8, 8), (64, 64)), tensors) is None
    assert choose_decision(None, logits.bfloat16(), (64, 64)) is not None
    assert choose_decision(None, logits.double(), (64, 64)) is None


@pytest.mark.skipif(INTERPRETED, reason="the interpreter takes tensors of the CPU")
def test_not_on_a_cpu() -> None:
    logits: Tensor = torch.zeros(1, 9, 2, 2)
    tensors = TableTensors.of(make_table())
    with pytest.raises(ConfigError, match=r"needs Triton, and float32 logits on a CUDA device.*Leave the choice"):
        decide(logits, tensors, (16, 16), kernel="triton")
    with pytest.raises(ConfigError, match="needs Triton"):
        choose_loss("triton", logits, Sampling.of((2, 2), (16, 16)), tensors)
