"""Every loss kernel against the plain reference, on random trees, labels, sizes and logits."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

import labelforge as lf
from labelforge.errors import ConfigError
from labelforge.trainer import GlobalRows, TableTensors, hierarchical_loss, upsample
from labelforge.trainer.kernels import choice
from labelforge.trainer.kernels.choice import Kernel, choose_loss, has_numba
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.pixel_grid import PixelGrid
from tests.trainer.kernels.worlds import GrowTree, World, random_world
from tests.trainer.test_loss_edges import FRONT, NOT_GO, STOP_BOX, make_table

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")
FAST: list[Any] = ["torch", pytest.param("numba", marks=needs_numba)]


def near_ties(world: World, close: float) -> int:
    """Box pixels where the two best logits of some classifier are equal within rounding."""
    logits, shape = world.logits.double(), world.rows.shape
    fine = upsample(logits, (shape[1], shape[2]))
    boxes = world.tensors.from_box[world.rows.tensor.long().cpu()]
    tied = torch.zeros_like(boxes)
    for columns in world.tensors.layout.slices:
        if columns.stop - columns.start > 1:
            best = fine.cpu()[:, columns].topk(2, dim=1).values
            tied |= best[:, 0] - best[:, 1] <= close * best.abs().amax(dim=1).clamp(min=1)
    return int((tied & boxes).sum())


def assert_same(world: World, kernel: Kernel, dtype: torch.dtype, close: float, device: str = "cpu") -> None:
    """Counts as the reference's, losses and gradients near those of the reference in float64."""
    got, slope = world.loss(kernel, dtype, device)
    wanted, exact = world.loss("reference", torch.float64)
    for name in ("labelled_pixels", "box_pixels"):
        assert torch.equal(getattr(got, name), getattr(wanted, name)), name
    if not torch.equal(got.passed_pixels, wanted.passed_pixels):
        tied = near_ties(world, 1e-5)
        assert (got.passed_pixels - wanted.passed_pixels).abs().max() <= tied, "a gate decides otherwise"
        return  # two logits of a gate are equal within rounding: other pixels count
    scale = max(1.0, float(world.logits.abs().max()))  # rounding of logits this large
    torch.testing.assert_close(got.per_classifier.double(), wanted.per_classifier, rtol=close, atol=close * scale)
    torch.testing.assert_close(got.total.double(), wanted.total, rtol=close, atol=close * scale)
    assert slope.shape == exact.shape
    # Where all is learnt, a slope is a probability minus one, rounded: then what counts is how steep it was before.
    open_gate = {**world.options, "gate": "none"}
    untaught = World(world.tensors, world.rows, torch.zeros_like(world.logits), world.weights, open_gate)
    steep = close * float(untaught.loss("reference", torch.float64)[1].abs().max())
    rounding = 8 * float((world.loss("reference", dtype)[1].double() - exact).abs().max())
    error = float((slope.double() - exact).abs().max())
    assert error <= max(close * scale * float(exact.abs().max()), steep, rounding, 1e-30)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_plain_bands_in_float64(grow_tree: GrowTree, seed: int) -> None:
    assert_same(random_world(random.Random(seed), grow_tree), "torch", torch.float64, 1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_plain_bands_in_float32(grow_tree: GrowTree, seed: int) -> None:
    assert_same(random_world(random.Random(seed), grow_tree), "torch", torch.float32, 1e-5)


@needs_numba
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
@example(seed=1971)  # where the share of a set, times all, was too small for float32
def test_numba(grow_tree: GrowTree, seed: int) -> None:
    assert_same(random_world(random.Random(seed), grow_tree), "numba", torch.float32, 1e-5)


def patches(table: lf.TargetTable, size: tuple[int, int]) -> GlobalRows:
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(0, len(table.target), (2, *size), generator=generator)[:, ::9, ::11]
    labels = labels.repeat_interleave(9, 1).repeat_interleave(11, 2)[:, : size[0], : size[1]]
    return GlobalRows(labels, table.numbering)


@pytest.fixture(scope="module")
def streets() -> World:
    """The largest shipped tree, with boxes and everything that its datasets say."""
    tree = lf.Taxonomy.load("streets")
    names = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in names])
    logits = torch.randn(2, table.layout.num_logits, 9, 13, generator=torch.Generator().manual_seed(2)) * 4
    weights = torch.rand(table.layout.num_classifiers, generator=torch.Generator().manual_seed(3))
    return World(TableTensors.of(table), patches(table, (70, 101)), logits, weights, {"gate": "path"})


@pytest.mark.parametrize("kernel", FAST)
def test_a_shipped_tree(streets: World, kernel: Kernel) -> None:
    assert streets.loss("reference")[0].passed_pixels.sum() > 0
    assert_same(streets, kernel, torch.float32, 1e-5)


@needs_numba
@pytest.mark.parametrize("swing", [50.0, 90.0, 200.0, 1e4])
def test_corners_far_apart(swing: float) -> None:
    """At one corner one child is far ahead, at the next another: in between, exp of either alone would underflow."""
    table = make_table()
    logits = torch.zeros(1, 9, 2, 2)
    logits[0, 6, :, 0] = swing  # stop
    logits[0, 7, :, 1] = swing  # yield
    logits[0, 8, 0] = swing / 3  # go
    labels = torch.tensor([NOT_GO, STOP_BOX]).repeat_interleave(8).expand(1, 16, 16)
    for rows in (labels, torch.full_like(labels, NOT_GO)):
        options = {"gate": "none"}
        world = World(TableTensors.of(table), GlobalRows(rows, table.numbering), logits, torch.ones(4), options)
        assert_same(world, "numba", torch.float32, 1e-6)


@needs_numba
@pytest.mark.parametrize("margin", [-400.0, -40.0, 0.0, 15.0, 40.0, 400.0])
def test_sets_are_exact_at_any_confidence(margin: float) -> None:
    """A set's slope is the forbidden child's share, however small: nothing may cancel."""
    table = make_table()
    logits = torch.zeros(1, 9, 2, 2)
    logits[0, 6:8] = margin
    rows = GlobalRows(torch.full((1, 16, 16), NOT_GO), table.numbering)
    world = World(TableTensors.of(table), rows, logits, torch.ones(4), {})
    (got, slope), (wanted, exact) = world.loss("numba"), world.loss("reference", torch.float64)
    torch.testing.assert_close(got.per_classifier.double(), wanted.per_classifier, rtol=1e-4, atol=1e-38)
    torch.testing.assert_close(slope.double(), exact, rtol=1e-4, atol=1e-36)


def test_gradcheck() -> None:
    table = make_table("path")
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1, 9, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    rows = GlobalRows(torch.randint(0, 5, (1, 13, 18), generator=generator), table.numbering)
    tensors = TableTensors.of(table)
    assert hierarchical_loss(logits, rows, tensors, kernel="torch").passed_pixels[FRONT] > 0
    assert torch.autograd.gradcheck(lambda z: hierarchical_loss(z, rows, tensors, kernel="torch").total, logits)


@pytest.mark.parametrize("kernel", FAST)
def test_half_precision_and_no_gradient(streets: World, kernel: Kernel) -> None:
    half = streets.logits.bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    losses = []
    for logits in (half, full):
        output = hierarchical_loss(logits, streets.rows, streets.tensors, streets.weights, kernel=kernel)
        (2 * output.total).backward()  # type: ignore[no-untyped-call]
        losses.append(output.total.detach())
    assert losses[0].dtype == torch.float32 and torch.equal(*losses)
    assert half.grad is not None and full.grad is not None
    assert torch.equal(half.grad, full.grad.bfloat16())
    with torch.no_grad():
        output = hierarchical_loss(full, streets.rows, streets.tensors, streets.weights, kernel=kernel)
    assert torch.equal(output.total, losses[1]) and not output.total.requires_grad


@pytest.fixture
def two_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@needs_numba
def test_the_same_bits_for_any_number_of_threads(streets: World, two_threads: Callable[[int], None]) -> None:
    found = []
    for threads in (1, 2, 3):
        two_threads(threads)
        output, gradient = streets.loss("numba")
        found.append([*output, gradient])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def _loss_in_a_child(world: World, answer: Any) -> None:
    torch.set_num_threads(2)
    answer.put(world.loss("numba")[0].total.item())


@needs_numba
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_computes_too(streets: World, two_threads: Callable[[int], None]) -> None:
    two_threads(2)
    here = streets.loss("numba")[0].total.item()  # the pool of this process has threads now, which a fork does not get
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=_loss_in_a_child, args=(streets, answer))
    child.start()
    assert answer.get(timeout=60) == here
    child.join(timeout=60)
    assert child.exitcode == 0


@needs_numba
def test_kernels_leave_pythons_lock(streets: World) -> None:
    """While a kernel computes, another thread can: the kernel itself is asked, not the wrapper."""
    from labelforge.trainer.kernels import loss_cells

    options = loss_cells.spread_row.targetoptions  # type: ignore[attr-defined]
    assert options["nogil"] and not options.get("parallel")
    losses: list[Tensor] = []
    threads = [threading.Thread(target=lambda: losses.append(streets.loss("numba")[0].total)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len({loss.item() for loss in losses}) == 1 and len(losses) == 3


@pytest.mark.parametrize("kernel", FAST)
@pytest.mark.parametrize("bad", [-1, 5, 70000])
def test_labels_outside_the_table_are_an_error_in_any_case(kernel: Kernel, bad: int) -> None:
    table = make_table()
    labels = torch.full((1, 16, 16), NOT_GO)
    labels[0, 3, 4] = bad
    rows = GlobalRows(labels, table.numbering)
    with pytest.raises(IndexError, match=rf"labels are rows .*{bad}.*table has .*rows"):
        hierarchical_loss(torch.zeros(1, 9, 2, 2), rows, TableTensors.of(table), kernel=kernel)
    if kernel == "numba":  # it would read other people's memory
        with pytest.raises(IndexError, match=str(bad)):
            hierarchical_loss(torch.zeros(1, 9, 2, 2), rows, TableTensors.of(table), kernel=kernel, check=False)


def test_which_backend_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = TableTensors.of(make_table())
    logits = torch.zeros(1, 9, 8, 8)
    dense, equal = Sampling.of((8, 8), (64, 64)), Sampling.of((8, 8), (8, 8))

    def name(kernel: Kernel | None, given: Tensor, sampling: Sampling) -> str | None:
        found = choose_loss(kernel, given, sampling, tensors)
        return None if found is None else found.name

    assert name(None, logits, equal) is None and name("reference", logits, dense) is None
    assert name(None, logits.double(), dense) == "plain PyTorch" == name("torch", logits, equal)
    if has_numba():
        assert name(None, logits, dense) == "numba kernels" == name("numba", logits, equal)
    monkeypatch.setattr(choice, "has_numba", lambda: False)
    assert name(None, logits, dense) == "plain PyTorch"
    with pytest.raises(ConfigError, match=r"needs numba.*pip install 'labelforge\[fast\]'"):
        name("numba", logits, dense)
    with pytest.raises(ConfigError, match=r"no kernel is called 'cuda'\. Known: "):
        choose_loss("cuda", logits, dense, tensors)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", FAST)
def test_a_grid_is_the_loss_of_its_pixels(streets: World, kernel: Kernel) -> None:
    """Of pixels outside the grid, no label counts: the same as if they were not labelled."""
    grid = PixelGrid(3, 2, 1)
    masked = torch.zeros_like(streets.rows.tensor)
    grid.pick(masked)[...] = grid.pick(streets.rows.tensor)
    worlds = [
        World(streets.tensors, streets.rows, streets.logits, streets.weights, {"grid": grid}),
        World(streets.tensors, GlobalRows(masked, streets.rows.numbering), streets.logits, streets.weights, {}),
    ]
    (got, slope), (wanted, exact) = (world.loss(kernel) for world in worlds)
    torch.testing.assert_close(got.per_classifier, wanted.per_classifier, rtol=1e-5, atol=1e-6)
    assert torch.equal(got.labelled_pixels, wanted.labelled_pixels)
    assert float((slope - exact).abs().max()) < 1e-5 * float(exact.abs().max())


@pytest.mark.parametrize("kernel", FAST)
def test_what_is_not_a_number_is_not_passed_over(kernel: Kernel) -> None:
    """A child that is nowhere the target, and not a number anywhere: the reference's loss is not a number either."""
    table = make_table()
    rows = GlobalRows(torch.full((1, 16, 16), 1), table.numbering)  # sky
    logits = torch.zeros(1, 9, 2, 2)
    logits[0, 1] = torch.nan  # thing
    for chosen in ("reference", kernel):
        total = hierarchical_loss(logits, rows, TableTensors.of(table), kernel=chosen).total
        assert total.isnan()


@pytest.mark.parametrize("kernel", FAST)
def test_autocast_does_not_reach_the_loss(streets: World, kernel: Kernel) -> None:
    wanted, exact = streets.loss(kernel)
    with torch.autocast("cpu", torch.bfloat16):
        got, slope = streets.loss(kernel)
    assert torch.equal(got.total, wanted.total) and torch.equal(slope, exact)


@pytest.mark.parametrize("kernel", FAST)
def test_a_gradient_of_the_gradient_is_refused(streets: World, kernel: Kernel) -> None:
    logits = streets.logits.clone().requires_grad_()
    output = hierarchical_loss(logits, streets.rows, streets.tensors, kernel=kernel)
    (slope,) = torch.autograd.grad(output.total, logits, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        slope.sum().backward()  # type: ignore[no-untyped-call]


def test_no_images(streets: World) -> None:
    nothing = GlobalRows(streets.rows.tensor[:0], streets.rows.numbering)
    output = hierarchical_loss(streets.logits[:0], nothing, streets.tensors)
    assert output.total == 0 and not output.labelled_pixels.any()


@needs_numba
def test_labels_that_do_not_fit_are_refused_where_a_kernel_is_asked_for(
    streets: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelforge.trainer.kernels.loss_numba import NumbaLoss

    monkeypatch.setattr(NumbaLoss, "fits", staticmethod(lambda entries: False))
    sampling = Sampling.of((9, 13), (70, 101))
    with pytest.raises(ConfigError, match="numba kernel cannot hold the labels"):
        choose_loss("numba", streets.logits, sampling, streets.tensors)
    found = choose_loss(None, streets.logits, sampling, streets.tensors)
    assert found is not None and found.name == "plain PyTorch"
