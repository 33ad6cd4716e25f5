"""Decisions between low-resolution logits against deciding after upsampling, on random trees."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import labelforge as lf
from labelforge.errors import ConfigError
from labelforge.trainer import LayoutTensors, decide, decide_with_confidence, label_readout, upsample
from labelforge.trainer.decision import Decision, class_probabilities
from labelforge.trainer.descent import Descent, descend
from labelforge.trainer.kernels.choice import Kernel, has_numba
from labelforge.trainer.readout import Labelling, _Shares
from tests.trainer.kernels.worlds import SHAPES, GrowTree, Shapes, random_table
from tests.trainer.test_loss import random_labels

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")
CLOSE = 1e-5


def random_logits(rng: random.Random, layout: lf.LogitLayout, shapes: Shapes) -> tuple[Tensor, tuple[int, int]]:
    """Noise, or smooth with clear winners, as trained networks have."""
    images, low, size = rng.choice([shape for shape in shapes if shape[1] != shape[2]])
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    logits = torch.randn(images, layout.num_logits, *low, generator=generator)
    if rng.random() < 0.5:
        favourite = torch.randint(0, layout.num_logits, (images, 1, 1, 1), generator=generator).expand(-1, -1, *low)
        logits.scatter_add_(1, favourite, torch.full(favourite.shape, 6.0))
    return logits * rng.choice([0.5, 3.0, 200.0]), size


def certain(logits: Tensor, layout: lf.LogitLayout, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: at every classifier the two best logits differ by more than rounding."""
    fine = upsample(logits.double(), size)
    sure = torch.ones_like(fine[:, 0], dtype=torch.bool)
    for columns in layout.slices:
        if columns.stop - columns.start > 1:
            best = fine[:, columns].topk(2, dim=1).values
            sure &= best[:, 0] - best[:, 1] > CLOSE * best.abs().amax(dim=1).clamp(min=1)
    return sure


def assert_same_descents(
    rng: random.Random, grow_tree: GrowTree, kernel: Kernel, shapes: Shapes = SHAPES, device: str = "cpu"
) -> None:
    """Classes, confidences and steps of a random batch as after upsampling in float64."""
    layout = random_table(rng, grow_tree).layout
    logits, size = random_logits(rng, layout, shapes)
    tensors, there = LayoutTensors.of_layout(layout), LayoutTensors.of_layout(layout, device)
    low = logits.to(device)
    fine, sure = upsample(logits.double(), size), certain(logits, layout, size)
    wanted = decide(fine, tensors)
    got = decide(low, there, size, kernel=kernel).cpu()
    assert got.dtype == torch.int64 and torch.equal(got[sure], wanted[sure])
    steps = descend(fine, tensors)
    reached = Descent(*(part.cpu() for part in descend(low, there, size, kernel=kernel)))
    assert torch.equal(reached.classes[sure], steps.classes[sure])
    close = CLOSE * max(1.0, float(logits.abs().max()))
    for d in range(steps.confidence.shape[1]):
        torch.testing.assert_close(reached.confidence[:, d][sure], steps.confidence[:, d][sure], rtol=0, atol=close)
    threshold = rng.choice([0.0, 0.3, 0.7, 1.0])
    sure &= ((steps.confidence - threshold).abs() > close).all(dim=1) | (threshold == 0)
    answers = decide_with_confidence(fine, tensors, threshold)
    found = Decision(*(part.cpu() for part in decide_with_confidence(low, there, threshold, size, kernel=kernel)))
    assert torch.equal(found.answers[sure], answers.answers[sure])
    torch.testing.assert_close(found.confidence[sure], answers.confidence[sure], rtol=0, atol=close)


def assert_same_labels(
    rng: random.Random, grow_tree: GrowTree, kernel: Kernel, shapes: Shapes = SHAPES, device: str = "cpu"
) -> None:
    """Labels by sum of a random batch as after upsampling in float64."""
    definition = grow_tree(rng)
    tree = lf.Taxonomy.from_dict(definition)
    mapping = lf.LabelMapping.from_records(tree, "read", random_labels(rng, definition["tree"]["root"])[0])
    layout = lf.LogitLayout.compile(tree)
    logits, size = random_logits(rng, layout, shapes)
    by: Any = rng.choice(["sum", None])
    threshold = rng.choice([0.0, 0.4])
    fine, tensors = upsample(logits.double(), size), LayoutTensors.of_layout(layout)
    wanted = label_readout(tensors, mapping, by, threshold)(fine)
    readout = label_readout(LayoutTensors.of_layout(layout, device), mapping, by, threshold)
    got = Labelling(*(part.cpu() for part in readout(logits.to(device), size, kernel=kernel)))
    close = CLOSE * max(1.0, float(logits.abs().max()))
    torch.testing.assert_close(got.confidence, wanted.confidence, rtol=0, atol=close)
    # Where labels are equally probable within rounding, or one is as probable as asked for, it may be read either way.
    table, classes = _Shares.of(layout, mapping), class_probabilities(fine, tensors)
    labels = torch.einsum("lk,nkhw->nlhw", torch.from_numpy(table.shares), classes)
    best = torch.nn.functional.pad(labels, (0, 0, 0, 0, 0, 1)).topk(2, dim=1).values  # one label may be alone
    outside = torch.einsum("k,nkhw->nhw", torch.from_numpy(table.outside), classes)
    sure = (best[:, 0] - best[:, 1] > 2 * close) & ((best[:, 0] - threshold).abs() > close)
    sure &= (outside - 0.5).abs() > close
    assert torch.equal(got.rows[sure], wanted.rows[sure])


@needs_numba
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_classes_confidences_and_steps(grow_tree: GrowTree, seed: int) -> None:
    assert_same_descents(random.Random(seed), grow_tree, "numba")


@needs_numba
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_labels_by_sum(grow_tree: GrowTree, seed: int) -> None:
    assert_same_labels(random.Random(seed), grow_tree, "numba")


@needs_numba
@pytest.mark.parametrize("tree", ["iv2018", "streets"])
def test_shipped_trees(tree: str) -> None:
    taxonomy = lf.Taxonomy.load(tree)
    layout = lf.LogitLayout.compile(taxonomy)
    tensors = LayoutTensors.of_layout(layout)
    logits, size = torch.randn(2, layout.num_logits, 9, 12, generator=torch.Generator().manual_seed(0)) * 5, (68, 95)
    assert len(layout.classes) > 100
    sure = certain(logits, layout, size)
    assert sure.float().mean() > 0.99
    fine = upsample(logits.double(), size)
    assert torch.equal(decide(logits, tensors, size, kernel="numba")[sure], decide(fine, tensors)[sure])
    mapping = lf.LabelMapping.load(taxonomy, "cityscapes")
    for by in ("sum", "winner", None):
        readout = label_readout(tensors, mapping, by)
        got, wanted = readout(logits, size, kernel="numba"), readout(fine)
        assert (got.rows == wanted.rows).float().mean() > 0.9999
        torch.testing.assert_close(got.confidence[sure], wanted.confidence[sure], rtol=0, atol=1e-4)


@needs_numba
def test_sums_where_logits_rise_and_fall_by_hundreds_within_a_cell() -> None:
    """The class that is ahead at most corners is far behind at others, and where two cross a third is as probable."""
    taxonomy = lf.Taxonomy.load("iv2018")
    layout = lf.LogitLayout.compile(taxonomy)
    tensors = LayoutTensors.of_layout(layout)
    for by in (30.0, 60.0, 120.0, 400.0):
        logits = torch.randn(1, layout.num_logits, 2, 2, generator=torch.Generator().manual_seed(0)) - 1000
        rising = torch.tensor([[-by, by], [-by, by]])
        for name, values in (("sky", rising), ("building", -rising), ("driveable", torch.tensor(0.0))):
            logits[0, layout.column_names.index(name)] = values
        for dataset in ("cityscapes", "mapillary-vistas-2.0"):
            readout = label_readout(tensors, lf.LabelMapping.load(taxonomy, dataset), "sum")
            got, wanted = readout(logits, (64, 65), kernel="numba"), readout(upsample(logits.double(), (64, 65)))
            torch.testing.assert_close(got.confidence, wanted.confidence, rtol=0, atol=1e-4)
            assert 0.3 < float(wanted.confidence.min()) < 0.4
            assert (got.rows == wanted.rows).float().mean() > 0.98  # in the middle three are equally probable


@needs_numba
def test_of_equal_logits_the_first_wins() -> None:
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    tensors = LayoutTensors.of_layout(layout)
    logits = torch.zeros(1, 111, 2, 3)
    assert decide(logits, tensors, (16, 24), kernel="numba").max() == 0
    logits[:, 7:9] = 1.0
    for found in (decide(logits, tensors, (16, 24), kernel="numba"), descend(logits, tensors, (16, 24)).classes):
        assert torch.equal(found, decide(upsample(logits, (16, 24)), tensors))


@needs_numba
def test_logits_that_are_no_numbers_do_not_end_the_process() -> None:
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    tensors = LayoutTensors.of_layout(layout)
    mapping = lf.LabelMapping.load(layout.taxonomy, "cityscapes")
    for value in (np.nan, np.inf, -np.inf):
        logits = torch.randn(1, 111, 3, 3)
        logits[0, :, 1, 1] = value
        for found in (
            decide(logits, tensors, (24, 24), kernel="numba"),
            descend(logits, tensors, (24, 24), kernel="numba").classes,
        ):
            assert int(found.min()) >= 0 and int(found.max()) < len(layout.classes)
        rows = label_readout(tensors, mapping, "sum")(logits, (24, 24), kernel="numba").rows
        assert int(rows.min()) >= 0 and int(rows.max()) < len(mapping.rows)


@needs_numba
def test_the_same_for_any_number_of_threads() -> None:
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("streets"))
    tensors = LayoutTensors.of_layout(layout)
    readout = label_readout(tensors, lf.LabelMapping.load(layout.taxonomy, "cityscapes"), "sum")
    logits = torch.randn(2, layout.num_logits, 9, 12, generator=torch.Generator().manual_seed(0))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            parts = *descend(logits, tensors, (70, 90), kernel="numba"), *readout(logits, (70, 90), kernel="numba")
            found.append([decide(logits, tensors, (70, 90), kernel="numba"), *parts])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@needs_numba
def test_kernels_that_do_not_fit() -> None:
    tensors = LayoutTensors.of_layout(lf.LogitLayout.compile(lf.Taxonomy.load("iv2018")))
    with pytest.raises(ConfigError, match="needs numba, and float32"):
        decide(torch.zeros(1, 111, 2, 2, dtype=torch.float64), tensors, (16, 16), kernel="numba")
    with pytest.raises(ConfigError, match=r"no kernel is called 'nunba'.*numba"):
        decide(torch.zeros(1, 111, 2, 2), tensors, (16, 16), kernel="nunba")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("kernel", [None, "torch", "reference"])
def test_any_floating_dtype(dtype: torch.dtype, kernel: Kernel | None) -> None:
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    tensors = LayoutTensors.of_layout(layout)
    logits = (torch.randn(1, 111, 3, 4, generator=torch.Generator().manual_seed(0)) * 4).to(dtype)
    wanted = decide(upsample(logits.double(), (24, 32)), tensors)
    for found in (
        decide(logits, tensors, (24, 32), kernel=kernel),
        decide_with_confidence(logits, tensors, size=(24, 32), kernel=kernel).answers,
        descend(logits, tensors, (24, 32), kernel=kernel).classes,
    ):
        assert (found == wanted).float().mean() > 0.995


def test_an_unknown_kernel_is_refused_at_any_size() -> None:
    tensors = LayoutTensors.of_layout(lf.LogitLayout.compile(lf.Taxonomy.load("iv2018")))
    for size in (None, (2, 2), (16, 16)):
        with pytest.raises(ConfigError, match="no kernel is called"):
            decide(torch.zeros(1, 111, 2, 2), tensors, size, kernel="nunba")  # type: ignore[arg-type]


@needs_numba
@pytest.mark.parametrize("lead", [12, 18, 24])
def test_labels_that_are_all_improbable(lead: float) -> None:
    """What is negligible beside the sky decides between signs that are."""
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    logits = torch.randn(1, layout.num_logits, 5, 7, generator=torch.Generator().manual_seed(0))
    logits[:, layout.column_names.index("sky")] += lead
    mapping, tensors = lf.LabelMapping.load(layout.taxonomy, "gtsdb"), LayoutTensors.of_layout(layout)
    readout = label_readout(tensors, mapping, "sum")
    got, wanted = readout(logits, (40, 56), kernel="numba"), readout(upsample(logits.double(), (40, 56)))
    assert float(wanted.confidence.max()) < 1e-3
    torch.testing.assert_close(got.confidence, wanted.confidence, rtol=1e-4, atol=0)
    assert float((got.rows == wanted.rows).double().mean()) > 0.999  # of equal ones within rounding either may win
    assert int(got.rows.min()) > 0
