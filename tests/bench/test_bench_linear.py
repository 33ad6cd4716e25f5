"""The flat loss from features: the stand-in against PyTorch's own, against plain operators, and what it holds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from labelforge.bench import linear
from labelforge.bench.config import Scale
from labelforge.bench.linear import HAS_CHUNKS, all_logits, chunk_size, in_chunks, stand_in
from labelforge.bench.loss import from_features
from labelforge.bench.meter import Meter, Plan
from labelforge.bench.workload import IGNORED

PIXELS, FEATURES, CLASSES = 700, 16, 27
needs_chunks = pytest.mark.skipif(not HAS_CHUNKS, reason="this PyTorch has no linear_cross_entropy in chunks")


def problem(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Features, weights, and targets of which a third is ignored."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(PIXELS, FEATURES, generator=generator, dtype=dtype)
    weight = torch.randn(CLASSES, FEATURES, generator=generator, dtype=dtype)
    targets = torch.randint(0, CLASSES, (PIXELS,), generator=generator)
    targets[::3] = IGNORED
    return features.requires_grad_(), weight.requires_grad_(), targets


def test_the_stand_in_is_a_linear_layer_and_a_cross_entropy() -> None:
    features, weight, targets = problem()
    assert 2 * chunk_size(PIXELS, FEATURES, CLASSES) < PIXELS  # more than two chunks, the last not a whole one
    assert PIXELS % chunk_size(PIXELS, FEATURES, CLASSES)
    wanted = F.cross_entropy(features @ weight.T, targets, ignore_index=IGNORED)
    for loss in (stand_in, all_logits):
        got = loss(features, weight, targets)
        torch.testing.assert_close(got, wanted)
        found = torch.autograd.grad(3 * got, (features, weight))
        torch.testing.assert_close(found, torch.autograd.grad(3 * wanted, (features, weight), retain_graph=True))


def test_the_stand_in_is_nan_where_nothing_counts() -> None:
    features, weight, targets = problem()
    assert stand_in(features, weight, torch.full_like(targets, IGNORED)).isnan()


@needs_chunks
def test_the_stand_in_is_pytorchs_own() -> None:
    """Called by `in_chunks`, which asks PyTorch where it can."""
    features, weight, targets = problem(torch.float32)
    losses = [loss(features, weight, targets) for loss in (stand_in, in_chunks)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, (features, weight)) for loss in losses))


def test_without_pytorchs_own_the_stand_in_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "HAS_CHUNKS", False)
    loss = in_chunks(*problem())
    assert type(loss.grad_fn).__name__ == "StandInBackward"


@needs_chunks
@pytest.mark.parametrize("pixels", [1, 2, 100, 128, 129, 8 * 512 * 706])
@pytest.mark.parametrize(("features", "classes"), [(64, 108), (64, 64), (64, 65), (64, 300), (16, 5)])
def test_chunks_are_as_large_as_pytorchs(pixels: int, features: int, classes: int) -> None:
    options: Any = nn.LinearCrossEntropyOptions()
    chosen = options._adjust(pixels, features, classes, torch.float32, torch.device("cuda")).batch_chunk_size
    assert chunk_size(pixels, features, classes) == chosen


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the most values that any operator returned in one tensor."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.values = max(self.values, out.numel())
        return out


@pytest.mark.parametrize(("loss", "whole"), [(stand_in, False), (all_logits, True)])
def test_the_stand_in_never_holds_all_logits(loss: Any, whole: bool) -> None:
    features, weight, targets = problem()
    with _Largest() as largest:  # type: ignore[no-untyped-call]
        torch.autograd.grad(loss(features, weight, targets), (features, weight))
    assert (largest.values >= PIXELS * CLASSES) == whole


def test_contestants_start_from_features_at_the_networks_stride() -> None:
    """As `bench loss` races them on a GPU, in small on this machine."""
    classes = torch.randint(0, 5, (2, 9, 13), generator=torch.Generator().manual_seed(0)).short()
    meter = Meter(torch.device("cpu"), "float32", Plan(1, 1), lambda _: None)
    contestants = from_features(5, classes, Scale(2, (9, 13)), meter)
    assert list(contestants) == ["flat, from features", linear.CHUNKED]
    results: list[Any] = [call() for call in contestants.values()]
    assert [tuple(slope.shape) for slope in results[0]] == [(2, 64, 2, 2), (5, 64)]
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-7)
